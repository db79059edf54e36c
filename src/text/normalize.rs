//! Unicode normalization beyond NFC/NFKC: characters that nobody sees and spaces that are none.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// Which normalization form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Canonical composition.
    Nfc,
    /// Compatibility composition: `ﬁ` → `fi`, full-width letters → ASCII.
    Nfkc,
}

/// `text` in the form asked for; borrowed if it is already.
pub fn form(text: &str, form: Form) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let quick = match form {
        Form::Nfc => is_nfc_quick(text.chars()),
        Form::Nfkc => is_nfkc_quick(text.chars()),
    };
    if quick == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    let normal: String = match form {
        Form::Nfc => text.nfc().collect(),
        Form::Nfkc => text.nfkc().collect(),
    };
    if normal == text { Cow::Borrowed(text) } else { Cow::Owned(normal) }
}

/// What a character becomes: itself, another, or nothing.
fn clean_char(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => None,
        // Soft hyphen, zero-width space, word joiner, byte order mark, bidirectional controls. The zero-width joiner and
        // non-joiner stay: scripts from Persian to emoji are written with them.
        '\u{ad}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => None,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => Some(' '),
        '\u{2028}' | '\u{2029}' => Some('\n'),
        _ => Some(c),
    }
}

/// Line ends become `\n`, control and zero-width characters go, odd spaces become spaces.
pub fn clean(text: &str) -> Cow<'_, str> {
    let odd = |c: char| clean_char(c) != Some(c);
    let first = if text.is_ascii() {
        text.bytes().position(|b| (b < 0x20 && b != b'\n' && b != b'\t') || b == 0x7f)
    } else {
        text.find(odd)
    };
    let Some(first) = first else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let (head, tail) = text.split_at(first);
    out.push_str(head);
    let mut chars = tail.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' {
            if chars.peek() != Some(&'\n') {
                out.push('\n');
            }
        } else {
            out.extend(clean_char(c));
        }
    }
    Cow::Owned(out)
}

/// Curly and angled quotes and primes as ASCII quotes.
pub fn quotes(text: &str) -> Cow<'_, str> {
    let map = |c: char| match c {
        '‘' | '’' | '‚' | '‛' | '′' | '‹' | '›' => '\'',
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => '"',
        c => c,
    };
    if text.is_ascii() || !text.chars().any(|c| map(c) != c) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(map).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_nobody_sees_goes() {
        assert_eq!(clean("a\u{200b}b\u{a0}c\r\nd\re\u{0}"), "ab c\nd\ne");
        assert_eq!(form("ﬁ e\u{301}", Form::Nfc), "ﬁ é");
        assert_eq!(form("ﬁ", Form::Nfkc), "fi");
        assert_eq!(quotes("“a” ‘b’"), "\"a\" 'b'");
    }

    proptest! {
        #[test]
        fn normalizing_twice_is_normalizing_once(text in "\\PC{0,40}|[\\r\\n\\u{200b} a]{0,20}") {
            let once = clean(&text).into_owned();
            prop_assert_eq!(clean(&once), once.as_str());
            let nfc = form(&once, Form::Nfc).into_owned();
            prop_assert_eq!(form(&nfc, Form::Nfc), nfc.as_str());
        }
    }
}
