//! Pretokenization by hand: where the regular expressions of the common byte-level vocabularies would cut a text.

use std::sync::LazyLock;

/// A pattern that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// GPT-2's, as the `ByteLevel` pretokenizer of Hugging Face has it.
    Gpt2,
    /// cl100k's (GPT-4, Llama 3), or Qwen2's: digits in groups of at most so many.
    Cl100k {
        /// 3 in cl100k and Llama 3, 1 in Qwen2.
        digits: usize,
    },
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Pattern {
    /// The pattern whose regular expression this is.
    pub fn of(regex: &str) -> Option<Self> {
        match regex {
            GPT2 => Some(Self::Gpt2),
            CL100K => Some(Self::Cl100k { digits: 3 }),
            QWEN2 => Some(Self::Cl100k { digits: 1 }),
            _ => None,
        }
    }

    /// Where the pretoken that begins at byte `at` ends. `at` must be a character's start before the text's end.
    #[inline]
    pub fn end(self, text: &str, at: usize) -> usize {
        let scan = Scan { text, bytes: text.as_bytes(), classes: &CLASSES };
        match self {
            Self::Gpt2 => scan.gpt2(at),
            Self::Cl100k { digits } => scan.cl100k(at, digits),
        }
    }
}

const OTHER: u8 = 0;
const LETTER: u8 = 1;
const NUMBER: u8 = 2;
const SPACE: u8 = 3;
/// Past the end of the text.
const END: u8 = 4;

/// The class of every code point, from the tables of the regular expressions that the library uses.
static CLASSES: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut classes = vec![OTHER; 0x11_0000].into_boxed_slice();
    for (pattern, class) in [(r"\p{L}", LETTER), (r"\p{N}", NUMBER), (r"\s", SPACE)] {
        let Ok(hir) = regex_syntax::parse(pattern) else { continue };
        if let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(ranges)) = hir.kind() {
            for range in ranges.ranges() {
                if let Some(part) = classes.get_mut(range.start() as usize..=range.end() as usize) {
                    part.fill(class);
                }
            }
        }
    }
    classes
});

struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    classes: &'t [u8],
}

impl Scan<'_> {
    /// Class of the character at `at`, and its length.
    #[inline]
    fn class(&self, at: usize) -> (u8, usize) {
        match self.bytes.get(at) {
            None => (END, 0),
            Some(&byte) if byte < 0x80 => (self.classes.get(byte as usize).copied().unwrap_or(OTHER), 1),
            Some(_) => match self.text.get(at..).and_then(|t| t.chars().next()) {
                Some(c) => (self.classes.get(c as usize).copied().unwrap_or(OTHER), c.len_utf8()),
                None => (END, 0),
            },
        }
    }

    /// The end of the run of `class` from `at`.
    #[inline]
    fn run(&self, mut at: usize, class: u8) -> usize {
        loop {
            let (is, length) = self.class(at);
            if is != class {
                return at;
            }
            at += length;
        }
    }

    fn gpt2(&self, at: usize) -> usize {
        let byte = self.bytes.get(at).copied().unwrap_or(0);
        if byte == b'\''
            && let Some(end) = self.contraction(at, false)
        {
            return end;
        }
        let start = at + usize::from(byte == b' ');
        match self.class(start) {
            (class @ (LETTER | NUMBER | OTHER), length) => self.run(start + length, class),
            _ => self.space(at),
        }
    }

    fn cl100k(&self, at: usize, digits: usize) -> usize {
        let (class, length) = self.class(at);
        let byte = self.bytes.get(at).copied().unwrap_or(0);
        if byte == b'\''
            && let Some(end) = self.contraction(at, true)
        {
            return end;
        }
        if class == LETTER {
            return self.run(at + length, LETTER);
        }
        if class == NUMBER {
            let mut end = at + length;
            for _ in 1..digits {
                match self.class(end) {
                    (NUMBER, length) => end += length,
                    _ => break,
                }
            }
            return end;
        }
        if !matches!(byte, b'\r' | b'\n') && self.class(at + length).0 == LETTER {
            return self.run(at + length, LETTER);
        }
        let start = at + usize::from(byte == b' ');
        if self.class(start).0 == OTHER {
            let end = self.run(start, OTHER);
            let newlines = self.bytes.get(end..).unwrap_or_default().iter();
            return end + newlines.take_while(|b| matches!(b, b'\r' | b'\n')).count();
        }
        let end = self.run(at, SPACE);
        let spaces = self.bytes.get(at..end).unwrap_or_default();
        match memchr::memrchr2(b'\r', b'\n', spaces) {
            Some(last) => at + last + 1,
            None => self.space(at),
        }
    }

    /// `\s+(?!\S)|\s+`: white space leaves its last character to what follows.
    fn space(&self, at: usize) -> usize {
        let end = self.run(at, SPACE);
        if end == self.bytes.len() {
            return end;
        }
        let last = self.text.get(at..end).and_then(|t| t.chars().next_back()).map_or(0, char::len_utf8);
        if end - last > at { end - last } else { end }
    }

    /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d`. Without regard to case, `s` is also the long s.
    fn contraction(&self, at: usize, any_case: bool) -> Option<usize> {
        let fold = |byte: u8| if any_case { byte.to_ascii_lowercase() } else { byte };
        let rest = self.bytes.get(at + 1..)?;
        let first = fold(*rest.first()?);
        if matches!(first, b's' | b't' | b'm' | b'd') {
            return Some(at + 2);
        }
        if any_case && rest.starts_with("ſ".as_bytes()) {
            return Some(at + 3);
        }
        let second = fold(*rest.get(1)?);
        matches!((first, second), (b'r' | b'v', b'e') | (b'l', b'l')).then_some(at + 3)
    }
}
