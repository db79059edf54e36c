//! Repeated pieces of text: what `lines`, `paragraphs` and `sentences` share.
//!
//! A text is cut into segments, each run of `span` neighbors gets a 96-bit key, and a key seen `min_repeats` times in its
//! scope is a repeat. Within one document that takes a table and no barrier; in a source or the corpus it is a global
//! stage, whose records are the keys. The first in corpus order stays.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hits::{self, Place, SplitHits};
use super::settings::Fraction;
use super::{Apply, Build, Corpus, Findings, Global, Links, Mapper, Records, Sorted, Stage, Transform};
use crate::doc::{Document, Field, FieldTable, Span, Text, Verdict};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::text::{ccnet, segments, simplify};

/// Where a repetition counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// Within one document. Needs no second reading.
    Document,
    /// Among the documents of one source: a flow, or in a flow of several readers one of them.
    Source,
    /// Anywhere.
    #[default]
    Corpus,
}

/// What is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// The text as it is.
    AsIs,
    /// As CCNet: lower case, digits as 0, no typographic punctuation, no white space at the ends.
    #[default]
    Ccnet,
    /// As datatrove: lower case, numbers as 0, no punctuation, single spaces, no accents.
    Simplify,
}

/// Which occurrence of a repeat stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// The first in corpus order.
    #[default]
    First,
    /// None, as in CCNet: what stands on many pages is boilerplate on each of them.
    None,
}

/// What becomes of repeats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// They are cut out.
    #[default]
    Cut,
    /// Texts stay whole; a document with more repeats than `max_removed_fraction` is dropped.
    Drop,
}

/// What a text is cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Lines that are not blank.
    Line,
    /// Runs of lines without a blank one.
    Paragraph,
    /// Sentences (UAX #29).
    Sentence,
    /// The text as a whole, if it is not blank.
    Document,
}

impl Unit {
    /// The segments of `text`.
    pub fn segments(self, text: &Text, out: &mut Vec<Span>) {
        match self {
            Self::Line => segments::lines(text.as_str(), text.lines(), out),
            Self::Paragraph => segments::paragraphs(text.as_str(), text.lines(), out),
            Self::Sentence => segments::sentences(text.as_str(), out),
            Self::Document if text.as_str().trim().is_empty() => {}
            Self::Document => out.push((0, text.len() as u32)),
        }
    }
}

impl Normalize {
    /// Writes what is compared of `text` to `out`.
    pub fn apply<'t>(self, text: &'t str, out: &'t mut String) -> &'t str {
        match self {
            Self::AsIs => return text,
            Self::Ccnet => ccnet::for_dedup(text, out),
            Self::Simplify => simplify::simplify(text, out),
        }
        out
    }
}

/// The rules of a stage on repeats.
#[derive(Debug, Clone)]
pub struct Repeats {
    /// What a text is cut into.
    pub unit: Unit,
    /// Neighbors compared together.
    pub span: u32,
    /// How they are compared.
    pub normalize: Normalize,
    /// Shorter ones (after normalizing, the span in all) are no repeats.
    pub min_chars: u64,
    /// Where repetitions count.
    pub scope: Within,
    /// Occurrences that make a repeat.
    pub min_repeats: u64,
    /// Which one stays.
    pub keep: Stays,
    /// What becomes of the others.
    pub ending: Ending,
}

/// How a document ends that has repeats.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Cut or drop.
    pub action: Action,
    /// The largest share of characters that may go.
    pub max_removed_fraction: Option<Fraction>,
    /// Fewest words left.
    pub min_words: Option<u64>,
    /// Fewest segments left.
    pub min_segments: Option<u64>,
}

/// The reasons of every stage on repeats.
pub const MOSTLY_REPEATED: &str = "mostly_repeated";
/// Of what is left.
pub const TOO_FEW_WORDS: &str = "too_few_words_left";
/// Of what is left.
pub const TOO_FEW_SEGMENTS: &str = "too_few_left";
/// Of what is left.
pub const NOTHING_LEFT: &str = "nothing_left";

/// The fields of `mode: annotate`.
#[derive(Debug, Clone, Copy)]
struct Measures {
    repeats: Field<i64>,
    fraction: Field<f64>,
}

/// An ending with its fields.
#[derive(Debug, Clone)]
pub struct Judge {
    ending: Ending,
    measures: Option<Measures>,
}

impl Ending {
    /// Checks the settings of the step and declares `LABEL.repeats` and `LABEL.removed_fraction` if it annotates.
    pub fn build(self, cx: &mut Build<'_>) -> Result<Judge> {
        if self.action == Action::Drop && self.max_removed_fraction.is_none() && !cx.annotate {
            return Err(Error::pipeline(format!("`{}` drops nothing: `max_removed_fraction` is not set", cx.label))
                .hint("write `max_removed_fraction: 50%`, or `action: cut`"));
        }
        let measures = if cx.annotate {
            Some(Measures {
                repeats: cx.writes(&format!("{}.repeats", cx.label))?,
                fraction: cx.writes(&format!("{}.removed_fraction", cx.label))?,
            })
        } else {
            None
        };
        Ok(Judge { ending: self, measures })
    }
}

impl Judge {
    /// Whether the documents that stay have the text they had.
    pub fn keeps_text(&self) -> bool {
        self.measures.is_some() || self.ending.action == Action::Drop
    }

    /// Judges `doc`, whose segments `cut` marks, and cuts them out.
    pub fn judge(&self, doc: &mut Document, segments: &[Span], cut: &[bool]) -> Verdict {
        let repeats = cut.iter().filter(|c| **c).count();
        let chars = |span: &Span| doc.text.at(*span).chars().count() as f64;
        let marked = segments.iter().zip(cut).filter(|(_, cut)| **cut);
        let removed: f64 = marked.map(|(span, _)| chars(span)).sum();
        let fraction = if removed > 0.0 { removed / segments.iter().map(chars).sum::<f64>() } else { 0.0 };
        if let Some(measures) = self.measures {
            doc.set(measures.repeats, repeats as i64);
            doc.set(measures.fraction, fraction);
        }
        if repeats == 0 {
            return Verdict::Keep;
        }
        if let Some(most) = self.ending.max_removed_fraction.filter(|most| fraction > most.0) {
            return Verdict::drop_by(MOSTLY_REPEATED, fraction, most.0);
        }
        if self.ending.action == Action::Drop {
            return Verdict::Keep;
        }
        let left = segments::without(doc.text.as_str(), segments, cut);
        self.cut(doc, left, (segments.len() - repeats) as u64)
    }

    fn cut(&self, doc: &mut Document, left: String, segments: u64) -> Verdict {
        if segments == 0 {
            return Verdict::drop(NOTHING_LEFT);
        }
        if let Some(least) = self.ending.min_segments.filter(|least| segments < *least) {
            return Verdict::drop_by(TOO_FEW_SEGMENTS, segments as f64, least as f64);
        }
        let left = Text::new(left);
        if let Some(least) = self.ending.min_words {
            let words = left.words().len() as u64;
            if words < least {
                return Verdict::drop_by(TOO_FEW_WORDS, words as f64, least as f64);
            }
        }
        if self.measures.is_none() {
            doc.text = left;
        }
        Verdict::Keep
    }
}

/// Marks each of the `span` segments from each hit on.
fn mark(hits: impl Iterator<Item = usize>, span: usize, segments: usize) -> Vec<bool> {
    let mut cut = vec![false; segments];
    let mut done = 0;
    for hit in hits {
        let end = (hit + span).min(segments);
        cut.get_mut(hit.max(done)..end).unwrap_or_default().fill(true);
        done = end;
    }
    cut
}

impl Repeats {
    /// The running part: a transform where repetitions count within documents, and a global stage otherwise.
    pub fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if self.span == 0 || self.min_repeats < 2 {
            return Err(Error::pipeline(format!("`{}`: `span` is at least 1 and `min_repeats` at least 2", cx.label)));
        }
        let judge = self.ending.clone().build(cx)?;
        let segmenter = Segmenter::new(&self);
        let rules = Arc::new(Rules { repeats: self, judge });
        Ok(match rules.repeats.scope {
            Within::Document => Stage::Transform(Box::new(Inside { rules, segmenter, seen: HashMap::default() })),
            Within::Source | Within::Corpus => Stage::Global(Arc::new(Across { rules })),
        })
    }
}

struct Rules {
    repeats: Repeats,
    judge: Judge,
}

/// Cuts texts and keys their segments. One for each worker.
#[derive(Clone)]
struct Segmenter {
    unit: Unit,
    span: usize,
    normalize: Normalize,
    min_chars: u64,
    segments: Vec<Span>,
    /// Of each segment: its hash and characters, normalized.
    hashes: Vec<(u128, u64)>,
    normal: String,
    bytes: Vec<u8>,
}

impl Segmenter {
    fn new(rules: &Repeats) -> Self {
        Self {
            unit: rules.unit,
            span: rules.span as usize,
            normalize: rules.normalize,
            min_chars: rules.min_chars.max(1),
            segments: Vec::new(),
            hashes: Vec::new(),
            normal: String::new(),
            bytes: Vec::new(),
        }
    }

    /// Calls `each` with the first segment and the key of every run of `span` segments that is long enough to count.
    fn keys(&mut self, text: &Text, seed: u64, mut each: impl FnMut(usize, u128)) {
        self.segments.clear();
        self.hashes.clear();
        self.unit.segments(text, &mut self.segments);
        if self.segments.len() < self.span {
            return;
        }
        for &span in &self.segments {
            let normal = self.normalize.apply(text.at(span), &mut self.normal);
            self.hashes.push((hash::wide(normal.as_bytes(), seed), normal.chars().count() as u64));
        }
        for (at, run) in self.hashes.windows(self.span).enumerate() {
            if run.iter().map(|(_, chars)| chars).sum::<u64>() < self.min_chars {
                continue;
            }
            let key = match run {
                [(one, _)] => *one,
                _ => {
                    self.bytes.clear();
                    self.bytes.extend(run.iter().flat_map(|(hash, _)| hash.to_be_bytes()));
                    hash::wide(&self.bytes, seed)
                }
            };
            each(at, key);
        }
    }
}

/// Repetitions within a document.
#[derive(Clone)]
struct Inside {
    rules: Arc<Rules>,
    segmenter: Segmenter,
    /// How often a key was seen, and where it was first.
    seen: HashMap<u128, (u64, u32), foldhash::fast::FixedState>,
}

impl Transform for Inside {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let rules = &self.rules.repeats;
        self.seen.clear();
        let mut keys = Vec::new();
        self.segmenter.keys(&doc.text, 0, |at, key| keys.push((at, key)));
        for &(at, key) in &keys {
            self.seen.entry(key).or_insert((0, at as u32)).0 += 1;
        }
        let seen = &self.seen;
        let is_hit = |(at, key): &(usize, u128)| {
            let (times, first) = seen.get(key).copied().unwrap_or_default();
            times >= rules.min_repeats && !(rules.keep == Stays::First && first as usize == *at)
        };
        let hits = keys.iter().filter(|k| is_hit(k)).map(|k| k.0);
        let cut = mark(hits, rules.span as usize, self.segmenter.segments.len());
        self.rules.judge.judge(doc, &self.segmenter.segments, &cut)
    }
}

/// Repetitions across documents.
struct Across {
    rules: Arc<Rules>,
}

/// A record is a key and the segment it begins at. At 10^12 distinct segments the chance of one false match among 96-bit
/// keys is about 10^-5.
const KEY: usize = 12;
/// The partition is the key's top six bits.
const PARTITIONS: u32 = 64;

impl Global for Across {
    fn record_bytes(&self) -> usize {
        KEY + 4
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        let by_source = self.rules.repeats.scope == Within::Source;
        Ok(Box::new(Keys { by_source, segmenter: Segmenter::new(&self.rules.repeats) }))
    }

    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let (enough, keep) = (self.rules.repeats.min_repeats as usize, self.rules.repeats.keep);
        let (mut key, mut repeats, mut first) = ([0; KEY], Vec::new(), 0);
        while let Some((record, at)) = records.next()? {
            let (now, segment) = record.split_at(KEY.min(record.len()));
            if now != key {
                close(&mut repeats, first, enough, keep);
                (key, first) = (now.try_into().unwrap_or_default(), repeats.len());
            }
            repeats.push(Place { at, segment: u32::from_be_bytes(segment.try_into().unwrap_or_default()) });
        }
        close(&mut repeats, first, enough, keep);
        hits::write(&mut repeats, links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let (mut findings, found) = hits::merge(links, corpus)?;
        findings.notes.push(format!("{} repeats in {} of {} documents", found.hits, found.documents, corpus.total()));
        Ok(findings)
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        Ok(Arc::new(Marked { rules: self.rules.clone(), hits: SplitHits::open(split)? }))
    }

    fn keeps_text(&self) -> bool {
        self.rules.judge.keeps_text()
    }
}

/// Closes the group of one key that begins at `first`: what stays is taken out. Records of one key come by segment, then
/// by document, so that the first in corpus order may be any of them.
fn close(repeats: &mut Vec<Place>, first: usize, enough: usize, keep: Stays) {
    let group = repeats.get(first..).unwrap_or_default();
    if group.len() < enough {
        repeats.truncate(first);
    } else if keep == Stays::First
        && let Some((stays, _)) = group.iter().enumerate().min_by_key(|(_, place)| **place)
    {
        repeats.swap_remove(first + stays);
    }
}

struct Keys {
    by_source: bool,
    segmenter: Segmenter,
}

impl Mapper for Keys {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let seed = if self.by_source { hash::seeded(doc.origin.source.as_bytes(), 0) } else { 0 };
        self.segmenter.keys(&doc.text, seed, |at, key| {
            let mut record = [0; KEY + 4];
            let (head, tail) = record.split_at_mut(KEY);
            head.copy_from_slice(key.to_be_bytes().first_chunk::<KEY>().unwrap_or(&[0; KEY]));
            tail.copy_from_slice(&(at as u32).to_be_bytes());
            out.emit((key >> 122) as u32, &record);
        });
    }
}

struct Marked {
    rules: Arc<Rules>,
    hits: SplitHits,
}

impl Apply for Marked {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let hits = self.hits.of(row);
        if hits.is_empty() {
            return self.rules.judge.judge(doc, &[], &[]);
        }
        let mut segments = Vec::new();
        self.rules.repeats.unit.segments(&doc.text, &mut segments);
        let hits = hits.into_iter().map(|(segment, _)| segment as usize);
        let cut = mark(hits, self.rules.repeats.span as usize, segments.len());
        self.rules.judge.judge(doc, &segments, &cut)
    }
}
