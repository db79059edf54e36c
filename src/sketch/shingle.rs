//! Shingles: a document seen as the set of its runs of n neighboring words or characters, each run one hash.

use super::hash;

/// An odd multiplier; runs are polynomials in it, modulo 2^64.
const BASE: u64 = 0x9e6c_63d0_876a_68b5;

/// Hashes every run of `n` neighbors in constant time per element, whatever `n`.
///
/// The hash of a run depends on its elements and their order alone, never on what surrounds it.
#[derive(Debug, Clone)]
pub struct Roller {
    ring: Vec<u64>,
    at: usize,
    seen: usize,
    sum: u64,
    /// `BASE` to the power n: what the oldest element has been multiplied with when it leaves.
    leaves: u64,
}

impl Roller {
    /// For runs of `n` elements; 0 counts as 1.
    pub fn new(n: usize) -> Self {
        let n = n.max(1);
        let leaves = (0..n).fold(1u64, |power, _| power.wrapping_mul(BASE));
        Self { ring: vec![0; n], at: 0, seen: 0, sum: 0, leaves }
    }

    /// Forgets all elements.
    pub fn clear(&mut self) {
        self.ring.fill(0);
        (self.at, self.seen, self.sum) = (0, 0, 0);
    }

    /// Takes the next element's hash; the hash of the run it completes, if it completes one.
    pub fn push(&mut self, element: u64) -> Option<u64> {
        let n = self.ring.len();
        let oldest = std::mem::replace(self.ring.get_mut(self.at)?, element);
        self.at = if self.at + 1 == n { 0 } else { self.at + 1 };
        self.sum = self.sum.wrapping_mul(BASE).wrapping_add(element).wrapping_sub(oldest.wrapping_mul(self.leaves));
        self.seen = (self.seen + 1).min(n);
        (self.seen == n).then(|| hash::mix(self.sum))
    }
}

/// The hash of a word in lower case. `buffer` is scratch.
pub fn lower_word(word: &str, buffer: &mut Vec<u8>) -> u64 {
    buffer.clear();
    if word.is_ascii() {
        buffer.extend(word.bytes().map(|b| b.to_ascii_lowercase()));
    } else {
        let mut utf8 = [0; 4];
        for c in word.chars().flat_map(char::to_lowercase) {
            buffer.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
    }
    hash::seeded(buffer, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs(elements: &[u64], n: usize) -> Vec<u64> {
        let mut roller = Roller::new(n);
        elements.iter().filter_map(|&e| roller.push(e)).collect()
    }

    proptest! {
        #[test]
        fn a_run_does_not_depend_on_its_surroundings(all in prop::collection::vec(any::<u64>(), 0..40), n in 1usize..9) {
            let rolled = runs(&all, n);
            let alone: Vec<u64> = all.windows(n).map(|run| runs(run, n)[0]).collect();
            prop_assert_eq!(rolled, alone);
        }

        #[test]
        fn order_matters(a: u64, b: u64) {
            prop_assume!(a != b);
            prop_assert_ne!(runs(&[a, b], 2), runs(&[b, a], 2));
        }
    }

    #[test]
    fn case_is_ignored_in_every_alphabet() {
        let mut buffer = Vec::new();
        for (a, b) in [("Tamis", "tAMIS"), ("ÉTÉ", "été"), ("ΔΈΛΤΑ", "δέλτα")] {
            assert_eq!(lower_word(a, &mut buffer), lower_word(b, &mut buffer));
        }
        assert_ne!(lower_word("a", &mut buffer), lower_word("b", &mut buffer));
    }

    #[test]
    fn fewer_elements_than_a_run_make_none() {
        assert!(runs(&[1, 2, 3, 4], 5).is_empty());
        assert_eq!(runs(&[1, 2, 3, 4, 5], 5).len(), 1);
    }
}
