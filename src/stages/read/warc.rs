//! Reads web pages from WARC files (ISO 28500) as Common Crawl and others publish them: the text is the page's HTML,
//! decoded; `extract_html` takes the content out.
//!
//! Only records that could be documents count as read: responses (and conversions) of the media types asked for. A
//! damaged gzip member costs that member only, and is quarantined with its offset.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::warc_source::{Accept, REASONS, open, splits};
use crate::doc::{Document, Field, FieldTable, Origin};
use crate::error::Result;
use crate::io::http;
use crate::io::warc::Record;
use crate::stage::settings::{ByteSize, Paths};
use crate::stage::{About, BadRecord, Build, Family, Read, Reader, Settings, Source, Split, Stage};
use crate::text::charset;

/// Settings of `warc`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warc {
    /// Files or patterns: `.warc`, or compressed, one gzip member for each record or not.
    pub paths: Paths,
    /// Media types to read; any that begins with one of these.
    #[serde(default = "mimes")]
    pub mime: Vec<String>,
    /// HTTP statuses to read; all if empty.
    #[serde(default = "statuses")]
    pub status: Vec<u16>,
    /// Longest record in bytes, before and after its body is decompressed.
    #[serde(default = "max_record")]
    pub max_record: ByteSize,
}

fn mimes() -> Vec<String> {
    ["text/html", "application/xhtml+xml", "text/plain"].map(str::to_owned).to_vec()
}

fn statuses() -> Vec<u16> {
    vec![200]
}

fn max_record() -> ByteSize {
    ByteSize(64 << 20)
}

impl Settings for Warc {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &REASONS,
        fields: &[
            ("url", "WARC-Target-URI"),
            ("date", "WARC-Date"),
            ("record_id", "WARC-Record-ID"),
            ("mime", "media type, from the HTTP header or what the crawler identified"),
            ("charset", "the encoding the page was decoded from"),
            ("http_status", "HTTP status"),
        ],
        ..About::new("warc", Family::Read, "reads web pages from WARC files")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let fields = Fields {
            url: cx.writes("url")?,
            date: cx.writes("date")?,
            record_id: cx.writes("record_id")?,
            mime: cx.writes("mime")?,
            charset: cx.writes("charset")?,
            http_status: cx.writes("http_status")?,
        };
        Ok(Stage::Source(Arc::new(Running { settings: Arc::new(self), fields, source: cx.flow.into() })))
    }
}

#[derive(Clone, Copy)]
struct Fields {
    url: Field<String>,
    date: Field<String>,
    record_id: Field<String>,
    mime: Field<String>,
    charset: Field<String>,
    http_status: Field<i64>,
}

struct Running {
    settings: Arc<Warc>,
    fields: Fields,
    source: Arc<str>,
}

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        splits(&self.settings.paths.0)
    }

    fn open(&self, split: &Split, _: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        let (settings, fields, source) = (self.settings.clone(), self.fields, self.source.clone());
        let accept: Accept = Arc::new(move |file, record| page(&settings, fields, &source, file, record));
        Ok(open(split, self.settings.max_record.0, accept))
    }
}

fn page(settings: &Warc, fields: Fields, source: &Arc<str>, file: &Arc<str>, record: Record) -> Option<Read> {
    let response = match record.header("warc-type")? {
        "response" => match http::parse(&record.block, settings.max_record.0 as usize) {
            Ok(response) => response,
            Err((reason, detail)) => {
                return Some(Read::Bad(BadRecord::new(file, record.at, reason, detail, &record.block)));
            }
        },
        "conversion" => http::Response { status: 200, body: record.block.clone(), ..Default::default() },
        _ => return None,
    };
    let mime = response.mime().or_else(|| {
        let said = record.header("warc-identified-payload-type").or(record.header("content-type"));
        said.map(|m| m.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    });
    let mime = mime.unwrap_or_default();
    let wanted = settings.mime.iter().any(|m| mime.starts_with(m.as_str()));
    let good = settings.status.is_empty() || settings.status.contains(&response.status);
    if !wanted || !good {
        return None;
    }
    let (text, encoding) = charset::decode(&response.body, response.charset());
    let mut doc = Document::new(Origin { source: source.clone(), file: file.clone(), at: record.at }, text);
    for (field, header) in
        [(fields.url, "warc-target-uri"), (fields.date, "warc-date"), (fields.record_id, "warc-record-id")]
    {
        if let Some(value) = record.header(header) {
            doc.set(field, value.trim_matches(['<', '>']).to_owned());
        }
    }
    doc.set(fields.mime, mime);
    doc.set(fields.charset, encoding.to_owned());
    doc.set(fields.http_status, i64::from(response.status));
    Some(Read::Document(Box::new(doc)))
}
