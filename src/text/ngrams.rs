//! Repetition of word n-grams, as shares of characters. A word is its hash and its length in characters.

/// Memory that is used again.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Hash and place of each n-gram.
    grams: Vec<(u64, u32)>,
    covered: Vec<bool>,
}

impl Scratch {
    /// The n-grams of `words`, sorted by hash and then by place.
    fn sorted(&mut self, words: &[(u64, u32)], n: usize) -> &[(u64, u32)] {
        self.grams.clear();
        let hash = |gram: &[(u64, u32)]| {
            gram.iter().fold(n as u64, |hash, word| (hash.rotate_left(23) ^ word.0).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        };
        self.grams.extend(words.windows(n).zip(0..).map(|(gram, place)| (hash(gram), place)));
        self.grams.sort_unstable();
        &self.grams
    }
}

/// How often the n-gram occurs that occurs most often (the first such, if several do), and where first.
pub fn most_frequent(words: &[(u64, u32)], n: usize, scratch: &mut Scratch) -> Option<(u64, usize)> {
    let same = scratch.sorted(words, n).chunk_by(|a, b| a.0 == b.0);
    let counted = same.filter_map(|same| same.first().map(|first| (same.len() as u64, std::cmp::Reverse(first.1))));
    counted.max().map(|(times, std::cmp::Reverse(place))| (times, place as usize))
}

/// Characters in the occurrences of the n-gram that occurs most often; 0 if none occurs twice. Overlapping occurrences
/// count each.
pub fn top(words: &[(u64, u32)], n: usize, scratch: &mut Scratch) -> u64 {
    let Some((times, place)) = most_frequent(words, n, scratch).filter(|(times, _)| *times > 1) else { return 0 };
    let gram = words.get(place..place + n).unwrap_or_default();
    times * gram.iter().map(|word| u64::from(word.1)).sum::<u64>()
}

/// Marks the places in `again` where an n-gram begins that began before.
pub fn repeated(words: &[(u64, u32)], n: usize, scratch: &mut Scratch, again: &mut Vec<bool>) {
    again.clear();
    again.resize((words.len() + 1).saturating_sub(n), false);
    for same in scratch.sorted(words, n).chunk_by(|a, b| a.0 == b.0) {
        for (_, place) in same.iter().skip(1) {
            if let Some(mark) = again.get_mut(*place as usize) {
                *mark = true;
            }
        }
    }
}

/// Characters of the words in n-grams that occur more than once, each word once.
pub fn duplicated(words: &[(u64, u32)], n: usize, scratch: &mut Scratch) -> u64 {
    let mut covered = std::mem::take(&mut scratch.covered);
    covered.clear();
    covered.resize(words.len(), false);
    for same in scratch.sorted(words, n).chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        for (_, place) in same {
            let place = *place as usize;
            covered.iter_mut().skip(place).take(n).for_each(|word| *word = true);
        }
    }
    let chars = words.iter().zip(&covered).filter(|(_, covered)| **covered).map(|(word, _)| u64::from(word.1)).sum();
    scratch.covered = covered;
    chars
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(letters: &str) -> Vec<(u64, u32)> {
        letters.chars().map(|c| (u64::from(c as u32).wrapping_mul(0x1234_5678_9abc_def1), c as u32 - 96)).collect()
    }

    #[test]
    fn the_first_of_those_that_occur_most_is_the_top() {
        // `ab` and `ca` occur twice, `ab` first; a has one character, b two, c three.
        assert_eq!(top(&words("abcabdca"), 2, &mut Scratch::default()), 2 * 3);
        assert_eq!(top(&words("abcd"), 2, &mut Scratch::default()), 0);
        assert_eq!(duplicated(&words("abcxabc"), 3, &mut Scratch::default()), 12);
        assert_eq!(duplicated(&words("aaaa"), 3, &mut Scratch::default()), 4);
        assert_eq!(duplicated(&words("ab"), 3, &mut Scratch::default()), 0);
    }

    proptest! {
        #[test]
        fn duplicated_words_are_those_of_the_definition(letters in "[abc]{0,20}", n in 1usize..4) {
            let list = words(&letters);
            let grams: Vec<_> = list.windows(n).collect();
            let mut covered = vec![false; list.len()];
            for (i, gram) in grams.iter().enumerate() {
                if grams.iter().filter(|g| *g == gram).count() > 1 {
                    covered[i..i + n].iter_mut().for_each(|c| *c = true);
                }
            }
            let expected: u64 = list.iter().zip(&covered).filter(|(_, c)| **c).map(|(w, _)| u64::from(w.1)).sum();
            prop_assert_eq!(duplicated(&list, n, &mut Scratch::default()), expected);
        }
    }
}
