//! The head of a binary file: what kind of model, and how many n-grams of each length.

use super::bits::{float, word32, word64};

/// How n-grams are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Hash tables.
    Probing,
    /// Sorted and packed.
    Trie {
        /// Probabilities are codes.
        quantized: bool,
        /// Pointers are shortened by an array (Raj and Whittaker 2003).
        array: bool,
    },
}

/// The head.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// How n-grams are stored.
    pub kind: Kind,
    /// Slots of a hash table for each entry.
    pub multiplier: f32,
    /// How many n-grams of one word, of two …
    pub counts: Vec<u64>,
    /// Where the vocabulary begins, in bytes.
    pub end: usize,
}

const MAGIC: &[u8] = b"mmap lm http://kheafield.com/code format version 5\n\0";
const FAMILY: &[u8] = b"mmap lm http://kheafield.com/code ";
/// The magic, filled up to a multiple of eight, and numbers that must read as they were written.
const SANITY: usize = (MAGIC.len() + 1).next_multiple_of(8) + 32;

impl Header {
    /// Reads the head; `None` if this is no binary file.
    pub fn read(model: &[u8]) -> Result<Option<Self>, String> {
        if !model.starts_with(FAMILY) {
            return Ok(None);
        }
        if !model.starts_with(MAGIC) {
            return Err("it is of another version of KenLM's binary format than 5, or was not finished".into());
        }
        let numbers = SANITY - 32;
        if (float(model, numbers + 4), float(model, numbers + 8), word64(model, numbers + 24)) != (1.0, -0.5, 1) {
            return Err("it was written on a machine with other numbers than this one's".into());
        }
        let (order, multiplier) = (model.get(SANITY).copied().unwrap_or(0), float(model, SANITY + 4));
        let kind = match word32(model, SANITY + 8) {
            0 => Kind::Probing,
            1 => return Err("it has rest costs, which are for machine translation".into()),
            2 => Kind::Trie { quantized: false, array: false },
            3 => Kind::Trie { quantized: true, array: false },
            4 => Kind::Trie { quantized: false, array: true },
            5 => Kind::Trie { quantized: true, array: true },
            other => return Err(format!("its kind {other} is unknown")),
        };
        let version = word32(model, SANITY + 16);
        if version != u32::from(kind != Kind::Probing) {
            return Err(format!("its tables are of version {version}, which is unknown"));
        }
        let order = usize::from(order);
        let counts: Vec<u64> = (0..order).map(|n| word64(model, SANITY + 20 + n * 8)).collect();
        let bytes = model.len() as u64;
        // No n-gram takes less than a bit.
        if !(2..=super::MOST_ORDER).contains(&order) || counts.iter().any(|n| *n > bytes.saturating_mul(8)) {
            return Err("its head contradicts its size".into());
        }
        let sane = kind != Kind::Probing || (1.0..1000.0).contains(&multiplier);
        if !sane {
            return Err("its head contradicts itself".into());
        }
        Ok(Some(Self { kind, multiplier, counts, end: (SANITY + 20 + order * 8).next_multiple_of(8) }))
    }
}
