//! What a stage decides about a document.

/// Keep it, or drop it for a named reason. Judging cannot fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It goes on.
    Keep,
    /// It stops here.
    Drop(Reason),
}

/// Why a document was dropped: a word that reads after "because", and the number and limit that decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason {
    /// A static word such as `too_few_words`, declared in the stage's `About`.
    pub word: &'static str,
    /// What was measured, if it is a number.
    pub number: Option<f64>,
    /// What it was held against.
    pub limit: Option<f64>,
}

/// A piece of text that a stage took out, in bytes of the text the stage was given. The ledger keeps where and what kind it
/// was, never what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What kind of thing: a static word such as `email`.
    pub what: &'static str,
    /// Where it began.
    pub start: u32,
    /// Where it ended.
    pub end: u32,
}

impl Verdict {
    /// Drops without a number.
    pub fn drop(word: &'static str) -> Self {
        Self::Drop(Reason { word, number: None, limit: None })
    }

    /// Drops because `number` is on the wrong side of `limit`.
    pub fn drop_by(word: &'static str, number: f64, limit: f64) -> Self {
        Self::Drop(Reason { word, number: Some(number), limit: Some(limit) })
    }

    /// Whether the document goes on.
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Keep)
    }
}
