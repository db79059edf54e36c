//! Keeps the best documents of the corpus by a score: an exact cut, whatever the distribution (as DCLM and FineWeb-Edu
//! choose what to train on).

use std::io::Read as _;
use std::sync::Arc;

use roaring::{RoaringBitmap, RoaringTreemap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::stage::clusters::{Ordinals, bitmap, bitmap_bytes};
use crate::stage::ranks::{Unscored, ascending};
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

    /// Writes how many documents have a score, how many of them stay, which have one and which of those go.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let mut count = 0u64;
        while records.next()?.is_some() {
            count += 1;
        }
        records.rewind()?;
        let stay = (self.settings.keep.0 * count as f64).round() as u64;
        let ordinals = Ordinals::of(records.corpus());
        let (mut scored, mut below) = (RoaringTreemap::new(), RoaringTreemap::new());
        for rank in 0.. {
            let Some((_, at)) = records.next()? else { break };
            let ordinal = ordinals.ordinal(at);
            scored.insert(ordinal);
            if rank >= stay {
                below.insert(ordinal);
            }
        }
        links.extend(count.to_le_bytes());
        links.extend(stay.to_le_bytes());
        for documents in [scored, below] {
            let failed = |e| Error::bug("a set of documents does not serialize").because(e);
            documents.serialize_into(&mut *links).map_err(failed)?;
        }
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut from = links.open(0)?;
        let mut numbers = [[0; 8]; 2];
        let failed = |e| Error::world("cannot read links").because(e);
        numbers.iter_mut().try_for_each(|n| from.read_exact(n)).map_err(failed)?;
        let [count, stay] = numbers.map(u64::from_le_bytes);
        let scored = RoaringTreemap::deserialize_from(&mut from).map_err(failed)?;
        let below = RoaringTreemap::deserialize_from(&mut from).map_err(failed)?;
        let mut splits = Vec::new();
        for (&rows, base) in corpus.rows.iter().zip(corpus.ordinals()) {
            let below = bitmap_bytes(&rows_of(&below, base, rows))?;
            let mut split = (below.len() as u64).to_le_bytes().to_vec();
            split.extend(below);
            if self.settings.unscored == Unscored::Drop {
                let all: RoaringBitmap = (0..rows).collect();
                split.extend(bitmap_bytes(&(all - rows_of(&scored, base, rows)))?);
            }
            splits.push(split);
        }
        let mut notes = vec![format!("{stay} of {count} scored documents stay")];
        let without = corpus.total() - scored.len();
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

/// The rows of a split, whose first document has the ordinal `base`, that are among `documents`.
fn rows_of(documents: &RoaringTreemap, base: u64, rows: u32) -> RoaringBitmap {
    let mut iter = documents.iter();
    iter.advance_to(base);
    iter.take_while(|ordinal| *ordinal < base + u64::from(rows)).map(|ordinal| (ordinal - base) as u32).collect()
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
            out.emit(0, &(!ascending(score)).to_be_bytes());
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
