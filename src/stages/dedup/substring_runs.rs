//! The first look of `substrings`: runs of windows, grouped by their anchor.

use std::ops::Range;
use std::sync::Arc;

use super::substring_stretches::{Buffers, ByRow, Fate, PARTITIONS, Place, by_row, cut, number, write_link};
use super::substrings::{Keep, Substrings, Unit};
use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::Result;
use crate::sketch::anchors::{Anchors, Symbol};
use crate::sketch::hash;
use crate::stage::clusters::Ordinals;
use crate::stage::{Apply, Corpus, Findings, Global, Links, Mapper, Records, Sorted};

/// The first look: runs of windows, grouped by their anchor.
pub(super) struct Runs {
    pub(super) settings: Arc<Substrings>,
    pub(super) spans: Field<Vec<u32>>,
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
