//! What global stages find that judge pieces of documents: for each document, which of its segments were hit how often.
//!
//! A reduce writes the hits of its partition in corpus order. [`merge`] reads those of all partitions side by side and cuts
//! them by split, a few bytes for each hit, so that nothing but the findings themselves is ever held.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::BufRead;

use super::{Corpus, Findings, Links, varint};
use crate::doc::DocRef;
use crate::error::{Error, Result};

/// A segment of a document, by its ordinal in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The document.
    pub at: DocRef,
    /// The segment.
    pub segment: u32,
}

/// Writes hits for [`merge`].
pub fn write(hits: &mut [Place], links: &mut Vec<u8>) {
    hits.sort_unstable();
    let mut writer = Writer::default();
    let mut segments = Vec::new();
    for document in hits.chunk_by(|a, b| a.at == b.at) {
        segments.extend(document.iter().map(|hit| hit.segment));
        document.iter().take(1).for_each(|first| writer.write(first.at, &mut segments, links));
    }
}

/// Writes hits document by document, in corpus order.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    document: u64,
}

impl Writer {
    /// Writes the segments hit in one document, in any order; several hits on one are counted. Empties `segments`.
    pub fn write(&mut self, at: DocRef, segments: &mut Vec<u32>, links: &mut Vec<u8>) {
        segments.sort_unstable();
        let mut before = 0;
        for same in segments.chunk_by(|a, b| a == b) {
            let Some(&segment) = same.first() else { continue };
            varint::write(ordinal(at) - self.document, links);
            varint::write(u64::from(segment - before), links);
            varint::write(same.len() as u64, links);
            (self.document, before) = (ordinal(at), segment);
        }
        segments.clear();
    }
}

fn ordinal(at: DocRef) -> u64 {
    u64::from_be_bytes(at.to_bytes())
}

/// The hits of one partition, read back.
struct Hits {
    from: Box<dyn BufRead>,
    document: u64,
    segment: u32,
}

impl Hits {
    fn next(&mut self) -> Result<Option<(Place, u64)>> {
        let Some(step) = varint::read(&mut *self.from)? else { return Ok(None) };
        if step != 0 {
            self.segment = 0;
        }
        self.document = self.document.wrapping_add(step);
        self.segment = self.segment.wrapping_add(varint::expect(&mut *self.from)? as u32);
        let at = DocRef::from_bytes(self.document.to_be_bytes());
        Ok(Some((Place { at, segment: self.segment }, varint::expect(&mut *self.from)?)))
    }
}

/// How much was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Hits in all.
    pub hits: u64,
    /// Documents with any.
    pub documents: u64,
}

/// Joins the hits of all partitions to findings without notes, and counts them.
pub fn merge(links: &mut dyn Links, corpus: &Corpus) -> Result<(Findings, Found)> {
    merge_after(links, corpus, &mut |_| Ok(()))
}

/// The same where `head` reads what the reduces wrote before the hits.
pub fn merge_after(
    links: &mut dyn Links,
    corpus: &Corpus,
    head: &mut dyn FnMut(&mut dyn BufRead) -> Result<()>,
) -> Result<(Findings, Found)> {
    let mut parts = Vec::new();
    let mut heads = BinaryHeap::new();
    for part in 0..links.partitions() {
        let mut hits = Hits { from: links.open(part)?, document: 0, segment: 0 };
        head(&mut *hits.from)?;
        heads.extend(hits.next()?.map(|(place, count)| Reverse((place, count, parts.len()))));
        parts.push(hits);
    }
    let mut findings = Findings { splits: vec![Vec::new(); corpus.rows.len()], ..Findings::default() };
    let mut found = Found::default();
    let mut open = Row { at: DocRef { split: 0, row: 0 }, base: (0, 0), hits: Vec::new() };
    while let Some(Reverse((place, count, part))) = heads.pop() {
        if place.at != open.at {
            open.close(&mut findings.splits, &mut found)?;
            open.at = place.at;
        }
        open.add(place.segment, count);
        let next = parts.get_mut(part).map(Hits::next).transpose()?.flatten();
        heads.extend(next.map(|(place, count)| Reverse((place, count, part))));
    }
    open.close(&mut findings.splits, &mut found)?;
    Ok((findings, found))
}

/// The document whose hits are being gathered.
struct Row {
    at: DocRef,
    /// The split and the row that the next row's distance is counted from.
    base: (u32, u32),
    hits: Vec<(u32, u64)>,
}

impl Row {
    fn add(&mut self, segment: u32, count: u64) {
        match self.hits.last_mut() {
            Some(last) if last.0 == segment => last.1 += count,
            _ => self.hits.push((segment, count)),
        }
    }

    fn close(&mut self, splits: &mut [Vec<u8>], found: &mut Found) -> Result<()> {
        if self.hits.is_empty() {
            return Ok(());
        }
        let out = splits.get_mut(self.at.split as usize).ok_or_else(|| Error::bug("a hit in no split"))?;
        if self.base.0 != self.at.split {
            self.base = (self.at.split, 0);
        }
        varint::write(u64::from(self.at.row - self.base.1), out);
        varint::write(self.hits.len() as u64, out);
        let mut before = 0;
        for (segment, count) in self.hits.drain(..) {
            // Most segments are hit once: the lowest bit says that no count follows.
            varint::write(u64::from(segment - before) << 1 | u64::from(count > 1), out);
            if count > 1 {
                varint::write(count, out);
            }
            before = segment;
            found.hits += count;
        }
        found.documents += 1;
        self.base.1 = self.at.row;
        Ok(())
    }
}

/// The findings of one split, opened.
#[derive(Debug, Clone, Default)]
pub struct SplitHits {
    bytes: Vec<u8>,
    /// Rows with hits, ascending, and where theirs begin.
    rows: Vec<(u32, usize)>,
}

impl SplitHits {
    /// Opens what [`merge`] left for a split.
    pub fn open(split: &[u8]) -> Result<Self> {
        let mut opened = Self { bytes: split.to_vec(), rows: Vec::new() };
        let (mut from, mut row) = (split, 0u32);
        while let Some(step) = varint::read(&mut from)? {
            row = row.wrapping_add(step as u32);
            opened.rows.push((row, split.len() - from.len()));
            each(&mut from, |_, _| ())?;
        }
        Ok(opened)
    }

    /// The segments hit in the document at `row`, ascending, and how often.
    pub fn of(&self, row: u32) -> Vec<(u32, u64)> {
        let mut hits = Vec::new();
        let at = self.rows.binary_search_by_key(&row, |r| r.0).ok().and_then(|i| self.rows.get(i));
        if let Some(mut from) = at.and_then(|(_, start)| self.bytes.get(*start..)) {
            // What was opened reads a second time.
            let _ = each(&mut from, |segment, count| hits.push((segment, count)));
        }
        hits
    }
}

fn each(from: &mut &[u8], mut hit: impl FnMut(u32, u64)) -> Result<()> {
    let mut segment = 0u32;
    for _ in 0..varint::expect(from)? {
        let word = varint::expect(from)?;
        segment = segment.wrapping_add((word >> 1) as u32);
        let count = if word & 1 == 1 { varint::expect(from)? } else { 1 };
        hit(segment, count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::io::Cursor;

    struct Parts(Vec<Vec<u8>>);

    impl Links for Parts {
        fn partitions(&self) -> u32 {
            self.0.len() as u32
        }
        fn open(&mut self, part: u32) -> Result<Box<dyn BufRead>> {
            Ok(Box::new(Cursor::new(self.0[part as usize].clone())))
        }
    }

    proptest! {
        #[test]
        fn what_partitions_hit_is_found_in_its_split(
            parts in prop::collection::vec(prop::collection::vec((0u32..3, 0u32..400, 0u32..300), 0..40), 0..4)
        ) {
            let mut expected: BTreeMap<(u32, u32), BTreeMap<u32, u64>> = BTreeMap::new();
            let mut links = Vec::new();
            for part in &parts {
                let place = |&(split, row, segment): &_| Place { at: DocRef { split, row }, segment };
                let mut hits: Vec<Place> = part.iter().map(place).collect();
                for hit in &hits {
                    *expected.entry((hit.at.split, hit.at.row)).or_default().entry(hit.segment).or_default() += 1;
                }
                let mut bytes = Vec::new();
                write(&mut hits, &mut bytes);
                links.push(bytes);
            }
            let (findings, found) = merge(&mut Parts(links), &Corpus { rows: vec![400; 3] }).unwrap();
            prop_assert_eq!(found.documents, expected.len() as u64);
            prop_assert_eq!(found.hits, parts.iter().map(|p| p.len() as u64).sum::<u64>());
            for split in 0..3 {
                let hits = SplitHits::open(&findings.splits[split as usize]).unwrap();
                for row in 0..400 {
                    let want: Vec<_> = expected.get(&(split, row)).into_iter().flatten().map(|(s, c)| (*s, *c)).collect();
                    prop_assert_eq!(hits.of(row), want);
                }
            }
        }

        #[test]
        fn damage_is_an_error_or_other_hits_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(hits) = SplitHits::open(&bytes) {
                hits.rows.iter().for_each(|(row, _)| drop(hits.of(*row)));
            }
        }
    }
}
