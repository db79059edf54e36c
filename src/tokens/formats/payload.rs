//! Formats whose shards are all ids one after another, with or without a header, and files beside them that say where
//! documents end.

use std::io::Write;

use super::super::payload::Width;
use super::{Format, Item, Shard, ShardPlace, Spool};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written, write_whole};
use crate::io::behind::Behind;

/// 256 numbers of 32 bits.
pub const LLMC_HEADER: u64 = 1024;
/// A NumPy header, padded to a fixed length.
pub const NPY_HEADER: u64 = 128;

/// A shard being written.
pub struct Payload {
    format: Format,
    place: ShardPlace,
    out: Out,
    items: Vec<u64>,
    /// End, id, source and place of each document, for OLMo.
    rows: String,
    /// Whether each token is learnt, if rows are packed.
    mask: Vec<u8>,
    tokens: u64,
    bytes: Vec<u8>,
}

enum Out {
    Direct(Behind),
    Spooled(Spool),
}

impl Payload {
    /// Begins a shard.
    pub fn create(format: Format, place: ShardPlace) -> Result<Self> {
        let (ending, header) = format.payload().ok_or_else(|| Error::bug("a format without a payload"))?;
        let out = match header {
            0 => {
                let path = place.path(ending);
                Out::Direct(Behind::new(AtomicFile::create(&path)?).map_err(|e| Error::io("write", &path, e))?)
            }
            _ => Out::Spooled(Spool::create(&place.dir)?),
        };
        let (items, rows, mask, bytes) = (Vec::new(), String::new(), Vec::new(), Vec::new());
        Ok(Self { format, place, out, items, rows, mask, tokens: 0, bytes })
    }

    fn header(&self) -> Result<Vec<u8>> {
        let width = self.place.width;
        match self.format {
            Format::Llmc => {
                let tokens = i32::try_from(self.tokens).map_err(|_| {
                    Error::world("llm.c reads at most 2,147,483,647 tokens a shard").hint("give a smaller `shard_size`")
                })?;
                let (magic, version) = if width == Width::U16 { (20_240_520i32, 1i32) } else { (20_240_801, 7) };
                let mut header: Vec<u8> = [magic, version, tokens].iter().flat_map(|n| n.to_le_bytes()).collect();
                header.resize(LLMC_HEADER as usize, 0);
                Ok(header)
            }
            _ => {
                let kind = if width == Width::U16 { "<u2" } else { "<u4" };
                match self.place.row {
                    Some(row) => npy(kind, &format!("({}, {row})", self.items.len())),
                    None => npy(kind, &format!("({},)", self.tokens)),
                }
            }
        }
    }

    /// The files beside the payload.
    fn beside(&self) -> Result<Vec<Written>> {
        let place = &self.place;
        let ends = || {
            let mut at = 0u64;
            self.items.iter().flat_map(move |n| {
                at += n;
                at.to_le_bytes()
            })
        };
        let mut files = Vec::new();
        let mut write = |ending: &str, bytes: &[u8]| {
            files.push(write_whole(&place.path(ending), bytes)?);
            Ok::<(), Error>(())
        };
        match self.format {
            Format::Megatron => write(".idx", &megatron_index(&self.items, place.width)?)?,
            Format::Olmo => {
                let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                let packed = gz.write_all(self.rows.as_bytes()).and_then(|()| gz.finish());
                write(".csv.gz", &packed.map_err(|e| Error::world(format!("cannot compress boundaries: {e}")))?)?;
                if place.row.is_some() {
                    write(".label_mask", &self.mask)?;
                }
            }
            Format::Datatrove => {
                write(".ds.index", &ends().collect::<Vec<u8>>())?;
                let name = &place.vocabulary.name;
                let metadata = format!("{name}|{}\n{}\n{}", place.width.bytes(), self.tokens, metric(self.tokens));
                write(".ds.metadata", metadata.as_bytes())?;
                if place.row.is_some() {
                    write(".ds.loss", &self.mask)?;
                }
            }
            Format::Numpy => {
                let mut bytes = npy("<u8", &format!("({},)", self.items.len()))?;
                bytes.extend(ends());
                write(".ends.npy", &bytes)?;
                if let Some(row) = place.row {
                    let mut bytes = npy("|b1", &format!("({}, {row})", self.items.len()))?;
                    bytes.extend_from_slice(&self.mask);
                    write(".loss_mask.npy", &bytes)?;
                }
            }
            _ => {}
        }
        Ok(files)
    }
}

impl Shard for Payload {
    fn push(&mut self, item: &Item<'_>) -> Result<()> {
        if self.format == Format::Megatron && item.ids.len() > i32::MAX as usize {
            let tokens = item.ids.len();
            return Err(Error::world(format!("a document has {tokens} tokens, and Megatron's limit is 2,147,483,647"))
                .hint("give `encode` a `max_tokens` and `long: split`"));
        }
        self.bytes.clear();
        self.place.width.append(item.ids, &mut self.bytes)?;
        match &mut self.out {
            Out::Direct(out) => {
                out.write_all(&self.bytes).map_err(|e| Error::io("write", &self.place.path(""), e))?;
            }
            Out::Spooled(spool) => spool.write(&self.bytes)?,
        }
        if self.format == Format::Olmo {
            let mut at = self.tokens;
            for segment in item.segments {
                let end = at + segment.tokens;
                if let Some(of) = &segment.of {
                    let place = of.place.replace('"', "\"\"");
                    self.rows.push_str(&format!("{at},{end},{:032x},{},\"{place}\"\n", of.id, of.source));
                }
                at = end;
            }
        }
        if self.place.row.is_some() {
            self.mask.extend(item.mask().map(u8::from));
        }
        self.items.push(item.ids.len() as u64);
        self.tokens += item.ids.len() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Written>> {
        let mut files = self.beside()?;
        let header = self.header()?;
        let ending = self.format.payload().map_or("", |p| p.0);
        let path = self.place.path(ending);
        let spare = Spool::create(&self.place.dir)?;
        let payload = match std::mem::replace(&mut self.out, Out::Spooled(spare)) {
            Out::Direct(out) => out.into_inner().map_err(|e| Error::io("write", &path, e))?.commit()?,
            Out::Spooled(spool) => spool.commit(&path, &header)?,
        };
        files.insert(0, payload);
        Ok(files)
    }
}

/// Header, lengths i32, byte pointers i64, document boundaries i64; each item is a sequence and a document.
fn megatron_index(items: &[u64], width: Width) -> Result<Vec<u8>> {
    let mut out = b"MMIDIDX\0\0".to_vec();
    out.extend(1u64.to_le_bytes());
    // There is no code for unsigned ids of four bytes; ids stay below 2^31.
    out.push(if width == Width::U16 { 8 } else { 4 });
    out.extend((items.len() as u64).to_le_bytes());
    out.extend((items.len() as u64 + 1).to_le_bytes());
    for length in items {
        let length = i32::try_from(*length).map_err(|_| Error::bug("a document longer than Megatron's limit"))?;
        out.extend(length.to_le_bytes());
    }
    let mut pointer = 0i64;
    for length in items {
        out.extend(pointer.to_le_bytes());
        pointer += *length as i64 * width.bytes() as i64;
    }
    (0..=items.len() as i64).for_each(|document| out.extend(document.to_le_bytes()));
    Ok(out)
}

/// A NumPy header of format version 1.0.
pub fn npy(kind: &str, shape: &str) -> Result<Vec<u8>> {
    let mut header = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    header.extend(format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}").bytes());
    if header.len() >= NPY_HEADER as usize {
        return Err(Error::bug("a NumPy header that is too long"));
    }
    header.resize(NPY_HEADER as usize - 1, b' ');
    header.push(b'\n');
    Ok(header)
}

/// 1234567 → `1.23 MT`, as datatrove writes it.
fn metric(tokens: u64) -> String {
    const UNITS: [&str; 6] = ["T", "kT", "MT", "GT", "TT", "PT"];
    let (mut value, mut unit) = (tokens as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {}", UNITS.get(unit).unwrap_or(&"T"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megatrons_index_counts_bytes_in_64_bits_and_tokens_in_32() {
        let most = i32::MAX as u64;
        let index = megatron_index(&[most, most, 1], Width::U32).unwrap();
        // After header and lengths, the third document's pointer.
        let at = 34 + 3 * 4 + 2 * 8;
        assert_eq!(i64::from_le_bytes(index[at..at + 8].try_into().unwrap()), 2 * 4 * most as i64);
        assert!(megatron_index(&[most + 1], Width::U32).is_err());
    }

    #[test]
    fn counts_are_written_as_datatrove_writes_them() {
        assert_eq!([999, 1_234_567, 12_345, 123_456].map(metric), ["999 T", "1.23 MT", "12.3 kT", "123 kT"]);
    }
}
