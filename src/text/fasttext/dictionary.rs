//! Words, labels and subword n-grams of a fastText model: text → row numbers of the input matrix.

use std::collections::HashMap;

use super::input::Input;

/// The dictionary.
pub struct Dictionary {
    /// Word → its rows: its own, then those of its subwords.
    words: HashMap<Box<[u8]>, Box<[u32]>, foldhash::fast::FixedState>,
    labels: Vec<String>,
    counts: Vec<i64>,
    word_count: u32,
    word_ngrams: usize,
    bucket: u64,
    minn: usize,
    maxn: usize,
    /// Bucket → row after the words, `NONE` if pruned away. Empty: nothing was pruned.
    kept: Vec<u32>,
    drops_all: bool,
}

const NONE: u32 = u32::MAX;
const END: &[u8] = b"</s>";

impl Dictionary {
    /// Reads the dictionary.
    pub fn read(input: &mut Input<'_>, word_ngrams: i32, bucket: i32, minn: i32, maxn: i32) -> Result<Self, String> {
        let size = |n: i32| usize::try_from(n).map_err(|_| "a size is negative".to_owned());
        let (entries, words, labels) = (size(input.i32()?)?, size(input.i32()?)?, size(input.i32()?)?);
        let _tokens = input.i64()?;
        let pruned = input.i64()?;
        if words.checked_add(labels) != Some(entries) || !(0..=1 << 28).contains(&bucket) {
            return Err("its dictionary contradicts itself".into());
        }
        let mut it = Self {
            words: HashMap::default(),
            labels: Vec::new(),
            counts: Vec::new(),
            word_count: words as u32,
            word_ngrams: size(word_ngrams)?,
            bucket: bucket as u64,
            minn: size(minn)?,
            maxn: size(maxn)?,
            kept: Vec::new(),
            drops_all: pruned == 0,
        };
        let mut spelled = Vec::new();
        for _ in 0..entries {
            let word = input.word()?;
            let count = input.i64()?;
            match input.u8()? {
                0 => spelled.push(word),
                _ => {
                    it.labels.push(String::from_utf8_lossy(word).into_owned());
                    it.counts.push(count);
                }
            }
        }
        if spelled.len() != words {
            return Err("its dictionary contradicts itself".into());
        }
        if pruned > 0 {
            it.kept = vec![NONE; bucket as usize];
            for _ in 0..pruned {
                let (from, to) = (size(input.i32()?)?, size(input.i32()?)?);
                *it.kept.get_mut(from).ok_or("a pruned bucket is out of range")? = to as u32;
            }
        }
        for (row, word) in spelled.into_iter().enumerate() {
            let mut rows = vec![row as u32];
            if word != END && it.maxn > 0 {
                it.subwords(word, &mut rows);
            }
            it.words.insert(word.into(), rows.into());
        }
        Ok(it)
    }

    /// The labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// How often each label was seen in training: what the Huffman tree is made of.
    pub fn label_counts(&self) -> Vec<i64> {
        self.counts.clone()
    }

    /// The rows of a line: its words, their subwords, the end of line, and word n-grams.
    pub fn line(&self, text: &[u8], rows: &mut Vec<u32>, hashes: &mut Vec<i32>) {
        rows.clear();
        hashes.clear();
        for token in
            text.split(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c | 0)).filter(|t| !t.is_empty())
        {
            self.token(token, rows, hashes);
            if token == END {
                return self.ngrams(rows, hashes);
            }
        }
        self.token(END, rows, hashes);
        self.ngrams(rows, hashes);
    }

    fn token(&self, token: &[u8], rows: &mut Vec<u32>, hashes: &mut Vec<i32>) {
        match self.words.get(token) {
            Some(known) => rows.extend_from_slice(known),
            None if token.starts_with(b"__label__") => return,
            None if token != END => self.subwords(token, rows),
            None => {}
        }
        if self.word_ngrams > 1 {
            hashes.push(token.iter().fold(2_166_136_261, |h, &b| step(h, b)) as i32);
        }
    }

    fn push(&self, hash: u64, rows: &mut Vec<u32>) {
        if self.drops_all || self.bucket == 0 {
            return;
        }
        let bucket = hash % self.bucket;
        let row =
            if self.kept.is_empty() { bucket as u32 } else { self.kept.get(bucket as usize).copied().unwrap_or(NONE) };
        if row != NONE {
            rows.push(self.word_count + row);
        }
    }

    /// Rows of the n-grams of `<word>`, of `minn` to `maxn` characters.
    fn subwords(&self, word: &[u8], rows: &mut Vec<u32>) {
        if self.maxn == 0 {
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
            let (mut hash, mut end) = (2_166_136_261u32, start);
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
                    self.push(u64::from(hash), rows);
                }
            }
        }
    }

    fn ngrams(&self, rows: &mut Vec<u32>, hashes: &[i32]) {
        for (start, &first) in hashes.iter().enumerate() {
            let mut hash = i64::from(first) as u64;
            for &next in hashes.iter().skip(start + 1).take(self.word_ngrams.saturating_sub(1)) {
                hash = hash.wrapping_mul(116_049_371).wrapping_add(i64::from(next) as u64);
                self.push(hash, rows);
            }
        }
    }
}

/// One step of 32-bit FNV-1a as the reference does it: bytes are sign-extended.
fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ (byte as i8 as u32)).wrapping_mul(16_777_619)
}
