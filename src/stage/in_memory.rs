//! A barrier in memory: records gathered, sorted and reduced without a file. For tests, and for estimates on a sample.

use std::io::{BufRead, Cursor};

use super::{Corpus, Findings, Global, Links, Records, Sorted};
use crate::doc::DocRef;
use crate::error::{Error, Result};

const DOC_REF: usize = 8;

/// Records that mappers emitted, by partition, each with its document.
pub struct Gathered {
    record_bytes: usize,
    at: DocRef,
    parts: Vec<Vec<u8>>,
    count: u64,
    wrong: Option<usize>,
}

impl Gathered {
    /// No records of `global` yet.
    pub fn new(global: &dyn Global) -> Self {
        let parts = vec![Vec::new(); global.partitions().max(1) as usize];
        Self { record_bytes: global.record_bytes(), at: DocRef { split: 0, row: 0 }, parts, count: 0, wrong: None }
    }

    /// Says which document the next records belong to.
    pub fn at(&mut self, at: DocRef) -> &mut Self {
        self.at = at;
        self
    }

    /// Records of all partitions.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What `global` finds in the records of those documents that `takes_part` holds for, and how many bytes of links it
    /// wrote on the way.
    pub fn find(
        &self,
        global: &dyn Global,
        corpus: &Corpus,
        takes_part: &dyn Fn(DocRef) -> bool,
    ) -> Result<(Findings, u64)> {
        if let Some(wrong) = self.wrong {
            return Err(Error::bug(format!("a global stage emitted a record of {wrong} bytes or into no partition")));
        }
        let width = self.record_bytes + DOC_REF;
        let mut links = Vec::new();
        for (number, part) in self.parts.iter().enumerate() {
            let mut records: Vec<(&[u8], DocRef)> = part
                .chunks_exact(width)
                .filter_map(|entry| entry.split_last_chunk::<DOC_REF>())
                .map(|(record, at)| (record, DocRef::from_bytes(*at)))
                .filter(|(_, at)| takes_part(*at))
                .collect();
            records.sort_unstable();
            if global.in_corpus_order() {
                records.sort_by_key(|record| record.1);
            }
            let mut written = Vec::new();
            global.reduce(number as u32, &mut InMemory { records, next: 0, corpus }, &mut written)?;
            links.push(written);
        }
        let bytes = links.iter().map(|l| l.len() as u64).sum();
        let found = global.finish(&mut Written(links), corpus)?;
        if found.splits.len() != corpus.rows.len() {
            return Err(Error::bug(format!("findings for {} splits of {}", found.splits.len(), corpus.rows.len())));
        }
        Ok((found, bytes))
    }
}

impl Records for Gathered {
    fn emit(&mut self, part: u32, record: &[u8]) {
        self.count += 1;
        match self.parts.get_mut(part as usize) {
            Some(bytes) if record.len() == self.record_bytes => {
                bytes.extend_from_slice(record);
                bytes.extend_from_slice(&self.at.to_bytes());
            }
            _ => self.wrong = Some(record.len()),
        }
    }
}

struct InMemory<'a> {
    records: Vec<(&'a [u8], DocRef)>,
    next: usize,
    corpus: &'a Corpus,
}

impl Sorted for InMemory<'_> {
    fn next(&mut self) -> Result<Option<(&[u8], DocRef)>> {
        self.next += 1;
        Ok(self.records.get(self.next - 1).copied())
    }

    fn rewind(&mut self) -> Result<()> {
        self.next = 0;
        Ok(())
    }

    fn corpus(&self) -> &Corpus {
        self.corpus
    }
}

struct Written(Vec<Vec<u8>>);

impl Links for Written {
    fn partitions(&self) -> u32 {
        self.0.len() as u32
    }

    fn open(&mut self, part: u32) -> Result<Box<dyn BufRead>> {
        Ok(Box::new(Cursor::new(self.0.get_mut(part as usize).cloned().unwrap_or_default())))
    }
}
