//! Words of scripts that are written without spaces, as ICU4X finds them in its dictionaries (Chinese, Japanese, Thai, Lao, Khmer,
//! Burmese); all other text is cut into Unicode words.
//!
//! A dictionary knows no context: the longest word that begins here is taken. UAX #29 alone makes every Han character and every
//! Thai letter a word.

use std::sync::LazyLock;

use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed, options::WordBreakInvariantOptions};

use super::{Span, unicode};

/// The library's segmenter; its dictionaries are part of the program.
static SEGMENTER: LazyLock<WordSegmenterBorrowed<'static>> =
    LazyLock::new(|| WordSegmenter::new_dictionary(WordBreakInvariantOptions::default()));

/// Appends the words of `text` to `out`.
pub fn words(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    while let Some(at) = next_unspaced(text, done) {
        let ends = |b: &u8| matches!(b, b' ' | b'\n' | b'\t');
        let bytes = text.as_bytes();
        let start = bytes.get(done..at).and_then(|t| t.iter().rposition(ends)).map_or(done, |space| done + space + 1);
        let end = bytes.get(at..).and_then(|t| t.iter().position(ends)).map_or(text.len(), |length| at + length);
        spaced(text, done, start, out);
        unspaced(text, start, end, out);
        done = end;
    }
    spaced(text, done, text.len(), out);
}

/// Unicode words between `start` and `end`, which are boundaries.
fn spaced(text: &str, start: usize, end: usize, out: &mut Vec<Span>) {
    let first = out.len();
    unicode::words(text.get(start..end).unwrap_or_default(), out);
    for word in out.iter_mut().skip(first) {
        *word = (word.0 + start as u32, word.1 + start as u32);
    }
}

/// The library's words between `start` and `end`.
fn unspaced(text: &str, start: usize, end: usize, out: &mut Vec<Span>) {
    let mut from = start;
    for (at, kind) in SEGMENTER.segment_str(text.get(start..end).unwrap_or_default()).iter_with_word_type() {
        if kind.is_word_like() {
            out.push((from as u32, (start + at) as u32));
        }
        from = start + at;
    }
}

/// Where the next character at or after `from` is of a script that is written without spaces.
fn next_unspaced(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    // The lead bytes of such characters: all others are passed over without a look at what they lead.
    while let Some(length) = bytes.get(at..)?.iter().position(|b| matches!(b, 0xe0 | 0xe1 | 0xe3..=0xea | 0xef | 0xf0))
    {
        at += length;
        let c = text.get(at..)?.chars().next()?;
        if is_unspaced(c) {
            return Some(at);
        }
        at += c.len_utf8();
    }
    None
}

fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3005}'..='\u{3007}' | '\u{3031}'..='\u{3035}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' // Kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' // Han
        | '\u{ff66}'..='\u{ff9f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        words(text, &mut out);
        out.iter().map(|s| &text[s.0 as usize..s.1 as usize]).collect()
    }

    #[test]
    fn dictionaries_know_words() {
        for (text, expected) in [
            ("龟山岛龟山岛 read 3.5 books。", &["龟山岛", "龟山岛", "read", "3.5", "books"][..]),
            ("こんにちは世界", &["こんにちは", "世界"]),
            // A run of katakana that no dictionary has is one word.
            ("エディターエディター", &["エディターエディター"]),
            ("ทุกสองสัปดาห์", &["ทุก", "สอง", "สัปดาห์"]),
            ("မြန်မာစာမြန်မာစာ", &["မြန်မာ", "စာ", "မြန်မာ", "စာ"]),
            ("ភាសាខ្មែរភាសាខ្មែរ", &["ភាសាខ្មែរ", "ភាសាខ្មែរ"]),
            ("ພາສາລາວພາສາລາວ", &["ພາສາ", "ລາວ", "ພາສາ", "ລາວ"]),
            ("don't stop, déjà vu", &["don't", "stop", "déjà", "vu"]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_without_spaces_takes_linear_time() {
        let text = "ภาษาไทย日本語の文章";
        let once = of(text).len();
        assert!(of(&text.repeat(40_000)).len() >= once * 40_000 - 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn text_with_spaces_has_unicode_words(text in "[a-c1_.,:' \\n«éЖ’\u{301}\u{200d}אب\u{2028}—가]{0,24}") {
            let mut unicode = Vec::new();
            unicode::words(&text, &mut unicode);
            let mut ours = Vec::new();
            words(&text, &mut ours);
            prop_assert_eq!(ours, unicode);
        }

        #[test]
        fn words_are_the_librarys_between_spaces(text in "[ab1., \\n\u{301}日本語かなカタไทยมาก。]{0,30}") {
            let mut out = Vec::new();
            words(&text, &mut out);
            let mut end = 0;
            for word in &out {
                prop_assert!(word.0 >= end && word.1 > word.0 && text.get(word.0 as usize..word.1 as usize).is_some());
                end = word.1;
            }
            for chunk in text.split([' ', '\n']).filter(|chunk| chunk.contains(is_unspaced)) {
                let mut expected = Vec::new();
                unspaced(chunk, 0, chunk.len(), &mut expected);
                let start = chunk.as_ptr() as usize - text.as_ptr() as usize;
                let within = |w: &&Span| w.0 as usize >= start && w.1 as usize <= start + chunk.len();
                let found = out.iter().filter(within).map(|w| (w.0 - start as u32, w.1 - start as u32));
                prop_assert_eq!(found.collect::<Vec<_>>(), expected);
            }
        }
    }
}
