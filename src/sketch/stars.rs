//! Stars: clusters in which every member is like the center itself, and not only like some other member.
//!
//! Chains of candidates have swallowed whole sources (859,092 documents became 2; Marin issue 6854). Here members come in
//! the order of preference. Each is compared with the centers it shares a key with, or shares a key with a member of: it
//! joins the first that is similar enough, or becomes a center itself. So no cluster is wider than twice the
//! dissimilarity allowed, and who stays is the best of its cluster.
//!
//! Work is linear in the members, whatever they are: a key remembers the first [`LISTED`] centers only, and a member is
//! compared with the [`COMPARED`] it shares most keys with. Pages of one template share a key with thousands, but a
//! near-duplicate among them shares more. Memory is bounded: after [`CENTERS`] different members it is time to begin anew.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use foldhash::fast::FixedState;

use crate::error::{Error, Result};

use super::similarity::{Measure, Sample, possible, similarity};

/// Centers that one key remembers.
pub const LISTED: usize = 1024;
/// Centers that one member is compared with.
pub const COMPARED: usize = 32;
/// Centers that are kept at once: about 64 MB of keys. More different members than this agree by chance or by template.
pub const CENTERS: usize = 1 << 18;

/// Centers and what leads to them.
pub struct Stars {
    measure: Measure,
    least: f64,
    by_key: HashMap<u32, List, FixedState>,
    /// A center of a key's list, and the node before it.
    nodes: Vec<(u32, u32)>,
    centers: Sets,
    shares: HashMap<u32, u32, FixedState>,
    ranked: Vec<(u32, u32)>,
    cut: u64,
}

/// The centers of one key: the last node and how many there are. Nearly all lists hold one.
#[derive(Debug, Clone, Copy)]
struct List {
    last: u32,
    length: u32,
}

const NO_NODE: u32 = u32::MAX;

/// Where a member belongs: the ordinal of its center among the centers, and how like it it is; or a center of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// The member is the center of this ordinal.
    Center(u32),
    /// The member is like the center of this ordinal, this much.
    Member(u32, f64),
}

impl Stars {
    /// No stars yet; members must be as alike as `least`. Centers beyond `memory` bytes lie in a file that `scratch` opens.
    pub fn new(measure: Measure, least: f64, memory: u64) -> Self {
        Self {
            measure,
            least,
            by_key: HashMap::default(),
            nodes: Vec::new(),
            centers: Sets::new(memory),
            shares: HashMap::default(),
            ranked: Vec::new(),
            cut: 0,
        }
    }

    /// Forgets all stars.
    pub fn clear(&mut self) {
        self.by_key.clear();
        self.nodes.clear();
        self.centers.clear();
    }

    /// Whether there are as many centers as are kept at once.
    pub fn is_full(&self) -> bool {
        self.centers.spans.len() >= CENTERS
    }

    /// How many members were not compared with every center they share a key with.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Takes the next member: its keys and its set. `scratch` opens a file when the centers outgrow the memory.
    pub fn take(&mut self, keys: &[u32], set: Sample<'_>, scratch: &dyn Fn() -> Result<File>) -> Result<Place> {
        self.rank(keys);
        let mut place = None;
        for &(_, center) in self.ranked.iter().take(COMPARED) {
            if !possible(self.centers.total(center), set.total, self.measure, self.least) {
                continue;
            }
            let alike = similarity(self.centers.get(center)?, set, self.measure);
            if alike >= self.least {
                place = Some(Place::Member(center, alike));
                break;
            }
        }
        self.cut += u64::from(place.is_none() && self.ranked.len() > COMPARED);
        let place = match place {
            Some(place) => place,
            None => Place::Center(self.centers.push(set, scratch)?),
        };
        let (Place::Center(center) | Place::Member(center, _)) = place;
        for &key in keys {
            self.list(key, center);
        }
        Ok(place)
    }

    fn list(&mut self, key: u32, center: u32) {
        let list = self.by_key.entry(key).or_insert(List { last: NO_NODE, length: 0 });
        if list.length as usize >= LISTED || walk(&self.nodes, *list).any(|listed| listed == center) {
            return;
        }
        self.nodes.push((center, list.last));
        *list = List { last: self.nodes.len() as u32 - 1, length: list.length + 1 };
    }

    /// The centers that share keys with the member, those that share most first, then the first.
    fn rank(&mut self, keys: &[u32]) {
        self.shares.clear();
        for list in keys.iter().filter_map(|key| self.by_key.get(key)) {
            walk(&self.nodes, *list).for_each(|center| *self.shares.entry(center).or_default() += 1);
        }
        self.ranked.clear();
        self.ranked.extend(self.shares.iter().map(|(&center, &shares)| (u32::MAX - shares, center)));
        self.ranked.sort_unstable();
    }
}

/// The centers of a list, the last first.
fn walk(nodes: &[(u32, u32)], list: List) -> impl Iterator<Item = u32> {
    let mut at = list.last;
    std::iter::from_fn(move || {
        let &(center, before) = nodes.get(at as usize)?;
        at = before;
        Some(center)
    })
}

/// Sets in memory and, beyond a budget, in a file.
struct Sets {
    budget: usize,
    /// Total, and where the members lie.
    spans: Vec<(u32, u64, u32)>,
    recent: Vec<u32>,
    /// How many members lie in the file, before those in `recent`.
    filed: u64,
    file: Option<File>,
    read: Vec<u32>,
    bytes: Vec<u8>,
}

impl Sets {
    fn new(memory: u64) -> Self {
        let budget = (memory / 4) as usize;
        Self {
            budget,
            spans: Vec::new(),
            recent: Vec::new(),
            filed: 0,
            file: None,
            read: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.recent.clear();
        (self.filed, self.file) = (0, None);
    }

    fn total(&self, set: u32) -> u32 {
        self.spans.get(set as usize).map_or(0, |s| s.0)
    }

    fn push(&mut self, set: Sample<'_>, scratch: &dyn Fn() -> Result<File>) -> Result<u32> {
        if !self.recent.is_empty() && self.recent.len() + set.members.len() > self.budget {
            self.spill(scratch)?;
        }
        self.spans.push((set.total, self.filed + self.recent.len() as u64, set.members.len() as u32));
        self.recent.extend_from_slice(set.members);
        Ok(self.spans.len() as u32 - 1)
    }

    fn spill(&mut self, scratch: &dyn Fn() -> Result<File>) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(scratch()?),
        };
        self.bytes.clear();
        self.bytes.extend(self.recent.iter().flat_map(|m| m.to_le_bytes()));
        let written = file.seek(SeekFrom::Start(self.filed * 4)).and_then(|_| file.write_all(&self.bytes));
        written.map_err(|e| Error::world("cannot write to a temporary file").because(e))?;
        self.filed += self.recent.len() as u64;
        self.recent.clear();
        Ok(())
    }

    fn get(&mut self, set: u32) -> Result<Sample<'_>> {
        let (total, at, members) = self.spans.get(set as usize).copied().unwrap_or_default();
        if let Some(at) = at.checked_sub(self.filed) {
            let members = self.recent.get(at as usize..at as usize + members as usize).unwrap_or_default();
            return Ok(Sample { members, total });
        }
        if let Some(file) = &mut self.file {
            self.bytes.resize(members as usize * 4, 0);
            let read = file.seek(SeekFrom::Start(at * 4)).and_then(|_| file.read_exact(&mut self.bytes));
            read.map_err(|e| Error::world("cannot read from a temporary file").because(e))?;
            self.read.clear();
            self.read.extend(self.bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default())));
        }
        Ok(Sample { members: &self.read, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(stars: &mut Stars, members: &[(&[u32], &[u32])]) -> Vec<Place> {
        let scratch = || Ok(tempfile::tempfile().unwrap());
        let take = |(keys, set): &(&[u32], &[u32])| {
            stars.take(keys, Sample { members: set, total: set.len() as u32 }, &scratch).unwrap()
        };
        members.iter().map(take).collect()
    }

    #[test]
    fn who_is_like_a_member_but_not_the_center_stays() {
        let chain: [(&[u32], &[u32]); 4] =
            [(&[1], &[1, 2, 3, 4]), (&[1, 2], &[2, 3, 4, 5]), (&[2, 3], &[3, 4, 5, 6]), (&[9], &[1, 2, 3, 4])];
        let expected = [Place::Center(0), Place::Member(0, 0.6), Place::Center(1), Place::Center(2)];
        for memory in [0, 1 << 20] {
            let mut stars = Stars::new(Measure::Jaccard, 0.6, memory);
            assert_eq!(
                places(&mut stars, &chain),
                expected,
                "a key in common is needed, and centers may lie in a file"
            );
            stars.clear();
            assert_eq!(places(&mut stars, &chain), expected);
        }
    }

    #[test]
    fn keys_of_members_lead_to_their_center() {
        let mut stars = Stars::new(Measure::Jaccard, 0.5, 1 << 20);
        let seen = places(&mut stars, &[(&[1], &[1, 2, 3]), (&[1, 2], &[1, 2, 3, 4]), (&[2], &[1, 2, 3])]);
        assert_eq!(seen, [Place::Center(0), Place::Member(0, 0.75), Place::Member(0, 1.0)]);
    }

    #[test]
    fn a_template_is_not_a_square() {
        let mut stars = Stars::new(Measure::Jaccard, 0.9, 1 << 20);
        for n in 0..3000u32 {
            let set = [1, 2, 3, 10 + n];
            let place =
                stars.take(&[1, 2 + n % 7], Sample { members: &set, total: 4 }, &|| Ok(tempfile::tempfile().unwrap()));
            assert_eq!(place.unwrap(), Place::Center(n));
        }
        assert!(stars.by_key.values().all(|list| list.length as usize <= LISTED) && stars.cut() > 2900);
        // The duplicate of one of them shares both keys with it.
        let again = places(&mut stars, &[(&[1, 2], &[1, 2, 3, 10])]);
        assert_eq!(again, [Place::Member(0, 1.0)]);
    }
}
