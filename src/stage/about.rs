//! What a stage says of itself: the source of the manual page, the checks and the statistics' columns.

/// Which family of stages it belongs to: the folder it lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `read:`
    Read,
    /// Changes text.
    Clean,
    /// Judges.
    Filter,
    /// Removes private data.
    Redact,
    /// Removes duplicates.
    Dedup,
    /// Chooses among documents.
    Mix,
    /// Makes tokens.
    Encode,
    /// `write:`
    Write,
}

impl Family {
    /// The word users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Clean => "clean",
            Self::Filter => "filter",
            Self::Redact => "redact",
            Self::Dedup => "dedup",
            Self::Mix => "mix",
            Self::Encode => "encode",
            Self::Write => "write",
        }
    }
}

/// A stage's card.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The name in YAML; also the file's and, in camel case, the struct's.
    pub name: &'static str,
    /// Raised whenever the same settings may give other results: part of the fingerprint.
    pub version: u32,
    /// Where it belongs.
    pub family: Family,
    /// One sentence, lower case, no period.
    pub summary: &'static str,
    /// The setting that a bare scalar or list stands for: `jsonl: "a/*.zst"` is `jsonl: { paths: … }`.
    pub shorthand: Option<&'static str>,
    /// Every reason it drops or quarantines for, with what it means.
    pub reasons: &'static [(&'static str, &'static str)],
    /// Fields it writes by default, with what they mean (units included).
    pub fields: &'static [(&'static str, &'static str)],
    /// Whether it writes files of its own and only looks at documents: a flow may end with it.
    pub ends: bool,
    /// Examples that are documentation and tests.
    pub examples: &'static [Example],
}

impl About {
    /// A card with nothing but its name; use with struct update syntax.
    pub const fn new(name: &'static str, family: Family, summary: &'static str) -> Self {
        Self {
            name,
            version: 1,
            family,
            summary,
            shorthand: None,
            reasons: &[],
            fields: &[],
            ends: false,
            examples: &[],
        }
    }
}

/// One document in, one thing expected. Only for per-document stages.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// Reads after "it".
    pub it: &'static str,
    /// The settings as JSON (`{}` for the defaults).
    pub settings: &'static str,
    /// The document's text.
    pub given: &'static str,
    /// What must come of it.
    pub expect: Expect,
}

/// What must come of an example.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// It goes on unchanged.
    Kept,
    /// It goes on with this text.
    Text(&'static str),
    /// These texts go on in its place.
    Texts(&'static [&'static str]),
    /// It is dropped because of this.
    Dropped(&'static str),
    /// It goes on, and this field has this value (as JSON).
    Field(&'static str, &'static str),
}
