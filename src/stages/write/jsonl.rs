//! Writes JSON lines: text, fields, and whatever else the input record held, each part compressed as it is made.
//!
//! Every morsel is compressed on its worker as a frame (or gzip member) of its own; frames one after another are one
//! valid file, so that compression, the dearest part of writing, uses all cores and never the number of them. gzip is
//! libdeflate's, about three times as fast as zlib's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, FieldTable, Value};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};
use crate::stage::values::push_json;
use crate::stage::{About, Build, Chunk, Encode, Family, Part, PartPlace, Settings, Sink, Stage};
use crate::text::json;

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
        Ok(Box::new(Encoder { compress: Compress::new(&self.0)?, fields: fields.clone(), lines: Vec::new() }))
    }

    fn part(&self, place: &PartPlace, _: &Arc<FieldTable>) -> Result<Box<dyn Part>> {
        let name = format!("part-{:05}.jsonl{}", place.ordinal, self.0.compression.suffix());
        let path = self.0.dir.join(name);
        Ok(Box::new(Lines { file: AtomicFile::create(&path)?, path }))
    }
}

/// Compresses whole chunks, with tables that are made once.
enum Compress {
    Zstd(Box<zstd::bulk::Compressor<'static>>),
    Gzip(libdeflater::Compressor),
    None,
}

impl Compress {
    fn new(settings: &WriteJsonl) -> Result<Self> {
        Ok(match settings.compression {
            Compression::Zstd => {
                let compressor = zstd::bulk::Compressor::new(settings.level as i32);
                Self::Zstd(Box::new(compressor.map_err(cannot_compress)?))
            }
            Compression::Gzip => {
                let level = libdeflater::CompressionLvl::new(settings.level.min(9) as i32).unwrap_or_default();
                Self::Gzip(libdeflater::Compressor::new(level))
            }
            Compression::None => Self::None,
        })
    }

    /// Compresses `lines` as a frame or a member of their own.
    fn run(&mut self, lines: &mut Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Self::Zstd(compressor) => compressor.compress(lines).map_err(cannot_compress),
            Self::Gzip(compressor) => {
                let mut bytes = vec![0; compressor.gzip_compress_bound(lines.len())];
                let length = compressor.gzip_compress(lines, &mut bytes);
                bytes.truncate(length.map_err(|e| Error::bug(format!("gzip has too little room: {e}")))?);
                Ok(bytes)
            }
            Self::None => Ok(std::mem::take(lines)),
        }
    }
}

fn cannot_compress(error: std::io::Error) -> Error {
    Error::world(format!("cannot compress: {error}"))
}

struct Encoder {
    compress: Compress,
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
        let bytes = self.compress.run(&mut self.lines)?;
        Ok(Chunk { bytes, extra: None, docs: written, tokens: 0 })
    }
}

fn line(doc: &Document, fields: &FieldTable, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":");
    json::push_string(doc.text.as_str(), out);
    for (slot, name, _) in fields.public() {
        let value = doc.fields.slot(slot);
        if *value == Value::Null {
            continue;
        }
        out.push(b',');
        json::push_string(name, out);
        out.push(b':');
        push_json(value, out);
    }
    if !doc.rest.is_empty() {
        out.push(b',');
        out.extend_from_slice(doc.rest.as_bytes());
    }
    out.extend_from_slice(format!(",\"tamis_id\":\"{}\"}}\n", doc.id).as_bytes());
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
