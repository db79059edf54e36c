//! Texts made equal where readers see no difference: datatrove's normalization, which FineWeb was deduplicated by.

use unicode_normalization::UnicodeNormalization;

use super::chars::{DATATROVE_PUNCTUATION, DIGIT, NONSPACING, chars, is_space};

const POINTS: [char; 7] = ['.', ',', '\u{60c}', '\u{66b}', '\u{2396}', '\u{2397}', '\u{2398}'];

fn is(c: char, class: u32) -> bool {
    chars().is(c, class)
}

/// As datatrove's `simplify_text` does by default (0.10): lower case, numbers as `0`, punctuation as white space, runs of
/// white space as one space, no accents. `out` is overwritten.
pub fn simplify(text: &str, out: &mut String) {
    out.clear();
    if text.is_ascii() { simplify_ascii(text.as_bytes(), out) } else { simplify_any(text, out) }
}

fn simplify_any(text: &str, out: &mut String) {
    let lower = text.to_lowercase();
    let mut plain = String::with_capacity(lower.len());
    let mut chars = lower.chars().peekable();
    while let Some(c) = chars.next() {
        if is(c, DIGIT) {
            plain.push('0');
            skip_digits(&mut chars);
            let point = chars.peek().is_some_and(|c| POINTS.contains(c));
            let mut after = chars.clone();
            if point && after.nth(1).is_some_and(|c| is(c, DIGIT)) {
                chars.next();
                skip_digits(&mut chars);
            }
        } else if is(c, DATATROVE_PUNCTUATION) || is_space(c) {
            if !plain.is_empty() && !plain.ends_with(' ') {
                plain.push(' ');
            }
        } else {
            plain.push(c);
        }
    }
    out.extend(plain.trim_end().nfd().filter(|c| !is(*c, NONSPACING)));
    let end = out.trim_end_matches(is_space).len();
    out.truncate(end);
    let start = out.len() - out.trim_start_matches(is_space).len();
    out.drain(..start);
}

fn skip_digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| is(*c, DIGIT)).is_some() {}
}

fn simplify_ascii(bytes: &[u8], out: &mut String) {
    let mut at = 0;
    let mut space = false;
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if !byte.is_ascii_alphanumeric() {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) && !out.is_empty() {
            out.push(' ');
        }
        if byte.is_ascii_digit() {
            out.push('0');
            at += digits(at);
            if matches!(bytes.get(at), Some(b'.' | b',')) {
                let fraction = digits(at + 1);
                at += if fraction > 0 { fraction + 1 } else { 0 };
            }
        } else {
            out.push(byte.to_ascii_lowercase() as char);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn simplified(text: &str) -> String {
        let mut out = String::new();
        simplify(text, &mut out);
        out
    }

    fn hashed(text: &str) -> String {
        let mut out = String::new();
        super::super::ccnet::for_dedup(text, &mut out);
        out
    }

    #[test]
    fn numbers_accents_and_marks_go() {
        let given = "Hello, World! It's 3,000.5 dollars — naïve café, isn't it? … １２３ İstanbul";
        assert_eq!(simplified(given), "hello world it s 0 0 dollars naive cafe isn t it 0 istanbul");
        assert_eq!(simplified(" ﬁ ß\u{a0}x \u{301} "), "ﬁ ß x");
    }

    /// `fixtures/goldens/repeats.py` recorded what datatrove and a model of CCNet make of these texts.
    #[test]
    fn texts_are_normalized_as_by_those_who_named_the_ways() {
        let golden = include_str!("../../fixtures/goldens/repeats.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let all: Vec<(String, String, String)> = serde_json::from_value(golden["normalized"].clone()).unwrap();
        assert!(all.len() > 35);
        for (text, simple, hash) in all {
            assert_eq!((simplified(&text), hashed(&text)), (simple, hash), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_ascii_paths_are_the_general_ones(text in "[ -~\\t\\n\\r\\x00\\x1c\\x7f]{0,40}|[0-9.,a ]{0,20}") {
            let (mut fast, mut slow) = (String::new(), String::new());
            simplify_ascii(text.as_bytes(), &mut fast);
            simplify_any(&text, &mut slow);
            prop_assert_eq!(fast, slow);
        }

        #[test]
        fn simplified_texts_have_single_spaces_inside(text in "\\PC{0,30}|[ a.\u{301}é1٣,\\n]{0,20}") {
            let once = simplified(&text);
            prop_assert!(!once.starts_with(' ') && !once.ends_with(' ') && !once.contains(|c| is(c, NONSPACING)));
            // Punctuation goes before accents do, there as here: what only then turns out to be punctuation stays (U+1FFD).
            let marks = |text: &str| text.chars().filter(|c| is(*c, DATATROVE_PUNCTUATION)).count();
            let late: usize = text.chars().filter(|c| !is(*c, DATATROVE_PUNCTUATION)).map(|c| marks(&c.to_string().nfd().to_string())).sum();
            prop_assert!(marks(&once) <= late);
        }
    }
}
