//! Counted pieces of text as records of a fixed size, for stages that add up what whole corpora say: pretokens, words,
//! names. A piece longer than a record has room for is cut to parts, which sort next to each other and are put together
//! again.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};

use super::{Records, Sorted, varint};
use crate::error::{Error, Result};
use crate::sketch::hash;

const HASH: usize = 16;
const BYTES: usize = 19;
/// Bytes of a record: the piece's hash, the part's number, how many bytes it has, the bytes, the group, the count.
pub const RECORD: usize = HASH + 4 + 1 + BYTES + 4 + 8;

/// Emits `count` of `piece` in `group` into a partition, which must be the piece's wherever it is seen.
pub fn emit(partition: u32, piece: &[u8], group: u32, count: u64, out: &mut dyn Records) {
    let hash = hash::wide(piece, 0).to_be_bytes();
    let mut record = Vec::with_capacity(RECORD);
    for (number, bytes) in (0u32..).zip(piece.chunks(BYTES)) {
        record.clear();
        record.extend(hash);
        record.extend(number.to_be_bytes());
        record.push(bytes.len() as u8);
        record.extend_from_slice(bytes);
        record.resize(HASH + 4 + 1 + BYTES, 0);
        record.extend(group.to_be_bytes());
        record.extend(count.to_be_bytes());
        out.emit(partition, &record);
    }
}

/// Puts the pieces of a partition together and adds up their counts; [`read`] reads what it writes.
pub fn reduce(records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
    let mut piece = Piece::default();
    while let Some((record, _)) = records.next()? {
        let Some(part) = Part::read(record) else { return Err(Error::bug("a record of no piece")) };
        if part.hash != piece.hash {
            piece.write(links);
            piece = Piece { hash: part.hash, ..Piece::default() };
        }
        piece.add(&part);
    }
    piece.write(links);
    Ok(())
}

/// Visits each different piece once, with its count in each group.
pub fn read(from: &mut dyn BufRead, mut visit: impl FnMut(&[u8], &[(u32, u64)]) -> Result<()>) -> Result<()> {
    let (mut piece, mut counts) = (Vec::new(), Vec::new());
    while let Some(length) = varint::read(from)? {
        piece.clear();
        counts.clear();
        let read = (&mut *from).take(length).read_to_end(&mut piece);
        read.map_err(|e| Error::world(format!("cannot read links: {e}")))?;
        for _ in 0..varint::expect(from)? {
            counts.push((varint::expect(from)? as u32, varint::expect(from)?));
        }
        visit(&piece, &counts)?;
    }
    Ok(())
}

/// What a record says.
struct Part<'r> {
    hash: [u8; HASH],
    number: u32,
    bytes: &'r [u8],
    group: u32,
    count: u64,
}

impl<'r> Part<'r> {
    fn read(record: &'r [u8]) -> Option<Self> {
        let (hash, rest) = record.split_first_chunk::<HASH>()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first()?;
        let (bytes, rest) = rest.split_at_checked(BYTES)?;
        let (group, count) = rest.split_first_chunk::<4>()?;
        Some(Self {
            hash: *hash,
            number: u32::from_be_bytes(*number),
            bytes: bytes.get(..usize::from(*length))?,
            group: u32::from_be_bytes(*group),
            count: u64::from_be_bytes(*count.first_chunk()?),
        })
    }
}

/// A piece being put together.
#[derive(Default)]
struct Piece {
    hash: [u8; HASH],
    bytes: Vec<u8>,
    parts: u32,
    counts: BTreeMap<u32, u64>,
}

impl Piece {
    /// Every part comes as often as the piece was emitted: the bytes are taken once, and the first parts tell the counts.
    fn add(&mut self, part: &Part<'_>) {
        if part.number == self.parts {
            self.bytes.extend_from_slice(part.bytes);
            self.parts += 1;
        }
        if part.number == 0 {
            *self.counts.entry(part.group).or_default() += part.count;
        }
    }

    fn write(&self, links: &mut Vec<u8>) {
        if self.parts == 0 {
            return;
        }
        varint::write(self.bytes.len() as u64, links);
        links.extend_from_slice(&self.bytes);
        varint::write(self.counts.len() as u64, links);
        for (group, count) in &self.counts {
            varint::write(u64::from(*group), links);
            varint::write(*count, links);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::DocRef;
    use crate::stage::Corpus;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Gathered(Vec<Vec<u8>>, Corpus, usize);

    impl Records for Gathered {
        fn emit(&mut self, _: u32, record: &[u8]) {
            assert_eq!(record.len(), RECORD);
            self.0.push(record.to_vec());
        }
    }

    impl Sorted for Gathered {
        fn next(&mut self) -> Result<Option<(&[u8], DocRef)>> {
            self.2 += 1;
            Ok(self.0.get(self.2 - 1).map(|r| (r.as_slice(), DocRef { split: 0, row: 0 })))
        }
        fn rewind(&mut self) -> Result<()> {
            self.2 = 0;
            Ok(())
        }
        fn corpus(&self) -> &Corpus {
            &self.1
        }
    }

    proptest! {
        #[test]
        fn pieces_come_back_with_their_sums(seen in prop::collection::vec(("[ab]{1,3}|[ab]{38,40}|a{60}", 0u32..3, 1u64..9), 0..200)) {
            let (mut gathered, mut sums) = (Gathered::default(), BTreeMap::new());
            for (piece, group, count) in &seen {
                emit(0, piece.as_bytes(), *group, *count, &mut gathered);
                *sums.entry((piece.as_bytes().to_vec(), *group)).or_insert(0) += count;
            }
            gathered.0.sort();
            let (mut links, mut found) = (Vec::new(), BTreeMap::new());
            reduce(&mut gathered, &mut links).unwrap();
            read(&mut &links[..], |piece, counts| {
                for (group, count) in counts {
                    assert!(found.insert((piece.to_vec(), *group), *count).is_none());
                }
                Ok(())
            }).unwrap();
            prop_assert_eq!(found, sums);
        }
    }
}
