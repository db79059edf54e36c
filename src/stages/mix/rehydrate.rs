//! Repeats what the crawl repeated, in measure: a document that stands for a large cluster of near-duplicates is taken
//! several times (FineWeb-2's rehydration, Penedo et al. 2025, <https://arxiv.org/abs/2506.20920>: cluster size is a signal
//! of quality up to a point, and of spam beyond it).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `rehydrate`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rehydrate {
    /// The dedup step before, in `mode: annotate`, by its label: its fields `LABEL_cluster_size` and `LABEL_duplicate` are
    /// read. Documents marked as duplicates go; a corpus that was deduplicated before needs only the sizes.
    #[serde(default = "of")]
    pub of: String,
    /// From which size of a cluster on its document is taken how often, such as `{ 1: 1, 2: 2, 5: 3, 100: 1, 1000: 0 }`.
    /// A fraction is taken by hash: 1.5 takes half of the documents twice. Below the least size, once.
    pub repeats: BTreeMap<String, f64>,
    /// Seed of the hash.
    #[serde(default)]
    pub seed: u64,
}

fn of() -> String {
    "minhash".into()
}

impl Settings for Rehydrate {
    const ABOUT: About = About {
        reasons: &[
            ("duplicate", "another document of its cluster stands for it"),
            ("not_repeated", "documents of clusters this large are taken less than once"),
        ],
        examples: &[Example {
            it: "takes a document without a cluster as it is",
            settings: r#"{"repeats": {"2": 3}}"#,
            given: "text",
            expect: Expect::Kept,
        }],
        ..About::new("rehydrate", Family::Mix, "repeats documents by the size of the cluster they stand for")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let mut repeats = BTreeMap::new();
        for (size, &times) in &self.repeats {
            let size: i64 = size.parse().map_err(|_| {
                Error::pipeline(format!("`rehydrate`: `{size}` is no size of a cluster"))
                    .hint("`repeats: { 1: 1, 2: 2, 5: 3 }`")
            })?;
            if !(0.0..=1000.0).contains(&times) {
                return Err(Error::pipeline(format!("`rehydrate`: a document cannot be taken {times} times"))
                    .hint("from 0 to 1000"));
            }
            repeats.insert(size, times);
        }
        if repeats.is_empty() {
            return Err(Error::pipeline("`rehydrate`: `repeats` is empty").hint("`repeats: { 1: 1, 2: 2, 5: 3 }`"));
        }
        let size = cx.reads(&format!("{}_cluster_size", self.of))?;
        let duplicate = cx.may_read(&format!("{}_duplicate", self.of))?;
        let seed = hash::seeded(b"rehydrate", self.seed);
        Ok(Stage::Transform(Box::new(Running { repeats, size, duplicate, seed })))
    }
}

#[derive(Clone)]
struct Running {
    repeats: BTreeMap<i64, f64>,
    size: Field<i64>,
    duplicate: Field<bool>,
    seed: u64,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if doc.get(self.duplicate) == Some(true) {
            return Verdict::drop("duplicate");
        }
        let size = doc.get(self.size).unwrap_or(1);
        let times = self.repeats.range(..=size).next_back().map_or(1.0, |(_, times)| *times);
        let whole = times.floor();
        let once_more = hash::within(hash::seeded(&doc.id.0.to_le_bytes(), self.seed), times - whole);
        let copies = whole as u32 + u32::from(once_more);
        if copies == 0 {
            return Verdict::drop_by("not_repeated", size as f64, times);
        }
        doc.copies = doc.copies.saturating_mul(copies);
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::Scope;
    use crate::stage::testing::doc;

    fn built(settings: &str) -> Result<(Box<dyn Transform>, FieldTable)> {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("rehydrate", "web", &mut table, &mut scope);
        cx.writes::<i64>("minhash_cluster_size").unwrap();
        cx.writes::<bool>("minhash_duplicate").unwrap();
        let settings: Rehydrate = serde_json::from_str(settings).map_err(|e| Error::pipeline(e.to_string()))?;
        let Stage::Transform(stage) = settings.build(&mut cx)? else { panic!("not per document") };
        Ok((stage, table))
    }

    #[test]
    fn a_document_is_taken_as_often_as_the_table_says() {
        let (mut stage, table) = built(r#"{"repeats": {"2": 2, "5": 3.5, "100": 0}}"#).unwrap();
        let size = table.find::<i64>("minhash_cluster_size").unwrap();
        let mut copies = |cluster: i64, n: u64| {
            let mut doc = doc("web", n, "text");
            doc.set(size, cluster);
            stage.apply(&mut doc).keeps().then_some(doc.copies)
        };
        assert_eq!([1, 2, 4, 100, 5000].map(|s| copies(s, 0)), [Some(1), Some(2), Some(2), None, None]);
        let sum: u32 = (0..10_000).filter_map(|n| copies(7, n)).sum();
        assert!((34_500..35_500).contains(&sum), "{sum}");
    }

    #[test]
    fn duplicates_go() {
        let (mut stage, table) = built(r#"{"repeats": {"2": 2}}"#).unwrap();
        let mut doc = doc("web", 0, "text");
        doc.set(table.find::<bool>("minhash_duplicate").unwrap(), true);
        assert_eq!(stage.apply(&mut doc), Verdict::drop("duplicate"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            r#"{"repeats": {}}"#,
            r#"{"repeats": {"two": 1}}"#,
            r#"{"repeats": {"2": -1}}"#,
            r#"{"of": "exact", "repeats": {"2": 1}}"#,
        ] {
            assert!(built(wrong).is_err(), "{wrong}");
        }
    }
}
