//! Where a text may be cut: at letters, words, sentences, lines or paragraphs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_segmentation::GraphemeCursor;

/// Where a text may be cut, from coarse to fine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// After an empty line.
    Paragraph,
    /// After a line.
    Line,
    /// After a full stop, question or exclamation mark (of any script) with a space behind it, or a line.
    Sentence,
    /// Before or after whitespace.
    #[default]
    Word,
    /// Between two letters, never between a letter and its marks.
    Char,
}

impl Edge {
    /// The next finer one.
    fn finer(self) -> Option<Self> {
        match self {
            Self::Paragraph => Some(Self::Line),
            Self::Line => Some(Self::Sentence),
            Self::Sentence => Some(Self::Word),
            Self::Word => Some(Self::Char),
            Self::Char => None,
        }
    }
}

/// How long a text may be. The tightest limit decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Characters.
    pub chars: Option<u64>,
    /// Words.
    pub words: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
}

impl Limits {
    /// What is wrong with them, if anything: there is none, or nothing could ever fit.
    pub fn wrong(&self) -> Option<&'static str> {
        match [self.chars, self.words, self.bytes] {
            [None, None, None] => Some("has no limit"),
            limits if limits.contains(&Some(0)) => Some("has a limit of 0"),
            _ => None,
        }
    }

    /// The byte up to which the text from `start` on is within the limits. `words` are the spans of all its words.
    pub fn end(&self, text: &str, words: &[(u32, u32)], start: usize) -> usize {
        let mut end = text.len();
        if let Some(max) = self.bytes {
            end = end.min(start.saturating_add(max as usize));
        }
        if let Some(max) = self.words {
            let first = words.partition_point(|word| (word.0 as usize) < start);
            let next = first.saturating_add(max as usize);
            if let (Some(next), Some(last)) = (words.get(next), words.get(next.saturating_sub(1))) {
                // A mark right after the last word allowed is no word.
                let between = text.get(last.1 as usize..next.0 as usize).unwrap_or_default();
                let marks = between.find(char::is_whitespace).unwrap_or(between.len());
                end = end.min(last.1 as usize + marks);
            }
        }
        if let Some(max) = self.chars.filter(|max| (*max as usize) < end - start) {
            let rest = text.get(start..).unwrap_or_default();
            end = end.min(rest.char_indices().nth(max as usize).map_or(end, |(at, _)| start + at));
        }
        end
    }
}

/// The last place at or before `limit` (bytes) where `text` may be cut at `edge`, or else at the next finer one. Above 0
/// unless `limit` is within the first letter. Looks at no more text than it must: backwards from `limit`.
pub fn last_edge(text: &str, limit: usize, edge: Edge) -> usize {
    let limit = text.floor_char_boundary(limit);
    if limit == text.len() {
        return limit;
    }
    let mut edge = Some(edge);
    while let Some(now) = edge {
        let found = match now {
            Edge::Paragraph => text.get(..limit).and_then(|t| t.rfind("\n\n")).map(|at| at + 2),
            Edge::Line if text.as_bytes().get(limit) == Some(&b'\n') => Some(limit),
            Edge::Line => text.get(..limit).and_then(|t| t.rfind('\n')).map(|at| at + 1),
            Edge::Sentence => last_sentence(text, limit),
            Edge::Word => last_word(text, limit),
            Edge::Char => Some(last_letter(text, limit)),
        };
        match found {
            Some(at) if at > 0 => return at,
            _ => edge = now.finer(),
        }
    }
    0
}

fn last_word(text: &str, limit: usize) -> Option<usize> {
    let (head, tail) = text.split_at_checked(limit)?;
    if tail.starts_with(char::is_whitespace) {
        return Some(limit);
    }
    let (at, c) = head.char_indices().rev().find(|(_, c)| c.is_whitespace())?;
    Some(at + c.len_utf8())
}

/// Marks that end sentences in most scripts (Unicode's Sentence_Terminal, its common members).
fn ends_sentence(c: char) -> bool {
    matches!(
        c,
        '.' | '!'
            | '?'
            | '…'
            | '\u{589}'
            | '\u{61f}'
            | '\u{6d4}'
            | '\u{964}'
            | '\u{965}'
            | '\u{104a}'
            | '\u{104b}'
            | '\u{1362}'
            | '\u{1367}'
            | '\u{17d4}'
            | '\u{17d5}'
            | '。'
            | '！'
            | '？'
            | '｡'
            | '．'
    )
}

fn last_sentence(text: &str, limit: usize) -> Option<usize> {
    let (head, tail) = text.split_at_checked(limit)?;
    let mut next = tail.chars().next();
    let mut end = limit;
    for (at, c) in head.char_indices().rev() {
        let open = next.is_none_or(char::is_whitespace);
        if c == '\n' {
            return Some(at + 1);
        }
        // A full stop of a script written without spaces needs none behind it.
        if ends_sentence(c) && (open || matches!(c, '。' | '！' | '？' | '｡')) {
            return Some(end);
        }
        // Closing quotes and brackets belong to the sentence before them.
        if !(open && matches!(c, '"' | '\'' | '”' | '’' | '»' | ')' | ']')) {
            (next, end) = (Some(c), at);
        }
    }
    None
}

fn last_letter(text: &str, limit: usize) -> usize {
    let mut cursor = GraphemeCursor::new(limit, text.len(), true);
    match cursor.is_boundary(text, 0) {
        Ok(true) => limit,
        // A letter with more marks than fit is cut apart: nothing else can be cut.
        _ => cursor.prev_boundary(text, 0).ok().flatten().filter(|at| *at > 0).unwrap_or(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_edge_is_found_and_falls_back_on_a_finer_one() {
        let text = "One two. “Three four.” Five\nsix\n\nseven";
        let cut = |limit, edge| text.get(..last_edge(text, limit, edge)).unwrap();
        assert_eq!(cut(text.len() - 1, Edge::Paragraph), "One two. “Three four.” Five\nsix\n\n");
        assert_eq!(cut(text.len() - 8, Edge::Paragraph), "One two. “Three four.” Five\n");
        assert_eq!(cut(30, Edge::Sentence), "One two. “Three four.”");
        assert_eq!(cut(12, Edge::Line), "One two.");
        assert_eq!(cut(6, Edge::Sentence), "One ");
        assert_eq!(cut(2, Edge::Word), "On");
        assert_eq!(last_edge("e\u{301}e\u{301}", 4, Edge::Char), 3);
        assert_eq!(last_edge("今日。明日。", 12, Edge::Sentence), 9);
    }

    proptest! {
        #[test]
        fn an_edge_is_a_boundary_within_the_limit(text in "(\\PC|[ab .\\n]){0,30}", limit in 0usize..80) {
            for edge in [Edge::Paragraph, Edge::Line, Edge::Sentence, Edge::Word, Edge::Char] {
                let at = last_edge(&text, limit, edge);
                prop_assert!(at <= limit && text.is_char_boundary(at));
                let first = text.chars().next().map_or(0, char::len_utf8);
                prop_assert!(at > 0 || limit < first || text.is_empty());
            }
        }
    }
}
