//! Pretokenization by hand: where the regular expressions of the common byte-level vocabularies would cut a text.

mod blocks;
mod cuts;
mod words;

use std::sync::LazyLock;

#[cfg(target_arch = "x86_64")]
pub use blocks::fast;
pub use cuts::{Cuts, bits};

use crate::text::chars::of_class;

/// A pattern that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// GPT-2's, as the `ByteLevel` pretokenizer of Hugging Face has it.
    Gpt2,
    /// cl100k's (GPT-4, Llama 3), or Qwen2's: digits in groups of at most so many.
    Cl100k {
        /// 3 in cl100k and Llama 3, 1 in Qwen2 and Qwen3.
        digits: usize,
    },
    /// o200k's (GPT-4o, gpt-oss): words begin where lower case turns to upper case.
    O200k,
    /// Mistral's Tekken: o200k's with single digits and without contractions.
    Tekken,
    /// DeepSeek-V3's three patterns, one after another: digits by three, runs of Chinese and kana, the rest.
    DeepSeek,
    /// StarCoder's: every digit alone, the rest as GPT-2 does.
    StarCoder,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// DeepSeek-V3's, in order.
pub const DEEPSEEK: [&str; 3] = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
];

impl Pattern {
    /// The pattern whose regular expressions these are, applied one after another.
    pub fn of(regexes: &[&str]) -> Option<Self> {
        // Some files write line ends in classes as they are, others escaped.
        let regexes: Vec<String> = regexes.iter().map(|r| r.replace('\r', r"\r").replace('\n', r"\n")).collect();
        match regexes.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [one] if *one == GPT2 => Some(Self::Gpt2),
            [one] if *one == CL100K => Some(Self::Cl100k { digits: 3 }),
            [one] if *one == QWEN2 => Some(Self::Cl100k { digits: 1 }),
            [one] if *one == O200K => Some(Self::O200k),
            [one] if *one == TEKKEN => Some(Self::Tekken),
            all if *all == DEEPSEEK => Some(Self::DeepSeek),
            _ => None,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpt2 => "gpt2",
            Self::Cl100k { digits: 1 } => "qwen2",
            Self::Cl100k { .. } => "cl100k",
            Self::O200k => "o200k",
            Self::Tekken => "tekken",
            Self::DeepSeek => "deepseek",
            Self::StarCoder => "starcoder",
        }
    }

    /// The regular expression, of patterns that are one.
    pub fn regex(self) -> Option<&'static str> {
        match self {
            Self::Gpt2 => Some(GPT2),
            Self::Cl100k { digits: 1 } => Some(QWEN2),
            Self::Cl100k { .. } => Some(CL100K),
            Self::O200k => Some(O200K),
            Self::Tekken => Some(TEKKEN),
            Self::DeepSeek | Self::StarCoder => None,
        }
    }

    /// Where the pretoken that begins at byte `at` ends. `at` must be a character's start before the text's end.
    #[inline]
    pub fn end(self, text: &str, at: usize) -> usize {
        let (bytes, classes) = (text.as_bytes(), &**CLASSES);
        let scan = Scan::<0, 0> { bytes, classes };
        match self {
            Self::Gpt2 => scan.gpt2(at),
            Self::Cl100k { digits } => scan.cl100k(at, digits),
            Self::O200k => scan.cased_words(at, 3, true),
            Self::Tekken => scan.cased_words(at, 1, false),
            Self::DeepSeek => match scan.class(at).0 {
                class if class & N != 0 => scan.digits(at, 3),
                class if class & CJK != 0 => Scan::<0, CJK> { bytes, classes }.deepseek(at),
                _ => Scan::<{ N | CJK }, 0> { bytes, classes }.deepseek(at),
            },
            Self::StarCoder => {
                let classes = &**STARCODER;
                match (Scan::<0, 0> { bytes, classes }).class(at) {
                    (class, length) if class & N != 0 => at + length,
                    _ => Scan::<N, 0> { bytes, classes }.gpt2(at),
                }
            }
        }
    }
}

/// `\p{L}`
const L: u8 = 1;
/// `\p{N}`
const N: u8 = 2;
/// `\s`
const S: u8 = 4;
/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
const UPPER: u8 = 8;
/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
const LOWER: u8 = 16;
/// `[\p{P}\p{S}]`
const PUNCTUATION: u8 = 32;
/// Chinese and kana as DeepSeek's second pattern has them.
const CJK: u8 = 64;
/// Past the end of what is scanned.
const END: u8 = 128;

/// The classes of every code point, from the tables of the regular expressions that the library uses.
static CLASSES: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut classes = vec![0; 0x11_0000].into_boxed_slice();
    for (pattern, class) in [
        (r"\p{L}", L),
        (r"\p{N}", N),
        (r"\s", S),
        (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", UPPER),
        (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", LOWER),
        (r"[\p{P}\p{S}]", PUNCTUATION),
        ("[一-龥぀-ゟ゠-ヿ]", CJK),
    ] {
        of_class(pattern, &mut classes, |place| *place |= class);
    }
    classes
});

/// The same for StarCoder, whose digits are those of the standard library: its tables are of a later Unicode.
static STARCODER: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut classes = CLASSES.clone();
    for (code, class) in classes.iter_mut().enumerate() {
        if char::from_u32(code as u32).is_some_and(char::is_numeric) {
            *class = N;
        }
    }
    classes
});

/// A text whose end is wherever a character is of the classes `STOP`, or (if it is not 0) of none of the classes `KEEP`.
struct Scan<'t, const STOP: u8, const KEEP: u8> {
    bytes: &'t [u8],
    classes: &'t [u8],
}

/// Bytes of the character that begins with `first`.
#[inline]
pub fn length(first: u8) -> usize {
    match first {
        0..=0xbf => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// The code point at `at` of UTF-8 text, whose first byte is `first` and not ASCII, and its length.
#[inline]
fn decode(bytes: &[u8], at: usize, first: u8) -> (u32, usize) {
    let rest = |i: usize| u32::from(bytes.get(at + i).copied().unwrap_or(0) & 0x3f);
    let first = u32::from(first);
    match first {
        0..=0xdf => ((first & 0x1f) << 6 | rest(1), 2),
        0xe0..=0xef => ((first & 0x0f) << 12 | rest(1) << 6 | rest(2), 3),
        _ => ((first & 0x07) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4),
    }
}

/// How many of the next eight bytes are ASCII letters before the first that is not.
#[inline]
fn ascii_letters(bytes: &[u8], at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let Some(Ok(block)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) else {
        let rest = bytes.get(at..).unwrap_or_default().iter();
        return rest.take_while(|b| b.is_ascii_alphabetic()).count();
    };
    let block = u64::from_le_bytes(block);
    let folded = (block | (0x20 * ONES)) & !HIGH;
    // The highest bit of each byte says whether it is a letter.
    let from_a = folded + u64::from(0x80 - b'a') * ONES;
    let beyond_z = folded + u64::from(0x7f - b'z') * ONES;
    let letters = from_a & !beyond_z & !block & HIGH;
    (!letters & HIGH).trailing_zeros() as usize / 8
}

impl<const STOP: u8, const KEEP: u8> Scan<'_, STOP, KEEP> {
    /// Classes of the character at `at`, and its length.
    #[inline]
    fn class(&self, at: usize) -> (u8, usize) {
        let (code, length) = match self.bytes.get(at) {
            None => return (END, 0),
            Some(&byte) if byte < 0x80 => (u32::from(byte), 1),
            Some(&byte) => decode(self.bytes, at, byte),
        };
        let class = self.classes.get(code as usize).copied().unwrap_or(0);
        if class & STOP != 0 || (KEEP != 0 && class & KEEP == 0) { (END, 0) } else { (class, length) }
    }

    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The end of the run of characters of one of the classes `any` from `at`.
    #[inline]
    fn run(&self, mut at: usize, any: u8) -> usize {
        loop {
            let (class, length) = self.class(at);
            if class & any == 0 {
                return at;
            }
            at += length;
        }
    }

    /// The end of the run of letters from `at`: ASCII letters eight at a time.
    #[inline]
    fn letters(&self, mut at: usize) -> usize {
        loop {
            let ascii = if KEEP == 0 { ascii_letters(self.bytes, at) } else { 0 };
            at += ascii;
            if ascii < 8 {
                let (class, length) = self.class(at);
                if class & L == 0 {
                    return at;
                }
                at += length;
            }
        }
    }

    /// The end of the run of `[^\s\p{L}\p{N}]` from `at`.
    #[inline]
    fn others(&self, mut at: usize) -> usize {
        loop {
            let (class, length) = self.class(at);
            if class & (L | N | S | END) != 0 {
                return at;
            }
            at += length;
        }
    }

    /// The end of at most `most` digits from `at`.
    fn digits(&self, mut at: usize, most: usize) -> usize {
        for _ in 0..most {
            let (class, length) = self.class(at);
            if class & N == 0 {
                break;
            }
            at += length;
        }
        at
    }

    fn gpt2(&self, at: usize) -> usize {
        if let Some(end) = self.contraction(at, false) {
            return end;
        }
        let start = at + usize::from(self.byte(at) == b' ');
        match self.class(start).0 {
            class if class & L != 0 => self.letters(start),
            class if class & N != 0 => self.run(start, N),
            class if class & (S | END) != 0 => self.space(at),
            _ => self.others(start),
        }
    }

    fn cl100k(&self, at: usize, digits: usize) -> usize {
        let (class, length) = self.class(at);
        if class & L != 0 {
            return self.letters(at + length);
        }
        if let Some(end) = self.contraction(at, true) {
            return end;
        }
        if class & N != 0 {
            return self.digits(at, digits);
        }
        if !matches!(self.byte(at), b'\r' | b'\n') && self.class(at + length).0 & L != 0 {
            return self.letters(at + length);
        }
        self.rest(at, false)
    }

    /// o200k's pattern, or Tekken's: digits in groups of at most so many, words with their contractions or not.
    fn cased_words(&self, at: usize, digits: usize, contractions: bool) -> usize {
        let (class, length) = self.class(at);
        if class & N != 0 {
            return self.digits(at, digits);
        }
        let after = at + length;
        let leads = class & L == 0 && !matches!(self.byte(at), b'\r' | b'\n');
        let lower = (leads.then(|| self.cased(after)).flatten())
            .or_else(|| (class & (UPPER | LOWER) != 0).then(|| self.cased(at)).flatten());
        let word = lower.or_else(|| {
            let upper = leads.then(|| self.run(after, UPPER)).filter(|&end| end > after);
            upper.or_else(|| Some(self.run(at, UPPER)).filter(|&end| end > at))
        });
        match word {
            Some(end) => contractions.then(|| self.contraction(end, true)).flatten().unwrap_or(end),
            None => self.rest(at, true),
        }
    }

    /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`: after the upper case there must be a character of
    /// the second class, or the first gives back as far as its last one.
    fn cased(&self, start: usize) -> Option<usize> {
        let upper = self.run(start, UPPER);
        let end = self.run(upper, LOWER);
        if end > upper {
            return Some(end);
        }
        let mut at = upper;
        while at > start {
            let last = self.before(at);
            if self.class(last).0 & LOWER != 0 {
                return Some(at);
            }
            at = last;
        }
        None
    }

    /// Where the character before `at` begins.
    fn before(&self, at: usize) -> usize {
        let mut start = at - 1;
        while self.byte(start) & 0xc0 == 0x80 {
            start -= 1;
        }
        start
    }

    fn deepseek(&self, at: usize) -> usize {
        const WORD: u8 = UPPER | LOWER;
        let (class, length) = self.class(at);
        let (byte, after) = (self.byte(at), at + length);
        if byte.is_ascii_punctuation() && self.byte(after).is_ascii_alphabetic() {
            let rest = self.bytes.get(after..).unwrap_or_default().iter();
            return after + rest.take_while(|b| b.is_ascii_alphabetic()).count();
        }
        if class & WORD != 0 {
            return self.run(at, WORD);
        }
        if class & PUNCTUATION == 0 && !matches!(byte, b'\r' | b'\n') && self.class(after).0 & WORD != 0 {
            return self.run(after, WORD);
        }
        let start = at + usize::from(byte == b' ');
        let end = self.run(start, PUNCTUATION);
        if end > start {
            return self.line_ends(end, false);
        }
        if class & S != 0 {
            return self.white(at);
        }
        // What no alternative matches stays together until one does.
        let mut at = after;
        loop {
            let (class, length) = self.class(at);
            if class & (WORD | PUNCTUATION | S | END) != 0 || self.class(at + length).0 & WORD != 0 {
                return at;
            }
            at += length;
        }
    }

    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`, the line ends with slashes among them if `slashes`.
    fn rest(&self, at: usize, slashes: bool) -> usize {
        let start = at + usize::from(self.byte(at) == b' ');
        let end = self.others(start);
        if end > start { self.line_ends(end, slashes) } else { self.white(at) }
    }

    fn line_ends(&self, at: usize, slashes: bool) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default().iter();
        at + rest.take_while(|b| matches!(b, b'\r' | b'\n') || (slashes && **b == b'/')).count()
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    fn white(&self, at: usize) -> usize {
        let spaces = self.bytes.get(at..self.run(at, S)).unwrap_or_default();
        match memchr::memrchr2(b'\r', b'\n', spaces) {
            Some(last) => at + last + 1,
            None => self.space(at),
        }
    }

    /// `\s+(?!\S)|\s+`: white space leaves its last character to what follows.
    fn space(&self, at: usize) -> usize {
        let end = self.run(at, S);
        if self.class(end).0 == END {
            return end;
        }
        let last = self.before(end);
        if last > at { last } else { end }
    }

    /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d`. Without regard to case, `s` is also the long s.
    #[inline]
    fn contraction(&self, at: usize, any_case: bool) -> Option<usize> {
        if self.byte(at) != b'\'' {
            return None;
        }
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
