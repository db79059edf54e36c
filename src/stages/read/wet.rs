//! Reads the text that Common Crawl has already extracted: `conversion` records of WET files.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::warc_source::{Accept, REASONS, open, splits};
use crate::doc::{Document, Field, FieldTable, Origin};
use crate::error::Result;
use crate::io::warc::Record;
use crate::stage::settings::{ByteSize, Paths};
use crate::stage::{About, Build, Family, Read, Reader, Settings, Source, Split, Stage};
use crate::text::charset;

/// Settings of `wet`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wet {
    /// Files or patterns.
    pub paths: Paths,
    /// Longest record in bytes.
    #[serde(default = "max_record")]
    pub max_record: ByteSize,
}

fn max_record() -> ByteSize {
    ByteSize(64 << 20)
}

impl Settings for Wet {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &REASONS,
        fields: &[
            ("url", "WARC-Target-URI"),
            ("date", "WARC-Date"),
            ("record_id", "WARC-Record-ID"),
            ("crawl_languages", "WARC-Identified-Content-Language: what the crawl took the page's languages for"),
        ],
        ..About::new("wet", Family::Read, "reads extracted text from WET files")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let fields = [
            (cx.writes("url")?, "warc-target-uri"),
            (cx.writes("date")?, "warc-date"),
            (cx.writes("record_id")?, "warc-record-id"),
            (cx.writes("crawl_languages")?, "warc-identified-content-language"),
        ];
        Ok(Stage::Source(Arc::new(Running { settings: self, fields, source: cx.flow.into() })))
    }
}

struct Running {
    settings: Wet,
    fields: [(Field<String>, &'static str); 4],
    source: Arc<str>,
}

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        splits(&self.settings.paths.0)
    }

    fn open(&self, split: &Split, _: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        let (fields, source) = (self.fields, self.source.clone());
        let accept: Accept = Arc::new(move |file, record| text(&fields, &source, file, &record));
        Ok(open(split, self.settings.max_record.0, accept))
    }
}

fn text(fields: &[(Field<String>, &'static str)], source: &Arc<str>, file: &Arc<str>, record: &Record) -> Option<Read> {
    if record.header("warc-type") != Some("conversion") {
        return None;
    }
    // WET files are UTF-8 by definition; what is not is decoded as pages are.
    let (text, _) = charset::decode(&record.block, Some("utf-8"));
    let mut doc = Document::new(Origin { source: source.clone(), file: file.clone(), at: record.at }, text);
    for (field, header) in fields {
        if let Some(value) = record.header(header) {
            doc.set(*field, value.trim_matches(['<', '>']).to_owned());
        }
    }
    Some(Read::Document(Box::new(doc)))
}
