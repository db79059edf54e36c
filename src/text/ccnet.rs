//! The normalization of CCNet (Wenzek et al. 2019, arXiv 1911.00359): what its language models were trained on, before
//! SentencePiece.

use regex_syntax::hir::{Class, HirKind};
use unicode_normalization::UnicodeNormalization;

/// What is taken out and what becomes 0, by Unicode's general categories.
#[derive(Clone)]
pub struct Normalizer {
    marks: Ranges,
    digits: Ranges,
}

type Ranges = std::sync::Arc<[(char, char)]>;

impl Default for Normalizer {
    fn default() -> Self {
        Self { marks: ranges(r"\p{Mn}"), digits: ranges(r"\p{Nd}") }
    }
}

fn ranges(class: &str) -> Ranges {
    let class = regex_syntax::parse(class).map(regex_syntax::hir::Hir::into_kind);
    match class {
        Ok(HirKind::Class(Class::Unicode(class))) => class.iter().map(|r| (r.start(), r.end())).collect(),
        _ => [].into(),
    }
}

fn has(ranges: &Ranges, c: char) -> bool {
    let after = ranges.partition_point(|r| r.0 <= c);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|r| c <= r.1)
}

impl Normalizer {
    /// Lower case, no accents, digits as 0, punctuation in ASCII, no control characters.
    pub fn normalize(&self, line: &str, out: &mut String) {
        out.clear();
        for c in line.trim().chars().flat_map(char::to_lowercase).nfd() {
            match c {
                '0'..='9' => out.push('0'),
                ' '..='~' => out.push(c),
                '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {}
                c if has(&self.marks, c) => {}
                c if has(&self.digits, c) => out.push('0'),
                c => match punctuation(c) {
                    Some(ascii) => out.push_str(ascii),
                    None => out.push(c),
                },
            }
        }
    }
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

    #[test]
    fn a_line_is_as_the_language_models_know_it() {
        let normalizer = Normalizer::default();
        for (line, normal) in [
            (" Naïve Café — “Ω” \u{85}…\n", "naive cafe  -  \"ω\" ..."),
            ("１２ 3.5％ ٣", "00 0.0% 0"),
            ("Ａ「い」が", "ａ\"い\"か"),
            ("tab\tgone", "tabgone"),
            ("", ""),
        ] {
            let mut out = String::new();
            normalizer.normalize(line, &mut out);
            assert_eq!(out, normal, "{line:?}");
        }
    }
}
