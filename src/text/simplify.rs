//! Texts made equal where readers see no difference: the two normalizations that published corpora were deduplicated by.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

/// Punctuation beyond ASCII that CCNet knows, and datatrove after it. The digit is theirs too.
const WIDE: &str = "—”％１〈、━【「」，】；“《„’∶´．（–？！：～«〉》）。…►»";
const POINTS: [char; 7] = ['.', ',', '\u{60c}', '\u{66b}', '\u{2396}', '\u{2397}', '\u{2398}'];

/// `\p{Nd}`
const DIGIT: u8 = 1;
/// `\p{Mn}`
const MARK: u8 = 2;
/// Of [`WIDE`], or a control character.
const NOTHING: u8 = 4;

static CLASSES: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut classes = vec![0; 0x11_0000].into_boxed_slice();
    for (pattern, class) in [(r"\p{Nd}", DIGIT), (r"\p{Mn}", MARK), (r"[\x00-\x1f\x7f-\x{9f}]", NOTHING)] {
        let Ok(hir) = regex_syntax::parse(pattern) else { continue };
        if let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(ranges)) = hir.kind() {
            for range in ranges.ranges() {
                let part = classes.get_mut(range.start() as usize..=range.end() as usize);
                part.unwrap_or_default().iter_mut().for_each(|c| *c |= class);
            }
        }
    }
    for c in WIDE.chars() {
        if let Some(class) = classes.get_mut(c as usize) {
            *class |= NOTHING;
        }
    }
    classes
});

fn is(c: char, class: u8) -> bool {
    CLASSES.get(c as usize).is_some_and(|has| has & class != 0)
}

/// White space as Python's `str.isspace` and `\s` have it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
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
        } else if c.is_ascii_punctuation() || is(c, NOTHING) || is_space(c) {
            if !plain.is_empty() && !plain.ends_with(' ') {
                plain.push(' ');
            }
        } else {
            plain.push(c);
        }
    }
    out.extend(plain.trim_end().nfd().filter(|c| !is(*c, MARK)));
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

/// As CCNet hashes paragraphs (Wenzek et al. 2020; `normalize_for_dedup`): trimmed, lower case, every digit as `0`, no
/// typographic punctuation and no control characters; ASCII punctuation stays. `out` is overwritten.
pub fn ccnet(text: &str, out: &mut String) {
    out.clear();
    let text = text.trim_matches(is_space);
    if text.is_ascii() { ccnet_ascii(text, out) } else { ccnet_any(text, out) }
}

fn ccnet_ascii(text: &str, out: &mut String) {
    let kept = text.bytes().filter(|b| !b.is_ascii_control());
    out.extend(kept.map(|b| if b.is_ascii_digit() { '0' } else { b.to_ascii_lowercase() as char }));
}

fn ccnet_any(text: &str, out: &mut String) {
    let digit = |c: char| if is(c, DIGIT) { '0' } else { c };
    out.extend(text.to_lowercase().chars().map(digit).filter(|c| !is(*c, NOTHING)));
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
        ccnet(text, &mut out);
        out
    }

    #[test]
    fn numbers_accents_and_marks_go() {
        let given = "Hello, World! It's 3,000.5 dollars — naïve café, isn't it? … １２３ İstanbul";
        assert_eq!(simplified(given), "hello world it s 0 0 dollars naive cafe isn t it 0 istanbul");
        assert_eq!(simplified(" ﬁ ß\u{a0}x \u{301} "), "ﬁ ß x");
        assert_eq!(hashed("\tSee §12, “p. 3”…\u{1c} "), "see §00, p. 0");
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
            prop_assert_eq!(&fast, &slow);
            (fast, slow) = (String::new(), String::new());
            ccnet_ascii(&text, &mut fast);
            ccnet_any(&text, &mut slow);
            prop_assert_eq!(fast, slow);
        }

        #[test]
        fn simplified_texts_have_single_spaces_inside(text in "\\PC{0,30}|[ a.\u{301}é1٣,\\n]{0,20}") {
            let once = simplified(&text);
            prop_assert!(!once.starts_with(' ') && !once.ends_with(' ') && !once.contains(|c| is(c, MARK)));
            // Punctuation goes before accents do, there as here: what only then turns out to be punctuation stays (U+1FFD).
            let marks = |text: &str| text.chars().filter(|c| is(*c, NOTHING)).count();
            let late: usize = text.chars().filter(|c| !is(*c, NOTHING)).map(|c| marks(&c.to_string().nfd().to_string())).sum();
            prop_assert!(marks(&once) <= late);
        }
    }
}
