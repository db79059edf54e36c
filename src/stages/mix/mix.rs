//! Mixes sources by weight: each source's share of the result is what the recipe says, measured in tokens, characters or
//! documents.
//!
//! The amounts are counted first; then the largest mixture is solved that no source is too small for, and each source is
//! subsampled (or, with `epochs` above 1, repeated) by a keyed hash of the document's id: the same documents whatever the
//! splits, the workers or the order.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage,
};

/// Settings of `mix`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Share of each source (the flow's name, or the reader's in a flow with several): together 100%. Documents of
    /// sources that are not named go.
    pub weights: BTreeMap<String, Fraction>,
    /// What shares are measured in.
    #[serde(default)]
    pub of: Measure,
    /// How often a document may be repeated at most; 1 repeats none.
    #[serde(default = "epochs")]
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub epochs: f64,
    /// Seed of the choice.
    #[serde(default)]
    pub seed: u64,
}

fn epochs() -> f64 {
    1.0
}

/// What shares are measured in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Tokens, as `encode` counted them before.
    #[default]
    Tokens,
    /// Characters.
    Chars,
    /// Documents.
    Documents,
}

impl Settings for Mix {
    const ABOUT: About = About {
        shorthand: None,
        reasons: &[
            ("over_share", "its source has more than its share"),
            ("not_in_mix", "its source is not among the weights"),
        ],
        ..About::new("mix", Family::Mix, "mixes sources by weight, subsampling or repeating them")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let sum: f64 = self.weights.values().map(|w| w.0).sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(Error::pipeline(format!("`mix`: the weights add up to {:.4}%, not 100%", sum * 100.0)));
        }
        let tokens = match self.of {
            Measure::Tokens => Some(
                cx.reads("token_count")
                    .map_err(|e| e.hint("put `encode` before `mix`, or measure by something else: `of: chars`"))?,
            ),
            _ => None,
        };
        Ok(Stage::Global(Arc::new(Running { settings: Arc::new(self), tokens })))
    }
}

struct Running {
    settings: Arc<Mix>,
    tokens: Option<Field<i64>>,
}

/// Bins of a source's histogram over the hash.
const BINS: usize = 4096;
const RECORD: usize = 12;

fn place(id: u128, seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&id.to_le_bytes(), seed)
}

impl Global for Running {
    fn record_bytes(&self) -> usize {
        RECORD
    }

    fn partitions(&self) -> u32 {
        self.settings.weights.len() as u32
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Counter { settings: self.settings.clone(), tokens: self.tokens }))
    }

    /// Writes how much lies in each bin of the hash.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let mut bins = vec![0u64; BINS];
        while let Some((record, _)) = records.next()? {
            let (hash, amount) = record.split_at(8);
            let bin = u64::from_be_bytes(hash.try_into().unwrap_or_default()) >> 52;
            if let Some(bin) = bins.get_mut(bin as usize) {
                *bin += u64::from(u32::from_be_bytes(amount.try_into().unwrap_or_default()));
            }
        }
        links.extend(bins.iter().flat_map(|b| b.to_le_bytes()));
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut amounts = Vec::new();
        for (part, (source, weight)) in self.settings.weights.iter().enumerate() {
            let mut bytes = Vec::new();
            links
                .open(part as u32)?
                .read_to_end(&mut bytes)
                .map_err(|e| Error::world(format!("cannot read links: {e}")))?;
            let bins: Vec<u64> =
                bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
            amounts.push(Amount { source, weight: weight.0, total: bins.iter().sum(), bins });
        }
        let (rates, notes) = solve(&amounts, self.settings.epochs);
        let shared = serde_json::to_vec(&rates).map_err(|e| Error::bug("rates do not serialize").because(e))?;
        Ok(Findings { shared, splits: vec![Vec::new(); corpus.rows.len()], notes })
    }

    fn apply(&self, shared: &[u8], _: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let rates = serde_json::from_slice(shared).map_err(|e| Error::bug("rates do not come back").because(e))?;
        Ok(Arc::new(Chooser { rates, seed: self.settings.seed }))
    }
}

/// How much there is of a source.
struct Amount<'s> {
    source: &'s str,
    weight: f64,
    total: u64,
    bins: Vec<u64>,
}

/// How often a source's documents are taken: `whole` times, and once more below the threshold of the hash.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Rate {
    whole: u32,
    below: u64,
}

/// The largest mixture of the asked shares that takes no source more than `epochs` times.
fn solve(amounts: &[Amount<'_>], epochs: f64) -> (BTreeMap<String, Rate>, Vec<String>) {
    let mut notes = Vec::new();
    for amount in amounts.iter().filter(|a| a.total == 0 && a.weight > 0.0) {
        notes.push(format!(
            "there is nothing of `{}`: the others share its {}%",
            amount.source,
            percent(amount.weight)
        ));
    }
    let there: Vec<&Amount<'_>> = amounts.iter().filter(|a| a.total > 0 && a.weight > 0.0).collect();
    let weights: f64 = there.iter().map(|a| a.weight).sum();
    let most = |a: &&&Amount<'_>| a.total as f64 * epochs / (a.weight / weights);
    let limiting = there.iter().min_by(|a, b| most(a).total_cmp(&most(b)));
    let size = limiting.as_ref().map_or(0.0, most);
    let mut rates = BTreeMap::new();
    for amount in amounts {
        let share = if amount.total > 0 { amount.weight / weights } else { 0.0 };
        let times = if amount.total > 0 { (size * share / amount.total as f64).min(epochs) } else { 0.0 };
        let whole = times.floor();
        let rate = Rate { whole: whole as u32, below: threshold(&amount.bins, (times - whole) * amount.total as f64) };
        rates.insert(amount.source.to_owned(), rate);
        if amount.total > 0 {
            notes.push(format!(
                "`{}`: {:.0} of {} taken ({times:.2} times), {}% of the mixture",
                amount.source,
                size * share,
                amount.total,
                percent(share)
            ));
        }
    }
    if let Some(limiting) = limiting.filter(|_| there.len() > 1) {
        notes.push(format!(
            "`{}` is the smallest for its share and limits the rest; raise `epochs` or lower its weight for more",
            limiting.source
        ));
    }
    (rates, notes)
}

fn percent(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}

/// The hash below which `amount` lies.
fn threshold(bins: &[u64], mut amount: f64) -> u64 {
    for (bin, &held) in bins.iter().enumerate() {
        if amount < held as f64 {
            let inside = amount / held as f64;
            return ((bin as u64) << 52) + (inside * (1u64 << 52) as f64) as u64;
        }
        amount -= held as f64;
    }
    if amount > -0.5 && bins.iter().any(|b| *b > 0) && amount.abs() < 0.5 { u64::MAX } else { 0 }
}

/// One worker's counting.
struct Counter {
    settings: Arc<Mix>,
    tokens: Option<Field<i64>>,
}

impl Mapper for Counter {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let Some(part) = self.settings.weights.keys().position(|s| **s == *doc.origin.source) else { return };
        let amount = match (self.settings.of, self.tokens) {
            (Measure::Tokens, Some(field)) => doc.get(field).unwrap_or(0) as u64,
            (Measure::Documents, _) => 1,
            _ => doc.text.chars() as u64,
        };
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(&place(doc.id.0, self.settings.seed).to_be_bytes());
        record[8..].copy_from_slice(&u32::try_from(amount).unwrap_or(u32::MAX).to_be_bytes());
        out.emit(part as u32, &record);
    }
}

struct Chooser {
    rates: BTreeMap<String, Rate>,
    seed: u64,
}

impl Apply for Chooser {
    fn apply(&self, _: u32, doc: &mut Document) -> Verdict {
        let Some(rate) = self.rates.get(&*doc.origin.source) else { return Verdict::drop("not_in_mix") };
        let copies = rate.whole + u32::from(place(doc.id.0, self.seed) < rate.below);
        if copies == 0 {
            return Verdict::drop("over_share");
        }
        doc.copies *= copies;
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, doc};

    #[test]
    fn shares_are_what_was_asked_for() {
        let docs: Vec<Document> =
            (0..3000u64).map(|i| doc(if i % 3 == 0 { "a" } else { "b" }, i, &format!("{i:05}"))).collect();
        let settings = r#"{"weights": {"a": 0.5, "b": 0.5}, "of": "chars"}"#;
        let kept = build::<Mix>(settings, false, |_| {}).unwrap().run(docs.clone(), &[100]).unwrap().kept();
        let of = |source: &str| kept.iter().filter(|d| &*d.origin.source == source).count();
        assert_eq!(of("a"), 1000);
        assert!((900..1100).contains(&of("b")), "{}", of("b"));
        let again = build::<Mix>(settings, false, |_| {}).unwrap().run(docs.clone(), &[7, 2000]).unwrap().kept();
        assert_eq!(kept.iter().map(|d| d.id).collect::<Vec<_>>(), again.iter().map(|d| d.id).collect::<Vec<_>>());
        let twice = r#"{"weights": {"a": 0.5, "b": 0.5}, "of": "documents", "epochs": 2}"#;
        let kept = build::<Mix>(twice, false, |_| {}).unwrap().run(docs, &[]).unwrap().kept();
        assert!(kept.iter().filter(|d| &*d.origin.source == "a").all(|d| d.copies == 2));
    }

    #[test]
    fn a_source_that_is_not_there_is_told() {
        let docs: Vec<Document> = (0..10u64).map(|i| doc("a", i, "text")).collect();
        let outcome = build::<Mix>(r#"{"weights": {"a": 0.5, "ghost": 0.5}, "of": "chars"}"#, false, |_| {})
            .unwrap()
            .run(docs, &[])
            .unwrap();
        assert!(outcome.notes.iter().any(|n| n.contains("nothing of `ghost`")), "{:?}", outcome.notes);
        assert_eq!(outcome.kept().len(), 10);
        assert!(build::<Mix>(r#"{"weights": {"a": 0.5}, "of": "chars"}"#, false, |_| {}).is_err());
        assert!(build::<Mix>(r#"{"weights": {"a": 1}}"#, false, |_| {}).is_err());
    }
}
