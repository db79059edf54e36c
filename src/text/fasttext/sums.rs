//! The sum of each token's rows, remembered: words repeat, and summing a word's twenty rows costs more than finding it.
//!
//! A token's rows are always summed first and added to the line's sum second, found or not, so what is remembered never
//! shows in the result. The memory is direct-mapped and bounded: a new word takes the place of whichever had its slot.

/// Longer tokens are summed anew each time.
const LONGEST: usize = 28;
/// Memory for sums, in bytes.
const MEMORY: usize = 8 << 20;

/// What one worker remembers.
#[derive(Default)]
pub struct Sums {
    keys: Vec<Key>,
    sums: Vec<f32>,
    dim: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    word: [u8; LONGEST],
    /// `u8::MAX` for a free slot.
    length: u8,
    is_label: bool,
    rows: u16,
}

const FREE: Key = Key { word: [0; LONGEST], length: u8::MAX, is_label: false, rows: 0 };

/// What is known of a token.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Known {
    /// How many rows were summed.
    pub rows: usize,
    /// Whether it is a label, which counts for nothing.
    pub is_label: bool,
}

impl Sums {
    /// The sum of `token`'s rows, found or made by `sum`, which fills its argument (zeros).
    pub fn of(&mut self, token: &[u8], dim: usize, sum: impl FnOnce(&mut [f32]) -> Known) -> (&[f32], Known) {
        if self.dim != dim {
            let slots = (MEMORY / (dim * 4 + size_of::<Key>())).next_power_of_two() / 2;
            *self = Self { keys: vec![FREE; slots + 1], sums: vec![0.0; (slots + 1) * dim], dim };
        }
        let mut key = FREE;
        let slots = self.keys.len() - 1;
        // The last slot is for what cannot be remembered.
        let mut slot = slots;
        if let Some(place) = key.word.get_mut(..token.len()) {
            place.copy_from_slice(token);
            key.length = token.len() as u8;
            slot = xxhash_rust::xxh3::xxh3_64(token) as usize & (slots - 1);
        }
        let range = slot * dim..(slot + 1) * dim;
        let (Some(held), Some(place)) = (self.keys.get_mut(slot), self.sums.get_mut(range)) else {
            return (&[], Known { rows: 0, is_label: false });
        };
        if key.length == u8::MAX || held.length != key.length || held.word != key.word {
            place.fill(0.0);
            let known = sum(place);
            key.rows = u16::try_from(known.rows).unwrap_or(u16::MAX);
            key.is_label = known.is_label;
            *held = key;
            return (place, known);
        }
        (place, Known { rows: usize::from(held.rows), is_label: held.is_label })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_summed() {
        let mut sums = Sums::default();
        let long = "x".repeat(LONGEST + 1);
        let words: Vec<String> = (0..200_000).map(|n| (n % 70_000).to_string()).chain([long.clone(), long]).collect();
        let mut made = 0;
        for word in &words {
            let value = word.len() as f32;
            let (sum, known) = sums.of(word.as_bytes(), 16, |out| {
                made += 1;
                out.fill(value);
                Known { rows: word.len(), is_label: word == "7" }
            });
            assert!(sum.len() == 16 && sum.iter().all(|x| *x == value));
            assert_eq!(known, Known { rows: word.len(), is_label: word == "7" });
        }
        assert!((70_002..200_002).contains(&made), "{made}");
    }
}
