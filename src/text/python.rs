//! Characters as Python's `str` and `re` class them, which recipes were made with.

use unicode_normalization::char::is_combining_mark;

/// `str.isspace`, and what `str.split` cuts at: Unicode's whitespace and four separators among the controls.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `str.isalpha`: letters, without the marks and circled letters that Unicode calls alphabetic.
pub fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || (!c.is_ascii()
            && c.is_alphabetic()
            && !c.is_numeric()
            && !is_combining_mark(c)
            && !matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f149}' | '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}'))
}

/// `\w`: letters, numbers and the underscore.
pub fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || (!c.is_ascii() && (is_letter(c) || c.is_numeric()))
}

/// `str.split`.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// `str.strip`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_pythons() {
        assert!(is_space('\u{1f}') && is_space('\u{a0}') && !is_space('\u{200b}'));
        assert!(is_letter('ß') && is_letter('日') && !is_letter('\u{301}') && !is_letter('ि') && !is_letter('Ⓐ'));
        assert!(is_word('½') && is_word('_') && !is_word('्') && !is_word('-'));
        assert_eq!(words(" a\u{1f}b  ").collect::<Vec<_>>(), ["a", "b"]);
    }
}
