//! What FineWeb's rules (Penedo et al. 2024, §3.6) count: lines without end, short lines, repeated lines, lists.

use super::seen::{Duplicates, Seen};
use crate::doc::{Span, Text, Words};
use crate::text::chars::{self, ASCII, TERMINAL};

/// Measures lines; keeps its memory between documents.
#[derive(Debug, Clone)]
pub struct Page {
    words: Words,
    short: usize,
    seen: Seen,
    lines: Vec<Span>,
}

/// The measures, in the order their rules are tried. Lines are what line feeds part, without blank ones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PageMeasure {
    /// Lines.
    pub lines: usize,
    /// Share of lines that end in a mark that ends a sentence.
    pub punctuated: f64,
    /// Share of short lines.
    pub short: f64,
    /// Share of characters in lines that stood before.
    pub repeated_chars: f64,
    /// Line feeds for each word.
    pub newlines: f64,
}

impl Page {
    /// Words found the way asked for; lines of at most `short` characters are short.
    pub fn new(words: Words, short: usize) -> Self {
        Self { words, short, seen: Seen::default(), lines: Vec::new() }
    }

    /// Measures `text`.
    pub fn measure(&mut self, text: &Text) -> PageMeasure {
        let string = text.as_str();
        let newlines = self.find_lines(string);
        let (mut punctuated, mut short) = (0, 0);
        for &line in &self.lines {
            let line = text.at(line);
            punctuated += usize::from(ends(line));
            short += usize::from(line.len() <= self.short || self.is_short(line));
        }
        let lines = std::mem::take(&mut self.lines);
        let repeated = Duplicates::among(&mut self.seen, text, lines.iter().copied());
        self.lines = lines;
        let share = |n: usize| n as f64 / self.lines.len().max(1) as f64;
        PageMeasure {
            lines: self.lines.len(),
            punctuated: share(punctuated),
            short: share(short),
            repeated_chars: repeated.chars as f64 / (text.chars() - newlines).max(1) as f64,
            newlines: newlines as f64 / text.words_by(self.words).len().max(1) as f64,
        }
    }

    fn is_short(&self, line: &str) -> bool {
        line.len() <= self.short * 4 && chars::count(line) <= self.short
    }

    /// Collects the lines that are not blank; how many line feeds there are.
    fn find_lines(&mut self, text: &str) -> usize {
        self.lines.clear();
        let (mut start, mut newlines) = (0, 0);
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
        for end in ends {
            newlines += usize::from(end < text.len());
            let line = text.get(start..end).unwrap_or_default();
            if !line.trim_start_matches(chars::is_space).is_empty() {
                self.lines.push((start as u32, end as u32));
            }
            start = end + 1;
        }
        newlines
    }
}

/// Whether the last character ends a sentence in any script.
#[inline]
fn ends(line: &str) -> bool {
    match line.as_bytes().last() {
        Some(&byte) if byte < 128 => ASCII[byte as usize] & TERMINAL != 0,
        Some(_) => line.chars().next_back().is_some_and(|c| chars::chars().is(c, TERMINAL)),
        None => false,
    }
}
