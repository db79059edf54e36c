//! Writes JSON lines: text, fields, and whatever else the input record held, each part compressed as it is made.
//!
//! Every morsel is compressed on its worker as a frame (or gzip member) of its own; frames one after another are one
//! valid file, so that compression, the dearest part of writing, uses all cores and never the number of them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, FieldTable, Value};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};
use crate::stage::{About, Build, Chunk, Encode, Family, Part, PartPlace, Settings, Sink, Stage};

/// Settings of the writer `jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteJsonl {
    /// The folder the parts are written to. Must be empty or this run's own.
    pub dir: PathBuf,
    /// How parts are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// Compression level: 1 to 19 for zstd, 1 to 9 for gzip.
    #[serde(default = "level")]
    #[schemars(range(min = 1, max = 19))]
    pub level: u32,
}

fn level() -> u32 {
    3
}

/// How parts are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Zstandard.
    #[default]
    Zstd,
    /// gzip.
    Gzip,
    /// None.
    None,
}

impl Compression {
    fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }
}

impl Settings for WriteJsonl {
    const ABOUT: About = About {
        shorthand: Some("dir"),
        ..About::new(
            "jsonl",
            Family::Write,
            "writes JSON lines: text, fields, the rest of the input record, `tamis_id`",
        )
    };

    fn build(self, _: &mut Build<'_>) -> Result<Stage> {
        Ok(Stage::Sink(Arc::new(Running(self))))
    }
}

struct Running(WriteJsonl);

impl Sink for Running {
    fn dir(&self) -> &Path {
        &self.0.dir
    }

    fn encoder(&self, fields: &Arc<FieldTable>) -> Result<Box<dyn Encode>> {
        Ok(Box::new(Encoder { settings: self.0.clone(), fields: fields.clone(), lines: Vec::new() }))
    }

    fn part(&self, place: &PartPlace, _: &Arc<FieldTable>) -> Result<Box<dyn Part>> {
        let name = format!("part-{:05}.jsonl{}", place.ordinal, self.0.compression.suffix());
        let path = self.0.dir.join(name);
        Ok(Box::new(Lines { file: AtomicFile::create(&path)?, path }))
    }
}

struct Encoder {
    settings: WriteJsonl,
    fields: Arc<FieldTable>,
    lines: Vec<u8>,
}

impl Encode for Encoder {
    fn encode(&mut self, docs: &[Document]) -> Result<Chunk> {
        self.lines.clear();
        let mut written = 0;
        for doc in docs {
            for _ in 0..doc.copies {
                line(doc, &self.fields, &mut self.lines);
                written += 1;
            }
        }
        let failed = |e| Error::world(format!("cannot compress: {e}"));
        let bytes = match self.settings.compression {
            Compression::None => std::mem::take(&mut self.lines),
            Compression::Zstd => zstd::bulk::compress(&self.lines, self.settings.level as i32).map_err(failed)?,
            Compression::Gzip => {
                let level = flate2::Compression::new(self.settings.level.min(9));
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(&self.lines).map_err(failed)?;
                encoder.finish().map_err(failed)?
            }
        };
        Ok(Chunk { bytes, extra: None, docs: written, tokens: 0 })
    }
}

fn line(doc: &Document, fields: &FieldTable, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":");
    string(doc.text.as_str(), out);
    for (slot, name, _) in fields.public() {
        let value = doc.fields.slot(slot);
        if *value == Value::Null {
            continue;
        }
        out.push(b',');
        string(name, out);
        out.push(b':');
        match value {
            Value::Str(text) => string(text, out),
            Value::I64(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Value::F64(n) => out.extend_from_slice(serde_json::Value::from(*n).to_string().as_bytes()),
            Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Value::Tokens(ids) => {
                out.push(b'[');
                for (n, id) in ids.iter().enumerate() {
                    out.extend_from_slice(if n > 0 { b"," } else { b"" });
                    out.extend_from_slice(id.to_string().as_bytes());
                }
                out.push(b']');
            }
            // Writing numbers into memory cannot fail.
            Value::Floats(vector) => serde_json::to_writer(&mut *out, vector).unwrap_or_default(),
            Value::Null => {}
        }
    }
    if !doc.rest.is_empty() {
        out.push(b',');
        out.extend_from_slice(doc.rest.as_bytes());
    }
    out.extend_from_slice(format!(",\"tamis_id\":\"{}\"}}\n", doc.id).as_bytes());
}

fn string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

struct Lines {
    path: PathBuf,
    file: AtomicFile,
}

impl Part for Lines {
    fn append(&mut self, chunk: Chunk) -> Result<()> {
        self.file.write_all(&chunk.bytes).map_err(|e| Error::io("write", &self.path, e))
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        if self.file.position() == 0 {
            return Ok(Vec::new());
        }
        Ok(vec![self.file.commit()?])
    }
}
