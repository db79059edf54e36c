//! Unicode normalization, and beyond NFC/NFKC: characters that nobody sees, spaces that are none, marks in many shapes.

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

/// Which characters are changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whatever ends lines or pages becomes `\n`.
    pub line_ends: bool,
    /// Control characters go, but for tabs and line ends.
    pub controls: bool,
    /// Characters without width go: soft hyphens, zero-width spaces, word joiners, byte order marks, marks of direction.
    /// The zero-width joiner and non-joiner stay: scripts from Persian to emoji are written with them.
    pub zero_width: bool,
    /// Spaces of any width become the space.
    pub spaces: bool,
    /// Curly and angled quotes and primes become ASCII quotes.
    pub quotes: bool,
    /// Hyphens, dashes and the minus sign become `-`.
    pub dashes: bool,
    /// Ligatures of Latin letters become their letters.
    pub ligatures: bool,
    /// Full-width letters and marks become ASCII, half-width ones of other scripts full.
    pub width: bool,
}

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Stays,
    Goes,
    Becomes(char),
    Letters(&'static str),
    /// Its compatibility decomposition.
    Widens,
}

impl Changes {
    fn of(self, c: char) -> Change {
        use Change::{Becomes, Goes, Letters, Stays, Widens};
        match c {
            ' '..='~' if !(self.quotes || self.dashes) => Stays,
            '\n' | '\t' => Stays,
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' if self.line_ends => Becomes('\n'),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' if self.controls => Goes,
            '\u{ad}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
                if self.zero_width =>
            {
                Goes
            }
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' if self.spaces => Becomes(' '),
            '‘' | '’' | '‚' | '‛' | '′' | '‹' | '›' | 'ʼ' if self.quotes => Becomes('\''),
            '“' | '”' | '„' | '‟' | '″' | '«' | '»' if self.quotes => Becomes('"'),
            '\u{2010}'..='\u{2015}' | '−' | '﹘' | '﹣' if self.dashes => Becomes('-'),
            'ﬀ'..='ﬆ' | 'Ĳ' | 'ĳ' | 'Ǆ'..='ǌ' | 'Ǳ'..='ǳ' if self.ligatures => Letters(letters(c)),
            '\u{3000}' if self.width => Becomes(' '),
            '\u{ff01}'..='\u{ffef}' if self.width => Widens,
            _ => Stays,
        }
    }

    fn finds(self, text: &str) -> Option<usize> {
        if text.is_ascii() && !self.line_ends && !self.controls {
            return None;
        }
        if text.is_ascii() {
            let odd = |b: u8| (b < 0x20 && b != b'\n' && b != b'\t') || b == 0x7f;
            return text.bytes().position(|b| odd(b) && self.of(char::from(b)) != Change::Stays);
        }
        text.find(|c| self.of(c) != Change::Stays)
    }

    /// `text` with the changes made; borrowed if there are none to make.
    pub fn make(self, text: &str) -> Cow<'_, str> {
        let Some(first) = self.finds(text) else { return Cow::Borrowed(text) };
        let mut out = String::with_capacity(text.len());
        let (head, tail) = text.split_at(first);
        out.push_str(head);
        let mut chars = tail.chars().peekable();
        while let Some(c) = chars.next() {
            match self.of(c) {
                Change::Stays => out.push(c),
                Change::Goes => {}
                Change::Becomes(_) if c == '\r' && chars.peek() == Some(&'\n') => {}
                Change::Becomes(now) => out.push(now),
                Change::Letters(letters) => out.push_str(letters),
                Change::Widens => out.extend(std::iter::once(c).nfkc()),
            }
        }
        Cow::Owned(out)
    }
}

/// The letters of a ligature. Those of two Latin letters that Unicode has for other alphabets' sake are ligatures too.
fn letters(c: char) -> &'static str {
    match c {
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        _ => "dz",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INVISIBLE: Changes = Changes {
        line_ends: true,
        controls: true,
        zero_width: true,
        spaces: true,
        quotes: false,
        dashes: false,
        ligatures: false,
        width: false,
    };

    #[test]
    fn what_nobody_sees_goes() {
        assert_eq!(INVISIBLE.make("a\u{200b}b\u{a0}c\r\nd\re\u{0}\u{c}f"), "ab c\nd\ne\nf");
        assert_eq!(INVISIBLE.make("a\r\n\u{1}b"), "a\nb");
        assert!(matches!(INVISIBLE.make("plain \"text\"\t\n"), Cow::Borrowed(_)));
        assert_eq!(form("ﬁ e\u{301}", Form::Nfc), "ﬁ é");
        assert_eq!(form("ﬁ", Form::Nfkc), "fi");
    }

    #[test]
    fn marks_and_letters_become_plain_ones_only_if_asked() {
        let text = "“a” ‘b’ c–d−e ﬂ Ǆ ＡＢ　ｶﾞ";
        assert_eq!(INVISIBLE.make(text), text);
        let all = Changes { quotes: true, dashes: true, ligatures: true, width: true, ..INVISIBLE };
        assert_eq!(form(&all.make(text), Form::Nfc), "\"a\" 'b' c-d-e fl DŽ AB ガ");
    }

    proptest! {
        #[test]
        fn ascii_is_searched_as_any_text_is(text in "[ -~\\x00-\\x1f\\x7f]{0,40}", line_ends: bool, controls: bool, quotes: bool) {
            let changes = Changes { line_ends, controls, quotes, ..INVISIBLE };
            prop_assert_eq!(changes.finds(&text), text.find(|c| changes.of(c) != Change::Stays));
        }

        #[test]
        fn changing_twice_is_changing_once(
            text in "\\PC{0,40}|[\\r\\n\\u{200b}\\u{c} a“–ﬁＡ]{0,20}",
            all: bool,
        ) {
            let changes = if all { Changes { quotes: true, dashes: true, ligatures: true, width: true, ..INVISIBLE } } else { INVISIBLE };
            let once = changes.make(&text).into_owned();
            prop_assert_eq!(changes.make(&once), once.as_str());
            let nfc = form(&once, Form::Nfc).into_owned();
            prop_assert_eq!(form(&nfc, Form::Nfc), nfc.as_str());
        }
    }
}
