//! Mixes sources: each source's share of the result is what the recipe says (weights, a temperature, or how often it is
//! taken), measured in tokens, characters or documents; or several mixtures one after another, the phases of a curriculum.
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
    /// Instead of weights, mixtures for the phases of a training. A document is in one of them, and the field `phase` says in
    /// which: the writer `tokens` with `by: phase` makes shards of their own for each.
    #[serde(default)]
    pub phases: Vec<Phase>,
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

/// A phase of a training.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What the field `phase` says.
    pub name: String,
    /// Share of the whole.
    pub share: Fraction,
    /// Share of each source in this phase: together 100%.
    pub weights: BTreeMap<String, Fraction>,
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
        let phases = self.phases.iter().flat_map(|p| p.weights.keys());
        let all = self.weights.keys().chain(self.times.keys()).chain(&self.sources).chain(phases);
        let mut names: Vec<&str> = all.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What is asked for, for the plan; what can be had is known once the sources are counted.
    fn asks(&self) -> String {
        let of = match self.of {
            Measure::Tokens => "tokens",
            Measure::Chars => "characters",
            Measure::Documents => "documents",
        };
        let list = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>().join(", ");
        let weights = |w: &BTreeMap<String, Fraction>| {
            list(&mut w.iter().map(|(source, share)| format!("{source} {}%", percent(share.0))))
        };
        let what = if !self.weights.is_empty() {
            weights(&self.weights)
        } else if !self.phases.is_empty() {
            let phase = |p: &Phase| format!("{} ({}%: {})", p.name, percent(p.share.0), weights(&p.weights));
            list(&mut self.phases.iter().map(phase))
        } else if !self.times.is_empty() {
            return format!("asks for {}", list(&mut self.times.iter().map(|(s, times)| format!("{s} {times} times"))));
        } else {
            format!("{} at temperature {}", self.sources.join(", "), self.temperature)
        };
        format!("asks for shares of {of}: {what}; no document more than {} times", self.epochs)
    }

    /// Refuses what says two things, or nothing.
    fn check(&self) -> Result<()> {
        let given =
            [!self.weights.is_empty(), !self.phases.is_empty(), !self.times.is_empty(), !self.sources.is_empty()];
        if given.iter().filter(|g| **g).count() != 1 {
            return Err(Error::pipeline("`mix`: give one of `weights`, `phases`, `times` and `sources`")
                .hint("`weights: { web: 70%, wiki: 30% }`, `times: { web: 1, wiki: 3 }`, or `sources: [web, wiki]` with a `temperature`"));
        }
        if !self.weights.is_empty() {
            whole("the weights", self.weights.values())?;
        }
        if !self.phases.is_empty() {
            whole("the shares of the phases", self.phases.iter().map(|p| &p.share))?;
        }
        for phase in &self.phases {
            whole(&format!("the weights of the phase `{}`", phase.name), phase.weights.values())?;
            if phase.name.is_empty() || self.phases.iter().filter(|p| p.name == phase.name).count() > 1 {
                return Err(
                    Error::pipeline("`mix`: every phase needs a name of its own").hint("such as `main` and `anneal`")
                );
            }
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

/// An error unless the shares are a whole.
fn whole<'f>(what: &str, shares: impl Iterator<Item = &'f Fraction>) -> Result<()> {
    let sum: f64 = shares.map(|s| s.0).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(Error::pipeline(format!("`mix`: {what} add up to {:.4}%, not 100%", sum * 100.0)));
    }
    Ok(())
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
        fields: &[("phase", "the phase that it is for, with `phases`")],
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
        let phase = if self.phases.is_empty() { None } else { Some(cx.writes("phase")?) };
        cx.notes(self.asks());
        Ok(Stage::Global(Arc::new(Running { settings: Arc::new(self), tokens, phase })))
    }
}

struct Running {
    settings: Arc<Mix>,
    tokens: Option<Field<i64>>,
    phase: Option<Field<String>>,
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
        if !self.settings.phases.is_empty() {
            let (stretches, notes) = curriculum(&amounts, &self.settings.phases, self.settings.epochs);
            return findings(Plan::Phases(stretches), notes, corpus);
        }
        let (rates, notes) = if self.settings.times.is_empty() {
            // Weights made of amounts are shares once they add up to one.
            let sum = if self.settings.weights.is_empty() { amounts.iter().map(|a| a.weight).sum() } else { 1.0 };
            amounts.iter_mut().for_each(|a| a.weight /= f64::max(sum, f64::MIN_POSITIVE));
            solve(&amounts, self.settings.epochs)
        } else {
            repeat(&amounts, &self.settings.times)
        };
        findings(Plan::Rates(rates), notes, corpus)
    }

    fn apply(&self, shared: &[u8], _: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let plan = serde_json::from_slice(shared).map_err(|e| Error::bug("rates do not come back").because(e))?;
        let phases = self.settings.phases.iter().map(|p| p.name.clone()).collect();
        Ok(Arc::new(Chooser { plan, seed: self.settings.seed, phase: self.phase, phases }))
    }
}

/// What was solved, for everyone.
#[derive(Debug, Serialize, Deserialize)]
enum Plan {
    Rates(BTreeMap<String, Rate>),
    Phases(BTreeMap<String, Vec<Stretch>>),
}

fn findings(plan: Plan, notes: Vec<String>, corpus: &Corpus) -> Result<Findings> {
    let shared = serde_json::to_vec(&plan).map_err(|e| Error::bug("rates do not serialize").because(e))?;
    Ok(Findings { shared, splits: vec![Vec::new(); corpus.rows.len()], notes })
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

/// The documents of a source, up to a hash, that are for one phase, and how often they are taken: `whole` times, and once
/// more below the threshold of another hash.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Stretch {
    phase: usize,
    until: u64,
    whole: u32,
    below: u64,
}

/// The largest curriculum of the asked shares that takes no source more than `epochs` times. The phases share out each
/// source's documents; where together they need more than there are, each repeats its own.
fn curriculum(amounts: &[Amount<'_>], phases: &[Phase], epochs: f64) -> (BTreeMap<String, Vec<Stretch>>, Vec<String>) {
    let mut notes = Vec::new();
    let is_there = |source: &str| amounts.iter().any(|a| a.source == source && a.total > 0);
    // Of the whole, by phase and source; what a phase lacks its other sources share.
    let share = |phase: &Phase, source: &str| {
        let there: f64 = phase.weights.iter().filter(|(s, _)| is_there(s)).map(|(_, w)| w.0).sum();
        let weight = phase.weights.get(source).map_or(0.0, |w| w.0);
        if there > 0.0 && is_there(source) { phase.share.0 * weight / there } else { 0.0 }
    };
    let asked = |source: &str| phases.iter().map(|p| share(p, source)).sum::<f64>();
    let most = |a: &&Amount<'_>| a.total as f64 * epochs / asked(a.source);
    let limiting = amounts.iter().filter(|a| asked(a.source) > 0.0).min_by(|a, b| most(a).total_cmp(&most(b)));
    let size = limiting.as_ref().map_or(0.0, most);
    let mut plan = BTreeMap::new();
    for amount in amounts {
        let times = if amount.total > 0 { size * asked(amount.source) / amount.total as f64 } else { 0.0 };
        let (whole, more) = if times > 1.0 { (times.floor(), times.fract()) } else { (1.0, 0.0) };
        let (mut stretches, mut taken) = (Vec::new(), 0.0);
        for (number, phase) in phases.iter().enumerate() {
            let part = size * share(phase, amount.source);
            taken += part / times.max(1.0);
            let (until, below) = (threshold(&amount.bins, taken), (more * u64::MAX as f64) as u64);
            stretches.push(Stretch { phase: number, until, whole: whole as u32, below });
            if part > 0.0 {
                notes.push(format!(
                    "`{}` in phase `{}`: {part:.0} of {} ({:.2} times its part), {}% of the phase",
                    amount.source,
                    phase.name,
                    amount.total,
                    times.max(1.0),
                    percent(share(phase, amount.source) / phase.share.0.max(f64::MIN_POSITIVE))
                ));
            }
        }
        if amount.total == 0 {
            notes.push(format!("there is nothing of `{}`: the others share what it should have", amount.source));
        }
        plan.insert(amount.source.to_owned(), stretches);
    }
    notes.extend(limiting.map(|l| {
        format!(
            "`{}` is the smallest for its shares and limits the rest; raise `epochs` or lower its weights for more",
            l.source
        )
    }));
    (plan, notes)
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
    plan: Plan,
    seed: u64,
    phase: Option<Field<String>>,
    phases: Vec<String>,
}

impl Chooser {
    /// How often the document is taken, and for which phase; `None` if its source is not in the mixture.
    fn copies(&self, doc: &Document) -> Option<(u32, Option<usize>)> {
        let (source, place) = (&*doc.origin.source, place(doc.id.0, self.seed));
        match &self.plan {
            Plan::Rates(rates) => rates.get(source).map(|r| (r.whole + u32::from(place < r.below), None)),
            Plan::Phases(plan) => {
                let Some(stretch) = plan.get(source)?.iter().find(|s| place < s.until) else { return Some((0, None)) };
                let again = xxhash_rust::xxh3::xxh3_64_with_seed(&place.to_le_bytes(), self.seed) < stretch.below;
                Some((stretch.whole + u32::from(again), Some(stretch.phase)))
            }
        }
    }
}

impl Apply for Chooser {
    fn apply(&self, _: u32, doc: &mut Document) -> Verdict {
        let Some((copies, phase)) = self.copies(doc) else { return Verdict::drop("not_in_mix") };
        if let (Some(field), Some(name)) = (self.phase, phase.and_then(|phase| self.phases.get(phase))) {
            doc.set(field, name.clone());
        }
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
    fn phases_share_the_documents_out() {
        let docs: Vec<Document> =
            (0..8000u64).map(|i| doc(if i % 4 == 0 { "wiki" } else { "web" }, i, &format!("{i:05}"))).collect();
        let settings = |epochs: u32| {
            serde_json::json!({ "of": "documents", "epochs": epochs, "phases": [
                { "name": "main", "share": 0.8, "weights": { "web": 0.9, "wiki": 0.1 } },
                { "name": "anneal", "share": 0.2, "weights": { "web": 0.2, "wiki": 0.8 } } ] })
        };
        let run = |epochs: u32, cuts: &[usize]| {
            let built = build::<Mix>(&settings(epochs).to_string(), false, |_| {}).unwrap();
            let phase = built.fields.find::<String>("phase").unwrap();
            let kept = built.run(docs.clone(), cuts).unwrap().kept();
            let mut amounts: BTreeMap<(String, String), u64> = BTreeMap::new();
            for doc in &kept {
                let key = (doc.get(phase).unwrap().to_owned(), doc.origin.source.to_string());
                *amounts.entry(key).or_default() += u64::from(doc.copies);
            }
            amounts
        };
        // Of the whole, wiki is 0.08 + 0.16 and web 0.72 + 0.04: 6,000 web documents limit it to 7,895.
        let once = run(1, &[]);
        assert_eq!(once, run(1, &[5, 3000]));
        let near = |amounts: &BTreeMap<(String, String), u64>, phase: &str, source: &str, wanted: f64| {
            let found = amounts[&(phase.to_owned(), source.to_owned())] as f64;
            assert!((found / wanted - 1.0).abs() < 0.1, "{phase} {source}: {found} of {wanted}");
        };
        for (epochs, amounts) in [(1, once), (2, run(2, &[]))] {
            let size = 7895.0 * f64::from(epochs);
            for (phase, source, share) in
                [("main", "web", 0.72), ("main", "wiki", 0.08), ("anneal", "web", 0.04), ("anneal", "wiki", 0.16)]
            {
                near(&amounts, phase, source, size * share);
            }
        }
        let twice = settings(1).to_string().replace("anneal", "main");
        let half = settings(1).to_string().replace("0.8,", "0.7,");
        for wrong in [twice, half] {
            assert!(build::<Mix>(&wrong, false, |_| {}).is_err(), "{wrong}");
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
