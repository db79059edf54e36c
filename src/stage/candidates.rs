//! Candidates: documents that agree on some key, joined to components. What every stage that finds near-duplicates by
//! banding does on its first look, whatever its keys are.
//!
//! Out of core: keys are sorted by the run, links are groups, and in memory there is a forest of 4 bytes a document
//! (5 beyond 2^32) and a bit; beyond the memory of a finish, windows of it in files (`sketch/components.rs`).

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

use super::clusters::{Cluster, Clusters, Ordinals};
use super::{Chosen, Corpus, Findings, Links, Sorted, varint};
use crate::doc::{DocId, DocRef};
use crate::error::{Error, Result};
use crate::sketch::components::{Components, Names};

/// What the first look says of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The corpus ordinal of the first document of its component.
    pub component: u64,
    /// Its own.
    pub ordinal: u64,
}

impl Candidate {
    /// From a [`Chosen::mark`].
    pub fn of(mark: u128) -> Self {
        Self { component: (mark >> 64) as u64, ordinal: mark as u64 }
    }

    fn mark(self) -> u128 {
        u128::from(self.component) << 64 | u128::from(self.ordinal)
    }
}

/// What a record carries behind its key, in eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: there are no bytes.
    None,
    /// A [`super::survivor::Preference`], which is passed on.
    Preference,
    /// Zero, or for a document of an index its number and one. Such documents follow those of the corpus as ordinals.
    Known,
}

impl Tail {
    /// How many bytes that is.
    pub fn bytes(self) -> usize {
        if self == Self::None { 0 } else { 8 }
    }
}

/// Writes every group of documents with one key: how many, then for each the distance to the one before. Records are a
/// key of `key` bytes and the tail. Groups of documents of an index alone are left out.
pub fn reduce(key: usize, tail: Tail, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
    let (ordinals, total) = (Ordinals::of(records.corpus()), records.corpus().total());
    let (mut current, mut group) = (Vec::new(), Vec::new());
    while let Some((record, at)) = records.next()? {
        let (own, behind) = record.split_at(key);
        if own != current {
            write_group(&mut group, total, tail, links);
            current.clear();
            current.extend_from_slice(own);
        }
        let behind = u64::from_be_bytes(behind.try_into().unwrap_or_default());
        group.push(match (tail, behind.checked_sub(1)) {
            (Tail::Known, Some(number)) => (total + number, 0),
            _ => (ordinals.ordinal(at), behind),
        });
    }
    write_group(&mut group, total, tail, links);
    Ok(())
}

fn write_group(group: &mut Vec<(u64, u64)>, total: u64, tail: Tail, links: &mut Vec<u8>) {
    group.sort_unstable();
    if group.len() > 1 && group.first().is_some_and(|first| first.0 < total) {
        varint::write(group.len() as u64, links);
        let mut before = 0;
        for &(ordinal, preference) in group.iter() {
            varint::write(ordinal - before, links);
            if tail == Tail::Preference {
                links.extend(preference.to_be_bytes());
            }
            before = ordinal;
        }
    }
    group.clear();
}

/// Calls `each` with every group's first member, a member and its preference.
fn read_groups(links: &mut dyn Links, prefers: bool, mut each: impl FnMut(u64, u64, u64) -> Result<()>) -> Result<()> {
    for part in 0..links.partitions() {
        let mut from = links.open(part)?;
        while let Some(size) = varint::read(&mut *from)? {
            let (mut ordinal, mut first) = (0, None);
            for _ in 0..size {
                ordinal += varint::expect(&mut *from)?;
                let preference = if prefers { read_preference(&mut *from)? } else { 0 };
                each(*first.get_or_insert(ordinal), ordinal, preference)?;
            }
        }
    }
    Ok(())
}

fn read_preference(from: &mut dyn BufRead) -> Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes).map_err(|e| Error::world("the links of a global stage are cut short").because(e))?;
    Ok(u64::from_be_bytes(bytes))
}

/// All groups joined.
pub struct Join {
    names: Names,
    prefers: bool,
}

impl Join {
    /// Joins the groups that [`reduce`] wrote, of documents of the corpus and `known` ones of an index.
    pub fn read(links: &mut dyn Links, corpus: &Corpus, known: u64, tail: Tail) -> Result<Self> {
        let (total, prefers) = (corpus.total() + known, tail == Tail::Preference);
        let mut components = Components::new(total, links.memory(), &|| links.scratch())?;
        read_groups(links, prefers, |first, document, _| components.link(first, document))?;
        Ok(Self { names: components.finish(&|| links.scratch())?, prefers })
    }

    /// Findings that choose the members of components for a second look; with `all`, every document, most of them alone.
    /// What is for everyone are the documents of an index that are needed, see [`known`].
    pub fn candidates(self, corpus: &Corpus, all: bool) -> Result<Findings> {
        let (ordinals, total) = (Ordinals::of(corpus), corpus.total());
        let head = |base: &u64| [&base.to_le_bytes()[..], &[u8::from(all)]].concat();
        let mut splits: Vec<Vec<u8>> = corpus.ordinals().iter().map(head).collect();
        let (mut count, mut before, mut shared) = (0u64, DocRef { split: 0, row: 0 }, Vec::new());
        self.names.each(|document, component| {
            if let Some(number) = document.checked_sub(total) {
                varint::write(number, &mut shared);
                varint::write(component, &mut shared);
                return Ok(());
            }
            let at = ordinals.place(document);
            let row = if at.split == before.split { at.row - before.row } else { at.row };
            if let Some(split) = splits.get_mut(at.split as usize) {
                varint::write(u64::from(row), split);
                varint::write(component, split);
            }
            (count, before) = (count + 1, at);
            Ok(())
        })?;
        let notes = vec![format!("{count} of {total} documents have a candidate")];
        Ok(Findings { shared, splits, notes })
    }

    /// Findings that take every component for a cluster; `links` are read again for the preferences.
    pub fn clusters(self, links: &mut dyn Links, mut clusters: Clusters) -> Result<Findings> {
        let mut sizes: HashMap<u64, u32> = HashMap::new();
        self.names.each(|_, component| {
            *sizes.entry(component).or_default() += 1;
            Ok(())
        })?;
        let mut best: HashMap<u64, (u64, u64)> = HashMap::new();
        if self.prefers {
            read_groups(links, true, |_, document, preference| {
                let best = best.entry(self.names.name(document)?).or_insert((preference, document));
                *best = (*best).min((preference, document));
                Ok(())
            })?;
        }
        self.names.each(|document, component| {
            let size = sizes.get(&component).copied().unwrap_or(1);
            let stays = best.get(&component).map_or(component, |b| b.1);
            let cluster = Cluster { name: component, size, survivor: DocId::default() };
            clusters.add(document, cluster, document != stays, 1.0);
            if document == component {
                clusters.show(component, size, "");
            }
            Ok(())
        })?;
        clusters.findings()
    }
}

/// The documents of an index that [`Join::candidates`] found to be candidates, ascending: number and component.
pub fn known(mut shared: &[u8]) -> Result<Vec<(u64, u64)>> {
    let mut known = Vec::new();
    while let Some(number) = varint::read(&mut shared)? {
        known.push((number, varint::expect(&mut shared)?));
    }
    Ok(known)
}

/// The documents of a split that [`Join::candidates`] chose.
pub fn chosen(split: &[u8]) -> Result<Arc<dyn Chosen>> {
    let short = || Error::bug("findings of candidates are too short");
    let (base, rest) = split.split_first_chunk::<8>().ok_or_else(short)?;
    let (all, mut from) = rest.split_first().ok_or_else(short)?;
    let (mut rows, mut components, mut row) = (Vec::new(), Vec::new(), 0);
    while let Some(step) = varint::read(&mut from)? {
        row += step as u32;
        rows.push(row);
        components.push(varint::expect(&mut from)?);
    }
    Ok(Arc::new(Rows { base: u64::from_le_bytes(*base), all: *all != 0, rows, components }))
}

struct Rows {
    base: u64,
    all: bool,
    rows: Vec<u32>,
    components: Vec<u64>,
}

impl Chosen for Rows {
    fn mark(&self, row: u32) -> Option<u128> {
        let ordinal = self.base + u64::from(row);
        let component = match self.rows.binary_search(&row) {
            Ok(at) => *self.components.get(at)?,
            Err(_) if self.all => ordinal,
            Err(_) => return None,
        };
        Some(Candidate { component, ordinal }.mark())
    }
}
