//! Mistakes in a pipeline file: what, where, and what was probably meant. All of them are reported at once.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::model::Span;
use crate::error::Error;

/// The files of a pipeline: itself and the presets it uses.
#[derive(Debug, Clone, Default)]
pub struct Files(Vec<(PathBuf, Arc<str>)>);

impl Files {
    /// Adds a file; its index goes into [`Span::file`].
    pub fn add(&mut self, path: PathBuf, text: Arc<str>) -> u16 {
        self.0.push((path, text));
        (self.0.len() - 1) as u16
    }

    /// Path, text of a file.
    pub fn get(&self, file: u16) -> Option<&(PathBuf, Arc<str>)> {
        self.0.get(file as usize)
    }

    /// Path, line and column (both from 1) of a place.
    pub fn place(&self, span: Span) -> (String, usize, usize) {
        let Some((path, text)) = self.get(span.file) else { return (String::new(), 0, 0) };
        let before = text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (path.display().to_string(), line, column)
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// One sentence.
    pub message: String,
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters of what the caret underlines.
    pub length: usize,
    /// The line's text.
    pub text: String,
    /// What would mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A mistake at `span`.
    pub fn new(files: &Files, span: Span, message: impl Into<String>) -> Self {
        let (file, line, column) = files.place(span);
        let text = files.get(span.file).map(|f| f.1.clone()).unwrap_or_default();
        let covered = text.get(span.start..span.end).unwrap_or_default();
        let length = covered.lines().next().map_or(1, |l| l.trim_end().chars().count()).max(1);
        let text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
        Self { message: message.into(), file, line, column, length, text, hint: None }
    }

    /// Adds what would mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean", if anything is near.
    pub fn near<'c>(self, name: &str, candidates: impl Iterator<Item = &'c str> + Clone) -> Self {
        if let Some(near) = crate::stage::nearest(name, candidates.clone()) {
            return self.hint(format!("did you mean `{near}`?"));
        }
        let all: Vec<String> = candidates.map(|c| format!("`{c}`")).collect();
        if (1..=12).contains(&all.len()) { self.hint(format!("known here: {}", all.join(", "))) } else { self }
    }

    /// An error of the world or of a stage being built, at `span`.
    pub fn of(files: &Files, span: Span, error: &Error) -> Self {
        let mut diagnostic = Self::new(files, span, error.to_string());
        diagnostic.hint.clone_from(&error.hint);
        diagnostic
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        if self.line > 0 {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
            writeln!(f, "{margin} |")?;
            writeln!(f, "{number} | {}", self.text)?;
            writeln!(f, "{margin} | {}{}", " ".repeat(self.column - 1), "^".repeat(self.length))?;
        } else if !self.file.is_empty() {
            writeln!(f, " --> {}", self.file)?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "  hint: {hint}")?;
        }
        Ok(())
    }
}

/// All mistakes found, in the order of their places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
