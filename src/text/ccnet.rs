//! CCNet's two normalizations (Wenzek et al. 2019, arXiv 1911.00359): of what its language models were trained on, before
//! SentencePiece, and of the paragraphs that it hashes.

use unicode_normalization::UnicodeNormalization;

use super::chars::{DATATROVE_PUNCTUATION, DIGIT, NONSPACING, chars, strip};

/// As a language model reads a line: lower case, no accents, digits as 0, punctuation in ASCII, no control characters. `out` is
/// overwritten.
pub fn normalize(line: &str, out: &mut String) {
    out.clear();
    let table = chars();
    for c in line.trim().chars().flat_map(char::to_lowercase).nfd() {
        match c {
            '0'..='9' => out.push('0'),
            ' '..='~' => out.push(c),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {}
            c if table.is(c, NONSPACING) => {}
            c if table.is(c, DIGIT) => out.push('0'),
            c => match punctuation(c) {
                Some(ascii) => out.push_str(ascii),
                None => out.push(c),
            },
        }
    }
}

/// As paragraphs are hashed (`normalize_for_dedup`): trimmed, lower case, every digit as `0`, no typographic punctuation and no
/// control characters; ASCII punctuation stays. `out` is overwritten.
pub fn for_dedup(text: &str, out: &mut String) {
    out.clear();
    let text = strip(text);
    if text.is_ascii() { for_dedup_ascii(text, out) } else { for_dedup_any(text, out) }
}

fn for_dedup_ascii(text: &str, out: &mut String) {
    let kept = text.bytes().filter(|b| !b.is_ascii_control());
    out.extend(kept.map(|b| if b.is_ascii_digit() { '0' } else { b.to_ascii_lowercase() as char }));
}

fn for_dedup_any(text: &str, out: &mut String) {
    let table = chars();
    let digit = |c: char| if table.is(c, DIGIT) { '0' } else { c };
    let goes = |c: char| c.is_control() || (!c.is_ascii() && table.is(c, DATATROVE_PUNCTUATION));
    out.extend(text.to_lowercase().chars().map(digit).filter(|c| !goes(*c)));
}

fn punctuation(c: char) -> Option<&'static str> {
    Some(match c {
        '，' | '、' => ",",
        '。' => ".",
        '„' | '”' | '“' | '«' | '»' | '」' | '「' | '《' | '》' => "\"",
        '´' | '’' => "'",
        '∶' | '：' => ":",
        '？' => "?",
        '！' => "!",
        '（' => "(",
        '）' => ")",
        '；' => ";",
        '–' | '━' | '►' => "-",
        '—' => " - ",
        '．' => ". ",
        '～' => "~",
        '…' => "...",
        '〈' => "<",
        '〉' => ">",
        '【' => "[",
        '】' => "]",
        '％' => "%",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_as_the_language_models_know_it() {
        for (line, normal) in [
            (" Naïve Café — “Ω” \u{85}…\n", "naive cafe  -  \"ω\" ..."),
            ("１２ 3.5％ ٣", "00 0.0% 0"),
            ("Ａ「い」が", "ａ\"い\"か"),
            ("tab\tgone", "tabgone"),
            ("", ""),
        ] {
            let mut out = String::new();
            normalize(line, &mut out);
            assert_eq!(out, normal, "{line:?}");
        }
    }
    #[test]
    fn a_paragraph_is_hashed_without_what_typesetters_change() {
        let mut out = String::new();
        for_dedup("\tSee §12, “p. 3”…\u{1c} ", &mut out);
        assert_eq!(out, "see §00, p. 0");
    }

    proptest! {
        #[test]
        fn the_ascii_path_is_the_general_one(text in "[ -~\\t\\n\\r\\x00\\x1c\\x7f]{0,40}") {
            let (mut fast, mut slow) = (String::new(), String::new());
            for_dedup_ascii(&text, &mut fast);
            for_dedup_any(&text, &mut slow);
            prop_assert_eq!(fast, slow);
        }
    }
}
