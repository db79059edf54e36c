//! What kinds of characters a text is made of.

use unicode_normalization::char::is_combining_mark;

/// How many characters of each kind a text has. Kinds overlap only where it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes {
    /// Letters and the marks on them.
    pub letters: u64,
    /// Upper-case letters; also in `letters`.
    pub upper: u64,
    /// Lower-case letters; also in `letters`.
    pub lower: u64,
    /// Digits and other numbers.
    pub digits: u64,
    /// Whitespace.
    pub spaces: u64,
    /// Everything else: punctuation, symbols, controls.
    pub symbols: u64,
}

impl Classes {
    /// Counts the characters of `text`. Runs of ASCII go eight bytes at a time without decoding.
    pub fn of(text: &str) -> Self {
        let mut ascii = [0u64; 128];
        let mut classes = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (plain, tail) = rest.split_at(ascii_prefix(rest.as_bytes()));
            for byte in plain.bytes() {
                if let Some(count) = ascii.get_mut(usize::from(byte)) {
                    *count += 1;
                }
            }
            let (other, next) = tail.split_at(tail.find(|c: char| c.is_ascii()).unwrap_or(tail.len()));
            other.chars().for_each(|c| classes.add(c, 1));
            rest = next;
        }
        for (byte, count) in ascii.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            classes.add(byte as u8 as char, count);
        }
        classes
    }

    /// All characters.
    pub fn total(&self) -> u64 {
        self.letters + self.digits + self.spaces + self.symbols
    }

    fn add(&mut self, c: char, times: u64) {
        if c.is_alphabetic() || is_combining_mark(c) {
            self.letters += times;
            self.upper += if c.is_uppercase() { times } else { 0 };
            self.lower += if c.is_lowercase() { times } else { 0 };
        } else if c.is_numeric() {
            self.digits += times;
        } else if c.is_whitespace() {
            self.spaces += times;
        } else {
            self.symbols += times;
        }
    }
}

fn ascii_prefix(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let plain = words.iter().take_while(|word| u64::from_ne_bytes(**word) & 0x8080_8080_8080_8080 == 0).count();
    let tail = words.get(plain).map_or(rest, <[u8; 8]>::as_slice);
    plain * 8 + tail.iter().take_while(|b| b.is_ascii()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_belong_to_their_letters() {
        let classes = Classes::of("हिन्दी É 12 ½ #…");
        assert_eq!((classes.letters, classes.upper, classes.digits), (7, 1, 3));
        assert_eq!((classes.spaces, classes.symbols), (4, 2));
    }

    proptest! {
        #[test]
        fn the_fast_path_counts_like_the_slow_one(text in "(\\PC|[a-zA-Z0-9 .\\n]){0,60}") {
            let mut slow = Classes::default();
            text.chars().for_each(|c| slow.add(c, 1));
            prop_assert_eq!(Classes::of(&text), slow);
            prop_assert_eq!(slow.total(), text.chars().count() as u64);
        }
    }
}
