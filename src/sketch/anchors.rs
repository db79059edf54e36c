//! Anchors: places in a sequence that are chosen by what stands around them alone, so that equal pieces of two sequences
//! have equal anchors (winnowing: Schleimer, Wilkerson & Aiken 2003; minimizers: Roberts et al. 2004).
//!
//! The anchor of a window is the least of its grams by a hash, the first of equal ones. Neighbouring windows mostly share
//! theirs: a *run* of windows with one anchor is what is remembered instead of every window.

use std::collections::VecDeque;

use super::hash;

/// What sequences are made of.
pub trait Symbol: Copy {
    /// A number that stands for it.
    fn value(self) -> u64;
    /// The bytes of a piece, by which it is hashed.
    fn bytes<'b>(piece: &'b [Self], buffer: &'b mut Vec<u8>) -> &'b [u8];
}

impl Symbol for u8 {
    fn value(self) -> u64 {
        self.into()
    }
    fn bytes<'b>(piece: &'b [Self], _: &'b mut Vec<u8>) -> &'b [u8] {
        piece
    }
}

impl Symbol for u64 {
    fn value(self) -> u64 {
        self
    }
    fn bytes<'b>(piece: &'b [Self], buffer: &'b mut Vec<u8>) -> &'b [u8] {
        buffer.clear();
        buffer.extend(piece.iter().flat_map(|symbol| symbol.to_le_bytes()));
        buffer
    }
}

/// Neighbouring windows with one anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Where the first window begins.
    pub start: usize,
    /// How many windows.
    pub windows: usize,
    /// Where the anchor begins.
    pub anchor: usize,
}

/// Finds the runs of a sequence. Keeps its memory from sequence to sequence.
#[derive(Debug, Clone)]
pub struct Anchors {
    window: usize,
    gram: usize,
    /// Candidates for the least gram: hash and place, ascending in both.
    least: VecDeque<(u64, usize)>,
}

/// Odd, of high entropy: the golden ratio's bits.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

impl Anchors {
    /// Of windows of `window` symbols, anchored at grams of `gram` of them.
    pub fn new(window: usize, gram: usize) -> Self {
        let window = window.max(1);
        Self { window, gram: gram.clamp(1, window), least: VecDeque::new() }
    }

    /// Symbols of an anchor.
    pub fn gram(&self) -> usize {
        self.gram
    }

    /// Gives every run of `symbols` to `each`, in order.
    pub fn runs<S: Symbol>(&mut self, symbols: &[S], mut each: impl FnMut(Run)) {
        let grams = self.window - self.gram + 1;
        let outgoing = (0..self.gram).fold(1u64, |power, _| power.wrapping_mul(BASE));
        let mut rolling = 0u64;
        let mut run: Option<Run> = None;
        self.least.clear();
        for (end, symbol) in symbols.iter().enumerate() {
            rolling = rolling.wrapping_mul(BASE).wrapping_add(hash::mix(symbol.value().wrapping_add(BASE)));
            let Some(place) = (end + 1).checked_sub(self.gram) else { continue };
            if let Some(gone) = place.checked_sub(1).and_then(|gone| symbols.get(gone)) {
                rolling = rolling.wrapping_sub(hash::mix(gone.value().wrapping_add(BASE)).wrapping_mul(outgoing));
            }
            let order = hash::mix(rolling);
            while self.least.back().is_some_and(|(least, _)| *least > order) {
                self.least.pop_back();
            }
            self.least.push_back((order, place));
            let Some(start) = (place + 1).checked_sub(grams) else { continue };
            while self.least.front().is_some_and(|(_, place)| *place < start) {
                self.least.pop_front();
            }
            let Some(&(_, anchor)) = self.least.front() else { continue };
            match &mut run {
                Some(run) if run.anchor == anchor => run.windows += 1,
                run => run.replace(Run { start, windows: 1, anchor }).into_iter().for_each(&mut each),
            }
        }
        run.into_iter().for_each(each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn anchors(window: usize, gram: usize, symbols: &[u8]) -> Vec<usize> {
        let mut of_window = Vec::new();
        Anchors::new(window, gram).runs(symbols, |run| {
            assert_eq!(run.start, of_window.len(), "runs follow each other");
            of_window.extend(vec![run.anchor; run.windows]);
        });
        of_window
    }

    proptest! {
        #[test]
        fn equal_windows_have_their_anchor_at_the_same_place(
            text in "[ab]{0,60}|a{0,40}|[a-z]{0,80}", window in 1usize..12, gram in 1usize..12
        ) {
            let text = text.as_bytes();
            let gram = gram.min(window);
            let all = anchors(window, gram, text);
            prop_assert_eq!(all.len(), (text.len() + 1).saturating_sub(window));
            for (start, anchor) in all.iter().enumerate() {
                prop_assert!(*anchor >= start && anchor + gram <= start + window);
                let alone = anchors(window, gram, &text[start..start + window]);
                prop_assert_eq!(alone, vec![anchor - start]);
            }
        }
    }

    #[test]
    fn bytes_and_words_roll_alike() {
        let bytes = b"the quick brown fox jumps over the lazy dog and over the quick brown fox";
        let words: Vec<u64> = bytes.iter().map(|b| u64::from(*b)).collect();
        let mut runs = (Vec::new(), Vec::new());
        Anchors::new(20, 8).runs(&bytes[..], |run| runs.0.push(run));
        Anchors::new(20, 8).runs(&words, |run| runs.1.push(run));
        assert_eq!(runs.0, runs.1);
        assert!(runs.0.len() > 3 && runs.0.len() < 30, "{runs:?}");
    }
}
