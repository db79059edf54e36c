//! Splits the corpus into parts such as train and validation, by a keyed hash of the document's id: the same document
//! falls into the same part whatever comes or goes beside it.
//!
//! Near-duplicates on both sides make a validation loss look better than it is (Lee et al. 2021 measured it on C4 and
//! others). With `by: minhash_cluster` the hash is of the cluster, and no cluster lies on both sides.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::stage::keys::Key;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `split`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The parts and their shares of the documents: together 100%.
    pub parts: BTreeMap<String, Fraction>,
    /// A field whose equal values stay in one part, such as `minhash_cluster`. A document without one goes by its id.
    #[serde(default)]
    pub by: Option<String>,
    /// The field that the name of the part is written to.
    #[serde(default = "into")]
    pub into: String,
    /// The part whose documents stay; `null` keeps all.
    #[serde(default)]
    pub keep: Option<String>,
    /// Seed of the hash. Steps with one seed split alike, in any pipeline.
    #[serde(default)]
    pub seed: u64,
}

fn into() -> String {
    "split".into()
}

impl Settings for Split {
    const ABOUT: About = About {
        reasons: &[("other_part", "it is in another part than `keep` names")],
        fields: &[("split", "the name of the part (another field with `into`)")],
        examples: &[
            Example {
                it: "names the part",
                settings: r#"{"parts": {"train": 1}}"#,
                given: "text",
                expect: Expect::Field("split", "\"train\""),
            },
            Example {
                it: "keeps one part",
                settings: r#"{"parts": {"train": 1, "validation": 0}, "keep": "validation"}"#,
                given: "text",
                expect: Expect::Dropped("other_part"),
            },
        ],
        ..About::new("split", Family::Mix, "splits the corpus into parts such as train and validation")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let sum: f64 = self.parts.values().map(|p| p.0).sum();
        if (sum - 1.0).abs() > 1e-9 {
            return Err(Error::pipeline(format!("`split`: the parts add up to {}%, not 100%", sum * 100.0))
                .hint("`parts: { train: 99%, validation: 1% }`"));
        }
        if let Some(keep) = self.keep.as_ref().filter(|keep| !self.parts.contains_key(*keep)) {
            return Err(Error::pipeline(format!("`split`: `keep` names `{keep}`, which is no part")));
        }
        let by = self.by.as_ref().map(|name| Key::resolve(cx, name)).transpose()?;
        let mut end = 0.0;
        let parts = self.parts.iter().map(|(name, share)| {
            end += share.0;
            (end, name.clone(), self.keep.as_ref().is_none_or(|keep| keep == name))
        });
        let parts = parts.filter(|(_, name, _)| self.parts.get(name).is_some_and(|share| share.0 > 0.0)).collect();
        let seed = hash::seeded(b"split", self.seed);
        Ok(Stage::Transform(Box::new(Running { parts, by, seed, into: cx.writes(&self.into)?, key: Vec::new() })))
    }
}

#[derive(Clone)]
struct Running {
    /// Where each part ends, its name, and whether its documents stay.
    parts: Vec<(f64, String, bool)>,
    by: Option<Key>,
    seed: u64,
    into: Field<String>,
    key: Vec<u8>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        self.key.clear();
        if !self.by.is_some_and(|by| by.write(doc, &mut self.key)) {
            self.key.extend(doc.id.0.to_le_bytes());
        }
        let place = hash::seeded(&self.key, self.seed);
        let found = self.parts.iter().find(|(end, _, _)| hash::within(place, *end));
        let Some((_, name, stays)) = found.or(self.parts.last()) else { return Verdict::Keep };
        doc.set(self.into, name.clone());
        if *stays { Verdict::Keep } else { Verdict::drop("other_part") }
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
        let mut cx = Build::new("split", "web", &mut table, &mut scope);
        cx.writes::<i64>("minhash_cluster").unwrap();
        let settings: Split = serde_json::from_str(settings).map_err(|e| Error::pipeline(e.to_string()))?;
        let Stage::Transform(stage) = settings.build(&mut cx)? else { panic!("not per document") };
        Ok((stage, table))
    }

    #[test]
    fn shares_are_as_asked_and_clusters_stay_together() {
        let (mut stage, table) =
            built(r#"{"parts": {"train": "80%", "validation": "15%", "test": "5%"}, "by": "minhash_cluster"}"#)
                .unwrap();
        let (cluster, part) = (table.find::<i64>("minhash_cluster").unwrap(), table.find::<String>("split").unwrap());
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut of_cluster: BTreeMap<i64, String> = BTreeMap::new();
        for n in 0..30_000u64 {
            let mut doc = doc("web", n, "text");
            doc.set(cluster, n as i64 / 3);
            assert!(stage.apply(&mut doc).keeps());
            let name = doc.get(part).unwrap().to_owned();
            assert_eq!(of_cluster.entry(n as i64 / 3).or_insert_with(|| name.clone()), &name, "document {n}");
            *counts.entry(name).or_default() += 1;
        }
        for (name, share) in [("train", 0.8), ("validation", 0.15), ("test", 0.05)] {
            assert!((f64::from(counts[name]) / 30_000.0 - share).abs() < 0.01, "{counts:?}");
        }
    }

    #[test]
    fn parts_kept_apart_are_the_whole() {
        let keep = |part: &str| format!(r#"{{"parts": {{"a": 0.5, "b": 0.5}}, "keep": "{part}", "seed": 7}}"#);
        let (mut a, mut b) = (built(&keep("a")).unwrap().0, built(&keep("b")).unwrap().0);
        for n in 0..1000 {
            let stays = |stage: &mut Box<dyn Transform>| stage.apply(&mut doc("web", n, "text")).keeps();
            assert_ne!(stays(&mut a), stays(&mut b));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            r#"{"parts": {"a": 0.5}}"#,
            r#"{"parts": {}}"#,
            r#"{"parts": {"a": 1}, "keep": "b"}"#,
            r#"{"parts": {"a": 1}, "by": "nothing"}"#,
        ] {
            assert!(built(wrong).is_err(), "{wrong}");
        }
    }
}
