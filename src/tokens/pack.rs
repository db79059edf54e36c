//! Rows of a fixed length made of documents: one after another, or each where it fits best.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats::{Item, Segment};
use crate::error::Result;

/// How rows of a fixed length are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Tokens of a row.
    #[schemars(range(min = 2))]
    pub length: usize,
    /// How documents are put in rows.
    #[serde(default)]
    pub how: How,
    /// The token that fills rows up; the end-of-document token if left out.
    #[serde(default)]
    pub pad_token: Option<String>,
}

/// How documents are put in rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Each document goes whole into the row that it fills best; only documents longer than a row are cut (best-fit
    /// packing, arXiv 2404.10830).
    #[default]
    BestFit,
    /// One after another, cut where a row ends.
    Concatenate,
}

/// Tokens that are packed together: the same for any memory, so that rows do not depend on it.
const WINDOW: usize = 16 << 20;

/// Where rows go.
pub type Emit<'e> = &'e mut dyn FnMut(&Item<'_>) -> Result<()>;

/// Packs documents as they come.
pub struct Packer {
    length: usize,
    how: How,
    pad: u32,
    pieces: Vec<(Vec<u32>, Segment)>,
    held: usize,
    /// Rows made, and padding in them.
    pub rows: u64,
    /// Tokens of padding.
    pub padding: u64,
}

impl Packer {
    /// A packer of rows of `pack.length`, filled up with `pad`.
    pub fn new(pack: &Pack, pad: u32) -> Self {
        Self { length: pack.length.max(1), how: pack.how, pad, pieces: Vec::new(), held: 0, rows: 0, padding: 0 }
    }

    /// Adds a document; gives the rows that are complete.
    pub fn push(&mut self, ids: &[u32], segment: &Segment, emit: Emit<'_>) -> Result<()> {
        let mut rest = ids;
        while !rest.is_empty() {
            let room = match self.how {
                How::BestFit => self.length,
                How::Concatenate => self.length - self.held,
            };
            let (piece, after) = rest.split_at(room.min(rest.len()));
            rest = after;
            self.held += piece.len();
            let mut of = segment.of.clone();
            if let Some(of) = of.as_mut().filter(|_| piece.len() < ids.len()) {
                // Part of a document is not its text.
                of.text = 0;
            }
            self.pieces.push((piece.to_vec(), Segment { tokens: piece.len() as u64, of }));
            let full = match self.how {
                How::BestFit => WINDOW.max(self.length),
                How::Concatenate => self.length,
            };
            if self.held >= full {
                self.flush(emit)?;
            }
        }
        Ok(())
    }

    /// Gives the rows that are left.
    pub fn finish(&mut self, emit: Emit<'_>) -> Result<()> {
        if self.pieces.is_empty() { Ok(()) } else { self.flush(emit) }
    }

    fn flush(&mut self, emit: Emit<'_>) -> Result<()> {
        let pieces = std::mem::take(&mut self.pieces);
        self.held = 0;
        let bins = match self.how {
            How::Concatenate => vec![(0..pieces.len()).collect()],
            How::BestFit => best_fit(&pieces.iter().map(|p| p.0.len()).collect::<Vec<_>>(), self.length),
        };
        let mut ids = Vec::with_capacity(self.length);
        for bin in bins {
            ids.clear();
            let mut segments = Vec::new();
            for (piece, segment) in bin.into_iter().filter_map(|at: usize| pieces.get(at)) {
                ids.extend_from_slice(piece);
                segments.push(segment.clone());
            }
            let padding = self.length - ids.len();
            if padding > 0 {
                segments.push(Segment { tokens: padding as u64, of: None });
                ids.resize(self.length, self.pad);
            }
            self.rows += 1;
            self.padding += padding as u64;
            emit(&Item { ids: &ids, segments: &segments })?;
        }
        Ok(())
    }
}

/// Which pieces share a row: the longest first, each into the row with the least room that is enough for it. Rows are in
/// the order of their first piece.
fn best_fit(lengths: &[usize], row: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(lengths.get(*at).copied().unwrap_or(0)));
    let mut bins: Vec<Vec<usize>> = Vec::new();
    let mut room: BTreeSet<(usize, usize)> = BTreeSet::new();
    for at in order {
        let length = lengths.get(at).copied().unwrap_or(0);
        let (left, bin) = match room.range((length, 0)..).next().copied() {
            Some(found) => {
                room.remove(&found);
                found
            }
            None => {
                bins.push(Vec::new());
                (row, bins.len() - 1)
            }
        };
        if let Some(bin) = bins.get_mut(bin) {
            bin.push(at);
        }
        room.insert((left - length.min(left), bin));
    }
    bins.iter_mut().for_each(|bin| bin.sort_unstable());
    bins.sort();
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::formats::Origin;
    use proptest::prelude::*;

    type Row = (Vec<u32>, Vec<Segment>);

    fn packed(lengths: &[usize], length: usize, how: How) -> (Vec<Row>, u64) {
        let mut packer = Packer::new(&Pack { length, how, pad_token: None }, 7);
        let mut rows = Vec::new();
        let mut emit = |item: &Item<'_>| {
            rows.push((item.ids.to_vec(), item.segments.to_vec()));
            Ok(())
        };
        for (number, tokens) in lengths.iter().enumerate() {
            let of = Origin { id: number as u128, source: "a".into(), place: "p".into(), text: 0 };
            let segment = Segment { tokens: *tokens as u64, of: Some(of) };
            packer.push(&vec![number as u32 + 100; *tokens], &segment, &mut emit).unwrap();
        }
        packer.finish(&mut emit).unwrap();
        (rows, packer.padding)
    }

    proptest! {
        #[test]
        fn every_token_lies_in_one_row(lengths in prop::collection::vec(1usize..40, 0..60), length in 2usize..32) {
            for how in [How::BestFit, How::Concatenate] {
                let (rows, padding) = packed(&lengths, length, how);
                let mut seen = vec![0; lengths.len()];
                let mut pads = 0;
                for (ids, segments) in &rows {
                    prop_assert_eq!(ids.len(), length);
                    prop_assert_eq!(segments.iter().map(|s| s.tokens as usize).sum::<usize>(), length);
                    let mut at = 0;
                    for segment in segments {
                        let part = &ids[at..at + segment.tokens as usize];
                        at += part.len();
                        match &segment.of {
                            Some(of) => {
                                prop_assert!(part.iter().all(|id| u128::from(*id) == of.id + 100));
                                seen[of.id as usize] += part.len();
                            }
                            None => pads += part.len() as u64,
                        }
                    }
                }
                prop_assert_eq!(&seen, &lengths);
                prop_assert_eq!(pads, padding);
                if how == How::Concatenate {
                    prop_assert!(padding < length as u64);
                }
            }
        }
    }

    #[test]
    fn what_fits_is_not_cut() {
        let (rows, padding) = packed(&[3, 5, 2, 6, 4], 8, How::BestFit);
        assert_eq!(padding, 4);
        let shared: Vec<Vec<u128>> =
            rows.iter().map(|(_, s)| s.iter().filter_map(|s| s.of.as_ref().map(|o| o.id)).collect()).collect();
        assert_eq!(shared, [vec![0, 1], vec![2, 3], vec![4]]);
    }
}
