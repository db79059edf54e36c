//! What is measured of source files: lines, letters and digits, numbers, encoded data, comments, and what HTML shows.

use crate::doc::Document;
use crate::text::chars::{self, LETTER, WORD};
use crate::text::{comments, encoded, html};

/// What is measured, in the order of [`CodeMeasures::numbers`].
pub const MEASURES: [&str; 11] = [
    "lines",
    "line_length",
    "mean_line_length",
    "alphanumeric_fraction",
    "alphabetic_fraction",
    "number_line_fraction",
    "encoded_fraction",
    "encoded_length",
    "comment_fraction",
    "visible_fraction",
    "visible_chars",
];

/// What is measured of a file. `None` where it says nothing about the file.
pub struct CodeMeasures {
    /// Lines.
    pub lines: f64,
    /// Characters of the longest line.
    pub line_length: f64,
    /// Characters of a line on average.
    pub mean_line_length: f64,
    /// Share of letters and digits among characters, 0..1.
    pub alphanumeric: f64,
    /// Share of letters among characters, 0..1.
    pub alphabetic: f64,
    /// Share of lines of nothing but numbers, 0..1.
    pub number_lines: f64,
    /// Share of bytes that are encoded data, 0..1.
    pub encoded: f64,
    /// Bytes of the longest run of encoded data.
    pub encoded_length: f64,
    /// Share of comments, 0..1: of bytes by their marks, of characters by lexers.
    pub comments: Option<f64>,
    /// Share of an HTML page's characters that are shown, 0..1, and their number.
    pub visible: Option<(f64, f64)>,
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl CodeMeasures {
    /// Of a file in `language`, whose comments are found by their marks, or, if they are `lexed`, by what StarCoder's
    /// preprocessing asked, where that knew the language.
    pub fn of(doc: &Document, language: Option<&str>, lexed: bool) -> Self {
        let text = doc.text.as_str();
        let lines = doc.text.lines();
        let (mut longest, mut all, mut numbers) = (0, 0, 0);
        let ascii = text.is_ascii();
        for &line in lines {
            let line = doc.text.at(line);
            let chars = if ascii { line.len() } else { line.chars().count() };
            (longest, all) = (longest.max(chars), all + chars);
            numbers += usize::from(only_numbers(line));
        }
        let (letters, digits) = if ascii {
            let count = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
            (count(u8::is_ascii_alphabetic), count(u8::is_ascii_digit))
        } else {
            // As Python's `isalpha` and `isalnum`, by which the thresholds were chosen: marks are no letters.
            text.chars().fold((0, 0), |(letters, digits), c| match chars::chars().of(c) {
                class if class & LETTER != 0 => (letters + 1, digits),
                class => (letters, digits + usize::from(class & WORD != 0 && c != '_')),
            })
        };
        let encoded = encoded::measure(text);
        let lexed = language
            .filter(|_| lexed)
            .and_then(|l| comments::starcoder::characters(text, l))
            .map(|n| share(n, doc.text.chars()));
        let marked = || language.and_then(|l| comments::bytes(text, l)).map(|n| share(n, text.len()));
        let visible = (language == Some("HTML")).then(|| html::visible_chars(text));
        Self {
            lines: lines.len() as f64,
            line_length: longest as f64,
            mean_line_length: share(all, lines.len()),
            alphanumeric: share(letters + digits, doc.text.chars()),
            alphabetic: share(letters, doc.text.chars()),
            number_lines: share(numbers, lines.len()),
            encoded: share(encoded.total, text.len()),
            encoded_length: encoded.longest as f64,
            comments: lexed.or_else(marked),
            visible: visible.map(|n| (share(n, doc.text.chars()), n as f64)),
        }
    }

    /// The numbers of [`MEASURES`].
    pub fn numbers(&self) -> [Option<f64>; 11] {
        [
            Some(self.lines),
            Some(self.line_length),
            Some(self.mean_line_length),
            Some(self.alphanumeric),
            Some(self.alphabetic),
            Some(self.number_lines),
            Some(self.encoded),
            Some(self.encoded_length),
            self.comments,
            self.visible.map(|v| v.0),
            self.visible.map(|v| v.1),
        ]
    }
}

/// Whether a line has digits, and beside them only what numbers are written and separated with.
fn only_numbers(line: &str) -> bool {
    line.bytes().any(|b| b.is_ascii_digit())
        && line.bytes().all(|b| b.is_ascii_digit() || b" \t.,;:+-eExX|/\"[]".contains(&b))
}
