//! Mixes sources: each source's share of the result is what the recipe says (weights, a temperature, or how often it is
//! taken), measured in tokens, characters or documents.
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
    #[serde(default)]
    pub weights: BTreeMap<String, Fraction>,
    /// Instead of weights, how often each source is taken: `{ web: 1, wiki: 3, code: 0.5 }`.
    #[serde(default)]
    pub times: BTreeMap<String, f64>,
    /// Instead of weights, the sources whose shares `temperature` decides.
    #[serde(default)]
    pub sources: Vec<String>,
    /// With `sources`: shares are the amounts to the power of 1 / temperature. At 1 they are as they are; the higher,
    /// the more equal.
    #[serde(default = "temperature")]
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub temperature: f64,
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

fn temperature() -> f64 {
    1.0
}

impl Mix {
    /// The sources, in the order of their partitions.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.weights.keys().chain(self.times.keys()).chain(&self.sources).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Refuses what says two things, or nothing.
    fn check(&self) -> Result<()> {
        let given = [!self.weights.is_empty(), !self.times.is_empty(), !self.sources.is_empty()];
        if given.iter().filter(|g| **g).count() != 1 {
            return Err(Error::pipeline("`mix`: give one of `weights`, `times` and `sources`")
                .hint("`weights: { web: 70%, wiki: 30% }`, `times: { web: 1, wiki: 3 }`, or `sources: [web, wiki]` with a `temperature`"));
        }
        let sum: f64 = self.weights.values().map(|w| w.0).sum();
        if !self.weights.is_empty() && (sum - 1.0).abs() > 1e-6 {
            return Err(Error::pipeline(format!("`mix`: the weights add up to {:.4}%, not 100%", sum * 100.0)));
        }
        if let Some((source, times)) = self.times.iter().find(|(_, t)| !(0.0..=1000.0).contains(*t)) {
            return Err(
                Error::pipeline(format!("`mix`: `{source}` cannot be taken {times} times")).hint("from 0 to 1000")
            );
        }
        if !(1.0..=1000.0).contains(&self.temperature) {
            return Err(Error::pipeline("`mix`: `temperature` goes from 1 to 1000"));
        }
        Ok(())
    }
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
        self.check()?;
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
        self.settings.names().len() as u32
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        let names = self.settings.names().into_iter().map(str::to_owned).collect();
        Ok(Box::new(Counter { settings: self.settings.clone(), names, tokens: self.tokens }))
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
        let names = self.settings.names();
        for (part, source) in names.iter().enumerate() {
            let mut bytes = Vec::new();
            links
                .open(part as u32)?
                .read_to_end(&mut bytes)
                .map_err(|e| Error::world(format!("cannot read links: {e}")))?;
            let bins: Vec<u64> =
                bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
            let total: u64 = bins.iter().sum();
            let weight = match self.settings.weights.get(*source) {
                Some(weight) => weight.0,
                None => (total as f64).powf(1.0 / self.settings.temperature),
            };
            amounts.push(Amount { source, weight, total, bins });
        }
        let (rates, notes) = if self.settings.times.is_empty() {
            // Weights made of amounts are shares once they add up to one.
            let sum = if self.settings.weights.is_empty() { amounts.iter().map(|a| a.weight).sum() } else { 1.0 };
            amounts.iter_mut().for_each(|a| a.weight /= f64::max(sum, f64::MIN_POSITIVE));
            solve(&amounts, self.settings.epochs)
        } else {
            repeat(&amounts, &self.settings.times)
        };
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
        rates.insert(amount.source.to_owned(), rate(amount, times));
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

/// How often to take a source's documents so that it comes `times`, seeded where that is no whole number.
fn rate(amount: &Amount<'_>, times: f64) -> Rate {
    let whole = times.floor();
    Rate { whole: whole as u32, below: threshold(&amount.bins, (times - whole) * amount.total as f64) }
}

/// Every source as often as asked for.
fn repeat(amounts: &[Amount<'_>], times: &BTreeMap<String, f64>) -> (BTreeMap<String, Rate>, Vec<String>) {
    let taken = |a: &Amount<'_>| a.total as f64 * times.get(a.source).copied().unwrap_or(0.0);
    let sum: f64 = amounts.iter().map(taken).sum();
    let mut notes = Vec::new();
    let mut rates = BTreeMap::new();
    for amount in amounts {
        let times = times.get(amount.source).copied().unwrap_or(0.0);
        rates.insert(amount.source.to_owned(), rate(amount, times));
        notes.push(match amount.total {
            0 => format!("there is nothing of `{}`", amount.source),
            total => format!(
                "`{}`: {:.0} of {total} taken ({times:.2} times), {}% of the mixture",
                amount.source,
                taken(amount),
                percent(taken(amount) / sum.max(f64::MIN_POSITIVE))
            ),
        });
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
    names: Vec<String>,
    tokens: Option<Field<i64>>,
}

impl Mapper for Counter {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let Some(part) = self.names.iter().position(|s| **s == *doc.origin.source) else { return };
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
    fn a_temperature_evens_shares_out_and_times_repeat() {
        let docs: Vec<Document> =
            (0..5000u64).map(|i| doc(if i % 5 == 0 { "a" } else { "b" }, i, &format!("{i:05}"))).collect();
        let amount = |settings: &str, source: &str| {
            let kept = build::<Mix>(settings, false, |_| {}).unwrap().run(docs.clone(), &[100]).unwrap().kept();
            kept.iter().filter(|d| &*d.origin.source == source).map(|d| u64::from(d.copies)).sum::<u64>()
        };
        // 1,000 and 4,000: their square roots are as 1 to 2.
        let even = r#"{"sources": ["a", "b"], "temperature": 2, "of": "documents"}"#;
        assert_eq!(amount(even, "a"), 1000);
        assert!((1900..2100).contains(&amount(even, "b")), "{}", amount(even, "b"));
        let plain = r#"{"sources": ["a", "b"], "of": "documents"}"#;
        assert_eq!((amount(plain, "a"), amount(plain, "b")), (1000, 4000));
        let times = r#"{"times": {"a": 3, "b": 0.5}, "of": "documents"}"#;
        assert_eq!(amount(times, "a"), 3000);
        assert!((1900..2100).contains(&amount(times, "b")), "{}", amount(times, "b"));
        for wrong in [
            r#"{"of": "chars"}"#,
            r#"{"of": "chars", "times": {"a": 1}, "sources": ["a"]}"#,
            r#"{"of": "chars", "times": {"a": -1}}"#,
        ] {
            assert!(build::<Mix>(wrong, false, |_| {}).is_err(), "{wrong}");
        }
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
