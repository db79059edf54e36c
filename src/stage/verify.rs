//! The second look at near-duplicates: candidates show their sets, and a document goes only if it is like one that stays.
//!
//! Every candidate emits what it has to show in records of one size. Sorted by component, then by preference, the members
//! of a component arrive one after the other, the best first, and are made to [`stars`](crate::sketch::stars). In memory
//! there are one component's centers, those beyond the budget in a file.

use super::candidates::Candidate;
use super::clusters::{Clusters, Group, Judge};
use super::index::{self, Entry};
use super::{Corpus, Findings, Links, Records, Sorted, varint};
use crate::doc::{DocId, Document};
use crate::error::Result;
use crate::sketch::hash;
use crate::sketch::similarity::{Measure, Sample};
use crate::sketch::stars::{Place, Stars};

/// How candidates are compared and judged.
#[derive(Debug, Clone)]
pub struct Verification {
    /// What "alike" means.
    pub measure: Measure,
    /// How alike a document that goes must be to the one that stays.
    pub least: f64,
    /// Clusters of more documents are left whole.
    pub most: Option<u32>,
    /// What becomes of the rest.
    pub judge: Judge,
    /// Where documents that stay are written down for later runs; then every document is a candidate.
    pub index: Option<index::Writer>,
}

/// A record: component (40 bits), whether the document is of the corpus, its preference (64 bits) and ordinal (40 bits); the
/// number of the piece (24 bits), the piece. Documents of an index come first in their component.
const KEY: usize = 19;
const HEAD: usize = KEY + 3;
const PIECE: usize = 128;

/// What a candidate shows of itself. Reused from document to document.
#[derive(Debug, Default)]
pub struct Member {
    /// Who it is, the keys that it may share with others of its component, and its set. Keys are whole numbers of 128 bits,
    /// narrower ones in the upper.
    pub entry: Entry,
    sample: String,
    bytes: Vec<u8>,
}

/// Characters of a sample.
const SHOWN: usize = 60;

impl Member {
    /// Takes down who it is and what people shall see of it: its first words.
    pub fn show(&mut self, doc: &Document) {
        self.entry.id = doc.id;
        self.sample.clear();
        for word in doc.text.as_str().split_whitespace().take(12) {
            if !self.sample.is_empty() {
                self.sample.push(' ');
            }
            self.sample.extend(word.chars().take(SHOWN));
            if self.sample.len() > SHOWN {
                break;
            }
        }
    }

    /// Emits the document's pieces; of an index if it has no preference.
    pub fn emit(&mut self, candidate: Candidate, preference: Option<u64>, out: &mut dyn Records) {
        let Self { entry, sample, bytes } = self;
        bytes.clear();
        bytes.extend(entry.id.0.to_le_bytes());
        bytes.extend(entry.url.to_le_bytes());
        for number in [entry.total, sample.len() as u32, entry.keys.len() as u32, entry.set.len() as u32] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend_from_slice(sample.as_bytes());
        bytes.extend(entry.keys.iter().flat_map(|n| n.to_le_bytes()));
        bytes.extend(entry.set.iter().flat_map(|n| n.to_le_bytes()));
        let mut record = [0; HEAD + PIECE];
        record[..5].copy_from_slice(&candidate.component.to_be_bytes()[3..]);
        record[5] = u8::from(preference.is_some());
        record[6..14].copy_from_slice(&preference.unwrap_or(0).to_be_bytes());
        record[14..KEY].copy_from_slice(&candidate.ordinal.to_be_bytes()[3..]);
        let part = (hash::mix(candidate.component) >> 58) as u32;
        for (number, bytes) in bytes.chunks(PIECE).enumerate() {
            record[KEY..HEAD].copy_from_slice(&(number as u32).to_be_bytes()[1..]);
            record[HEAD..].fill(0);
            record[HEAD..HEAD + bytes.len()].copy_from_slice(bytes);
            out.emit(part, &record);
        }
    }

    /// Reads what was emitted back from its pieces.
    fn read(&mut self) -> Option<()> {
        let Self { entry, sample, bytes } = self;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        entry.id = DocId(u128::from_le_bytes(*id));
        let (url, mut rest) = rest.split_first_chunk::<8>()?;
        entry.url = u64::from_le_bytes(*url);
        let mut number = || {
            let (number, tail) = rest.split_first_chunk::<4>()?;
            rest = tail;
            Some(u32::from_le_bytes(*number))
        };
        entry.total = number()?;
        let (text, keys, set) = (number()? as usize, number()? as usize, number()? as usize);
        let (text, rest) = rest.split_at_checked(text)?;
        let (keys, rest) = rest.split_at_checked(keys * 16)?;
        let (set, _) = rest.split_at_checked(set * 4)?;
        sample.clear();
        sample.push_str(std::str::from_utf8(text).ok()?);
        entry.keys.clear();
        entry.keys.extend(keys.chunks_exact(16).map(|b| u128::from_le_bytes(b.try_into().unwrap_or_default())));
        entry.set.clear();
        entry.set.extend(set.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default())));
        Some(())
    }
}

impl Verification {
    /// Bytes of a record.
    pub const RECORD: usize = HEAD + PIECE;

    /// Writes how many candidates there were, how many were not compared with all, and how many stay; then every cluster.
    pub fn reduce(&self, part: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let mut gathering = Gathering::new(self, part, records.memory())?;
        let (mut key, mut member, mut groups) = ([0; KEY], Member::default(), Vec::new());
        loop {
            let next = records.next()?.map(|(record, _)| {
                let own = record.first_chunk::<KEY>().copied().unwrap_or_default();
                let piece = record.last_chunk::<PIECE>().copied().unwrap_or([0; PIECE]);
                (own, piece)
            });
            let ended = next.is_none_or(|(own, _)| own != key);
            if ended && !member.bytes.is_empty() {
                gathering.take(&key, &mut member, &mut groups, records)?;
                member.bytes.clear();
            }
            let Some((own, piece)) = next else { break };
            key = own;
            member.bytes.extend_from_slice(&piece);
        }
        gathering.flush(&mut groups);
        varint::write(gathering.members, links);
        varint::write(gathering.stars.cut(), links);
        let mut stay = 0;
        if let Some(index) = gathering.index {
            let (written, documents) = index.finish()?;
            records.wrote(written);
            stay = documents;
        }
        varint::write(stay, links);
        links.append(&mut groups);
        Ok(())
    }

    /// The findings.
    pub fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut clusters = Clusters::new(corpus, self.judge.fields.is_some(), self.most);
        let (mut group, mut seen, mut cut, mut alike, mut known) = (Group::default(), 0, 0, 0, 0);
        let mut documents: Vec<u64> = Vec::new();
        for part in 0..links.partitions() {
            let mut from = links.open(part)?;
            seen += varint::expect(&mut *from)?;
            cut += varint::expect(&mut *from)?;
            documents.push(varint::expect(&mut *from)?);
            while group.read(&mut *from)? {
                alike += group.members.len() as u64;
                known += if group.survivor.is_none() { group.members.len() as u64 } else { 0 };
                clusters.add_group(&group);
            }
        }
        let mut findings = clusters.findings()?;
        if let Some(index) = &self.index {
            links.wrote(index.finish(&documents)?);
            findings.notes.insert(0, format!("{} documents are in the index", documents.iter().sum::<u64>()));
        } else {
            let others = seen - alike;
            findings.notes.insert(0, format!("{others} of {seen} candidates were not alike enough to any that stays"));
        }
        if known > 0 {
            findings.notes.insert(1, format!("{known} documents are like one of an earlier run"));
        }
        if cut > 0 {
            findings
                .notes
                .insert(1, format!("{cut} of them have too many candidates and were compared with the nearest only"));
        }
        Ok(findings)
    }
}

/// One partition's members being made to clusters.
struct Gathering {
    index: Option<index::PartWriter>,
    keys: Vec<u32>,
    stars: Stars,
    component: [u8; 5],
    /// Center, ordinal, similarity; of the current component.
    places: Vec<(u32, u64, f64)>,
    /// Of each center, whether it is of the corpus, its id and first words.
    centers: Vec<(bool, DocId, Box<str>)>,
    members: u64,
}

impl Gathering {
    fn new(verification: &Verification, part: u32, memory: u64) -> Result<Self> {
        Ok(Self {
            index: verification.index.as_ref().map(|index| index.part(part)).transpose()?,
            keys: Vec::new(),
            stars: Stars::new(verification.measure, verification.least, memory),
            component: [0; 5],
            places: Vec::new(),
            centers: Vec::new(),
            members: 0,
        })
    }

    fn take(&mut self, key: &[u8; KEY], member: &mut Member, links: &mut Vec<u8>, records: &dyn Sorted) -> Result<()> {
        if member.read().is_none() {
            return Err(crate::error::Error::bug("a candidate's records do not fit together"));
        }
        let component = key.first_chunk::<5>().copied().unwrap_or_default();
        if component != self.component || self.stars.is_full() {
            self.flush(links);
            self.component = component;
        }
        let mut ordinal = [0; 8];
        ordinal[3..].copy_from_slice(key.last_chunk::<5>().unwrap_or(&[0; 5]));
        let (ordinal, ours) = (u64::from_be_bytes(ordinal), key.get(5).is_some_and(|&ours| ours != 0));
        let Member { entry, sample, .. } = member;
        self.keys.clear();
        self.keys.extend(entry.keys.iter().map(|&key| (key >> 96) as u32));
        let set = Sample { members: &entry.set, total: entry.total };
        let (center, similarity) = match self.stars.take(&self.keys, set, &|| records.scratch())? {
            Place::Center(center) => {
                self.centers.push((ours, entry.id, sample.as_str().into()));
                if let Some(index) = self.index.as_mut().filter(|_| ours) {
                    index.push(entry)?;
                }
                (center, 1.0)
            }
            Place::Member(center, similarity) => (center, similarity),
        };
        if ours {
            self.places.push((center, ordinal, similarity));
            self.members += 1;
        }
        Ok(())
    }

    /// Writes the component's clusters and forgets it.
    fn flush(&mut self, links: &mut Vec<u8>) {
        // A center comes before its members: the sort is stable.
        self.places.sort_by_key(|place| place.0);
        let mut group = Group::default();
        for cluster in self.places.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(center, first, _)) = cluster.first() else { continue };
            let Some((ours, id, sample)) = self.centers.get(center as usize) else { continue };
            group.survivor = ours.then_some(first);
            group.id = *id;
            group.members.extend(cluster.iter().map(|&(_, ordinal, similarity)| (ordinal, similarity)));
            group.sample.push_str(sample);
            group.write(links);
        }
        self.places.clear();
        self.centers.clear();
        self.stars.clear();
    }
}
