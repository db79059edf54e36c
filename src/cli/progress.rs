//! Progress: bars on a terminal, plain lines elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::run::Observer;

/// Shows progress on stderr.
pub struct Progress {
    bars: bool,
    quiet: bool,
    phase: Mutex<Option<Phase>>,
    records: AtomicU64,
    bytes: AtomicU64,
}

struct Phase {
    bar: Option<ProgressBar>,
    name: String,
    started: Instant,
    said: Instant,
    tasks: usize,
    done: usize,
}

impl Progress {
    /// Bars if stderr is a terminal.
    pub fn new(quiet: bool) -> Self {
        let bars = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Self { bars, quiet, phase: Mutex::new(None), records: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, Option<Phase>> {
        self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Observer for Progress {
    fn begin(&self, phase: &str, tasks: usize, done: usize, _: u64) {
        self.records.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        if self.quiet || done == tasks {
            return;
        }
        let bar = self.bars.then(|| {
            let bar = ProgressBar::new(tasks as u64);
            if let Ok(style) = ProgressStyle::with_template("{prefix:>12} {bar:30} {pos}/{len} tasks {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_prefix(phase.to_owned());
            bar.set_position(done as u64);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        *self.phase() = Some(Phase { bar, name: phase.to_owned(), started: now, said: now, tasks, done });
    }

    fn advance(&self, bytes: u64, records: u64) {
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let records = self.records.fetch_add(records, Ordering::Relaxed) + records;
        let Ok(mut phase) = self.phase.try_lock() else { return };
        let Some(phase) = phase.as_mut() else { return };
        let speed = bytes as f64 / 1e6 / phase.started.elapsed().as_secs_f64().max(0.001);
        let message = format!("{} records, {speed:.0} MB/s", super::render::count(records));
        match &phase.bar {
            Some(bar) => bar.set_message(message),
            None if phase.said.elapsed() > Duration::from_secs(10) => {
                phase.said = Instant::now();
                eprintln!("{}: {}/{} tasks, {message}", phase.name, phase.done, phase.tasks);
            }
            None => {}
        }
    }

    fn committed(&self, _: &str) {
        if let Some(phase) = self.phase().as_mut() {
            phase.done += 1;
            if let Some(bar) = &phase.bar {
                bar.set_position(phase.done as u64);
            }
        }
    }

    fn end(&self) {
        let Some(phase) = self.phase().take() else { return };
        if let Some(bar) = &phase.bar {
            bar.finish_and_clear();
        }
        let seconds = phase.started.elapsed().as_secs_f64();
        let records = self.records.load(Ordering::Relaxed);
        let counted = if records > 0 { format!(", {} records", super::render::count(records)) } else { String::new() };
        eprintln!("{}: {} tasks done{counted} in {seconds:.1} s", phase.name, phase.done);
    }
}
