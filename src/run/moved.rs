//! Documents on their way to other splits: what an exchange leaves instead of held documents.
//!
//! A walk gathers documents by the cell they go to and writes them in compressed blocks; a task of the next pass reads the
//! blocks of one cell out of all walks' files and puts them in order. One scatter, one gather: no document is compared with
//! more than those of its own cell, and what lies in memory is a cell.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::doc::{DocId, Document, FieldTable, Origin, Text, Value};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};
use crate::stage::{Chunk, Encode, Exchange, Join, Joined, Morsel, Read, Reader};

const MAGIC: &[u8; 8] = b"TAMISMOV";
/// Bytes of documents that a walk gathers before it writes a block for each cell.
const GATHERED: usize = 32 << 20;
/// Bytes of documents in a morsel, about.
const MORSEL: usize = 1 << 20;

/// Cell and entries: place, order, length, document.
type Scattered = BTreeMap<u32, Vec<u8>>;

/// Scatters a morsel's documents, on any worker.
pub struct Encoder {
    exchange: Arc<dyn Exchange>,
    cells: u32,
    document: Vec<u8>,
}

impl Encoder {
    /// An encoder of documents that `exchange` moves to `cells` cells.
    pub fn new(exchange: &Arc<dyn Exchange>, cells: u32) -> Self {
        Self { exchange: exchange.clone(), cells, document: Vec::new() }
    }
}

impl Encode for Encoder {
    fn encode(&mut self, docs: &[Document]) -> Result<Chunk> {
        let mut scattered = Scattered::new();
        for doc in docs {
            let (place, order) = self.exchange.place(doc);
            let cell = (u128::from(place) * u128::from(self.cells)) >> 64;
            let out = scattered.entry(cell as u32).or_default();
            self.document.clear();
            write(doc, &mut self.document);
            out.extend(place.to_le_bytes());
            out.extend(order.to_le_bytes());
            out.extend((self.document.len() as u64).to_le_bytes());
            out.extend_from_slice(&self.document);
        }
        Ok(Chunk { bytes: Vec::new(), extra: Some(Box::new(scattered)), docs: docs.len() as u64, tokens: 0 })
    }
}

/// Where a block lies, and whose it is.
#[derive(Debug, Clone, Copy)]
struct Block {
    cell: u32,
    offset: u64,
    bytes: u64,
    raw: u64,
    xxh3: u64,
}

const BLOCK: usize = 4 + 4 * 8;

impl Block {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.cell.to_le_bytes());
        [self.offset, self.bytes, self.raw, self.xxh3].iter().for_each(|n| out.extend(n.to_le_bytes()));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (cell, rest) = bytes.split_first_chunk::<4>()?;
        let mut words = rest.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()));
        let mut word = || words.next();
        Some(Self { cell: u32::from_le_bytes(*cell), offset: word()?, bytes: word()?, raw: word()?, xxh3: word()? })
    }
}

/// The file of one walk: blocks, the names of fields, the list of blocks, the lengths of both.
pub struct Moved {
    path: PathBuf,
    file: AtomicFile,
    names: Vec<u8>,
    gathered: Scattered,
    size: usize,
    blocks: Vec<Block>,
}

impl Moved {
    /// Begins the file at `path`.
    pub fn create(path: &Path, fields: &FieldTable) -> Result<Self> {
        let names: Vec<(u16, &str)> = fields.iter().map(|(slot, name, _)| (slot, name)).collect();
        let names =
            serde_json::to_vec(&names).map_err(|e| Error::bug("names of fields do not serialize").because(e))?;
        let file = AtomicFile::create(path)?;
        Ok(Self { path: path.to_owned(), file, names, gathered: Scattered::new(), size: 0, blocks: Vec::new() })
    }

    fn flush(&mut self) -> Result<()> {
        self.size = 0;
        for (cell, raw) in std::mem::take(&mut self.gathered) {
            let bytes = zstd::bulk::compress(&raw, 1).map_err(|e| Error::world("cannot compress").because(e))?;
            self.blocks.push(Block {
                cell,
                offset: self.file.position(),
                bytes: bytes.len() as u64,
                raw: raw.len() as u64,
                xxh3: xxhash_rust::xxh3::xxh3_64(&bytes),
            });
            self.file.write_all(&bytes).map_err(|e| Error::io("write", &self.path, e))?;
        }
        Ok(())
    }
}

impl Moved {
    /// Appends what an [`Encoder`] made.
    pub fn append(&mut self, chunk: Chunk) -> Result<()> {
        let scattered = chunk.extra.and_then(|extra| extra.downcast::<Scattered>().ok());
        for (cell, bytes) in *scattered.ok_or_else(|| Error::bug("a moved chunk without its documents"))? {
            self.size += bytes.len();
            self.gathered.entry(cell).or_default().extend(bytes);
        }
        if self.size >= GATHERED { self.flush() } else { Ok(()) }
    }

    /// Commits.
    pub fn finish(mut self) -> Result<Written> {
        self.flush()?;
        let mut tail = self.names.clone();
        self.blocks.iter().for_each(|block| block.write(&mut tail));
        tail.extend((self.names.len() as u64).to_le_bytes());
        tail.extend((self.blocks.len() as u64).to_le_bytes());
        tail.extend(MAGIC);
        self.file.write_all(&tail).map_err(|e| Error::io("write", &self.path, e))?;
        self.file.commit()
    }
}

/// Reads the documents of `cell` out of the files of all walks, in order; `join` makes new ones of those of one place.
pub fn open(files: Vec<PathBuf>, cell: u32, fields: &Arc<FieldTable>, join: Option<Arc<dyn Join>>) -> Box<dyn Reader> {
    Box::new(Cell { files, cell, fields: fields.clone(), join, gathered: None, next: 0 })
}

struct Cell {
    files: Vec<PathBuf>,
    cell: u32,
    fields: Arc<FieldTable>,
    join: Option<Arc<dyn Join>>,
    gathered: Option<Arc<Gathered>>,
    next: usize,
}

/// The blocks of a cell, and its documents in order.
#[derive(Default)]
struct Gathered {
    blocks: Vec<Vec<u8>>,
    documents: Vec<Entry>,
}

/// A document: its place and order, its file, block and bytes.
struct Entry {
    key: (u64, u64),
    names: Arc<Vec<Option<u16>>>,
    block: usize,
    bytes: std::ops::Range<usize>,
}

impl Reader for Cell {
    fn next(&mut self) -> Result<Option<Morsel>> {
        let gathered = match &self.gathered {
            Some(gathered) => gathered.clone(),
            None => self.gathered.insert(Arc::new(self.gather()?)).clone(),
        };
        let (start, mut bytes, mut last) = (self.next, 0, None);
        // What is to be joined stays in one morsel.
        let joins = self.join.is_some();
        while let Some(entry) = gathered.documents.get(self.next) {
            if bytes >= MORSEL && !(joins && last == Some(entry.key)) {
                break;
            }
            bytes += entry.bytes.len();
            last = Some(entry.key);
            self.next += 1;
        }
        if start == self.next {
            return Ok(None);
        }
        let range = start..self.next;
        let join = self.join.clone();
        Ok(Some(Morsel::new(bytes as u64, move |each| {
            let entries = gathered.documents.get(range).unwrap_or_default();
            let Some(join) = join else {
                entries.iter().filter_map(|e| gathered.read(e)).for_each(|doc| each(Read::Document(Box::new(doc))));
                return;
            };
            for group in entries.chunk_by(|a, b| a.key == b.key) {
                join.join(group.iter().filter_map(|e| gathered.read(e)).collect(), &mut |joined| {
                    each(match joined {
                        Joined::Alone(doc) => Read::Document(Box::new(doc)),
                        Joined::Made(doc, of) => Read::Joined(Box::new(doc), of),
                    });
                });
            }
        })))
    }
}

impl Cell {
    fn gather(&self) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        for path in &self.files {
            let damaged = || {
                Error::world(format!("`{}` is not a whole file of moved documents", path.display()))
                    .hint("delete it and run again")
            };
            let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
            let (names, blocks) = self.tail(path, &mut file)?.ok_or_else(damaged)?;
            for block in blocks.iter().filter(|block| block.cell == self.cell) {
                let bytes = piece(path, &mut file, block.offset, block.bytes)?;
                if xxhash_rust::xxh3::xxh3_64(&bytes) != block.xxh3 {
                    return Err(damaged());
                }
                let raw = zstd::bulk::decompress(&bytes, block.raw as usize).map_err(|_| damaged())?;
                gathered.add(raw, &names).ok_or_else(damaged)?;
            }
        }
        // Stable: equals stay in corpus order.
        gathered.documents.sort_by_key(|entry| entry.key);
        Ok(gathered)
    }

    /// The slot of every field the file names, and its blocks.
    #[expect(clippy::type_complexity, reason = "two lists, read together")]
    fn tail(&self, path: &Path, file: &mut File) -> Result<Option<(Arc<Vec<Option<u16>>>, Vec<Block>)>> {
        let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
        let Some(end) = length.checked_sub(24) else { return Ok(None) };
        let tail = piece(path, file, end, 24)?;
        let word = |at: usize| tail.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let (Some(names), Some(blocks)) = (word(0), word(8)) else { return Ok(None) };
        let size = blocks.checked_mul(BLOCK as u64).and_then(|b| b.checked_add(names));
        let Some(start) = size.and_then(|size| end.checked_sub(size)) else { return Ok(None) };
        if tail.get(16..) != Some(&MAGIC[..]) {
            return Ok(None);
        }
        let lists = piece(path, file, start, end - start)?;
        let Some((names, blocks)) = lists.split_at_checked(names as usize) else { return Ok(None) };
        let Ok(names) = serde_json::from_slice::<Vec<(u16, String)>>(names) else { return Ok(None) };
        let mut slots = vec![None; names.iter().map(|(slot, _)| *slot as usize + 1).max().unwrap_or(0)];
        for (slot, name) in names {
            if let Some(to) = slots.get_mut(slot as usize) {
                *to = self.fields.lookup(&name).map(|(slot, _)| slot);
            }
        }
        Ok(Some((Arc::new(slots), blocks.chunks_exact(BLOCK).filter_map(Block::read).collect())))
    }
}

impl Gathered {
    /// A document; what a block's digest vouches for is one.
    fn read(&self, entry: &Entry) -> Option<Document> {
        let bytes = self.blocks.get(entry.block).and_then(|block| block.get(entry.bytes.clone()))?;
        read(bytes, &entry.names)
    }

    fn add(&mut self, raw: Vec<u8>, names: &Arc<Vec<Option<u16>>>) -> Option<()> {
        let (block, mut at) = (self.blocks.len(), 0);
        while at < raw.len() {
            let word = |at: usize| raw.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
            let (place, order, length) = (word(at)?, word(at + 8)?, word(at + 16)?);
            let bytes = at + 24..(at + 24).checked_add(length as usize)?;
            raw.get(bytes.clone())?;
            at = bytes.end;
            self.documents.push(Entry { key: (place, order), names: names.clone(), block, bytes });
        }
        self.blocks.push(raw);
        Some(())
    }
}

fn piece(path: &Path, file: &mut File, offset: u64, bytes: u64) -> Result<Vec<u8>> {
    let io = |e| Error::io("read", path, e);
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut piece = vec![0; bytes as usize];
    file.read_exact(&mut piece).map_err(io)?;
    Ok(piece)
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn write(doc: &Document, out: &mut Vec<u8>) {
    out.extend(doc.id.0.to_le_bytes());
    out.extend(doc.origin.at.to_le_bytes());
    out.extend(u64::from(doc.copies).to_le_bytes());
    [&*doc.origin.source, &*doc.origin.file, doc.text.as_str(), &doc.rest].into_iter().for_each(|t| text(t, out));
    for (slot, value) in doc.fields.written() {
        let head = |kind: u8, out: &mut Vec<u8>| {
            out.extend(slot.to_le_bytes());
            out.push(kind);
        };
        match value {
            Value::Null => {}
            Value::Str(t) => {
                head(1, out);
                text(t, out);
            }
            Value::I64(n) => {
                head(2, out);
                out.extend(n.to_le_bytes());
            }
            Value::F64(n) => {
                head(3, out);
                out.extend(n.to_le_bytes());
            }
            Value::Bool(b) => {
                head(4, out);
                out.extend(u64::from(*b).to_le_bytes());
            }
            Value::Tokens(ids) => {
                head(5, out);
                out.extend((ids.len() as u64).to_le_bytes());
                out.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
            }
            Value::Floats(vector) => {
                head(6, out);
                out.extend((vector.len() as u64).to_le_bytes());
                out.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
            }
        }
    }
}

/// Bytes being read.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.word()?;
        std::str::from_utf8(self.take(length as usize)?).ok()
    }

    fn fours(&mut self) -> Option<impl Iterator<Item = [u8; 4]>> {
        let length = self.word()?;
        let bytes = self.take((length as usize).checked_mul(4)?)?;
        Some(bytes.chunks_exact(4).map(|b| b.try_into().unwrap_or_default()))
    }
}

fn read(bytes: &[u8], names: &[Option<u16>]) -> Option<Document> {
    let mut bytes = Bytes(bytes);
    let id = DocId(u128::from_le_bytes(bytes.take(16)?.try_into().ok()?));
    let (at, copies) = (bytes.word()?, bytes.word()? as u32);
    let origin = Origin { source: bytes.text()?.into(), file: bytes.text()?.into(), at };
    let (text, rest) = (Text::new(bytes.text()?.to_owned()), bytes.text()?.to_owned());
    let mut doc = Document { id, origin, text, fields: Default::default(), rest, copies, marks: Vec::new() };
    while let Some(slot) = bytes.take(2) {
        let slot = u16::from_le_bytes(slot.try_into().ok()?);
        let value = match bytes.take(1)?.first()? {
            1 => Value::Str(bytes.text()?.to_owned()),
            2 => Value::I64(bytes.word()? as i64),
            3 => Value::F64(f64::from_bits(bytes.word()?)),
            4 => Value::Bool(bytes.word()? != 0),
            5 => Value::Tokens(bytes.fours()?.map(u32::from_le_bytes).collect()),
            _ => Value::Floats(bytes.fours()?.map(f32::from_le_bytes).collect()),
        };
        if let Some(slot) = names.get(slot as usize).copied().flatten() {
            doc.fields.put(slot, value);
        }
    }
    Some(doc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the first letter, then by the place.
    struct ByLetter;

    impl Exchange for ByLetter {
        fn place(&self, doc: &Document) -> (u64, u64) {
            (u64::from(doc.text.as_str().bytes().next().unwrap_or(0)) << 56, doc.text.len() as u64)
        }
    }

    fn all(files: &[PathBuf], cells: u32, table: &Arc<FieldTable>) -> Vec<Document> {
        let mut docs = Vec::new();
        for cell in 0..cells {
            let mut reader = open(files.to_vec(), cell, table, None);
            while let Some(morsel) = reader.next().unwrap() {
                (morsel.parse)(&mut |read| {
                    if let Read::Document(doc) = read {
                        docs.push(*doc)
                    }
                });
            }
        }
        docs
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn documents_come_back_in_order_whatever_the_walks_and_cells(
            texts in prop::collection::vec("[a-zé]{0,6}", 0..60), cuts in 1usize..20, cells in 1u32..9, flush in any::<bool>()
        ) {
            let mut table = FieldTable::default();
            let slots = (
                table.field::<String>("s").unwrap(), table.field::<i64>("i").unwrap(), table.field::<f64>("f").unwrap(),
                table.field::<bool>("b").unwrap(), table.field::<Vec<u32>>("t").unwrap(), table.field::<Vec<f32>>("v").unwrap(),
            );
            let docs: Vec<Document> = texts.iter().enumerate().map(|(n, text)| {
                let mut doc = Document::new(Origin { source: "web".into(), file: "f".into(), at: n as u64 }, text.clone());
                doc.copies = 1 + n as u32 % 3;
                doc.rest = "\"x\":1".repeat(n % 2);
                if n % 3 > 0 {
                    doc.set(slots.0, text.clone());
                    doc.set(slots.1, -(n as i64));
                    doc.set(slots.2, n as f64 / 7.0);
                }
                if n % 2 > 0 {
                    doc.set(slots.3, n % 5 == 0);
                    doc.set(slots.4, vec![n as u32; n % 4]);
                    doc.set(slots.5, vec![0.5; n % 4]);
                }
                doc
            }).collect();
            let table = Arc::new(table);
            let dir = tempfile::tempdir().unwrap();
            let mut files = Vec::new();
            for (walk, docs) in docs.chunks(cuts).enumerate() {
                let path = dir.path().join(format!("{walk}.moved"));
                let mut part = Moved::create(&path, &table).unwrap();
                let mut encoder = Encoder::new(&(Arc::new(ByLetter) as Arc<dyn Exchange>), cells);
                for morsel in docs.chunks(5) {
                    part.append(encoder.encode(morsel).unwrap()).unwrap();
                    if flush { part.flush().unwrap(); }
                }
                part.finish().unwrap();
                files.push(path);
            }
            let mut expected: Vec<&Document> = docs.iter().collect();
            expected.sort_by_key(|doc| ByLetter.place(doc));
            let back = all(&files, cells, &table);
            prop_assert_eq!(back.len(), docs.len());
            for (a, b) in back.iter().zip(expected) {
                prop_assert_eq!((a.id, &a.origin, a.text.as_str(), &a.rest, a.copies), (b.id, &b.origin, b.text.as_str(), &b.rest, b.copies));
                for (slot, _, _) in table.iter() { prop_assert_eq!(a.fields.slot(slot), b.fields.slot(slot)); }
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (path, table) = (dir.path().join("a.moved"), Arc::new(FieldTable::default()));
        let mut part = Moved::create(&path, &table).unwrap();
        let doc = Document::new(Origin { source: "web".into(), file: "f".into(), at: 0 }, "some text".repeat(20));
        part.append(Encoder::new(&(Arc::new(ByLetter) as Arc<dyn Exchange>), 1).encode(&[doc]).unwrap()).unwrap();
        part.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert!(open(vec![path.clone()], 0, &table, None).next().unwrap().is_some());
        for at in [0, whole.len() - 1, whole.len() - 12] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            std::fs::write(&path, bytes).unwrap();
            assert!(open(vec![path.clone()], 0, &table, None).next().is_err(), "byte {at}");
        }
        std::fs::write(&path, &whole[..10]).unwrap();
        assert!(open(vec![path], 0, &table, None).next().is_err());
    }
}
