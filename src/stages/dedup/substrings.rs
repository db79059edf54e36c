//! Cuts out what stood before: substrings of a given length or more that occur twice in the corpus (Lee et al. 2021,
//! *Deduplicating Training Data Makes Language Models Better*, <https://arxiv.org/abs/2107.06499>), all of them, exactly.
//!
//! The paper sorts every suffix of the corpus: ten to fifteen times its size on disk, and all of it in one process. A
//! repeat of `min_length` symbols or more is the same as a window of `min_length` symbols that occurs twice, and equal
//! windows have equal anchors ([`crate::sketch::anchors`]). The first look therefore groups *runs* of windows by their
//! anchor: a run whose whole text stood before is repeated as it is, and one whose anchor is unique holds no repeat. What
//! is left are the edges of repeats; the second look compares their windows one by one, by hashes of 128 bits.
//!
//! A window is repeated if it occurs earlier: in an earlier document of the corpus, or further up in the same one. With
//! `keep: none`, as `deduplicate-text-datasets` removes them, a window is repeated if it occurs elsewhere at all.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{DocRef, Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::sketch::anchors::{Anchors, Symbol};
use crate::sketch::hash;
use crate::stage::clusters::Ordinals;
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage, varint,
};

/// Settings of `substrings`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Substrings {
    /// The shortest repeat that is cut out, in units. 200 bytes are about the 50 tokens of the paper.
    #[schemars(range(min = 4, max = 65536))]
    pub min_length: usize,
    /// What lengths are measured in, and texts compared by.
    pub unit: Unit,
    /// What becomes of the first occurrence of a repeat.
    pub keep: Keep,
    /// A document that loses more than this share of its bytes goes altogether; `null` keeps what is left, even nothing.
    pub max_removed_fraction: Option<Fraction>,
}

/// What texts are compared by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes of UTF-8; cuts fall between characters.
    #[default]
    Bytes,
    /// Words (Unicode words, in their case), whatever stands between them; what follows the last word goes with it.
    Words,
}

/// What becomes of the first occurrence of a repeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// It stays.
    #[default]
    First,
    /// It goes too.
    None,
}

impl Default for Substrings {
    fn default() -> Self {
        Self { min_length: 200, unit: Unit::Bytes, keep: Keep::First, max_removed_fraction: Some(Fraction(0.8)) }
    }
}

impl Settings for Substrings {
    const ABOUT: About = About {
        shorthand: Some("min_length"),
        reasons: &[("mostly_repeated", "more of it than `max_removed_fraction` is cut out")],
        fields: &[
            ("substrings.repeated_bytes", "bytes that would be cut out (`mode: annotate`)"),
            ("substrings.repeated_fraction", "their share of the text, 0..1 (`mode: annotate`)"),
        ],
        ..About::new("substrings", Family::Dedup, "cuts out long substrings that occur before in the corpus")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if !(4..=65536).contains(&self.min_length) {
            return Err(Error::pipeline("`substrings`: `min_length` goes from 4 to 65,536"));
        }
        let measures = if cx.annotate {
            let label = cx.label.to_owned();
            let bytes = cx.writes(&format!("{label}.repeated_bytes"))?;
            Some((bytes, cx.writes(&format!("{label}.repeated_fraction"))?))
        } else {
            None
        };
        let spans = cx.inner("spans")?;
        let settings = Arc::new(self);
        let runs = Runs { settings: settings.clone(), spans };
        let windows = Windows { settings, spans, measures };
        Ok(Stage::Chain(vec![Arc::new(runs), Arc::new(windows)]))
    }
}

/// By the highest six bits of a hash.
const PARTITIONS: u32 = 64;

/// A stretch of windows, as it is written in links, findings and the field between the looks: where the first one begins,
/// how many there are, and what is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    start: u32,
    windows: u32,
    fate: Fate,
}

/// What is to be done with a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// All its windows are repeated.
    Cut,
    /// Its windows are to be looked at one by one.
    Look,
    /// Both: they are repeated, and others may repeat them.
    Both,
}

impl Fate {
    fn of(number: u32) -> Self {
        match number {
            0 => Self::Cut,
            1 => Self::Look,
            _ => Self::Both,
        }
    }
}

impl Stretch {
    fn end(self) -> u32 {
        self.start.saturating_add(self.windows)
    }

    fn write(self, out: &mut Vec<u8>) {
        varint::write(self.start.into(), out);
        varint::write(u64::from(self.windows) << 2 | self.fate as u64, out);
    }

    fn read(from: &mut dyn std::io::BufRead) -> Result<Self> {
        let start = varint::expect(from)? as u32;
        let rest = varint::expect(from)?;
        Ok(Self { start, windows: (rest >> 2) as u32, fate: Fate::of((rest & 3) as u32) })
    }
}

/// An occurrence of something: where, and how many windows.
type Place = (DocRef, u32, u32);

fn write_link(ordinals: &Ordinals, (at, start, windows): Place, fate: Fate, links: &mut Vec<u8>) {
    varint::write(ordinals.ordinal(at), links);
    Stretch { start, windows, fate }.write(links);
}

/// Cuts links by split: for each the rows in order, each with its stretches in order, neighbours joined.
fn cut(links: &mut dyn Links, corpus: &Corpus) -> Result<(Vec<Vec<u8>>, u64)> {
    let ordinals = Ordinals::of(corpus);
    let mut raw = vec![Vec::new(); corpus.rows.len()];
    for part in 0..links.partitions() {
        let mut from = links.open(part)?;
        while let Some(ordinal) = varint::read(&mut *from)? {
            let at = ordinals.place(ordinal);
            let stretch = Stretch::read(&mut *from)?;
            if let Some(raw) = raw.get_mut(at.split as usize) {
                varint::write(at.row.into(), raw);
                stretch.write(raw);
            }
        }
    }
    let mut documents = 0;
    let mut splits = Vec::new();
    for raw in &mut raw {
        let (split, rows) = joined(&std::mem::take(raw))?;
        documents += rows;
        splits.push(split);
    }
    Ok((splits, documents))
}

/// One split's stretches, sorted and joined: the row, the number of its stretches, the stretches.
fn joined(raw: &[u8]) -> Result<(Vec<u8>, u64)> {
    let (mut from, mut all) = (raw, Vec::new());
    while let Some(row) = varint::read(&mut from)? {
        all.push((row as u32, Stretch::read(&mut from)?));
    }
    all.sort_unstable();
    let (mut split, mut rows) = (Vec::new(), 0);
    for of_row in all.chunk_by(|a, b| a.0 == b.0) {
        let mut stretches: Vec<Stretch> = Vec::new();
        for &(_, stretch) in of_row {
            match stretches.last_mut() {
                Some(last) if last.fate == stretch.fate && last.end() >= stretch.start => {
                    last.windows = last.end().max(stretch.end()) - last.start;
                }
                _ => stretches.push(stretch),
            }
        }
        varint::write(of_row.first().map_or(0, |(row, _)| u64::from(*row)), &mut split);
        varint::write(stretches.len() as u64, &mut split);
        stretches.into_iter().for_each(|stretch| stretch.write(&mut split));
        rows += 1;
    }
    Ok((split, rows))
}

/// The stretches of each row of a split.
type ByRow = BTreeMap<u32, Vec<Stretch>>;

fn by_row(split: &[u8]) -> Result<ByRow> {
    let (mut from, mut rows) = (split, ByRow::new());
    while let Some(row) = varint::read(&mut from)? {
        let count = varint::expect(&mut from)?;
        let stretches = (0..count).map(|_| Stretch::read(&mut from)).collect::<Result<_>>()?;
        rows.insert(row as u32, stretches);
    }
    Ok(rows)
}

/// The first look: runs of windows, grouped by their anchor.
struct Runs {
    settings: Arc<Substrings>,
    spans: Field<Vec<u32>>,
}

/// Records are the anchor's hash, the hash of the run's text, where it begins, and how many windows it has.
const RUN: usize = 8 + 16 + 4 + 4;

impl Global for Runs {
    fn record_bytes(&self) -> usize {
        RUN
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        let window = self.settings.min_length;
        // Half a window: anchors are few (four for every window's length), and most that are shared are within a repeat.
        let anchors = Anchors::new(window, window.div_ceil(2));
        let seen = vec![Seen::default(); SEEN];
        Ok(Box::new(RunFinder {
            unit: self.settings.unit,
            window,
            anchors,
            seen,
            document: 0,
            buffers: Default::default(),
        }))
    }

    /// Of all runs with one anchor, those with the same text are repeats of the first one; and if texts differ, a window of
    /// one may occur in another.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let mut groups =
            Groups { ordinals: Ordinals::of(records.corpus()), keep: self.settings.keep, waiting: None, texts: 0 };
        let mut last = [0; 24];
        let mut first: Option<Place> = None;
        let mut occurrences = 0u64;
        while let Some((record, at)) = records.next()? {
            let Some((key, place)) = record.split_first_chunk::<24>() else { continue };
            let place = (at, number(place.get(..4)), number(place.get(4..)));
            if *key != last || first.is_none() {
                if let Some(first) = first.take() {
                    groups.text(first, occurrences, links);
                }
                if key.get(..8) != last.get(..8) {
                    groups.end(links);
                }
                (last, occurrences) = (*key, 0);
            }
            occurrences += 1;
            match &mut first {
                None => first = Some(place),
                Some(first) => {
                    let later = if place < *first { std::mem::replace(first, place) } else { place };
                    write_link(&groups.ordinals, later, Fate::Cut, links);
                }
            }
        }
        if let Some(first) = first {
            groups.text(first, occurrences, links);
        }
        groups.end(links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let (splits, _) = cut(links, corpus)?;
        Ok(Findings { shared: Vec::new(), splits, notes: Vec::new() })
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        Ok(Arc::new(Marker { rows: by_row(split)?, spans: self.spans }))
    }
}

fn number(bytes: Option<&[u8]>) -> u32 {
    bytes.and_then(|b| b.try_into().ok()).map(u32::from_be_bytes).unwrap_or_default()
}

/// The runs with one anchor, text by text.
struct Groups {
    ordinals: Ordinals,
    keep: Keep,
    /// The first text's first occurrence and number of occurrences, until it is known whether there is another text.
    waiting: Option<(Place, u64)>,
    texts: u64,
}

impl Groups {
    /// A text is over: where it occurred first, and how often.
    fn text(&mut self, first: Place, occurrences: u64, links: &mut Vec<u8>) {
        self.texts += 1;
        if self.texts == 1 {
            self.waiting = Some((first, occurrences));
            return;
        }
        if let Some((first, occurrences)) = self.waiting.take() {
            self.write(first, occurrences, true, links);
        }
        self.write(first, occurrences, true, links);
    }

    /// The anchor is over.
    fn end(&mut self, links: &mut Vec<u8>) {
        if let Some((first, occurrences)) = self.waiting.take() {
            self.write(first, occurrences, false, links);
        }
        self.texts = 0;
    }

    /// Writes what becomes of the first occurrence.
    fn write(&self, first: Place, occurrences: u64, look: bool, links: &mut Vec<u8>) {
        let repeated = self.keep == Keep::None && occurrences > 1;
        let fate = match (repeated, look) {
            (true, true) => Fate::Both,
            (true, false) => Fate::Cut,
            (false, true) => Fate::Look,
            (false, false) => return,
        };
        write_link(&self.ordinals, first, fate, links);
    }
}

/// Texts of runs seen in the document at hand, by their hash: where a text repeats itself over and over, every place is a
/// run of its own. The first two occurrences are emitted, and a chain of later ones as one.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    text: u128,
    document: u64,
    times: u32,
}

const SEEN: usize = 4096;

/// Memory that is used again.
#[derive(Debug, Clone, Default)]
struct Buffers {
    words: Vec<u64>,
    bytes: Vec<u8>,
}

impl Buffers {
    /// Fills [`Buffers::words`] with the words' hashes.
    fn words(&mut self, doc: &Document) {
        self.words.clear();
        self.words.extend(doc.text.words().iter().map(|&word| hash::seeded(doc.text.at(word).as_bytes(), 0)));
    }
}

struct RunFinder {
    unit: Unit,
    window: usize,
    anchors: Anchors,
    seen: Vec<Seen>,
    document: u64,
    buffers: Buffers,
}

impl Mapper for RunFinder {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        match self.unit {
            Unit::Bytes => self.runs(doc.text.as_str().as_bytes(), out),
            Unit::Words => {
                self.buffers.words(doc);
                let words = std::mem::take(&mut self.buffers.words);
                self.runs(&words, out);
                self.buffers.words = words;
            }
        }
    }
}

impl RunFinder {
    fn runs<S: Symbol>(&mut self, symbols: &[S], out: &mut dyn Records) {
        self.document += 1;
        let Self { window, anchors, seen, document, buffers, .. } = self;
        let gram = anchors.gram();
        let mut chain: Option<([u8; 24], Range<usize>)> = None;
        anchors.runs(symbols, |run| {
            let end = run.start + run.windows;
            let (Some(text), Some(anchor)) =
                (symbols.get(run.start..end - 1 + *window), symbols.get(run.anchor..run.anchor + gram))
            else {
                return;
            };
            let text = hash::wide(S::bytes(text, &mut buffers.bytes), 0);
            let Some(entry) = seen.get_mut(text as usize % SEEN) else { return };
            if (entry.text, entry.document) != (text, *document) {
                *entry = Seen { text, document: *document, times: 0 };
            }
            entry.times += 1;
            match &mut chain {
                Some((_, chain)) if entry.times > 2 => chain.end = end,
                _ => {
                    if let Some((key, windows)) = chain.take() {
                        emit(&key, windows, out);
                    }
                    let anchor = hash::seeded(S::bytes(anchor, &mut buffers.bytes), 0);
                    let mut key = [0; 24];
                    key[..8].copy_from_slice(&anchor.to_be_bytes());
                    key[8..].copy_from_slice(&text.to_be_bytes());
                    if entry.times > 2 {
                        chain = Some((key, run.start..end));
                    } else {
                        emit(&key, run.start..end, out);
                    }
                }
            }
        });
        if let Some((key, windows)) = chain {
            emit(&key, windows, out);
        }
    }
}

fn emit(key: &[u8; 24], windows: Range<usize>, out: &mut dyn Records) {
    let mut record = [0; RUN];
    record[..24].copy_from_slice(key);
    record[24..28].copy_from_slice(&(windows.start as u32).to_be_bytes());
    record[28..].copy_from_slice(&(windows.len() as u32).to_be_bytes());
    out.emit(u32::from(key[0] >> 2), &record);
}

/// Leaves the stretches of each document for the second look.
struct Marker {
    rows: ByRow,
    spans: Field<Vec<u32>>,
}

impl Apply for Marker {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        if let Some(stretches) = self.rows.get(&row) {
            doc.set(self.spans, stretches.iter().flat_map(|s| [s.start, s.windows, s.fate as u32]).collect());
        }
        Verdict::Keep
    }
}

/// What the first look left.
fn marked(doc: &Document, spans: Field<Vec<u32>>) -> impl Iterator<Item = Stretch> {
    let stretch = |three: &[u32]| match three {
        &[start, windows, fate] => Some(Stretch { start, windows, fate: Fate::of(fate) }),
        _ => None,
    };
    doc.get(spans).unwrap_or_default().chunks_exact(3).filter_map(stretch)
}

/// The second look: windows at the edges of repeats, one by one.
struct Windows {
    settings: Arc<Substrings>,
    spans: Field<Vec<u32>>,
    measures: Option<(Field<i64>, Field<f64>)>,
}

/// Records are the window's hash and where it begins.
const WINDOW: usize = 16 + 4;

impl Global for Windows {
    fn record_bytes(&self) -> usize {
        WINDOW
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(WindowFinder {
            unit: self.settings.unit,
            window: self.settings.min_length,
            spans: self.spans,
            buffers: Buffers::default(),
        }))
    }

    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let ordinals = Ordinals::of(records.corpus());
        let mut last = [0; 16];
        let mut first: Option<(DocRef, u32)> = None;
        let mut occurrences = 0u64;
        let none = self.settings.keep == Keep::None;
        let over = |first: Option<(DocRef, u32)>, occurrences: u64, links: &mut Vec<u8>| {
            if let Some((at, start)) = first.filter(|_| none && occurrences > 1) {
                write_link(&ordinals, (at, start, 1), Fate::Cut, links);
            }
        };
        while let Some((record, at)) = records.next()? {
            let Some((key, start)) = record.split_first_chunk::<16>() else { continue };
            let place = (at, number(Some(start)));
            if *key != last {
                over(first.take(), occurrences, links);
                (last, occurrences) = (*key, 0);
            }
            occurrences += 1;
            match &mut first {
                None => first = Some(place),
                Some(first) => {
                    let (at, start) = if place < *first { std::mem::replace(first, place) } else { place };
                    write_link(&ordinals, (at, start, 1), Fate::Cut, links);
                }
            }
        }
        over(first, occurrences, links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let (splits, documents) = cut(links, corpus)?;
        let notes = vec![format!("repeats begin or end within {documents} documents")];
        Ok(Findings { shared: Vec::new(), splits, notes })
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        Ok(Arc::new(Cutter {
            rows: by_row(split)?,
            settings: self.settings.clone(),
            spans: self.spans,
            measures: self.measures,
        }))
    }

    fn keeps_text(&self) -> bool {
        false
    }
}

struct WindowFinder {
    unit: Unit,
    window: usize,
    spans: Field<Vec<u32>>,
    buffers: Buffers,
}

impl Mapper for WindowFinder {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        if !marked(doc, self.spans).any(|s| s.fate != Fate::Cut) {
            return;
        }
        match self.unit {
            Unit::Bytes => self.windows(doc, doc.text.as_str().as_bytes(), out),
            Unit::Words => {
                self.buffers.words(doc);
                let words = std::mem::take(&mut self.buffers.words);
                self.windows(doc, &words, out);
                self.buffers.words = words;
            }
        }
    }
}

impl WindowFinder {
    fn windows<S: Symbol>(&mut self, doc: &Document, symbols: &[S], out: &mut dyn Records) {
        for stretch in marked(doc, self.spans).filter(|s| s.fate != Fate::Cut) {
            let (start, end) = (stretch.start as usize, stretch.end() as usize + self.window - 1);
            for (offset, window) in symbols.get(start..end).unwrap_or_default().windows(self.window).enumerate() {
                let hash = hash::wide(S::bytes(window, &mut self.buffers.bytes), 0);
                let mut record = [0; WINDOW];
                record[..16].copy_from_slice(&hash.to_be_bytes());
                record[16..].copy_from_slice(&((start + offset) as u32).to_be_bytes());
                out.emit((hash >> 122) as u32, &record);
            }
        }
    }
}

/// Cuts the repeats out of one split's documents.
struct Cutter {
    rows: ByRow,
    settings: Arc<Substrings>,
    spans: Field<Vec<u32>>,
    measures: Option<(Field<i64>, Field<f64>)>,
}

impl Apply for Cutter {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let repeats = self.repeats(row, doc);
        doc.fields.take(self.spans.slot());
        let removed: usize = repeats.iter().map(Range::len).sum();
        let fraction = removed as f64 / doc.text.len().max(1) as f64;
        if let Some((bytes, share)) = self.measures {
            doc.set(bytes, removed as i64);
            doc.set(share, fraction);
        }
        match self.settings.max_removed_fraction {
            Some(Fraction(most)) if fraction > most => return Verdict::drop_by("mostly_repeated", fraction, most),
            _ => {}
        }
        if self.measures.is_none() && removed > 0 {
            doc.text.edit(|text| *text = without(text, &repeats));
        }
        Verdict::Keep
    }
}

impl Cutter {
    /// The pieces of the text that are repeated, in order and apart, on boundaries of characters.
    fn repeats(&self, row: u32, doc: &Document) -> Vec<Range<usize>> {
        let found = self.rows.get(&row).map(Vec::as_slice).unwrap_or_default();
        let mut stretches: Vec<Stretch> = marked(doc, self.spans).filter(|s| s.fate != Fate::Look).collect();
        stretches.extend_from_slice(found);
        stretches.sort_unstable();
        let mut pieces: Vec<Range<usize>> = Vec::new();
        for stretch in stretches {
            let piece = stretch.start as usize..stretch.end() as usize + self.settings.min_length - 1;
            match pieces.last_mut() {
                Some(last) if last.end >= piece.start => last.end = last.end.max(piece.end),
                _ => pieces.push(piece),
            }
        }
        match self.settings.unit {
            Unit::Bytes => pieces.into_iter().map(|piece| within_characters(doc.text.as_str(), piece)).collect(),
            Unit::Words => {
                let words = doc.text.words();
                let begins = |word: usize| words.get(word).map_or(doc.text.len(), |span| span.0 as usize);
                pieces.into_iter().map(|piece| begins(piece.start)..begins(piece.end)).collect()
            }
        }
    }
}

/// The largest piece of whole characters within.
fn within_characters(text: &str, piece: Range<usize>) -> Range<usize> {
    let start = text.ceil_char_boundary(piece.start);
    start..text.floor_char_boundary(piece.end).max(start)
}

fn without(text: &str, repeats: &[Range<usize>]) -> String {
    let mut left = String::with_capacity(text.len());
    let mut at = 0;
    for repeat in repeats {
        left.push_str(text.get(at..repeat.start).unwrap_or_default());
        at = repeat.end;
    }
    left.push_str(text.get(at..).unwrap_or_default());
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, docs};
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Every window of every text, compared with every other.
    fn brute_force(texts: &[String], length: usize, keep: Keep) -> Vec<String> {
        let mut times: HashMap<&[u8], u32> = HashMap::new();
        for text in texts {
            text.as_bytes().windows(length).for_each(|w| *times.entry(w).or_default() += 1);
        }
        let mut seen: HashMap<&[u8], ()> = HashMap::new();
        let mut left = Vec::new();
        for text in texts {
            let mut repeated = vec![false; text.len()];
            for (start, window) in text.as_bytes().windows(length).enumerate() {
                let before = seen.insert(window, ()).is_some();
                if before || (keep == Keep::None && times[window] > 1) {
                    repeated[start..start + length].fill(true);
                }
            }
            let whole = text.char_indices().filter(|(at, c)| !repeated[*at..at + c.len_utf8()].iter().all(|r| *r));
            left.push(whole.map(|(_, c)| c).collect());
        }
        left
    }

    fn cut_out(texts: &[String], settings: &str, cuts: &[usize]) -> Vec<String> {
        let outcome = build::<Substrings>(settings, false, |_| ()).unwrap().run(docs(texts), cuts).unwrap();
        outcome.docs.into_iter().map(|d| d.text.into_string()).collect()
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        let piece = prop_oneof![
            "[ab]{0,30}",
            "a{0,40}",
            "(ab|abc|é){0,20}",
            "[a-d]{0,30}",
            "(once upon a time|there was a|king|queen| ){0,6}",
            "[日本語é ]{0,12}",
        ];
        let text = prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat());
        prop::collection::vec(text, 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn what_is_left_is_what_comparing_every_window_leaves(
            texts in texts(), length in 4usize..24, none in any::<bool>(), cuts in prop::collection::vec(0usize..4, 0..4)
        ) {
            let (keep, word) = if none { (Keep::None, "none") } else { (Keep::First, "first") };
            let settings = format!(r#"{{"min_length": {length}, "keep": "{word}", "max_removed_fraction": null}}"#);
            prop_assert_eq!(cut_out(&texts, &settings, &cuts), brute_force(&texts, length, keep));
        }

        #[test]
        fn words_are_cut_as_letters_are(texts in prop::collection::vec("[abc]{0,40}", 0..6), cuts in prop::collection::vec(0usize..4, 0..4)) {
            let spaced: Vec<String> = texts.iter().map(|t| t.chars().flat_map(|c| [c, ' ']).collect()).collect();
            let left = cut_out(&spaced, r#"{"min_length": 5, "unit": "words", "max_removed_fraction": null}"#, &cuts);
            let left: Vec<String> = left.into_iter().map(|t| t.replace(' ', "")).collect();
            prop_assert_eq!(left, brute_force(&texts, 5, Keep::First));
        }
    }

    #[test]
    fn a_document_that_loses_too_much_goes() {
        let text = |n: usize| (0..60).map(|i| format!("word{} ", (n * 31 + i * i) % 997)).collect::<String>();
        let all = [text(1), text(1), format!("{}{}", text(1), text(2)), text(3)];
        let built = build::<Substrings>("{}", false, |_| ()).unwrap();
        let outcome = built.run(docs(&all), &[1]).unwrap();
        assert_eq!(outcome.keeps(), [true, false, true, true]);
        assert_eq!(outcome.verdicts[1], Verdict::drop_by("mostly_repeated", 1.0, 0.8));
        assert_eq!(outcome.docs[2].text.as_str(), text(2));
        let annotated = build::<Substrings>("{}", true, |_| ()).unwrap();
        let outcome = annotated.run(docs(&all), &[]).unwrap();
        let share = annotated.fields.find::<f64>("substrings.repeated_fraction").unwrap();
        let shares: Vec<f64> = outcome.docs.iter().map(|d| d.get(share).unwrap()).collect();
        assert_eq!((shares[0], shares[1], shares[3]), (0.0, 1.0, 0.0));
        assert!((0.4..0.6).contains(&shares[2]));
        assert_eq!(outcome.docs[2].text.as_str(), all[2]);
    }

    #[test]
    fn a_text_of_one_letter_emits_little() {
        struct Count(usize);
        impl Records for Count {
            fn emit(&mut self, _: u32, _: &[u8]) {
                self.0 += 1;
            }
        }
        let built = build::<Substrings>("{}", false, |_| ()).unwrap();
        for text in ["a".repeat(1 << 20), "ab cd. ".repeat(1 << 17), "\u{301}".repeat(1 << 19)] {
            let mut count = Count(0);
            built.before[0].mapper(&built.fields).unwrap().map(&docs(&[text])[0], &mut count);
            assert!(count.0 < 1000, "{} records", count.0);
        }
    }

    #[test]
    fn damaged_findings_are_an_error() {
        assert!(by_row(&[3, 200]).is_err());
        assert!(build::<Substrings>(r#"{"min_length": 3}"#, false, |_| ()).is_err());
    }
}
