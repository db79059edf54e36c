//! The index of a shard's documents.

use std::path::Path;

use crate::error::Result;
use crate::io::atomic::Written;
use crate::io::columns::{ColumnRef, ColumnType, GroupEncoder, GroupWriter};
use crate::tokens::formats::Origin;

/// Rows of an index that are written together.
const ROWS: usize = 1 << 15;

/// Which document lies where in a shard, as Parquet: exclusive end in tokens, id, source and place of each stretch of
/// tokens, and for a sample the digest of its text; padding has none but the first.
pub struct DocumentIndex {
    encoder: GroupEncoder,
    file: GroupWriter,
    rows: Vec<(u64, Option<Origin>)>,
}

impl DocumentIndex {
    pub fn create(path: &Path) -> Result<Self> {
        let columns = vec![
            ("end".to_owned(), ColumnType::I64),
            ("id".to_owned(), ColumnType::Str),
            ("source".to_owned(), ColumnType::Str),
            ("place".to_owned(), ColumnType::Str),
            ("text_xxh3".to_owned(), ColumnType::Str),
        ];
        let (encoder, file) = (GroupEncoder::new(&columns)?, GroupWriter::create(path, &columns)?);
        Ok(Self { encoder, file, rows: Vec::new() })
    }

    pub fn push(&mut self, end: u64, of: Option<&Origin>) -> Result<()> {
        self.rows.push((end, of.cloned()));
        if self.rows.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let ids: Vec<Option<String>> =
            rows.iter().map(|(_, of)| of.as_ref().map(|o| format!("{:032x}", o.id))).collect();
        let text = |of: &Origin| (of.text != 0).then(|| format!("{:016x}", of.text));
        let texts: Vec<Option<String>> = rows.iter().map(|(_, of)| of.as_ref().and_then(text)).collect();
        let group = self.encoder.encode(&[
            ColumnRef::I64(rows.iter().map(|(end, _)| Some(*end as i64)).collect()),
            ColumnRef::Str(ids.iter().map(Option::as_deref).collect()),
            ColumnRef::Str(rows.iter().map(|(_, of)| of.as_ref().map(|o| &*o.source)).collect()),
            ColumnRef::Str(rows.iter().map(|(_, of)| of.as_ref().map(|o| &*o.place)).collect()),
            ColumnRef::Str(texts.iter().map(Option::as_deref).collect()),
        ])?;
        self.file.append(group)
    }

    pub fn finish(mut self) -> Result<Written> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.file.finish()
    }
}
