//! Cuts the corpus into so many splits of equal numbers of documents, in the order it has: thousands of small files become
//! a few parts, and one huge file becomes many.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::stage::{
    About, Apply, Build, Corpus, Exchange, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage,
};

/// Settings of `reshard`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reshard {
    /// How many splits the corpus is cut into: as many parts will be written.
    #[schemars(range(min = 1, max = 65536))]
    pub splits: u32,
}

impl Settings for Reshard {
    const ABOUT: About = About {
        shorthand: Some("splits"),
        ..About::new("reshard", Family::Mix, "cuts the corpus into so many splits of equal numbers of documents")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if !(1..=65536).contains(&self.splits) {
            return Err(Error::pipeline("`reshard`: `splits` goes from 1 to 65,536"));
        }
        let place = cx.inner("place")?;
        let exchange = Arc::new(Even { splits: self.splits, place });
        Ok(Stage::Exchange { look: Some(Arc::new(Count { place })), exchange })
    }
}

/// Finds how many documents there are, and leaves each its place.
struct Count {
    place: Field<i64>,
}

struct Nothing;

impl Mapper for Nothing {
    fn map(&mut self, _: &Document, _: &mut dyn Records) {}
}

impl Global for Count {
    fn record_bytes(&self) -> usize {
        0
    }

    fn partitions(&self) -> u32 {
        1
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Nothing))
    }

    fn reduce(&self, _: u32, _: &mut dyn Sorted, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn finish(&self, _: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let splits = corpus.ordinals().into_iter().map(|base| base.to_le_bytes().to_vec()).collect();
        Ok(Findings { shared: corpus.total().to_le_bytes().to_vec(), splits, notes: Vec::new() })
    }

    fn apply(&self, shared: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        Ok(Arc::new(Placer { total: word(shared), base: word(split), place: self.place }))
    }
}

struct Placer {
    total: u64,
    base: u64,
    place: Field<i64>,
}

impl Apply for Placer {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let ordinal = self.base + u64::from(row);
        // Rounded up, so that splits begin with whole documents: place × splits / 2⁶⁴ is ordinal × splits / total.
        let place = (u128::from(ordinal) << 64).div_ceil(u128::from(self.total.max(1)));
        doc.set(self.place, place as u64 as i64);
        Verdict::Keep
    }
}

struct Even {
    splits: u32,
    place: Field<i64>,
}

impl Exchange for Even {
    fn place(&self, doc: &Document) -> (u64, u64) {
        (doc.get(self.place).unwrap_or_default() as u64, 0)
    }

    fn splits(&self, _: u64) -> u32 {
        self.splits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, docs};

    #[test]
    fn splits_are_even() {
        for (total, splits) in [(100, 7), (3, 5), (64, 64), (1, 1)] {
            let built = build::<Reshard>(&format!(r#"{{"splits": {splits}}}"#), false, |_| ()).unwrap();
            let place = built.fields.find::<i64>("#reshard.place").unwrap();
            let outcome = built.run(docs(&vec!["text"; total]), &[1, 9]).unwrap();
            let mut last = 0;
            for (ordinal, doc) in outcome.docs.iter().enumerate() {
                let split = (u128::from(doc.get(place).unwrap() as u64) * splits as u128) >> 64;
                assert_eq!(split as usize, ordinal * splits / total, "{ordinal} of {total}");
                assert!(split >= last);
                last = split;
            }
        }
        assert!(build::<Reshard>(r#"{"splits": 0}"#, false, |_| ()).is_err());
    }
}
