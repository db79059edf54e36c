//! Stretches of windows: what the two looks of `substrings` say of a document, in links, findings and a field.

use std::collections::BTreeMap;

use crate::doc::{DocRef, Document, Field};
use crate::error::Result;
use crate::sketch::hash;
use crate::stage::clusters::Ordinals;
use crate::stage::{Corpus, Links, varint};

/// By the highest six bits of a hash.
pub(super) const PARTITIONS: u32 = 64;

/// A stretch of windows, as it is written in links, findings and the field between the looks: where the first one begins,
/// how many there are, and what is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub(super) start: u32,
    pub(super) windows: u32,
    pub(super) fate: Fate,
}

/// What is to be done with a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// All its windows are repeated.
    Cut,
    /// Its windows are to be looked at one by one.
    Look,
    /// Both: they are repeated, and others may repeat them.
    Both,
}

impl Fate {
    pub(super) fn of(number: u32) -> Self {
        match number {
            0 => Self::Cut,
            1 => Self::Look,
            _ => Self::Both,
        }
    }
}

impl Stretch {
    pub(super) fn end(self) -> u32 {
        self.start.saturating_add(self.windows)
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        varint::write(self.start.into(), out);
        varint::write(u64::from(self.windows) << 2 | self.fate as u64, out);
    }

    pub(super) fn read(from: &mut dyn std::io::BufRead) -> Result<Self> {
        let start = varint::expect(from)? as u32;
        let rest = varint::expect(from)?;
        Ok(Self { start, windows: (rest >> 2) as u32, fate: Fate::of((rest & 3) as u32) })
    }
}

/// An occurrence of something: where, and how many windows.
pub(super) type Place = (DocRef, u32, u32);

pub(super) fn write_link(ordinals: &Ordinals, (at, start, windows): Place, fate: Fate, links: &mut Vec<u8>) {
    varint::write(ordinals.ordinal(at), links);
    Stretch { start, windows, fate }.write(links);
}

/// Cuts links by split: for each the rows in order, each with its stretches in order, neighbours joined.
pub(super) fn cut(links: &mut dyn Links, corpus: &Corpus) -> Result<(Vec<Vec<u8>>, u64)> {
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
pub(super) type ByRow = BTreeMap<u32, Vec<Stretch>>;

pub(super) fn by_row(split: &[u8]) -> Result<ByRow> {
    let (mut from, mut rows) = (split, ByRow::new());
    while let Some(row) = varint::read(&mut from)? {
        let count = varint::expect(&mut from)?;
        let stretches = (0..count).map(|_| Stretch::read(&mut from)).collect::<Result<_>>()?;
        rows.insert(row as u32, stretches);
    }
    Ok(rows)
}

/// What the first look left.
pub(super) fn marked(doc: &Document, spans: Field<Vec<u32>>) -> impl Iterator<Item = Stretch> {
    let stretch = |three: &[u32]| match three {
        &[start, windows, fate] => Some(Stretch { start, windows, fate: Fate::of(fate) }),
        _ => None,
    };
    doc.get(spans).unwrap_or_default().chunks_exact(3).filter_map(stretch)
}

pub(super) fn number(bytes: Option<&[u8]>) -> u32 {
    bytes.and_then(|b| b.try_into().ok()).map(u32::from_be_bytes).unwrap_or_default()
}

/// Memory that is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers {
    pub(super) words: Vec<u64>,
    pub(super) bytes: Vec<u8>,
}

impl Buffers {
    /// Fills [`Buffers::words`] with the words' hashes.
    pub(super) fn words(&mut self, doc: &Document) {
        self.words.clear();
        self.words.extend(doc.text.words().iter().map(|&word| hash::seeded(doc.text.at(word).as_bytes(), 0)));
    }
}
