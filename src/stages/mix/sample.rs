//! Takes a sample by a keyed hash of the document's id: a fraction (without a look at the rest), or exactly so many
//! documents or tokens, as FineWeb's `sample-10BT`. The same documents whatever the splits, the workers or the order, and a
//! larger sample holds every smaller one.

use std::io::BufRead;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::stage::clusters::Ordinals;
use crate::stage::keys::Key;
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Example, Expect, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted,
    Stage, Transform, varint,
};

/// Settings of `sample`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sample {
    /// The share of documents to take.
    pub fraction: Option<Fraction>,
    /// Instead: exactly how many documents to take.
    pub documents: Option<u64>,
    /// Instead: take documents as long as they have no more tokens together, as `encode` or `count_tokens` counted them.
    pub tokens: Option<u64>,
    /// With `fraction`: a field whose equal values are taken or left together, such as `minhash_cluster` or the host.
    pub by: Option<String>,
    /// Seed of the hash. Steps with another label or seed choose independently of each other.
    pub seed: u64,
}

impl Settings for Sample {
    const ABOUT: About = About {
        shorthand: Some("fraction"),
        reasons: &[("not_sampled", "its hash is not among those taken")],
        examples: &[
            Example { it: "takes all", settings: r#"{"fraction": 1}"#, given: "text", expect: Expect::Kept },
            Example {
                it: "takes none",
                settings: r#"{"fraction": 0}"#,
                given: "text",
                expect: Expect::Dropped("not_sampled"),
            },
        ],
        ..About::new("sample", Family::Mix, "takes a fraction of the documents, or so many of them, by hash")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let given = [self.fraction.is_some(), self.documents.is_some(), self.tokens.is_some()];
        if given.iter().filter(|g| **g).count() != 1 {
            return Err(Error::pipeline("`sample`: give one of `fraction`, `documents` and `tokens`")
                .hint("`sample: 1%`, `sample: { documents: 10000 }` or `sample: { tokens: 10000000000 }`"));
        }
        if self.by.is_some() && self.fraction.is_none() {
            return Err(Error::pipeline("`sample`: `by` keeps groups whole, so that no exact number can be taken")
                .hint("give a `fraction`"));
        }
        let seed = hash::seeded(cx.label.as_bytes(), self.seed);
        if let Some(Fraction(fraction)) = self.fraction {
            let by = self.by.as_ref().map(|name| Key::resolve(cx, name)).transpose()?;
            return Ok(Stage::Transform(Box::new(Share { fraction, by, seed, key: Vec::new() })));
        }
        let tokens = match self.tokens {
            Some(_) => {
                Some(cx.reads("token_count").map_err(|e| e.hint("put `encode` or `count_tokens` before `sample`"))?)
            }
            None => None,
        };
        let budget = self.documents.or(self.tokens).unwrap_or_default();
        Ok(Stage::Global(Arc::new(Exact { budget, tokens, seed })))
    }
}

fn place(doc: &Document, seed: u64) -> u64 {
    hash::seeded(&doc.id.0.to_le_bytes(), seed)
}

/// Takes a fraction.
#[derive(Clone)]
struct Share {
    fraction: f64,
    by: Option<Key>,
    seed: u64,
    key: Vec<u8>,
}

impl Transform for Share {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        self.key.clear();
        let place = match self.by {
            Some(by) if by.write(doc, &mut self.key) => hash::seeded(&self.key, self.seed),
            _ => place(doc, self.seed),
        };
        if hash::within(place, self.fraction) { Verdict::Keep } else { Verdict::drop("not_sampled") }
    }
}

/// Takes documents in the order of their hashes as long as the budget lasts.
struct Exact {
    budget: u64,
    tokens: Option<Field<i64>>,
    seed: u64,
}

/// By the highest six bits of the hash.
const PARTITIONS: u32 = 64;

impl Global for Exact {
    fn record_bytes(&self) -> usize {
        16
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Counter { tokens: self.tokens, seed: self.seed }))
    }

    /// Writes how much is in the partition, then every document: the distance of its hash to the one before, its amount,
    /// its ordinal.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let (mut documents, mut amount) = (0u64, 0u64);
        while let Some((record, _)) = records.next()? {
            documents += 1;
            amount = amount.saturating_add(word(record.get(8..)));
        }
        records.rewind()?;
        varint::write(documents, links);
        varint::write(amount, links);
        let ordinals = Ordinals::of(records.corpus());
        let mut before = 0;
        while let Some((record, at)) = records.next()? {
            let hash = word(record.get(..8));
            varint::write(hash - before, links);
            varint::write(word(record.get(8..)), links);
            varint::write(ordinals.ordinal(at), links);
            before = hash;
        }
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut taken = Taken::default();
        for part in 0..links.partitions() {
            let mut from = links.open(part)?;
            if taken.end.is_none() {
                taken.partition(&mut *from, self.budget)?;
            }
        }
        let mut shared = Vec::new();
        if let Some((hash, ordinal)) = taken.end {
            shared.extend(hash.to_le_bytes());
            shared.extend(ordinal.to_le_bytes());
        }
        let splits = corpus.ordinals().into_iter().map(|base| base.to_le_bytes().to_vec()).collect();
        let mut notes = vec![match self.tokens {
            Some(_) => format!("{} documents with {} tokens are taken", taken.documents, taken.amount),
            None => format!("{} documents are taken", taken.documents),
        }];
        if taken.end.is_none() && taken.amount < self.budget {
            notes.push(format!("there is no more: {} were asked for", self.budget));
        }
        Ok(Findings { shared, splits, notes })
    }

    fn apply(&self, shared: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let word = |bytes: Option<&[u8]>| bytes.and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let end = word(shared.get(..8)).zip(word(shared.get(8..)));
        Ok(Arc::new(Chooser { end, base: word(Some(split)).unwrap_or_default(), seed: self.seed }))
    }
}

fn word(bytes: Option<&[u8]>) -> u64 {
    bytes.and_then(|b| b.try_into().ok()).map(u64::from_be_bytes).unwrap_or_default()
}

/// What is taken so far, and the hash and ordinal of the first document that is not.
#[derive(Debug, Default)]
struct Taken {
    documents: u64,
    amount: u64,
    end: Option<(u64, u64)>,
}

impl Taken {
    fn partition(&mut self, from: &mut dyn BufRead, budget: u64) -> Result<()> {
        let (documents, amount) = (varint::expect(from)?, varint::expect(from)?);
        if self.amount.saturating_add(amount) <= budget {
            self.documents += documents;
            self.amount += amount;
            return Ok(());
        }
        let mut hash = 0;
        while let Some(distance) = varint::read(from)? {
            hash += distance;
            let (amount, ordinal) = (varint::expect(from)?, varint::expect(from)?);
            if self.amount.saturating_add(amount) > budget {
                self.end = Some((hash, ordinal));
                break;
            }
            self.documents += 1;
            self.amount += amount;
        }
        Ok(())
    }
}

struct Counter {
    tokens: Option<Field<i64>>,
    seed: u64,
}

impl Mapper for Counter {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let hash = place(doc, self.seed);
        let amount = match self.tokens {
            Some(field) => doc.get(field).map_or(0, |n| n.max(0) as u64),
            None => 1,
        };
        let mut record = [0; 16];
        record[..8].copy_from_slice(&hash.to_be_bytes());
        record[8..].copy_from_slice(&amount.to_be_bytes());
        out.emit((hash >> 58) as u32, &record);
    }
}

struct Chooser {
    end: Option<(u64, u64)>,
    base: u64,
    seed: u64,
}

impl Apply for Chooser {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let here = (place(doc, self.seed), self.base + u64::from(row));
        if self.end.is_none_or(|end| here < end) { Verdict::Keep } else { Verdict::drop("not_sampled") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::Scope;
    use crate::stage::testing::{build, doc, docs};
    use proptest::prelude::*;

    fn share(settings: &str) -> Box<dyn Transform> {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("sample", "web", &mut table, &mut scope);
        let stage = serde_json::from_str::<Sample>(settings).unwrap().build(&mut cx).unwrap();
        let Stage::Transform(stage) = stage else { panic!("not per document") };
        stage
    }

    #[test]
    fn a_fraction_is_about_that_and_lies_in_every_larger_one() {
        let (mut tenth, mut half) = (share(r#"{"fraction": "10%"}"#), share(r#"{"fraction": 0.5}"#));
        let stays = |stage: &mut Box<dyn Transform>, n| stage.apply(&mut doc("web", n, "text")).keeps();
        let small: Vec<u64> = (0..20_000).filter(|n| stays(&mut tenth, *n)).collect();
        assert!((1850..2150).contains(&small.len()), "{}", small.len());
        assert!(small.iter().all(|n| stays(&mut half, *n)));
        let mut other = share(r#"{"fraction": "10%", "seed": 1}"#);
        let both = small.iter().filter(|n| stays(&mut other, **n)).count();
        assert!((130..270).contains(&both), "{both} of both");
    }

    #[test]
    fn so_many_tokens_are_not_exceeded() {
        let built = build::<Sample>(r#"{"tokens": 1000}"#, false, |cx| {
            cx.writes::<i64>("token_count").unwrap();
        })
        .unwrap();
        let field = built.fields.find::<i64>("token_count").unwrap();
        let all = (0..100u64).map(|n| {
            let mut doc = doc("web", n, "text");
            doc.set(field, 10 + n as i64 % 7);
            doc
        });
        let all: Vec<Document> = all.collect();
        let kept = built.run(all.clone(), &[30]).unwrap().kept();
        let sum: i64 = kept.iter().map(|d| d.get(field).unwrap()).sum();
        assert!((984..=1000).contains(&sum), "{sum}");
        let again = built.run(all, &[1, 2, 3]).unwrap().kept();
        assert_eq!(kept.iter().map(|d| d.id).collect::<Vec<_>>(), again.iter().map(|d| d.id).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            "{}",
            r#"{"fraction": 0.5, "documents": 3}"#,
            r#"{"documents": 3, "by": "host"}"#,
            r#"{"tokens": 3}"#,
            r#"{"fraction": 0.5, "by": "host"}"#,
            r#"{"fraction": 2}"#,
        ] {
            assert!(build::<Sample>(wrong, false, |_| ()).is_err(), "{wrong}");
        }
        let outcome = build::<Sample>(r#"{"documents": 9}"#, false, |_| ()).unwrap().run(docs(&["a"]), &[]).unwrap();
        assert_eq!(outcome.notes, ["1 documents are taken", "there is no more: 9 were asked for"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn exactly_so_many_whatever_the_splits(
            count in 0u64..200, asked in 0u64..250, cuts in prop::collection::vec(0usize..60, 0..5), twice in any::<bool>()
        ) {
            // A flow taken twice has every id twice.
            let all: Vec<Document> = (0..count).map(|n| doc("web", if twice { n / 2 } else { n }, "text")).collect();
            let built = build::<Sample>(&format!(r#"{{"documents": {asked}}}"#), false, |_| ()).unwrap();
            let keeps = built.run(all.clone(), &[]).unwrap().keeps();
            prop_assert_eq!(keeps.iter().filter(|k| **k).count() as u64, asked.min(count));
            prop_assert_eq!(&built.run(all, &cuts).unwrap().keeps(), &keeps);
        }
    }
}
