//! Walks all tasks of a pass with a pool of scoped threads.
//!
//! A worker takes a task of its own while there are any; after that it helps with tasks that others have open, pulling
//! morsels. Many small files and one huge file are the same code, and what is written does not depend on who helped whom.
//! Committing a task is waiting for the disk: other threads do that, while workers work.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::guard::quiet_guarded_panics;
use super::open::{Finished, OpenTask, Pulled};
use super::walk::Walker;
use super::{Context, Layout, Receipt};
use crate::error::{Error, Result};
use crate::plan::{Input, Pass, Plan, Task};

/// Walks every task of the pass `index` that has no valid receipt. Returns how many were done and how many had been.
pub fn walk_all(plan: &Plan, index: usize, layout: &Layout, cx: &Context<'_>) -> Result<(usize, usize)> {
    let pass = plan.passes.get(index).ok_or_else(|| Error::bug("a pass index is out of range"))?;
    let mut todo: Vec<&Task> =
        pass.tasks.iter().filter(|t| Receipt::valid(layout, &t.id, &t.fingerprint).is_none()).collect();
    let had = pass.tasks.len() - todo.len();
    let done = todo.len();
    if let Some(seed) = cx.shuffle {
        todo.sort_by_key(|t| xxhash_rust::xxh3::xxh3_64_with_seed(t.id.as_bytes(), seed));
    }
    cx.observer.begin(&pass.id, pass.tasks.len(), had, todo.iter().map(|t| input_bytes(t)).sum());
    let result = walk_tasks(plan, pass, todo, layout, cx);
    cx.observer.end();
    result.map(|()| (done, had))
}

/// Walks one task, unless it is done.
pub fn walk_one(plan: &Plan, index: usize, task: &Task, layout: &Layout, cx: &Context<'_>) -> Result<bool> {
    if Receipt::valid(layout, &task.id, &task.fingerprint).is_some() {
        return Ok(false);
    }
    let pass = plan.passes.get(index).ok_or_else(|| Error::bug("a pass index is out of range"))?;
    walk_tasks(plan, pass, vec![task], layout, cx).map(|()| true)
}

fn input_bytes(task: &Task) -> u64 {
    match &task.input {
        Input::Split { split, .. } => split.bytes(),
        Input::Held { .. } | Input::Moved { .. } => 0,
    }
}

fn walk_tasks<'p>(
    plan: &'p Plan,
    pass: &'p Pass,
    todo: Vec<&'p Task>,
    layout: &Layout,
    cx: &Context<'_>,
) -> Result<()> {
    quiet_guarded_panics();
    let workers = cx.workers.max(1);
    let shared = Shared {
        queue: Mutex::new(todo.into()),
        open: Mutex::default(),
        opened: Condvar::new(),
        failed: Mutex::new(None),
    };
    // Few finished tasks wait, for each has files open.
    let (finished, commits) = sync_channel(workers);
    let commits = Mutex::new(commits);
    std::thread::scope(|scope| {
        let (shared, commits) = (&shared, &commits);
        for number in 0..workers {
            let finished = finished.clone();
            let work = move || {
                let mut worker = Worker { plan, pass, layout, cx, shared, workers, finished, walkers: HashMap::new() };
                if let Err(error) = worker.work() {
                    shared.fail(error);
                }
            };
            let thread = |name: &str| std::thread::Builder::new().name(format!("{name}-{number}"));
            let worker = thread("worker").stack_size(64 << 20).spawn_scoped(scope, work);
            let commit = thread("commit").spawn_scoped(scope, || commit_all(commits, shared, layout, cx));
            if let Err(e) = worker.and(commit) {
                shared.fail(Error::world(format!("cannot start a worker thread: {e}")));
            }
        }
        drop(finished);
    });
    match shared.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Commits tasks that are finished until no worker is left. What is finished is committed also if another task failed.
fn commit_all(commits: &Mutex<Receiver<Finished>>, shared: &Shared<'_>, layout: &Layout, cx: &Context<'_>) {
    loop {
        let Ok(finished) = lock(commits).recv() else { return };
        let task = finished.task().to_owned();
        match finished.commit(layout) {
            Ok(()) => cx.observer.committed(&task),
            Err(error) => shared.fail(error.with("task", &task)),
        }
    }
}

struct Shared<'p> {
    queue: Mutex<VecDeque<&'p Task>>,
    open: Mutex<Open<'p>>,
    /// A task was opened, or never will be.
    opened: Condvar,
    failed: Mutex<Option<Error>>,
}

#[derive(Default)]
struct Open<'p> {
    tasks: Vec<Arc<OpenTask<'p>>>,
    /// Tasks taken from the queue that are not among the open ones yet: who waits for work waits for them.
    opening: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'p> Shared<'p> {
    fn fail(&self, error: Error) {
        lock(&self.failed).get_or_insert(error);
        lock(&self.open).tasks.iter().for_each(|task| task.abandon());
        self.opened.notify_all();
    }

    /// The next task of the queue, to be opened.
    fn take(&self) -> Option<&'p Task> {
        let mut queue = lock(&self.queue);
        let task = queue.pop_front();
        lock(&self.open).opening += usize::from(task.is_some());
        task
    }

    fn opened(&self, task: Option<&Arc<OpenTask<'p>>>) {
        let mut open = lock(&self.open);
        open.opening -= 1;
        open.tasks.extend(task.cloned());
        self.opened.notify_all();
    }

    /// The open tasks; waits while there are none but some are being opened.
    fn tasks(&self) -> Vec<Arc<OpenTask<'p>>> {
        let mut open = lock(&self.open);
        while open.tasks.is_empty() && open.opening > 0 && !self.has_failed() {
            open = self.opened.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        open.tasks.clone()
    }

    fn has_failed(&self) -> bool {
        lock(&self.failed).is_some()
    }
}

struct Worker<'p, 's> {
    plan: &'p Plan,
    pass: &'p Pass,
    layout: &'s Layout,
    cx: &'s Context<'s>,
    shared: &'s Shared<'p>,
    workers: usize,
    finished: SyncSender<Finished>,
    walkers: HashMap<usize, Walker<'p>>,
}

impl<'p> Worker<'p, '_> {
    fn work(&mut self) -> Result<()> {
        while let Some(task) = self.shared.take() {
            let task = OpenTask::open(self.plan, self.pass, task, self.layout, self.workers).map(Arc::new);
            self.shared.opened(task.as_ref().ok());
            let task = task?;
            if !self.drain(&task, true)? {
                return Ok(());
            }
        }
        // No task is left to open: help with those that are open.
        loop {
            let open = self.shared.tasks();
            if open.is_empty() {
                return Ok(());
            }
            let mut helped = false;
            for task in &open {
                helped |= self.step(task, false)?;
                if self.shared.has_failed() {
                    return Ok(());
                }
            }
            if !helped {
                // Everything that is open is being read by somebody: wait for a turn at the first.
                let Some(task) = open.first() else { return Ok(()) };
                if !self.step(task, true)? {
                    lock(&self.shared.open).tasks.retain(|t| !Arc::ptr_eq(t, task));
                }
                if self.shared.has_failed() {
                    return Ok(());
                }
            }
        }
    }

    /// Pulls morsels of `task` to its end. `false` if another worker failed.
    fn drain(&mut self, task: &Arc<OpenTask<'p>>, wait: bool) -> Result<bool> {
        while self.step(task, wait)? {
            if self.shared.has_failed() {
                return Ok(false);
            }
        }
        lock(&self.shared.open).tasks.retain(|t| !Arc::ptr_eq(t, task));
        Ok(!self.shared.has_failed())
    }

    /// Pulls and walks one morsel. `false` if there was none to be had.
    fn step(&mut self, task: &Arc<OpenTask<'p>>, wait: bool) -> Result<bool> {
        self.cx.check()?;
        let (morsel, number, base) = match task.pull(wait)? {
            Pulled::Busy => return Ok(false),
            Pulled::Ended => {
                self.finish(task)?;
                return Ok(false);
            }
            Pulled::Morsel(morsel, number, base) => (morsel, number, base),
        };
        let bytes = morsel.bytes;
        let chain = task.task.chain;
        let walker = match self.walkers.entry(chain) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => e.insert(Walker::new(self.plan, self.pass, chain)?),
        };
        let walked = walker.walk(task, morsel, base)?;
        self.cx.observer.advance(bytes, walked.tally.read);
        task.hand_in(number, walked)?;
        self.finish(task)?;
        Ok(true)
    }

    fn finish(&self, task: &Arc<OpenTask<'p>>) -> Result<()> {
        match task.try_finish()? {
            Some(finished) => self.finished.send(finished).map_err(|_| Error::bug("nobody commits finished tasks")),
            None => Ok(()),
        }
    }
}
