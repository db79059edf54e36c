//! Reads Arrow IPC: files (Feather) and streams, as Hugging Face `datasets` keeps them; one document for each row.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table_source::{REASONS, Rows};
use crate::doc::FieldTable;
use crate::error::Result;
use crate::io::{glob, table};
use crate::stage::settings::Paths;
use crate::stage::{
    About, BadRecord, Build, Family, FilePart, Morsel, Read, Reader, Settings, Source, Split, Stage, whole_files,
};

/// Settings of `arrow`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrow {
    /// Files or patterns, read in the order of their paths.
    pub paths: Paths,
    /// The column that holds the text.
    #[serde(default = "text")]
    pub text: String,
}

fn text() -> String {
    "text".into()
}

impl Settings for Arrow {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &REASONS,
        ..About::new("arrow", Family::Read, "reads Arrow IPC files and streams, one document each row")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        cx.opens();
        Ok(Stage::Source(Arc::new(Running { settings: self, source: cx.flow.into() })))
    }
}

struct Running {
    settings: Arrow,
    source: Arc<str>,
}

/// Small files are gathered up to this size.
const SPLIT: u64 = 64 << 20;

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        Ok(whole_files(glob::expand(&self.settings.paths.0)?, SPLIT))
    }

    fn open(&self, split: &Split, fields: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        let rows = Arc::new(Rows::new(&self.settings.text, &self.source, fields));
        Ok(Box::new(Files { rows, files: split.files.clone().into_iter(), open: None }))
    }
}

struct Files {
    rows: Arc<Rows>,
    files: std::vec::IntoIter<FilePart>,
    /// The file's name, the next row, the rest.
    open: Option<(Arc<str>, u64, table::Batches)>,
}

impl Reader for Files {
    fn next(&mut self) -> Result<Option<Morsel>> {
        loop {
            let Some((file, at, batches)) = &mut self.open else {
                let Some(part) = self.files.next() else { return Ok(None) };
                self.open = Some((part.path.to_string_lossy().into(), 0, table::arrow(&part.path)?));
                continue;
            };
            let (file, first) = (file.clone(), *at);
            match batches.next() {
                Some(Ok(batch)) => {
                    *at += batch.rows() as u64;
                    let rows = self.rows.clone();
                    return Ok(Some(Morsel::new(batch.bytes(), move |each| rows.read(&file, first, &batch, each))));
                }
                Some(Err(detail)) => {
                    self.open = None;
                    let reason = if first == 0 { "truncated" } else { "corrupt" };
                    let bad = BadRecord::new(&file, first, reason, format!("rows from {first} on: {detail}"), b"");
                    return Ok(Some(Morsel::new(0, move |each| each(Read::Bad(bad)))));
                }
                None => self.open = None,
            }
        }
    }
}
