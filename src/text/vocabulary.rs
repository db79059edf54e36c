//! How often each word of a text occurs.

use xxhash_rust::xxh3::xxh3_64;

/// Counts words without regard to case. Reused from text to text.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    hashes: Vec<u64>,
    counts: Vec<u32>,
    folded: String,
}

impl Vocabulary {
    /// How often each different word occurs, in ascending order. Sorting hashes makes the order the same everywhere, and
    /// costs less than a map whose memory would outlive the longest document.
    pub fn count<'w>(&mut self, words: impl Iterator<Item = &'w str>) -> &[u32] {
        self.hashes.clear();
        self.counts.clear();
        for word in words {
            self.hashes.push(folded_hash(word, &mut self.folded));
        }
        self.hashes.sort_unstable();
        self.counts.extend(self.hashes.chunk_by(|a, b| a == b).map(|same| same.len() as u32));
        self.counts.sort_unstable();
        &self.counts
    }
}

fn folded_hash(word: &str, folded: &mut String) -> u64 {
    folded.clear();
    if word.is_ascii() {
        folded.push_str(word);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    xxh3_64(folded.as_bytes())
}

/// The Shannon entropy, in nats, of a distribution given by its counts. Ascending counts give the same bits everywhere.
pub fn entropy(counts: &[u32]) -> f64 {
    let total: u64 = counts.iter().map(|&n| u64::from(n)).sum();
    if total == 0 {
        return 0.0;
    }
    let weighted: f64 = counts.iter().map(|&n| f64::from(n) * f64::from(n).ln()).sum();
    ((total as f64).ln() - weighted / total as f64).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn entropy_of_known_distributions() {
        assert_eq!(entropy(&[]), 0.0);
        assert_eq!(entropy(&[7]), 0.0);
        assert!((entropy(&[1, 1, 1, 1]) - 4f64.ln()).abs() < 1e-12);
        assert!((entropy(&[1, 3]) - 0.562_335_144_618_808_4).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_map(words in proptest::collection::vec("[abAB]{1,2}|É|é|ß", 0..60)) {
            let mut map: HashMap<String, u32> = HashMap::new();
            words.iter().for_each(|w| *map.entry(w.to_lowercase()).or_default() += 1);
            let mut expected: Vec<u32> = map.into_values().collect();
            expected.sort_unstable();
            let mut vocabulary = Vocabulary::default();
            vocabulary.count(["left", "over"].into_iter());
            prop_assert_eq!(vocabulary.count(words.iter().map(String::as_str)), expected);
        }
    }
}
