//! The ledger: one row for every record that did not reach the end, with where it was, which step stopped it and why; and
//! one for every time a step took something out of a document's text.

use std::borrow::Cow;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::doc::{Document, Mark, Reason};
use crate::error::{Error, Result};
use crate::stage::BadRecord;

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A step decided against it.
    Dropped,
    /// It could not be read, or a stage could not take it.
    Quarantined,
    /// It went on, without what a step took out of its text.
    Redacted,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRow<'r> {
    /// How it ended.
    pub ending: Ending,
    /// The document's id; none for records that never were a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The flow or reader.
    #[serde(borrow)]
    pub source: Cow<'r, str>,
    /// The file.
    #[serde(borrow)]
    pub file: Cow<'r, str>,
    /// The place in the file.
    pub at: u64,
    /// The step that stopped it.
    #[serde(borrow)]
    pub by: Cow<'r, str>,
    /// Why.
    #[serde(borrow)]
    pub because: Cow<'r, str>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// What it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// What exactly was wrong with a quarantined record.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub detail: Option<Cow<'r, str>>,
    /// What was taken out: kind, first byte and end in the text that the step was given. Never what it said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<(Cow<'r, str>, u32, u32)>,
    /// The document's text, if the pipeline keeps it (`keep: { dropped: all }`).
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub text: Option<Cow<'r, str>>,
    /// The quarantined record's first 64 KiB, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub bytes: Option<Cow<'r, str>>,
}

impl<'r> LedgerRow<'r> {
    /// A document that `by` dropped.
    pub fn dropped(doc: &'r Document, by: &'r str, reason: Reason, keep_text: bool) -> Self {
        Self {
            number: reason.number.filter(|n| n.is_finite()),
            limit: reason.limit.filter(|n| n.is_finite()),
            text: keep_text.then(|| Cow::Borrowed(doc.text.as_str())),
            ..Self::of(doc, Ending::Dropped, by, reason.word)
        }
    }

    /// A document that the stage `by` could not take, and what exactly happened.
    pub fn quarantined(doc: &'r Document, by: &'r str, because: &'r str, detail: String) -> Self {
        Self {
            detail: Some(detail.into()),
            text: Some(Cow::Borrowed(doc.text.as_str())),
            ..Self::of(doc, Ending::Quarantined, by, because)
        }
    }

    /// A document out of whose text `by` took `marks`.
    pub fn redacted(doc: &'r Document, by: &'r str, marks: &[Mark]) -> Self {
        Self {
            spans: marks.iter().map(|m| (Cow::Borrowed(m.what), m.start, m.end)).collect(),
            ..Self::of(doc, Ending::Redacted, by, REDACTED)
        }
    }

    fn of(doc: &'r Document, ending: Ending, by: &'r str, because: &'r str) -> Self {
        Self {
            ending,
            id: Some(doc.id.to_string()),
            source: Cow::Borrowed(&doc.origin.source),
            file: Cow::Borrowed(&doc.origin.file),
            at: doc.origin.at,
            by: Cow::Borrowed(by),
            because: Cow::Borrowed(because),
            number: None,
            limit: None,
            detail: None,
            spans: Vec::new(),
            text: None,
            bytes: None,
        }
    }

    /// A record that the reader `by` could not read.
    pub fn bad(record: &'r BadRecord, by: &'r str) -> Self {
        use base64::Engine;
        Self {
            ending: Ending::Quarantined,
            id: None,
            source: Cow::Borrowed(by),
            file: Cow::Borrowed(&record.file),
            at: record.at,
            by: Cow::Borrowed(by),
            because: Cow::Borrowed(record.reason),
            number: None,
            limit: None,
            detail: Some(Cow::Borrowed(&record.detail)),
            spans: Vec::new(),
            text: None,
            bytes: Some(base64::engine::general_purpose::STANDARD.encode(&record.bytes).into()),
        }
    }

    /// Appends the row as a JSON line.
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(&mut *out, self).map_err(|e| Error::bug("a ledger row does not serialize").because(e))?;
        out.push(b'\n');
        Ok(())
    }
}

/// The reason of documents whose stage panicked.
pub const PANICKED: &str = "panicked";

/// The reason of rows about what was taken out of a text.
pub const REDACTED: &str = "redacted";

/// Gives every row of a task's ledger to `each`, until it returns `false`.
pub fn read_ledger(path: &Path, each: &mut dyn FnMut(&LedgerRow<'_>) -> bool) -> Result<()> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
    let decoder = zstd::stream::read::Decoder::new(file).map_err(|e| Error::io("read", path, e))?;
    for line in BufReader::new(decoder).lines() {
        let line = line.map_err(|e| Error::io("read", path, e))?;
        let row: LedgerRow<'_> = serde_json::from_str(&line)
            .map_err(|e| Error::world(format!("`{}` holds a line that is no ledger row", path.display())).because(e))?;
        if !each(&row) {
            break;
        }
    }
    Ok(())
}
