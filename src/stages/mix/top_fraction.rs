//! Keeps the best documents of the corpus by a score: an exact cut, whatever the distribution (as DCLM and FineWeb-Edu
//! choose what to train on).

use std::io::Read as _;
use std::sync::Arc;

use roaring::RoaringBitmap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::stage::clusters::{Ordinals, bitmap, bitmap_bytes};
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage,
};

/// Settings of `top_fraction`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopFraction {
    /// The field that holds the score; the greater the better.
    pub of: String,
    /// The share of scored documents that stays. Of equal scores the first in corpus order stay.
    pub keep: Fraction,
    /// What becomes of documents without a score.
    #[serde(default)]
    pub unscored: Unscored,
}

/// What becomes of documents without a score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unscored {
    /// They go.
    #[default]
    Drop,
    /// They stay.
    Keep,
}

impl Settings for TopFraction {
    const ABOUT: About = About {
        reasons: &[("below_cut", "its score is not among the best"), ("unscored", "it has no score")],
        ..About::new("top_fraction", Family::Mix, "keeps the best documents of the corpus by a score")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let field = cx.reads::<f64>(&self.of)?;
        Ok(Stage::Global(Arc::new(Running { settings: self, field })))
    }
}

struct Running {
    settings: TopFraction,
    field: Field<f64>,
}

/// Bits that sort as the number does, greatest first.
fn descending(score: f64) -> u64 {
    let bits = score.to_bits();
    let ascending = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    !ascending
}

impl Global for Running {
    fn record_bytes(&self) -> usize {
        8
    }

    fn partitions(&self) -> u32 {
        1
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Scores(self.field)))
    }

    /// Writes the ordinals of all scored documents, the best first.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let ordinals = Ordinals::of(records.corpus());
        while let Some((_, at)) = records.next()? {
            links.extend_from_slice(&ordinals.ordinal(at).to_le_bytes());
        }
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut bytes = Vec::new();
        links.open(0)?.read_to_end(&mut bytes).map_err(|e| Error::world(format!("cannot read links: {e}")))?;
        let scored = bytes.len() / 8;
        let stay = (self.settings.keep.0 * scored as f64).round() as usize;
        let places = Ordinals::of(corpus);
        let all = |rows: &u32| (0..*rows).collect::<RoaringBitmap>();
        let mut unscored: Vec<RoaringBitmap> = corpus.rows.iter().map(all).collect();
        let mut below = vec![RoaringBitmap::new(); corpus.rows.len()];
        for (rank, ordinal) in bytes.chunks_exact(8).enumerate() {
            let at = places.place(u64::from_le_bytes(ordinal.try_into().unwrap_or_default()));
            if let Some(rows) = unscored.get_mut(at.split as usize) {
                rows.remove(at.row);
            }
            if rank >= stay
                && let Some(rows) = below.get_mut(at.split as usize)
            {
                rows.insert(at.row);
            }
        }
        let mut splits = Vec::new();
        for (unscored, below) in unscored.iter().zip(&below) {
            let below = bitmap_bytes(below)?;
            let mut split = (below.len() as u64).to_le_bytes().to_vec();
            split.extend(below);
            if self.settings.unscored == Unscored::Drop {
                split.extend(bitmap_bytes(unscored)?);
            }
            splits.push(split);
        }
        let without = corpus.total() - scored as u64;
        let mut notes = vec![format!("{stay} of {scored} scored documents stay")];
        if without > 0 {
            notes.push(format!("{without} documents have no `{}`", self.settings.of));
        }
        Ok(Findings { shared: Vec::new(), splits, notes })
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let (below, unscored) = cut(split)?;
        Ok(Arc::new(Cut { below, unscored }))
    }

    fn dropped_rows(&self, _: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        let (below, unscored) = cut(split)?;
        Ok(Some((below | unscored).iter().collect()))
    }

    fn drops_by_row(&self) -> bool {
        true
    }
}

fn cut(split: &[u8]) -> Result<(RoaringBitmap, RoaringBitmap)> {
    let (length, rest) = split.split_first_chunk::<8>().ok_or_else(|| Error::bug("findings of a cut are too short"))?;
    let (below, unscored) = rest
        .split_at_checked(u64::from_le_bytes(*length) as usize)
        .ok_or_else(|| Error::bug("findings of a cut are too short"))?;
    let unscored = if unscored.is_empty() { RoaringBitmap::new() } else { bitmap(unscored)? };
    Ok((bitmap(below)?, unscored))
}

struct Scores(Field<f64>);

impl Mapper for Scores {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        if let Some(score) = doc.get(self.0).filter(|s| !s.is_nan()) {
            out.emit(0, &descending(score).to_be_bytes());
        }
    }
}

struct Cut {
    below: RoaringBitmap,
    unscored: RoaringBitmap,
}

impl Apply for Cut {
    fn apply(&self, row: u32, _: &mut Document) -> Verdict {
        if self.below.contains(row) {
            Verdict::drop("below_cut")
        } else if self.unscored.contains(row) {
            Verdict::drop("unscored")
        } else {
            Verdict::Keep
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, doc};

    #[test]
    fn exactly_the_best_stay_whatever_the_splits() {
        let scores = [0.5, -1.0, f64::NAN, 3.0, 0.5, 0.5, -0.0, 7.0];
        for cuts in [vec![], vec![3], vec![1, 2, 6]] {
            let mut field = None;
            let built = build::<TopFraction>(r#"{"of": "score", "keep": "50%"}"#, false, |cx| {
                field = Some(cx.writes::<f64>("score").unwrap());
            })
            .unwrap();
            let docs = scores.iter().enumerate().map(|(i, &s)| {
                let mut doc = doc("a", i as u64, "text");
                doc.set(field.unwrap(), s);
                doc
            });
            // Seven scored, four stay: 7, 3 and the first two of the three 0.5.
            let keeps = built.run(docs.collect(), &cuts).unwrap().keeps();
            assert_eq!(keeps, [true, false, false, true, true, false, false, true], "{cuts:?}");
        }
    }
}
