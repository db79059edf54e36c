//! Programs of others, as servants that are asked in lines and answer in lines.
//!
//! Questions are written by a thread of their own while answers are read, so that neither side waits for the other for ever
//! however much either buffers. What a program says on stderr is read to keep it going, and its end is kept for messages.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Bytes of stderr that are kept.
const KEPT: usize = 2048;
/// Longest answer.
const LONGEST: u64 = 256 << 20;
/// How long a program may take to end once its input has.
const GRACE: Duration = Duration::from_secs(5);

/// A program that runs.
pub struct Program {
    name: String,
    child: Child,
    /// How it ended, once it was waited for: from then on its number may be another's.
    ended: Option<ExitStatus>,
    stdin: Option<ChildStdin>,
    answers: Option<Receiver<Heard>>,
    said: Arc<Mutex<Vec<u8>>>,
    /// Reads stderr to its end.
    watch: Option<JoinHandle<()>>,
}

/// What was heard on stdout.
enum Heard {
    Line(Vec<u8>),
    /// A line that the output ended in.
    Cut(Vec<u8>),
    TooLong,
    Failed(std::io::Error),
}

/// Why a program did not answer all it was asked.
#[derive(Debug)]
pub enum Unanswered {
    /// It was killed, or ended with a failure: maybe because of what it was asked.
    Crashed(String),
    /// It was silent for too long.
    Silent(String),
    /// It does not do as it should, whatever it is asked.
    Wrong(Error),
}

impl Program {
    /// Starts the program `command` names, with its arguments: no shell comes between.
    pub fn start(command: &[String]) -> Result<Self> {
        let Some((name, arguments)) = command.split_first() else { return Err(Error::bug("a program without a name")) };
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: it ends with all that it started, and Ctrl-C is for us to understand.
        command.process_group(0);
        let mut child = command.spawn().map_err(|e| cannot_start(name, e))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else { return Err(Error::bug("a program without pipes")) };
        let (sender, answers) = sync_channel(64);
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut program = Self {
            name: name.clone(),
            child,
            ended: None,
            stdin,
            answers: Some(answers),
            said: said.clone(),
            watch: None,
        };
        let listen = std::thread::Builder::new().name(format!("{name} stdout")).spawn(move || hear(stdout, &sender));
        let watch = std::thread::Builder::new().name(format!("{name} stderr")).spawn(move || keep_end(stderr, &said));
        program.watch = Some(listen.and(watch).map_err(|e| cannot_start(name, e))?);
        Ok(program)
    }

    /// Asks all `questions` (whole lines), and gives each of the `count` answers to `each`, in order. The program may take
    /// `patience` for every answer. How many were answered is counted in `answered`.
    pub fn ask(
        &mut self,
        questions: &[u8],
        count: usize,
        patience: Duration,
        answered: &mut usize,
        each: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<(), Unanswered> {
        let Some(mut stdin) = self.stdin.take() else {
            return Err(Unanswered::Wrong(Error::bug("a program that ended was asked")));
        };
        let result = std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                // A program that ended does not read: what it did not answer is told below.
                let wrote = stdin.write_all(questions).and_then(|()| stdin.flush());
                wrote.is_ok().then_some(stdin)
            });
            let result = self.listen(count, patience, answered, each);
            if result.is_err() {
                self.kill();
            }
            self.stdin = writer.join().unwrap_or_default().filter(|_| result.is_ok());
            result
        });
        if result.is_ok() && self.stdin.is_none() {
            // It answered all, and ended before it had read all: the next batch will need a new one.
            self.kill();
        }
        result
    }

    /// Whether it can be asked again.
    pub fn lives(&self) -> bool {
        self.stdin.is_some()
    }

    fn listen(
        &mut self,
        count: usize,
        patience: Duration,
        answered: &mut usize,
        each: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<(), Unanswered> {
        while *answered < count {
            let heard = match &self.answers {
                Some(answers) => answers.recv_timeout(patience),
                None => Err(RecvTimeoutError::Disconnected),
            };
            let so_far = format!("{} of {count} documents", *answered);
            match heard {
                Ok(Heard::Line(line)) => {
                    each(*answered, &line).map_err(|e| Unanswered::Wrong(self.with_words(e)))?;
                    *answered += 1;
                }
                Ok(Heard::Cut(line)) => {
                    let end: String = String::from_utf8_lossy(&line).chars().take(80).collect();
                    let status = self.status();
                    let message = format!("`{}` ended ({status}) in the middle of the line `{end}`", self.name);
                    return Err(if self.failed() {
                        Unanswered::Crashed(self.quoting(message))
                    } else {
                        let hint = "every answer is a line, and every line ends with a newline";
                        Unanswered::Wrong(self.with_words(Error::world(message).hint(hint)))
                    });
                }
                Ok(Heard::TooLong) => {
                    let message = format!("`{}` answered with a line of more than {} MiB", self.name, LONGEST >> 20);
                    return Err(Unanswered::Wrong(self.with_words(Error::world(message))));
                }
                Ok(Heard::Failed(e)) => {
                    return Err(Unanswered::Wrong(Error::world(format!("cannot read from `{}`: {e}", self.name))));
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.kill();
                    let waited = patience.as_secs_f64();
                    let message = format!(
                        "`{}` was silent for {waited} s after it had answered {so_far}; \
                         does it flush its output after each line?",
                        self.name
                    );
                    return Err(Unanswered::Silent(self.quoting(message)));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.status();
                    let message = format!("`{}` ended ({status}) after it had answered {so_far}", self.name);
                    return Err(if self.failed() {
                        Unanswered::Crashed(self.quoting(message))
                    } else {
                        let hint = "it must answer every line, and end only when its input does";
                        Unanswered::Wrong(self.with_words(Error::world(message).hint(hint)))
                    });
                }
            }
        }
        Ok(())
    }

    /// Waits for the end of a program whose output ended.
    fn end(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + GRACE;
        while self.ended.is_none() {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(status)) => self.ended = Some(status),
                Ok(None) | Err(_) => break,
            }
        }
        self.ended
    }

    fn status(&mut self) -> String {
        match self.end() {
            Some(status) => match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => format!("exit code {}", status.code().unwrap_or_default()),
            },
            None => "its output, though it still runs".to_owned(),
        }
    }

    /// Whether it ended, and not well.
    fn failed(&mut self) -> bool {
        self.end().is_some_and(|status| !status.success())
    }

    /// The end of what it said on stderr; of a program that ended, of all that it said.
    fn words(&mut self) -> String {
        let until = Instant::now() + GRACE;
        let speaks = |watch: &JoinHandle<()>| !watch.is_finished();
        while self.ended.is_some() && self.watch.as_ref().is_some_and(speaks) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    fn quoting(&mut self, message: String) -> String {
        let words = self.words();
        if words.is_empty() { message } else { format!("{message}; on stderr it said: {words}") }
    }

    fn with_words(&mut self, error: Error) -> Error {
        let words = self.words();
        if words.is_empty() { error } else { error.with("which said on stderr:", words) }
    }

    /// Ends it and all that it started.
    fn kill(&mut self) {
        self.stdin = None;
        self.answers = None;
        self.kill_group();
    }

    /// Kills the group of processes that the program leads, and takes its status, so that it is no zombie.
    #[expect(unsafe_code, reason = "std cannot signal a group of processes")]
    fn kill_group(&mut self) {
        if self.ended.is_some() {
            return;
        }
        if let Ok(group) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: `kill` touches no memory of ours. The group is our child's: it was made when the child was started
            // (`process_group`), and nobody else can have its number while the child was not waited for.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        self.ended = self.child.wait().ok();
    }
}

impl Drop for Program {
    /// Lets it end by itself once its input has, and ends it if it does not.
    fn drop(&mut self) {
        self.stdin = None;
        self.answers = None;
        self.end();
        self.kill_group();
    }
}

fn cannot_start(name: &str, error: std::io::Error) -> Error {
    let mut start = Error::world(format!("cannot start the program `{name}`: {error}"));
    // Too many processes: some of them will end.
    start.retry = error.kind() == std::io::ErrorKind::WouldBlock;
    start.source = Some(Box::new(error));
    start.hint("give its path, or a name that `PATH` finds; its arguments are the rest of the list")
}

fn hear(stdout: impl Read, to: &SyncSender<Heard>) {
    let mut stdout = BufReader::with_capacity(1 << 16, stdout);
    loop {
        let mut line = Vec::new();
        let heard = match (&mut stdout).take(LONGEST + 1).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.ends_with(b"\n") => Heard::Line(line),
            Ok(_) if line.len() as u64 > LONGEST => Heard::TooLong,
            Ok(_) => Heard::Cut(line),
            Err(e) => Heard::Failed(e),
        };
        let more = matches!(heard, Heard::Line(_));
        if to.send(heard).is_err() || !more {
            return;
        }
    }
}

fn keep_end(mut stderr: impl Read, end: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut buffer) {
        let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
        end.extend_from_slice(buffer.get(..n).unwrap_or_default());
        let over = end.len().saturating_sub(KEPT);
        end.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        Program::start(&["sh".into(), "-c".into(), script.into()]).unwrap()
    }

    fn ask(program: &mut Program, questions: &str, patience: u64) -> Result<Vec<String>, Unanswered> {
        let (mut answers, mut answered) = (Vec::new(), 0);
        let count = questions.lines().count();
        let patience = Duration::from_millis(patience);
        program.ask(questions.as_bytes(), count, patience, &mut answered, &mut |n, line| {
            assert_eq!(n, answers.len());
            answers.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        })?;
        Ok(answers)
    }

    const LONG: u64 = 60_000;

    #[test]
    fn more_than_any_buffer_holds_goes_both_ways() {
        let questions: String = (0..3).map(|n| format!("{n}{}\n", "x".repeat(1 << 20))).collect();
        let mut program = sh("echo chatter >&2; exec cat");
        for _ in 0..2 {
            assert_eq!(ask(&mut program, &questions, LONG).unwrap().concat(), questions);
            assert!(program.lives());
        }
    }

    #[test]
    fn every_way_of_not_answering_is_told_apart() {
        let told = |script: &str| match ask(&mut sh(script), "a\nb\n", LONG).unwrap_err() {
            Unanswered::Crashed(detail) => format!("crashed: {detail}"),
            Unanswered::Silent(detail) => format!("silent: {detail}"),
            Unanswered::Wrong(error) => format!("wrong: {error}"),
        };
        let crashed = told("read a; echo $a; echo oh no >&2; exit 3");
        assert!(crashed.starts_with("crashed: `sh` ended (exit code 3) after it had answered 1 of 2"), "{crashed}");
        assert!(told("kill -9 $$").contains("(signal 9)"));
        assert!(told("echo a").starts_with("wrong: `sh` ended (exit code 0) after it had answered 1 of 2"));
        assert!(told("echo a; printf b").starts_with("wrong: `sh` ended (exit code 0) in the middle of the line `b`"));
    }

    #[test]
    fn a_silent_program_is_killed_with_all_that_it_started() {
        let mut program = sh("read line; sleep 1000 & echo $!; wait");
        let child = ask(&mut program, "a\n", LONG).unwrap().concat().trim().to_owned();
        assert!(matches!(ask(&mut program, "b\n", 50), Err(Unanswered::Silent(_))) && !program.lives());
        // A zombie whose new parent has not looked yet has no command line.
        let lives = || std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| !line.is_empty());
        let mut waits = 0;
        while cfg!(target_os = "linux") && lives() {
            waits += 1;
            assert!(waits < 2000, "{child} lives");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = Program::start(&["/nowhere/program".into()]).map(drop).unwrap_err();
        assert!(error.message.starts_with("cannot start the program `/nowhere/program`"), "{error}");
    }
}
