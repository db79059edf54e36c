//! Words, labels and subword n-grams of a fastText model: a token → row numbers of the input matrix.
//!
//! Words stay where they lie in the file: a table of their offsets finds them, so that a model with a million words loads
//! in the time it takes to walk over them once.

use super::input::Input;

/// The dictionary. Methods take the model's bytes, in which the words lie.
pub struct Dictionary {
    /// Open addressing over `places`, `NONE` where free; a power of two of slots.
    table: Vec<u32>,
    /// Offset and length of each word in the file, by row.
    places: Vec<(u64, u32)>,
    labels: Vec<String>,
    counts: Vec<i64>,
    word_ngrams: usize,
    bucket: u32,
    minn: usize,
    maxn: usize,
    /// Bucket → row after the words, `NONE` if pruned away. Empty: nothing was pruned.
    kept: Vec<u32>,
    drops_all: bool,
}

/// What the header says of words.
pub struct Shape {
    /// Longest n-gram of words.
    pub word_ngrams: i32,
    /// Rows for hashed n-grams.
    pub bucket: i32,
    /// Shortest n-gram of characters.
    pub minn: i32,
    /// Longest n-gram of characters, 0 for none.
    pub maxn: i32,
}

const NONE: u32 = u32::MAX;
/// What the reference puts at the end of every line.
pub const END: &[u8] = b"</s>";
/// Memory for pruned buckets is bounded by this many of them.
const MOST_BUCKETS: i32 = 1 << 28;

impl Dictionary {
    /// Reads the dictionary.
    pub fn read(input: &mut Input<'_>, shape: &Shape) -> Result<Self, String> {
        let size = |n: i32| usize::try_from(n).map_err(|_| "a size is negative".to_owned());
        let (entries, words, labels) = (size(input.i32()?)?, size(input.i32()?)?, size(input.i32()?)?);
        let _tokens = input.i64()?;
        let pruned = input.i64()?;
        if words.checked_add(labels) != Some(entries) || !(0..=MOST_BUCKETS).contains(&shape.bucket) {
            return Err("its dictionary contradicts itself".into());
        }
        let mut it = Self {
            table: Vec::new(),
            places: Vec::new(),
            labels: Vec::new(),
            counts: Vec::new(),
            word_ngrams: size(shape.word_ngrams)?,
            bucket: shape.bucket as u32,
            minn: size(shape.minn)?,
            maxn: size(shape.maxn)?,
            kept: Vec::new(),
            drops_all: pruned == 0,
        };
        for _ in 0..entries {
            let at = input.at();
            let word = input.word()?;
            let count = input.i64()?;
            match input.u8()? {
                0 => it.places.push((at as u64, word.len() as u32)),
                _ => {
                    it.labels.push(String::from_utf8_lossy(word).into_owned());
                    it.counts.push(count);
                }
            }
        }
        if it.places.len() != words {
            return Err("its dictionary contradicts itself".into());
        }
        if pruned > 0 {
            it.kept = vec![NONE; shape.bucket as usize];
            for _ in 0..pruned {
                let (from, to) = (size(input.i32()?)?, size(input.i32()?)?);
                *it.kept.get_mut(from).ok_or("a pruned bucket is out of range")? = to as u32;
            }
        }
        it.index(input.all());
        Ok(it)
    }

    fn index(&mut self, model: &[u8]) {
        let slots = (self.places.len() * 2).next_power_of_two().max(2);
        self.table = vec![NONE; slots];
        for row in 0..self.places.len() {
            let slot = self.slot(model, self.word(model, row));
            if let Some(free) = self.table.get_mut(slot) {
                *free = row as u32;
            }
        }
    }

    fn word<'m>(&self, model: &'m [u8], row: usize) -> &'m [u8] {
        let (at, length) = self.places.get(row).copied().unwrap_or_default();
        model.get(at as usize..at as usize + length as usize).unwrap_or_default()
    }

    /// The slot that holds `word`, or the free one where it belongs.
    fn slot(&self, model: &[u8], word: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = xxhash_rust::xxh3::xxh3_64(word) as usize & mask;
        while let Some(&row) = self.table.get(slot).filter(|row| **row != NONE) {
            if self.word(model, row as usize) == word {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Number of words: hashed n-grams have the rows after theirs.
    pub fn words(&self) -> usize {
        self.places.len()
    }

    /// How many rows the input matrix must have.
    pub fn rows(&self) -> usize {
        let kept = self.kept.iter().filter(|row| **row != NONE).max().map_or(0, |last| *last as usize + 1);
        self.places.len()
            + match (self.drops_all, self.kept.is_empty()) {
                (true, _) => 0,
                (_, true) => self.bucket as usize,
                (_, false) => kept,
            }
    }

    /// How often each label was seen in training: what the Huffman tree is made of.
    pub fn label_counts(&self) -> &[i64] {
        &self.counts
    }

    /// Whether rows are made of several words together.
    pub fn has_word_ngrams(&self) -> bool {
        self.word_ngrams > 1
    }

    /// Gives `row` the rows of one token: its own, then those of its subwords. `false` if it is a label, which is no word.
    pub fn token(&self, model: &[u8], token: &[u8], row: &mut impl FnMut(u32)) -> bool {
        let known = self.table.get(self.slot(model, token)).copied().filter(|row| *row != NONE);
        match known {
            Some(own) => row(own),
            None if token.starts_with(b"__label__") => return false,
            None => {}
        }
        if token != END && self.maxn > 0 {
            self.subwords(token, row);
        }
        true
    }

    fn bucket(&self, bucket: u32, row: &mut impl FnMut(u32)) {
        let kept = if self.kept.is_empty() { bucket } else { self.kept.get(bucket as usize).copied().unwrap_or(NONE) };
        if kept != NONE {
            row(self.places.len() as u32 + kept);
        }
    }

    /// Rows of the n-grams of `<word>`, of `minn` to `maxn` characters.
    fn subwords(&self, word: &[u8], row: &mut impl FnMut(u32)) {
        if self.drops_all || self.bucket == 0 {
            return;
        }
        let length = word.len() + 2;
        let at = |i: usize| match i {
            0 => b'<',
            i if i + 1 == length => b'>',
            i => word.get(i - 1).copied().unwrap_or_default(),
        };
        let continues = |i: usize| i < length && at(i) & 0xc0 == 0x80;
        for start in 0..length {
            if continues(start) {
                continue;
            }
            let (mut hash, mut end) = (OFFSET, start);
            for n in 1..=self.maxn {
                if end >= length {
                    break;
                }
                hash = step(hash, at(end));
                end += 1;
                while continues(end) {
                    hash = step(hash, at(end));
                    end += 1;
                }
                // A bracket alone says nothing.
                if n >= self.minn && !(n == 1 && (start == 0 || end == length)) {
                    self.bucket(hash % self.bucket, row);
                }
            }
        }
    }

    /// Rows of the n-grams of words, from the hashes of a line's words.
    pub fn ngrams(&self, hashes: &[i32], row: &mut impl FnMut(u32)) {
        if self.drops_all || self.bucket == 0 {
            return;
        }
        for (start, &first) in hashes.iter().enumerate() {
            let mut hash = i64::from(first) as u64;
            for &next in hashes.iter().skip(start + 1).take(self.word_ngrams.saturating_sub(1)) {
                hash = hash.wrapping_mul(116_049_371).wrapping_add(i64::from(next) as u64);
                self.bucket((hash % u64::from(self.bucket)) as u32, row);
            }
        }
    }
}

const OFFSET: u32 = 2_166_136_261;

/// The reference's hash of a token.
pub fn hash(token: &[u8]) -> i32 {
    token.iter().fold(OFFSET, |h, &b| step(h, b)) as i32
}

/// One step of 32-bit FNV-1a as the reference does it: bytes are sign-extended.
fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ (byte as i8 as u32)).wrapping_mul(16_777_619)
}

/// The tokens of a line: what the reference's whitespace separates, up to its end-of-line word.
pub fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c | 0)).filter(|token| !token.is_empty())
}
