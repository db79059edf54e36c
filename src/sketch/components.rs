//! Connected components of documents, however many: the forest of [`UnionFind`] while it fits in memory, else window by
//! window over nameless files.
//!
//! Out of core, ordinals are cut into windows whose forest fits. Links are set aside for the window of their larger end.
//! From the last window to the first, each is joined by itself: a set that reaches below its window is named by an
//! ordinal down there, and when it reaches two, these are a link for the windows below. What remains is a pointer
//! downwards for each such set, followed from the first window to the last. Names are the smallest members, as in
//! memory, whatever the order of the links: a link is read once in each window that it falls through.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::spool::{ORDINAL, Spool, pack, unpack};
use super::union_find::UnionFind;
use crate::error::{Error, Result};

/// Opens a nameless file.
pub type Scratch<'s> = &'s dyn Fn() -> Result<File>;

/// Windows at most: beyond that many times the memory, a window takes more than it should.
const WINDOWS: u64 = 4096;

/// Bytes that `total` documents take in memory: 4 and a bit each, 5 beyond 2^32.
pub fn bytes(total: u64) -> u64 {
    total * if total > 1 << 32 { ORDINAL as u64 } else { 4 } + total.div_ceil(8)
}

/// Links being gathered.
pub struct Components {
    total: u64,
    /// Ordinals of a window.
    span: u64,
    windows: u64,
    memory: u64,
    links: Links,
}

enum Links {
    Joined(UnionFind),
    SetAside(Spool),
}

impl Components {
    /// The ordinals below `total` (at most 2^40), each alone. Beyond `memory` bytes, files that `scratch` opens.
    pub fn new(total: u64, memory: u64, scratch: Scratch<'_>) -> Result<Self> {
        let windows = match bytes(total) {
            all if all <= memory => 1,
            all => all.div_ceil((memory / 2).max(1)).clamp(1, WINDOWS),
        };
        let span = total.div_ceil(windows).max(1);
        let links = match windows {
            1 => Links::Joined(UnionFind::new(total)),
            _ => Links::SetAside(Spool::new(scratch()?, windows, memory / 8)),
        };
        Ok(Self { total, span, windows, memory, links })
    }

    /// Says that two documents belong together.
    pub fn link(&mut self, a: u64, b: u64) -> Result<()> {
        match &mut self.links {
            Links::Joined(forest) => {
                forest.union(a, b);
            }
            Links::SetAside(links) if a != b => links.push(a.max(b) / self.span, a, b)?,
            Links::SetAside(_) => {}
        }
        Ok(())
    }

    /// Names every component.
    pub fn finish(mut self, scratch: Scratch<'_>) -> Result<Names> {
        match std::mem::replace(&mut self.links, Links::Joined(UnionFind::new(0))) {
            Links::Joined(mut forest) => {
                let together = together(&mut forest, 0..self.total);
                Ok(Names { total: self.total, of: Of::Forest(forest, together) })
            }
            Links::SetAside(mut links) => {
                let file = scratch()?;
                let asked = self.downwards(&mut links, &file, scratch()?)?;
                drop(links);
                self.upwards(asked, &file, scratch()?)?;
                Ok(Names { total: self.total, of: Of::File(file) })
            }
        }
    }

    fn range(&self, window: u64) -> std::ops::Range<u64> {
        window * self.span..((window + 1) * self.span).min(self.total)
    }

    /// From the last window to the first: leaves of each document the smallest member of its set in the window, or an
    /// ordinal below. Of the latter, what they belong to is asked for.
    fn downwards(&self, links: &mut Spool, file: &File, asked: File) -> Result<Spool> {
        let mut asked = Spool::new(asked, self.windows, self.memory / 8);
        for window in (0..self.windows).rev() {
            let range = self.range(window);
            let mut forest = UnionFind::window(range.start, range.end.saturating_sub(range.start));
            loop {
                let some = links.take(window)?;
                for &(a, b) in &some {
                    if let Some((less, more)) = forest.union(a, b) {
                        links.push(more / self.span, less, more)?;
                    }
                }
                if some.is_empty() {
                    break;
                }
            }
            for document in range.clone() {
                let name = forest.find(document);
                if name < range.start {
                    asked.push(name / self.span, name, document)?;
                }
            }
            put(file, range, |document| forest.parent(document))?;
        }
        Ok(asked)
    }

    /// From the first window to the last: names what was asked for. A document alone is named [`ALONE`].
    fn upwards(&self, mut asked: Spool, file: &File, answers: File) -> Result<()> {
        let mut answers = Spool::new(answers, self.windows, self.memory / 8);
        for window in 0..self.windows {
            let range = self.range(window);
            let mut forest = UnionFind::window(range.start, range.end.saturating_sub(range.start));
            get(file, range.clone(), |document, name| {
                forest.link(document, name);
                Ok(())
            })?;
            loop {
                let some = answers.take(window)?;
                some.iter().for_each(|&(name, document)| forest.link(document, name));
                if some.is_empty() {
                    break;
                }
            }
            let mut together = together(&mut forest, range.clone());
            loop {
                let some = asked.take(window)?;
                for &(document, by) in &some {
                    set(&mut together, document - range.start);
                    answers.push(by / self.span, forest.parent(document), by)?;
                }
                if some.is_empty() {
                    break;
                }
            }
            let first = range.start;
            put(file, range, |d| if is_set(&together, d - first) { forest.parent(d) } else { ALONE })?;
        }
        Ok(())
    }
}

/// The name of who is alone, in a file.
const ALONE: u64 = (1 << 40) - 1;
/// Ordinals that are read or written at once.
const BLOCK: u64 = 1 << 14;

/// A bit for each document of the forest's window that is not alone; every document points at its name afterwards.
fn together(forest: &mut UnionFind, range: std::ops::Range<u64>) -> Vec<u64> {
    let mut bits = vec![0u64; (forest.len() / 64 + 1) as usize];
    for document in range.clone() {
        let name = forest.find(document);
        if name != document {
            set(&mut bits, document - range.start);
            name.checked_sub(range.start).into_iter().for_each(|at| set(&mut bits, at));
        }
    }
    bits
}

fn set(bits: &mut [u64], at: u64) {
    if let Some(bits) = bits.get_mut((at / 64) as usize) {
        *bits |= 1 << (at % 64);
    }
}

fn is_set(bits: &[u64], at: u64) -> bool {
    bits.get((at / 64) as usize).is_some_and(|bits| bits >> (at % 64) & 1 == 1)
}

fn blocks(range: std::ops::Range<u64>) -> impl Iterator<Item = std::ops::Range<u64>> {
    let end = range.end;
    range.step_by(BLOCK as usize).map(move |start| start..(start + BLOCK).min(end))
}

fn put(file: &File, range: std::ops::Range<u64>, of: impl Fn(u64) -> u64) -> Result<()> {
    for block in blocks(range) {
        let bytes: Vec<u8> = block.clone().flat_map(|document| pack(of(document))).collect();
        let written = file.write_all_at(&bytes, block.start * ORDINAL as u64);
        written.map_err(|e| Error::world("cannot write to a temporary file").because(e))?;
    }
    Ok(())
}

fn get(file: &File, range: std::ops::Range<u64>, mut each: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
    for block in blocks(range) {
        let mut bytes = vec![0; (block.end - block.start) as usize * ORDINAL];
        let read = file.read_exact_at(&mut bytes, block.start * ORDINAL as u64);
        read.map_err(|e| Error::world("cannot read from a temporary file").because(e))?;
        for (document, name) in block.zip(bytes.chunks_exact(ORDINAL)) {
            each(document, unpack(name))?;
        }
    }
    Ok(())
}

/// To which component each document belongs.
pub struct Names {
    total: u64,
    of: Of,
}

enum Of {
    /// Every document points at its name; a bit for each that is not alone.
    Forest(UnionFind, Vec<u64>),
    File(File),
}

impl Names {
    /// Every document that is not alone, ascending, with the smallest document of its component.
    pub fn each(&self, mut each: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
        match &self.of {
            Of::Forest(forest, together) => {
                for (word, &bits) in together.iter().enumerate() {
                    let mut bits = bits;
                    while bits != 0 {
                        let document = word as u64 * 64 + u64::from(bits.trailing_zeros());
                        each(document, forest.parent(document))?;
                        bits &= bits - 1;
                    }
                }
                Ok(())
            }
            Of::File(file) => {
                get(file, 0..self.total, |document, name| if name == ALONE { Ok(()) } else { each(document, name) })
            }
        }
    }

    /// The smallest document of the component of `document`.
    pub fn name(&self, document: u64) -> Result<u64> {
        match &self.of {
            Of::Forest(forest, _) => Ok(forest.parent(document)),
            Of::File(file) => {
                let mut name = document;
                get(file, document..document + 1, |_, found| {
                    name = if found == ALONE { document } else { found };
                    Ok(())
                })?;
                Ok(name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scratch() -> Result<File> {
        Ok(tempfile::tempfile().unwrap())
    }

    /// Documents that are not alone, with their names.
    fn named(total: u64, links: &[(u64, u64)], memory: u64) -> Vec<(u64, u64)> {
        let mut components = Components::new(total, memory, &scratch).unwrap();
        links.iter().for_each(|&(a, b)| components.link(a, b).unwrap());
        let names = components.finish(&scratch).unwrap();
        let mut all = Vec::new();
        names
            .each(|document, name| {
                all.push((document, name));
                Ok(())
            })
            .unwrap();
        for document in 0..total {
            let listed = all.iter().find(|n| n.0 == document).map_or(document, |n| n.1);
            assert_eq!(names.name(document).unwrap(), listed);
        }
        all
    }

    /// A partial forest: of each document that some links touch, the smallest that they lead to.
    fn reduced(total: u64, links: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
        let mut forest = UnionFind::new(total);
        for (a, b) in links {
            forest.union(a, b);
        }
        (0..total).map(|document| (document, forest.find(document))).filter(|(d, n)| d != n).collect()
    }

    proptest! {
        /// In memory, out of core in windows of any size, and as Ray's union-find of Data-Juicer does it: the links of each
        /// partition reduced to a forest, and forests merged two by two, in any shape of tree.
        #[test]
        fn components_are_the_same_in_memory_out_of_core_and_merged_from_partial_forests(
            links in prop::collection::vec((0u64..120, 0u64..120), 0..160),
            partitions in 1usize..9,
            merges in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 9),
            memory in 0u64..400,
        ) {
            let whole = named(120, &links, u64::MAX);
            prop_assert_eq!(&named(120, &links, memory), &whole);
            let backwards: Vec<_> = links.iter().rev().map(|&(a, b)| (b, a)).collect();
            prop_assert_eq!(&named(120, &backwards, memory / 3), &whole);
            let mut forests: Vec<Vec<(u64, u64)>> = (0..partitions)
                .map(|p| reduced(120, links.iter().copied().skip(p).step_by(partitions)))
                .collect();
            for (one, other) in merges {
                if forests.len() > 1 {
                    let one = forests.swap_remove(one.index(forests.len()));
                    let other = forests.swap_remove(other.index(forests.len()));
                    forests.push(reduced(120, one.into_iter().chain(other)));
                }
            }
            let merged: Vec<_> = whole.iter().copied().filter(|(document, name)| document != name).collect();
            prop_assert_eq!(forests.len(), 1);
            prop_assert_eq!(&forests[0], &merged);
        }
    }

    #[test]
    fn a_chain_through_every_window_is_one_component() {
        let total = 100_000;
        let links: Vec<_> = (1..total).map(|n| (n, n - 1)).collect();
        let mut components = Components::new(total, 20_000, &scratch).unwrap();
        assert!(components.windows > 30, "{}", components.windows);
        links.iter().for_each(|&(a, b)| components.link(a, b).unwrap());
        let mut count = 0;
        components
            .finish(&scratch)
            .unwrap()
            .each(|document, name| {
                assert_eq!((document, name), (count, 0));
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, total);
    }
}
