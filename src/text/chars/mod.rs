//! Classes of characters as the tools see them that recipes were made with: Python 3.11's `str` methods, spaCy's rules and
//! datatrove's sets. Decisions equal to theirs need their classes, not those of a later Unicode.

use std::sync::LazyLock;

#[rustfmt::skip]
#[allow(missing_docs, reason = "made by a script, named for what the tools call them")]
mod table;
mod python;

pub use python::*;
pub use table::*;

/// Every character's classes, in two stages: blocks of 256 characters, equal blocks kept once.
pub struct Chars {
    index: Box<[u16]>,
    blocks: Vec<[u32; 256]>,
}

/// The table, made at first use.
pub fn chars() -> &'static Chars {
    static CHARS: LazyLock<Chars> = LazyLock::new(Chars::new);
    &CHARS
}

/// The classes of ASCII characters, known while compiling.
pub static ASCII: [u32; 128] = ascii();

const fn ascii() -> [u32; 128] {
    let mut classes = [0; 128];
    let (mut run, mut code) = (0, 0);
    while code < 128 {
        while run < RUNS.len() && RUNS[run].0 as usize <= code {
            run += 1;
        }
        classes[code] = if run == 0 { 0 } else { RUNS[run - 1].1 };
        code += 1;
    }
    classes
}

impl Chars {
    fn new() -> Self {
        let mut chars = Self { index: vec![0; 0x11_0000 >> 8].into(), blocks: Vec::new() };
        let (mut runs, mut flags) = (RUNS.iter().peekable(), 0);
        for (number, at) in chars.index.iter_mut().enumerate() {
            let mut block = [0; 256];
            for (code, classes) in (number as u32 * 256..).zip(&mut block) {
                if let Some(run) = runs.next_if(|run| run.0 == code) {
                    flags = run.1;
                }
                *classes = flags;
            }
            let known = chars.blocks.iter().position(|b| *b == block);
            *at = known.unwrap_or(chars.blocks.len()) as u16;
            if known.is_none() {
                chars.blocks.push(block);
            }
        }
        chars
    }

    /// The classes of `c`, one bit each.
    #[inline]
    pub fn of(&self, c: char) -> u32 {
        let code = c as usize;
        let block = self.index.get(code >> 8).copied().unwrap_or(0);
        self.blocks.get(block as usize).map_or(0, |block| block[code & 255])
    }

    /// Whether `c` is of any of these classes.
    #[inline]
    pub fn is(&self, c: char, classes: u32) -> bool {
        self.of(c) & classes != 0
    }
}

/// Changes the places of a class's characters in a table that has one for every code point. `pattern` is a class as regular
/// expressions write it, of the Unicode that they know.
pub fn of_class(pattern: &str, table: &mut [u8], mut change: impl FnMut(&mut u8)) {
    let Ok(hir) = regex_syntax::parse(pattern) else { return };
    if let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(ranges)) = hir.kind() {
        for range in ranges.ranges() {
            let part = table.get_mut(range.start() as usize..=range.end() as usize);
            part.unwrap_or_default().iter_mut().for_each(&mut change);
        }
    }
}

/// Python's `str.isspace` of one character, and what `str.split` cuts at.
#[inline]
pub fn is_space(c: char) -> bool {
    match ASCII.get(c as usize) {
        Some(classes) => classes & SPACE != 0,
        None => c.is_whitespace(),
    }
}

/// Python's `str.strip`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// How many characters `text` has: Python's `len`.
#[inline]
pub fn count(text: &str) -> usize {
    // Counting bytes that do not continue a character is what the library does; inlined, short words do not pay for the call.
    if text.len() < 32 { text.bytes().filter(|b| (*b as i8) >= -0x40).count() } else { text.chars().count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_and_the_table_agree() {
        for code in 0..128u8 {
            assert_eq!(ASCII[code as usize], chars().of(char::from(code)), "{code}");
        }
    }

    #[test]
    fn spaces_are_pythons() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            assert_eq!(is_space(c), chars().is(c, SPACE), "{c:?}");
        }
        assert_eq!(strip("\u{1c}\u{85} a\u{200b}\u{3000}"), "a\u{200b}");
    }

    #[test]
    fn sets_have_the_sizes_they_should() {
        let size = |class| (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| chars().is(*c, class)).count();
        assert_eq!((size(TERMINAL), size(DATATROVE_PUNCTUATION), size(SENTENCE_END)), (159, 129, 128));
        assert_eq!(size(TERMINAL | DATATROVE_PUNCTUATION), 281);
        assert!(chars().is('１', DATATROVE_PUNCTUATION) && !chars().is('\t', DATATROVE_PUNCTUATION));
        assert!(chars().blocks.len() < 400, "{}", chars().blocks.len());
    }
}
