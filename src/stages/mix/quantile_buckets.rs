//! Sorts documents into buckets by the quantiles of a score: CCNet's head, middle and tail by perplexity within each
//! language (Wenzek et al. 2020, <https://arxiv.org/abs/1911.00359>), with the quantiles of this corpus itself, exactly.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::stage::keys::Key;
use crate::stage::ranks::{Unscored, ascending, number};
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage,
};

/// Settings of `quantile_buckets`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantileBuckets {
    /// The field that holds the score.
    pub of: String,
    /// The field whose values are cut each by itself, such as `language`; `null` cuts the corpus as a whole.
    #[serde(default)]
    pub by: Option<String>,
    /// Names of the buckets, from the lowest scores to the highest.
    #[serde(default = "buckets")]
    pub buckets: Vec<String>,
    /// Where one bucket ends and the next begins, as shares of the documents, ascending: one fewer than there are buckets.
    /// Nothing cuts into equal parts. CCNet's are `[30%, 60%]`.
    #[serde(default)]
    pub at: Vec<Fraction>,
    /// The field that the name of the bucket is written to.
    #[serde(default = "into")]
    pub into: String,
    /// The buckets whose documents stay; nothing keeps all.
    #[serde(default)]
    pub keep: Vec<String>,
    /// With `keep`: what becomes of documents without a score. They are in no bucket.
    #[serde(default)]
    pub unscored: Unscored,
}

fn buckets() -> Vec<String> {
    ["head", "middle", "tail"].map(str::to_owned).into()
}

fn into() -> String {
    "bucket".into()
}

impl QuantileBuckets {
    /// The shares at which buckets end.
    fn cuts(&self) -> Vec<f64> {
        let equal = |n: usize| n as f64 / self.buckets.len() as f64;
        if self.at.is_empty() {
            (1..self.buckets.len()).map(equal).collect()
        } else {
            self.at.iter().map(|f| f.0).collect()
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::pipeline(format!("`quantile_buckets`: {message}")));
        if self.buckets.len() < 2 {
            return wrong("name at least two `buckets`".into());
        }
        if self.buckets.iter().enumerate().any(|(i, name)| self.buckets.iter().take(i).any(|other| other == name)) {
            return wrong("two `buckets` have one name".into());
        }
        if !self.at.is_empty() && self.at.len() + 1 != self.buckets.len() {
            let (cuts, parts) = (self.at.len(), self.buckets.len());
            return wrong(format!("{cuts} cuts make {} buckets, and {parts} are named", cuts + 1));
        }
        if self.at.windows(2).any(|pair| pair.first() >= pair.last()) {
            return wrong("the cuts in `at` do not ascend".into());
        }
        match self.keep.iter().find(|name| !self.buckets.contains(name)) {
            Some(name) => wrong(format!("`keep` names `{name}`, which is no bucket")),
            None => Ok(()),
        }
    }
}

impl Settings for QuantileBuckets {
    const ABOUT: About = About {
        reasons: &[
            ("other_bucket", "it is in a bucket that `keep` does not name"),
            ("unscored", "it has no score, and `keep` is given"),
        ],
        fields: &[("bucket", "the name of the bucket (another field with `into`)")],
        ..About::new("quantile_buckets", Family::Mix, "sorts documents into buckets by the quantiles of a score")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        self.check()?;
        let score = cx.reads(&self.of)?;
        let by = self.by.as_ref().map(|name| Key::resolve(cx, name)).transpose()?;
        let into = cx.writes(&self.into)?;
        let stays = self.buckets.iter().map(|name| self.keep.is_empty() || self.keep.contains(name)).collect();
        Ok(Stage::Global(Arc::new(Running { score: Scored { score, by }, into, stays, settings: self })))
    }
}

struct Running {
    settings: QuantileBuckets,
    score: Scored,
    into: Field<String>,
    stays: Vec<bool>,
}

/// Where a document's group and score are found.
#[derive(Debug, Clone, Copy)]
struct Scored {
    score: Field<f64>,
    by: Option<Key>,
}

impl Scored {
    /// The group (the hash of its name) and the score, as bits that sort; `None` without a score.
    fn of(self, doc: &Document, buffer: &mut Vec<u8>) -> Option<(u64, u64)> {
        let score = doc.get(self.score).filter(|s| !s.is_nan())?;
        buffer.clear();
        if let Some(by) = self.by {
            by.write(doc, buffer);
        }
        Some((hash::seeded(buffer, 0), ascending(score)))
    }
}

/// By the highest six bits of the group's hash.
const PARTITIONS: u32 = 64;

impl Global for Running {
    fn record_bytes(&self) -> usize {
        16
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Scores { score: self.score, buffer: Vec::new() }))
    }

    /// Writes for every group its hash, its size, and the least score of each bucket but the first.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let (mut sizes, mut last) = (Vec::<u64>::new(), None);
        while let Some((record, _)) = records.next()? {
            let group = halves(record).0;
            if last.replace(group) != Some(group) {
                sizes.push(0);
            }
            sizes.last_mut().into_iter().for_each(|n| *n += 1);
        }
        records.rewind()?;
        let shares = self.settings.cuts();
        for size in sizes {
            let mut ranks = shares.iter().map(|share| (share * size as f64).round() as u64).peekable();
            for rank in 0..size {
                let Some((record, _)) = records.next()? else { break };
                let (group, score) = halves(record);
                if rank == 0 {
                    links.extend(group.to_le_bytes());
                    links.extend(size.to_le_bytes());
                }
                while ranks.next_if_eq(&rank).is_some() {
                    links.extend(score.to_le_bytes());
                }
            }
            // A bucket that begins after the last document is empty.
            ranks.for_each(|_| links.extend(u64::MAX.to_le_bytes()));
        }
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut shared = Vec::new();
        for part in 0..links.partitions() {
            links.open(part)?.read_to_end(&mut shared).map_err(|e| Error::world("cannot read links").because(e))?;
        }
        let groups = self.groups(&shared);
        let scored: u64 = groups.values().map(|g| g.size).sum();
        let mut notes = vec![match (&self.settings.by, groups.values().next()) {
            (None, Some(only)) => self.told(only),
            (by, _) => {
                format!("{scored} documents are cut in {} groups by `{}`", groups.len(), by.as_deref().unwrap_or(""))
            }
        }];
        if scored < corpus.total() {
            notes.push(format!("{} documents have no `{}`", corpus.total() - scored, self.settings.of));
        }
        Ok(Findings { shared, splits: vec![Vec::new(); corpus.rows.len()], notes })
    }

    fn apply(&self, shared: &[u8], _: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let settings = &self.settings;
        Ok(Arc::new(Sorter {
            groups: self.groups(shared),
            score: self.score,
            into: self.into,
            buckets: settings.buckets.iter().cloned().zip(self.stays.iter().copied()).collect(),
            drop_unscored: !settings.keep.is_empty() && settings.unscored == Unscored::Drop,
        }))
    }
}

/// How many documents a group has, and where it is cut.
struct Group {
    size: u64,
    cuts: Vec<u64>,
}

fn halves(record: &[u8]) -> (u64, u64) {
    let word = |bytes: Option<&[u8]>| bytes.and_then(|b| b.try_into().ok()).map(u64::from_be_bytes).unwrap_or_default();
    (word(record.get(..8)), word(record.get(8..)))
}

impl Running {
    fn groups(&self, shared: &[u8]) -> BTreeMap<u64, Group> {
        let cuts = self.settings.buckets.len() - 1;
        let words = shared.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()));
        let words: Vec<u64> = words.collect();
        let group = |words: &[u64]| match words {
            [group, size, cuts @ ..] => Some((*group, Group { size: *size, cuts: cuts.to_vec() })),
            _ => None,
        };
        words.chunks_exact(2 + cuts).filter_map(group).collect()
    }

    fn told(&self, group: &Group) -> String {
        let named = group.cuts.iter().zip(self.settings.buckets.iter().skip(1));
        let told = named.map(|(cut, name)| match cut {
            &u64::MAX => format!("`{name}` is empty"),
            cut => format!("`{name}` begins at {}", number(*cut)),
        });
        format!("{} documents are cut by `{}`: {}", group.size, self.settings.of, told.collect::<Vec<_>>().join(", "))
    }
}

struct Scores {
    score: Scored,
    buffer: Vec<u8>,
}

impl Mapper for Scores {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        if let Some((group, score)) = self.score.of(doc, &mut self.buffer) {
            let mut record = [0; 16];
            record[..8].copy_from_slice(&group.to_be_bytes());
            record[8..].copy_from_slice(&score.to_be_bytes());
            out.emit((group >> 58) as u32, &record);
        }
    }
}

struct Sorter {
    groups: BTreeMap<u64, Group>,
    score: Scored,
    into: Field<String>,
    /// Names, and whether their documents stay.
    buckets: Vec<(String, bool)>,
    drop_unscored: bool,
}

impl Apply for Sorter {
    fn apply(&self, _: u32, doc: &mut Document) -> Verdict {
        let Some((group, score)) = self.score.of(doc, &mut Vec::new()) else {
            return if self.drop_unscored { Verdict::drop("unscored") } else { Verdict::Keep };
        };
        let cuts = self.groups.get(&group).map_or(&[][..], |g| g.cuts.as_slice());
        let Some((name, stays)) = self.buckets.get(cuts.partition_point(|cut| *cut <= score)) else {
            return Verdict::Keep;
        };
        doc.set(self.into, name.clone());
        if *stays { Verdict::Keep } else { Verdict::drop("other_bucket") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Built, build, doc};
    use proptest::prelude::*;

    fn built(settings: &str) -> Result<Built> {
        build::<QuantileBuckets>(settings, false, |cx| {
            cx.writes::<f64>("perplexity").unwrap();
            cx.writes::<String>("language").unwrap();
        })
    }

    fn documents(built: &Built, scores: &[(u8, f64)]) -> Vec<Document> {
        let (score, language) =
            (built.fields.find::<f64>("perplexity").unwrap(), built.fields.find("language").unwrap());
        let make = |(i, &(group, value)): (usize, &(u8, f64))| {
            let mut doc = doc("a", i as u64, "text");
            doc.set(score, value);
            doc.set::<String>(language, group.to_string());
            doc
        };
        scores.iter().enumerate().map(make).collect()
    }

    fn buckets(settings: &str, scores: &[(u8, f64)], cuts: &[usize]) -> Vec<String> {
        let built = built(settings).unwrap();
        let outcome = built.run(documents(&built, scores), cuts).unwrap();
        let field = built.fields.find::<String>("bucket").unwrap();
        outcome.docs.iter().map(|d| d.get(field).unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn thirds_by_default_and_each_language_by_itself() {
        let whole = r#"{"of": "perplexity"}"#;
        let scores = [(0, 5.0), (0, 1.0), (1, 300.0), (0, 3.0), (1, 100.0), (1, 200.0)];
        assert_eq!(buckets(whole, &scores, &[2]), ["middle", "head", "tail", "head", "middle", "tail"]);
        let each = r#"{"of": "perplexity", "by": "language"}"#;
        assert_eq!(buckets(each, &scores, &[1, 1]), ["tail", "head", "tail", "middle", "head", "middle"]);
        let keep = r#"{"of": "perplexity", "by": "language", "keep": ["head"]}"#;
        let built = built(keep).unwrap();
        let mut docs = documents(&built, &scores);
        docs.push(doc("a", 9, "no score"));
        assert_eq!(built.run(docs, &[]).unwrap().keeps(), [false, true, false, false, true, false, false]);
    }

    #[test]
    fn equal_scores_share_a_bucket() {
        let scores = [(0, 1.0); 10];
        assert!(buckets(r#"{"of": "perplexity"}"#, &scores, &[3]).iter().all(|b| b == "tail"));
        assert_eq!(buckets(r#"{"of": "perplexity"}"#, &[(0, f64::NAN)], &[]), ["-"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            r#"{"of": "perplexity", "buckets": ["a"]}"#,
            r#"{"of": "perplexity", "buckets": ["a", "a"]}"#,
            r#"{"of": "perplexity", "at": [0.5]}"#,
            r#"{"of": "perplexity", "at": [0.6, 0.3]}"#,
            r#"{"of": "perplexity", "keep": ["best"]}"#,
            r#"{"of": "perplexity", "at": [0.6, 1.3]}"#,
        ] {
            assert!(built(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_bucket_is_the_rank_among_the_sorted(
            scores in prop::collection::vec((0u8..3, -20i32..20), 0..60), cuts in prop::collection::vec(0usize..20, 0..4)
        ) {
            let scores: Vec<(u8, f64)> = scores.into_iter().map(|(g, s)| (g, f64::from(s) / 2.0)).collect();
            let settings = r#"{"of": "perplexity", "by": "language", "at": ["30%", "60%"]}"#;
            let expected = |&(group, score): &(u8, f64)| {
                let mut sorted: Vec<f64> = scores.iter().filter(|s| s.0 == group).map(|s| s.1).collect();
                sorted.sort_by(f64::total_cmp);
                let cut = |share: f64| sorted.get((share * sorted.len() as f64).round() as usize).copied();
                let above = [0.3, 0.6].iter().filter(|share| cut(**share).is_some_and(|c| c <= score)).count();
                ["head", "middle", "tail"][above].to_owned()
            };
            let expected: Vec<String> = scores.iter().map(expected).collect();
            prop_assert_eq!(buckets(settings, &scores, &cuts), expected);
        }
    }
}
