//! Reads books: EPUB (chapters in reading order) and plain text, without Project Gutenberg's licence around it.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Origin};
use crate::error::Result;
use crate::io::glob;
use crate::io::{codec, epub};
use crate::stage::settings::{ByteSize, Paths};
use crate::stage::{
    About, BadRecord, Build, Family, FilePart, Morsel, Read, Reader, Settings, Source, Split, Stage, whole_files,
};
use crate::text::{charset, gutenberg, html};

const SPLIT: u64 = 32 << 20;

/// Settings of `books`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Books {
    /// Files or patterns: `.epub` and text files, told apart by their first bytes.
    pub paths: Paths,
    /// Whether a document is a book or a chapter (a text file is one chapter).
    #[serde(default)]
    pub unit: Unit,
    /// Longest book in bytes, decompressed.
    #[serde(default = "max_record")]
    pub max_record: ByteSize,
}

/// What a document is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A book.
    #[default]
    Book,
    /// A chapter.
    Chapter,
}

fn max_record() -> ByteSize {
    ByteSize(256 << 20)
}

impl Settings for Books {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &[
            ("bad_epub", "the file begins like an EPUB but is none that can be read"),
            ("book_too_long", "the book is longer than `max_record`"),
            ("truncated", "the compressed file ends too early"),
            ("corrupt", "the compressed file is damaged"),
            ("nested_too_deeply", "a chapter's elements are nested more than 512 deep"),
        ],
        fields: &[
            ("title", "the book's title"),
            ("author", "its author"),
            ("book_language", "its language, as the book says"),
            ("chapter", "the chapter's number from 1, with `unit: chapter`"),
        ],
        ..About::new("books", Family::Read, "reads EPUB and plain text books")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let fields = Fields {
            title: cx.writes("title")?,
            author: cx.writes("author")?,
            language: cx.writes("book_language")?,
            chapter: cx.writes("chapter")?,
        };
        Ok(Stage::Source(Arc::new(Running { settings: Arc::new(self), fields, source: cx.flow.into() })))
    }
}

#[derive(Clone, Copy)]
struct Fields {
    title: Field<String>,
    author: Field<String>,
    language: Field<String>,
    chapter: Field<i64>,
}

#[derive(Clone)]
struct Running {
    settings: Arc<Books>,
    fields: Fields,
    source: Arc<str>,
}

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        Ok(whole_files(glob::expand(&self.settings.paths.0)?, SPLIT))
    }

    fn open(&self, split: &Split, _: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        Ok(Box::new(Shelf { files: split.files.clone().into_iter(), running: self.clone() }))
    }
}

struct Shelf {
    files: std::vec::IntoIter<FilePart>,
    running: Running,
}

impl Reader for Shelf {
    fn next(&mut self) -> Result<Option<Morsel>> {
        let Some(part) = self.files.next() else { return Ok(None) };
        let running = self.running.clone();
        Ok(Some(Morsel::new(part.size, move |each| running.book(&part, each))))
    }
}

/// A book taken apart.
#[derive(Default)]
struct Book {
    title: Option<String>,
    author: Option<String>,
    language: Option<String>,
    chapters: Vec<String>,
}

impl Running {
    fn book(&self, part: &FilePart, each: &mut dyn FnMut(Read)) {
        let file: Arc<str> = part.path.to_string_lossy().into();
        let book = match self.read(part) {
            Ok(book) => book,
            Err((reason, detail)) => return each(Read::Bad(BadRecord::new(&file, 0, reason, detail, b""))),
        };
        let give = |at: u64, text: String, chapter: Option<i64>, each: &mut dyn FnMut(Read)| {
            let mut doc = Document::new(Origin { source: self.source.clone(), file: file.clone(), at }, text);
            let f = &self.fields;
            for (field, value) in [(f.title, &book.title), (f.author, &book.author), (f.language, &book.language)] {
                if let Some(value) = value {
                    doc.set(field, value.clone());
                }
            }
            if let Some(chapter) = chapter {
                doc.set(f.chapter, chapter);
            }
            each(Read::Document(Box::new(doc)));
        };
        match self.settings.unit {
            Unit::Book => give(0, book.chapters.join("\n\n"), None, each),
            Unit::Chapter => {
                for (number, text) in book.chapters.iter().enumerate() {
                    give(number as u64, text.clone(), Some(number as i64 + 1), each);
                }
            }
        }
    }

    fn read(&self, part: &FilePart) -> Result<Book, (&'static str, String)> {
        let max = self.settings.max_record.0;
        let mut head = [0u8; 4];
        let file = File::open(&part.path).map_err(|e| ("corrupt", e.to_string()))?;
        let is_zip = (&file).read_exact(&mut head).is_ok() && head == *b"PK\x03\x04";
        if is_zip {
            let file = File::open(&part.path).map_err(|e| ("corrupt", e.to_string()))?;
            let epub = epub::read(BufReader::new(file), max).map_err(|e| ("bad_epub", e))?;
            let chapters = epub.chapters.iter().map(|c| html::all_text(c)).collect::<Result<Vec<_>, _>>();
            let mut chapters =
                chapters.map_err(|_| ("nested_too_deeply", "a chapter is nested too deeply".to_owned()))?;
            chapters.retain(|c| !c.is_empty());
            return Ok(Book { title: epub.title, author: epub.author, language: epub.language, chapters });
        }
        let mut bytes = Vec::new();
        let reader = codec::open(&part.path).map_err(|e| ("corrupt", e.to_string()))?;
        if let Err(e) = reader.take(max + 1).read_to_end(&mut bytes) {
            return Err((codec::damage(&e), e.to_string()));
        }
        if bytes.len() as u64 > max {
            return Err(("book_too_long", format!("the book is longer than {max} bytes")));
        }
        let (text, _) = charset::decode(&bytes, None);
        let book = gutenberg::parse(&text);
        Ok(Book {
            title: book.title.map(str::to_owned),
            author: book.author.map(str::to_owned),
            language: book.language.map(str::to_owned),
            chapters: vec![book.text.to_owned()],
        })
    }
}
