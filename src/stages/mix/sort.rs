//! Sorts the documents of the whole corpus by a number, out of core: a curriculum from short to long, from easy to hard, or
//! the best first.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::stage::clusters::Ordinals;
use crate::stage::ranks::ascending;
use crate::stage::{
    About, Apply, Build, Corpus, Exchange, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage,
};

/// Settings of `sort`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The field that holds the number. Documents without one come last, equals stay in corpus order.
    pub by: String,
    /// Which come first.
    #[serde(default)]
    pub order: Order,
}

/// Which documents come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Those with the least number.
    #[default]
    Ascending,
    /// Those with the greatest.
    Descending,
}

impl Settings for Sort {
    const ABOUT: About = About {
        shorthand: Some("by"),
        ..About::new("sort", Family::Mix, "sorts the documents of the whole corpus by a number, out of core")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let key = Key { by: cx.reads(&self.by)?, order: self.order };
        let piece = cx.inner("piece")?;
        Ok(Stage::Exchange {
            look: Some(Arc::new(Quantiles { key, piece })),
            exchange: Arc::new(InOrder { key, piece }),
        })
    }
}

/// What documents are sorted by.
#[derive(Debug, Clone, Copy)]
struct Key {
    by: Field<f64>,
    order: Order,
}

impl Key {
    /// Bits that sort as asked for.
    fn of(self, doc: &Document) -> u64 {
        match (doc.get(self.by).filter(|n| !n.is_nan()), self.order) {
            (None, _) => u64::MAX,
            (Some(number), Order::Ascending) => ascending(number),
            (Some(number), Order::Descending) => !ascending(number),
        }
    }
}

/// Pieces of equal numbers of documents that the corpus is cut into to find every document's place.
const PIECES: u64 = 4096;

/// Finds where the pieces begin, and leaves each document the number of its piece.
struct Quantiles {
    key: Key,
    piece: Field<i64>,
}

impl Global for Quantiles {
    fn record_bytes(&self) -> usize {
        8
    }

    fn partitions(&self) -> u32 {
        1
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Keys(self.key)))
    }

    /// Writes the key and the ordinal of the first document of every piece but the first.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let mut count = 0u64;
        while records.next()?.is_some() {
            count += 1;
        }
        records.rewind()?;
        let ordinals = Ordinals::of(records.corpus());
        let starts = |piece: u64| (u128::from(piece) * u128::from(count)).div_ceil(u128::from(PIECES)) as u64;
        let mut piece = 1;
        for rank in 0..count {
            let Some((key, at)) = records.next()? else { break };
            while piece < PIECES && starts(piece) == rank {
                links.extend_from_slice(key);
                links.extend(ordinals.ordinal(at).to_be_bytes());
                piece += 1;
            }
        }
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut shared = Vec::new();
        links.open(0)?.read_to_end(&mut shared).map_err(|e| Error::world("cannot read links").because(e))?;
        let splits = corpus.ordinals().into_iter().map(|base| base.to_be_bytes().to_vec()).collect();
        Ok(Findings { shared, splits, notes: Vec::new() })
    }

    fn apply(&self, shared: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).unwrap_or_default();
        let starts = shared.chunks_exact(16).map(|start| {
            let (key, ordinal) = start.split_at(8);
            (word(key), word(ordinal))
        });
        Ok(Arc::new(Placer { starts: starts.collect(), base: word(split), key: self.key, piece: self.piece }))
    }
}

struct Keys(Key);

impl Mapper for Keys {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        out.emit(0, &self.0.of(doc).to_be_bytes());
    }
}

struct Placer {
    starts: Vec<(u64, u64)>,
    base: u64,
    key: Key,
    piece: Field<i64>,
}

impl Apply for Placer {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let here = (self.key.of(doc), self.base + u64::from(row));
        let piece = self.starts.partition_point(|start| *start <= here);
        doc.set(self.piece, piece as i64);
        Verdict::Keep
    }
}

struct InOrder {
    key: Key,
    piece: Field<i64>,
}

impl Exchange for InOrder {
    fn place(&self, doc: &Document) -> (u64, u64) {
        let piece = doc.get(self.piece).unwrap_or_default() as u64;
        (piece * (u64::MAX / PIECES + 1), self.key.of(doc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, doc};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_sort_as_the_numbers_do(
            numbers in prop::collection::vec(prop::option::of(-9i32..9), 0..60), descending in any::<bool>(),
            cuts in prop::collection::vec(0usize..20, 0..4)
        ) {
            let order = if descending { "descending" } else { "ascending" };
            let mut field = None;
            let built = build::<Sort>(&format!(r#"{{"by": "n", "order": "{order}"}}"#), false, |cx| {
                field = Some(cx.writes::<f64>("n").unwrap());
            }).unwrap();
            let piece = built.fields.find::<i64>("#sort.piece").unwrap();
            let docs = numbers.iter().enumerate().map(|(at, n)| {
                let mut doc = doc("web", at as u64, "text");
                n.iter().for_each(|n| doc.set(field.unwrap(), f64::from(*n) / 2.0));
                doc
            });
            let mut sorted = built.run(docs.collect(), &cuts).unwrap().docs;
            let key = Key { by: field.unwrap(), order: if descending { Order::Descending } else { Order::Ascending } };
            sorted.sort_by_key(|doc| InOrder { key, piece }.place(doc));
            let mut expected: Vec<(usize, Option<i32>)> = numbers.iter().copied().enumerate().collect();
            expected.sort_by_key(|(_, n)| n.map_or(i32::MAX, |n| if descending { -n } else { n }));
            let at: Vec<usize> = sorted.iter().map(|d| d.origin.at as usize).collect();
            prop_assert_eq!(at, expected.iter().map(|(at, _)| *at).collect::<Vec<_>>());
        }
    }
}
