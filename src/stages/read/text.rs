//! Reads plain text: a document for each file, or for each line.

use std::io::Read as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::line_source;
use crate::doc::{Document, FieldTable, Origin};
use crate::error::Result;
use crate::io::{codec, glob};
use crate::stage::settings::{ByteSize, Paths};
use crate::stage::{
    About, BadRecord, Build, Family, FilePart, Morsel, Read, Reader, Settings, Source, Split, Stage, whole_files,
};
use crate::text::charset;

/// Settings of `text`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Files or patterns, read in the order of their paths.
    pub paths: Paths,
    /// What a document is.
    #[serde(default)]
    pub unit: Unit,
    /// Whether text that is not UTF-8 is decoded by what charset it looks like, instead of being quarantined.
    #[serde(default)]
    pub detect_charset: bool,
    /// Longest document in bytes; longer ones are quarantined.
    #[serde(default = "max_record")]
    pub max_record: ByteSize,
}

/// What a document is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A file.
    #[default]
    File,
    /// A line; lines of white space alone are none.
    Line,
}

fn max_record() -> ByteSize {
    ByteSize(64 << 20)
}

impl Settings for Text {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &[
            ("invalid_utf8", "the text is not UTF-8, and `detect_charset` is off"),
            ("file_too_long", "the file is longer than `max_record`"),
            ("line_too_long", "the line is longer than `max_record`"),
            ("truncated", "the file ends inside its compressed data"),
            ("corrupt", "the compressed data is damaged from here on"),
        ],
        ..About::new("text", Family::Read, "reads plain text, a document for each file or line")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        Ok(Stage::Source(Arc::new(Running { settings: Arc::new(self), source: cx.flow.into() })))
    }
}

#[derive(Clone)]
struct Running {
    settings: Arc<Text>,
    source: Arc<str>,
}

/// Small files are gathered up to this size.
const SPLIT: u64 = 64 << 20;

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        if self.settings.unit == Unit::Line {
            return line_source::splits(&self.settings.paths);
        }
        Ok(whole_files(glob::expand(&self.settings.paths.0)?, SPLIT))
    }

    fn open(&self, split: &Split, _: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        let running = self.clone();
        Ok(match self.settings.unit {
            Unit::Line => line_source::open(
                split,
                self.settings.max_record.0,
                Arc::new(move |file, at, line| running.document(file, at, line.strip_suffix(b"\r").unwrap_or(line))),
            ),
            Unit::File => Box::new(Files { running, files: split.files.clone().into_iter() }),
        })
    }
}

impl Running {
    fn document(&self, file: &Arc<str>, at: u64, bytes: &[u8]) -> Read {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| at == 0).unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) if self.settings.detect_charset => charset::decode(bytes, None).0,
            Err(e) => {
                let detail = format!("{e}; `detect_charset: true` decodes other charsets");
                return Read::Bad(BadRecord::new(file, at, "invalid_utf8", detail, bytes));
            }
        };
        let origin = Origin { source: self.source.clone(), file: file.clone(), at };
        Read::Document(Box::new(Document::new(origin, text)))
    }

    fn file(&self, part: &FilePart) -> Read {
        let file: Arc<str> = part.path.to_string_lossy().into();
        let (mut bytes, max) = (Vec::new(), self.settings.max_record.0);
        let read = codec::open(&part.path).map_err(|e| ("corrupt", e.to_string())).and_then(|from| {
            from.take(max + 1).read_to_end(&mut bytes).map_err(|e| (codec::damage(&e), e.to_string()))
        });
        if let Err((reason, detail)) = read {
            return Read::Bad(BadRecord::new(&file, bytes.len() as u64, reason, detail, &bytes));
        }
        if bytes.len() as u64 > max {
            let detail = format!("the file has more bytes than the {max} that `max_record` allows");
            return Read::Bad(BadRecord::new(&file, 0, "file_too_long", detail, &bytes));
        }
        self.document(&file, 0, &bytes)
    }
}

struct Files {
    running: Running,
    files: std::vec::IntoIter<FilePart>,
}

impl Reader for Files {
    fn next(&mut self) -> Result<Option<Morsel>> {
        let Some(part) = self.files.next() else { return Ok(None) };
        let running = self.running.clone();
        Ok(Some(Morsel::new(part.size, move |each| each(running.file(&part)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(detect_charset: bool, max: u64) -> Running {
        let settings = Text {
            paths: serde_json::from_str(r#""x""#).unwrap(),
            unit: Unit::File,
            detect_charset,
            max_record: ByteSize(max),
        };
        Running { settings: Arc::new(settings), source: "s".into() }
    }

    #[test]
    fn a_file_is_a_document_without_its_byte_order_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        let part = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            FilePart { path: path.clone(), size: bytes.len() as u64, mtime_ns: 0, range: None }
        };
        let text = |read| match read {
            Read::Document(doc) | Read::Joined(doc, _) => Ok(doc.text.into_string()),
            Read::Bad(bad) => Err(bad.reason),
        };
        assert_eq!(text(running(false, 100).file(&part("\u{feff}caf\u{e9}\n".as_bytes()))), Ok("café\n".into()));
        assert_eq!(text(running(false, 100).file(&part(b"caf\xe9 au lait"))), Err("invalid_utf8"));
        assert_eq!(
            text(running(true, 100).file(&part(b"caf\xe9 au lait, tr\xe8s bien"))),
            Ok("café au lait, très bien".into())
        );
        assert_eq!(text(running(false, 3).file(&part(b"four"))), Err("file_too_long"));
    }
}
