//! The one error of the crate: whose fault it is, what was being done, and what would mend it.
//!
//! A document is never the cause of an [`Error`]: it is dropped with a reason or quarantined. Errors are the world's
//! (disk, memory, a file that is not what its name says), the pipeline's (found while building a stage), or ours.

use std::fmt;
use std::path::Path;

/// Whose fault an [`Error`] is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The pipeline asks for something that cannot be: exit 2.
    Pipeline,
    /// The same, but only because of another mistake, which is told: exit 2.
    Follows,
    /// The disk, the network, a file: exit 1.
    World,
    /// Inputs changed since they were planned: exit 1.
    Changed,
    /// Interrupted by the user; the run can be resumed: exit 130.
    Interrupted,
    /// A promise of ours was broken: exit 1, please report.
    Bug,
}

/// An error with its kind, a sentence, the things it happened to and, where known, the fix.
#[derive(Debug)]
pub struct Error {
    /// Whose fault it is.
    pub kind: Kind,
    /// One sentence: lower case, no period, values in backticks.
    pub message: String,
    /// What it happened to, outermost last: paths, offsets, stages.
    pub context: Vec<(&'static str, String)>,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// Whether trying again may help.
    pub retry: bool,
    /// What lies beneath.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of anything that can fail by the world's fault.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` saying `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Vec::new(), hint: None, retry: false, source: None }
    }

    /// The world failed.
    pub fn world(message: impl Into<String>) -> Self {
        Self::new(Kind::World, message)
    }

    /// The pipeline asks for something that cannot be.
    pub fn pipeline(message: impl Into<String>) -> Self {
        Self::new(Kind::Pipeline, message)
    }

    /// A promise of ours was broken.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// An I/O error on `path` while doing `what` (`read`, `write`, `rename` …).
    pub fn io(what: &str, path: &Path, source: std::io::Error) -> Self {
        let retry = matches!(source.kind(), std::io::ErrorKind::Interrupted | std::io::ErrorKind::TimedOut);
        let mut error = Self::world(format!("cannot {what} `{}`: {source}", path.display()));
        error.retry = retry;
        error.source = Some(Box::new(source));
        error
    }

    /// Adds what it happened to.
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what lies beneath.
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (key, value) in &self.context {
            write!(f, " ({key} {value})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| s.as_ref() as _)
    }
}
