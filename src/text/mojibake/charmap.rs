//! The one-byte encodings that UTF-8 is mistaken for, as tables in both directions.

use encoding_rs::Encoding;

/// A one-byte encoding whose lower half is ASCII.
#[derive(Debug, Clone)]
pub struct Charmap {
    /// Which.
    pub name: Name,
    /// What the bytes from 0x80 mean.
    upper: Vec<char>,
    /// The same by character.
    by_char: Vec<(char, u8)>,
}

/// The encodings, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// ISO 8859-1, with its control characters.
    Latin1,
    /// What most programs mean by Latin-1.
    Windows1252,
    /// Cyrillic.
    Windows1251,
    /// Central European.
    Windows1250,
    /// Greek.
    Windows1253,
    /// Turkish.
    Windows1254,
    /// Baltic.
    Windows1257,
    /// Central European.
    Latin2,
    /// Macintosh.
    MacRoman,
    /// DOS.
    Cp437,
}

impl Name {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 10] = [
        Self::Latin1,
        Self::Windows1252,
        Self::Windows1251,
        Self::Windows1250,
        Self::Windows1253,
        Self::Windows1254,
        Self::Windows1257,
        Self::Latin2,
        Self::MacRoman,
        Self::Cp437,
    ];

    /// Whether it has holes that programs fill with control characters, and whether a replacement character in the text
    /// may stand for a byte (written 0x1A here) that was lost.
    pub fn is_windows(self) -> bool {
        use Name::{Windows1250, Windows1251, Windows1252, Windows1253, Windows1254, Windows1257};
        matches!(self, Windows1250 | Windows1251 | Windows1252 | Windows1253 | Windows1254 | Windows1257)
    }

    fn library(self) -> Option<&'static Encoding> {
        Some(match self {
            Self::Windows1252 => encoding_rs::WINDOWS_1252,
            Self::Windows1251 => encoding_rs::WINDOWS_1251,
            Self::Windows1250 => encoding_rs::WINDOWS_1250,
            Self::Windows1253 => encoding_rs::WINDOWS_1253,
            Self::Windows1254 => encoding_rs::WINDOWS_1254,
            Self::Windows1257 => encoding_rs::WINDOWS_1257,
            Self::Latin2 => encoding_rs::ISO_8859_2,
            Self::MacRoman => encoding_rs::MACINTOSH,
            Self::Latin1 | Self::Cp437 => return None,
        })
    }
}

/// The upper half of code page 437, which the Web's encodings leave out.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The byte that stands for one that was lost.
pub const LOST: u8 = 0x1a;

impl Charmap {
    /// The table of `name`.
    pub fn of(name: Name) -> Self {
        let upper: Vec<char> = match name.library() {
            Some(library) => (0x80..=0xffu8).map(|byte| library_char(library, byte)).collect(),
            None if name == Name::Cp437 => CP437.chars().collect(),
            None => (0x80..=0xffu8).map(char::from).collect(),
        };
        let mut by_char: Vec<(char, u8)> = upper.iter().copied().zip(0x80..=0xff).collect();
        by_char.sort_unstable();
        Self { name, upper, by_char }
    }

    /// The characters that the bytes `from..=to` (from 0x80) mean.
    pub fn chars(&self, from: u8, to: u8) -> impl Iterator<Item = char> {
        let skip = usize::from(from.saturating_sub(0x80));
        self.upper.iter().copied().skip(skip).take(usize::from(to.saturating_sub(from)) + 1)
    }

    /// What `byte` means.
    pub fn decode(&self, byte: u8) -> char {
        usize::from(byte).checked_sub(0x80).and_then(|at| self.upper.get(at)).copied().unwrap_or(char::from(byte))
    }

    /// The bytes that mean `text`, into `out`; `false` if there are none.
    pub fn encode(&self, text: &str, out: &mut Vec<u8>) -> bool {
        out.clear();
        for c in text.chars() {
            match self.byte(c) {
                Some(byte) => out.push(byte),
                None => return false,
            }
        }
        true
    }

    fn byte(&self, c: char) -> Option<u8> {
        let lossy = self.name.is_windows();
        match c {
            '\u{fffd}' if lossy => Some(LOST),
            '\u{1a}' if lossy => None,
            c if c.is_ascii() => Some(c as u8),
            c => {
                let at = self.by_char.binary_search_by_key(&c, |(known, _)| *known).ok()?;
                self.by_char.get(at).map(|(_, byte)| *byte)
            }
        }
    }
}

fn library_char(library: &'static Encoding, byte: u8) -> char {
    let bytes = [byte];
    let (text, _) = library.decode_without_bom_handling(&bytes);
    text.chars().next().filter(|c| *c != '\u{fffd}').unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_upper_byte_has_a_character_of_its_own() {
        for name in Name::ALL {
            let map = Charmap::of(name);
            let text: String = (0x80..=0xffu8).map(|byte| map.decode(byte)).collect();
            let mut bytes = Vec::new();
            assert!(map.encode(&text, &mut bytes), "{name:?}");
            assert_eq!(bytes, (0x80..=0xff).collect::<Vec<u8>>(), "{name:?}");
        }
        assert!(!Charmap::of(Name::Latin1).encode("€", &mut Vec::new()));
        assert_eq!(Charmap::of(Name::Cp437).decode(0xe1), 'ß');
        assert_eq!(Charmap::of(Name::Windows1253).decode(0xd2), '\u{d2}');
    }
}
