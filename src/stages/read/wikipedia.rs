//! Reads articles from MediaWiki XML dumps: wikitext becomes plain text, templates and tables go.
//!
//! A multistream dump with its index beside it (`…-multistream.xml.bz2` and `…-multistream-index.txt.bz2`) is read in
//! parallel; any other is decompressed by one thread while the others parse.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Origin};
use crate::error::{Error, Result};
use crate::io::codec;
use crate::io::glob::{self, FileEntry};
use crate::io::mediawiki::{Framed, Pages, Site, parse_page};
use crate::stage::settings::{ByteSize, Paths};
use crate::stage::{
    About, BadRecord, Build, Family, FilePart, Morsel, Read, Reader, Settings, Source, Split, Stage, pack,
};
use crate::text::wikitext;

/// Streams of a multistream dump are gathered into splits of this many compressed bytes.
const SPLIT: u64 = 16 << 20;
const MORSEL: usize = 1 << 20;

/// Settings of `wikipedia`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wikipedia {
    /// Dumps or patterns; index files among them are passed over.
    pub paths: Paths,
    /// Namespaces to read; 0 is articles.
    #[serde(default = "namespaces")]
    pub namespaces: Vec<i64>,
    /// Whether redirects are read: they hold next to no text.
    #[serde(default)]
    pub redirects: bool,
    /// What becomes of tables.
    #[serde(default)]
    pub tables: Tables,
    /// Longest page in bytes.
    #[serde(default = "max_record")]
    pub max_record: ByteSize,
}

/// What becomes of tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tables {
    /// They go.
    #[default]
    Drop,
    /// A line for each row.
    Cells,
}

fn namespaces() -> Vec<i64> {
    vec![0]
}

fn max_record() -> ByteSize {
    ByteSize(64 << 20)
}

impl Settings for Wikipedia {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &[
            ("bad_xml", "the page is not well-formed"),
            ("page_too_long", "the page is longer than `max_record`"),
            ("truncated", "the dump ends too early"),
            ("corrupt", "the compressed data is damaged from here on"),
        ],
        fields: &[
            ("title", "the page's title"),
            ("page_id", "the page's id"),
            ("revision", "the revision's id"),
            ("wiki_language", "the wiki's language"),
            ("url", "the page's address"),
        ],
        ..About::new("wikipedia", Family::Read, "reads articles from MediaWiki XML dumps as plain text")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let fields = Fields {
            title: cx.writes("title")?,
            page_id: cx.writes("page_id")?,
            revision: cx.writes("revision")?,
            language: cx.writes("wiki_language")?,
            url: cx.writes("url")?,
        };
        Ok(Stage::Source(Arc::new(Running { settings: Arc::new(self), fields, source: cx.flow.into() })))
    }
}

#[derive(Clone, Copy)]
struct Fields {
    title: Field<String>,
    page_id: Field<i64>,
    revision: Field<i64>,
    language: Field<String>,
    url: Field<String>,
}

struct Running {
    settings: Arc<Wikipedia>,
    fields: Fields,
    source: Arc<str>,
}

fn is_index(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().contains("-index"))
}

/// `a.xml.bz2` → `a-index.txt.bz2`, if it is there.
fn index_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let index = path.with_file_name(format!("{}-index.txt.bz2", name.strip_suffix(".xml.bz2")?));
    index.is_file().then_some(index)
}

/// Offsets of the streams, from the index: lines of `offset:page id:title`.
fn stream_offsets(index: &Path, size: u64) -> Result<Vec<u64>> {
    let mut text = String::new();
    codec::open(index)?.read_to_string(&mut text).map_err(|e| Error::io("read", index, e))?;
    let mut offsets = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let offset = line.split(':').next().and_then(|o| o.parse::<u64>().ok()).filter(|&o| o < size);
        let Some(offset) = offset else {
            return Err(Error::world(format!("`{}` line {}: no offset into the dump", index.display(), number + 1))
                .hint("the index belongs to another dump; put the right one beside it, or remove it"));
        };
        if offsets.last() != Some(&offset) {
            offsets.push(offset);
        }
    }
    offsets.sort_unstable();
    offsets.dedup();
    Ok(offsets)
}

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        let mut parts = Vec::new();
        for FileEntry { path, size, mtime_ns } in glob::expand(&self.settings.paths.0)? {
            if is_index(&path) {
                continue;
            }
            let part = |range| FilePart { path: path.clone(), size, mtime_ns, range };
            let offsets = match index_of(&path) {
                Some(index) => stream_offsets(&index, size)?,
                None => Vec::new(),
            };
            let Some(mut start) = offsets.first().copied() else {
                parts.push(part(None));
                continue;
            };
            for next in offsets.into_iter().skip(1).chain([size]) {
                if next - start >= SPLIT || next == size {
                    parts.push(part(Some(start..next)));
                    start = next;
                }
            }
        }
        Ok(pack(parts, SPLIT))
    }

    fn open(&self, split: &Split, _: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        let parser =
            Arc::new(Parser { settings: self.settings.clone(), fields: self.fields, source: self.source.clone() });
        Ok(Box::new(Dump { files: split.files.clone().into_iter(), open: None, parser }))
    }
}

struct Dump {
    files: std::vec::IntoIter<FilePart>,
    /// The file, where the part begins in it, its wiki, the rest of its pages.
    open: Option<(Arc<str>, u64, Arc<Site>, Pages)>,
    parser: Arc<Parser>,
}

impl Dump {
    fn open(&self, part: &FilePart) -> Result<(Arc<str>, u64, Arc<Site>, Pages)> {
        let io = |e| Error::io("read", &part.path, e);
        let mut head = Vec::new();
        // A damaged start is told when the pages are read.
        let _ = codec::open(&part.path)?.take(64 << 10).read_to_end(&mut head);
        let site = Site::parse(&String::from_utf8_lossy(&head));
        let reader = match &part.range {
            None => codec::open(&part.path)?,
            Some(range) => {
                let bytes = codec::open_at(&part.path, range.start)?.take(range.end - range.start);
                codec::decode(bytes).map_err(io)?
            }
        };
        let pages = Pages::new(reader, self.parser.settings.max_record.0 as usize);
        let from = part.range.as_ref().map_or(0, |range| range.start);
        Ok((part.path.to_string_lossy().into(), from, Arc::new(site), pages))
    }
}

impl Reader for Dump {
    fn next(&mut self) -> Result<Option<Morsel>> {
        loop {
            let Some((file, from, site, pages)) = &mut self.open else {
                let Some(part) = self.files.next() else { return Ok(None) };
                self.open = Some(self.open(&part)?);
                continue;
            };
            let (mut framed, mut bytes) = (Vec::new(), 0);
            while bytes < MORSEL {
                let Some(next) = pages.next() else { break };
                if let Framed::Page(_, page) = &next {
                    bytes += page.len();
                }
                framed.push(next);
            }
            if framed.is_empty() {
                self.open = None;
                continue;
            }
            let (file, from, site, parser) = (file.clone(), *from, site.clone(), self.parser.clone());
            return Ok(Some(Morsel::new(bytes as u64, move |each| {
                framed.into_iter().for_each(|framed| parser.page(&file, from, &site, framed, each));
            })));
        }
    }
}

struct Parser {
    settings: Arc<Wikipedia>,
    fields: Fields,
    source: Arc<str>,
}

impl Parser {
    fn page(&self, file: &Arc<str>, from: u64, site: &Site, framed: Framed, each: &mut dyn FnMut(Read)) {
        // Offsets into the file where it is whole; where it is split, the stream's, and how far into its text.
        let bad = |at: u64, reason, detail: String, bytes: &[u8]| {
            let detail = format!("{detail} ({at} bytes into the text of the stream at {from})");
            Read::Bad(BadRecord::new(file, if from == 0 { at } else { from }, reason, detail, bytes))
        };
        let (at, bytes) = match framed {
            Framed::Page(at, bytes) => (at, bytes),
            Framed::Damaged(at, reason, detail, head) => {
                return each(bad(at, reason, format!("{detail}; the pages after this are lost"), &head));
            }
        };
        let page = match parse_page(&bytes) {
            Ok(page) => page,
            Err(detail) => return each(bad(at, "bad_xml", detail, &bytes)),
        };
        let redirects =
            page.redirect.is_some() || page.text.get(..9).is_some_and(|t| t.eq_ignore_ascii_case("#redirect"));
        if !self.settings.namespaces.contains(&page.namespace) || (redirects && !self.settings.redirects) {
            return;
        }
        let tables = match self.settings.tables {
            Tables::Drop => wikitext::Tables::Drop,
            Tables::Cells => wikitext::Tables::Cells,
        };
        let text = wikitext::plain_text(&page.text, tables);
        let origin = Origin { source: self.source.clone(), file: file.clone(), at: page.id as u64 };
        let mut doc = Document::new(origin, text);
        let f = &self.fields;
        if let Some(url) = site.url(&page.title) {
            doc.set(f.url, url);
        }
        if let Some(language) = &site.language {
            doc.set(f.language, language.clone());
        }
        doc.set(f.title, page.title);
        doc.set(f.page_id, page.id);
        doc.set(f.revision, page.revision);
        each(Read::Document(Box::new(doc)));
    }
}
