//! Writes token shards as Megatron-LM reads them: `NAME_00000_text_document.bin` and `.idx`.
//!
//! Each walk leaves its tokens in the native form (ids and an index of documents with their ids and sources); the final
//! shards are cut from these in corpus order, or shuffled by a keyed hash of the document's id, so that they do not
//! depend on how the corpus was split. the `.documents` file of each shard says which document lies where.

use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written, write_whole};
use crate::stage::settings::ByteSize;
use crate::stage::{About, Build, Chunk, Encode, Family, Part, PartPlace, Settings, Sink, Stage};
use crate::tokens::{DocumentEntry, Index, IndexWriter, Megatron, Width};

/// Settings of the writer `megatron`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteMegatron {
    /// The folder the shards are written to. Must be empty or this run's own.
    pub dir: PathBuf,
    /// What shards' names begin with.
    #[serde(default = "name")]
    pub name: String,
    /// Bytes of ids after which a shard is closed.
    #[serde(default = "shard_size")]
    pub shard_size: ByteSize,
    /// A seed: documents are shuffled over the whole corpus. Left in corpus order without it.
    #[serde(default)]
    pub shuffle: Option<u64>,
    /// Bytes of an id, 2 or 4; 2 for vocabularies below 65,500 if left out.
    #[serde(default)]
    pub width: Option<u8>,
}

fn name() -> String {
    "tokens".into()
}

fn shard_size() -> ByteSize {
    ByteSize(1 << 30)
}

impl Settings for WriteMegatron {
    const ABOUT: About = About {
        shorthand: Some("dir"),
        ..About::new("megatron", Family::Write, "writes token shards for Megatron-LM, NeMo, GPT-NeoX and MaxText")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let tokens = cx.reads("tokens").map_err(|e| e.hint("add the step `encode: { tokenizer: … }` before it"))?;
        let width = match self.width {
            None => cx.vocab_size().map_or(Width::U32, Width::of),
            Some(2) => Width::U16,
            Some(4) => Width::U32,
            Some(other) => {
                return Err(
                    Error::pipeline(format!("`megatron`: ids cannot be {other} bytes wide")).hint("write 2 or 4")
                );
            }
        };
        let pieces = cx.reads_if_written("token_pieces")?;
        Ok(Stage::Sink(Arc::new(Running { settings: self, tokens, pieces, width })))
    }
}

struct Running {
    settings: WriteMegatron,
    tokens: Field<Vec<u32>>,
    /// Lengths of the pieces that long documents were split into.
    pieces: Option<Field<Vec<u32>>>,
    width: Width,
}

impl Sink for Running {
    fn dir(&self) -> &Path {
        &self.settings.dir
    }

    fn encoder(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Encode>> {
        Ok(Box::new(Encoder { tokens: self.tokens, pieces: self.pieces }))
    }

    fn part(&self, place: &PartPlace, _: &Arc<FieldTable>) -> Result<Box<dyn Part>> {
        let path = place.scratch.join(format!("{:05}.tokens", place.ordinal));
        Ok(Box::new(Tokens { payload: AtomicFile::create(&path)?, path, index: IndexWriter::default() }))
    }

    fn assemble(&self, parts: &[Vec<Written>]) -> Result<Vec<Written>> {
        let parts =
            parts.iter().filter_map(|p| p.first().zip(p.get(1))).map(|(p, i)| TokenPart::open(&p.path, &i.path));
        let mut parts = parts.collect::<Result<Vec<_>>>()?;
        let width = self.width;
        let mut order: Vec<(u64, u32, u32)> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            for (at, document) in part.index.documents.iter().enumerate() {
                let key = self.settings.shuffle.map_or(0, |seed| {
                    // Copies of a document, told apart by their place among its copies, go to places of their own.
                    let copy = part
                        .index
                        .documents
                        .get(..at)
                        .unwrap_or_default()
                        .iter()
                        .rev()
                        .take_while(|d| d.id == document.id)
                        .count();
                    let mut bytes = document.id.to_le_bytes().to_vec();
                    bytes.extend_from_slice(&(copy as u64).to_le_bytes());
                    xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, seed)
                });
                order.push((key, number as u32, at as u32));
            }
        }
        // Without a seed all keys are equal, and the order is the corpus order already.
        order.sort_unstable();
        let mut shards =
            Shards { running: self, width, open: None, number: 0, written: Vec::new(), manifest: Vec::new() };
        let mut payload = Vec::new();
        for (_, part, at) in order {
            let Some(part) = parts.get_mut(part as usize) else { continue };
            let (ids, document) = part.document(at as usize)?;
            payload.clear();
            width.append(&ids, &mut payload)?;
            let source = part.index.sources.get(document.source as usize).cloned().unwrap_or_default();
            shards.push(&payload, document.id, &source)?;
        }
        shards.finish()
    }
}

/// The shards being written.
struct Shards<'r> {
    running: &'r Running,
    width: Width,
    open: Option<(Megatron, IndexWriter)>,
    number: u32,
    written: Vec<Written>,
    manifest: Vec<serde_json::Value>,
}

impl Shards<'_> {
    fn prefix(&self) -> PathBuf {
        let settings = &self.running.settings;
        settings.dir.join(format!("{}_{:05}_text_document", settings.name, self.number))
    }

    fn push(&mut self, payload: &[u8], id: u128, source: &str) -> Result<()> {
        let full = self.open.as_ref().is_some_and(|(m, _)| {
            m.bytes() + payload.len() as u64 > self.running.settings.shard_size.0 && m.bytes() > 0
        });
        if full {
            self.close()?;
        }
        if self.open.is_none() {
            self.open = Some((Megatron::create(&self.prefix(), self.width)?, IndexWriter::default()));
        }
        if let Some((megatron, index)) = &mut self.open {
            megatron.push(payload)?;
            index.push((payload.len() / self.width.bytes()) as u64, id, source);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some((megatron, index)) = self.open.take() else { return Ok(()) };
        let (documents, tokens) = (index.len(), index.tokens());
        let files = megatron.finish()?;
        if files.is_empty() {
            return Ok(());
        }
        let path = PathBuf::from(format!("{}.documents", self.prefix().display()));
        let mut bytes = Vec::new();
        index.write(self.width, &mut bytes).map_err(|e| Error::io("write", &path, e))?;
        self.manifest.push(serde_json::json!({
            "prefix": self.prefix().file_name().map(|n| n.to_string_lossy()),
            "documents": documents,
            "tokens": tokens,
            "xxh3": files.iter().map(|f| format!("{:016x}", f.xxh3)).collect::<Vec<_>>(),
        }));
        self.written.extend(files);
        self.written.push(write_whole(&path, &bytes)?);
        self.number += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Written>> {
        self.close()?;
        let manifest = serde_json::json!({
            "format": "megatron",
            "dtype": if self.width == Width::U16 { "uint16" } else { "int32" },
            "shuffle": self.running.settings.shuffle,
            "shards": self.manifest,
        });
        let text = format!("{manifest:#}\n");
        self.written.push(write_whole(&self.running.settings.dir.join("manifest.json"), text.as_bytes())?);
        Ok(self.written)
    }
}

struct Encoder {
    tokens: Field<Vec<u32>>,
    pieces: Option<Field<Vec<u32>>>,
}

/// Documents of a chunk: tokens, id, source.
type Documents = Vec<(u64, u128, Arc<str>)>;

impl Encode for Encoder {
    fn encode(&mut self, docs: &[Document]) -> Result<Chunk> {
        let (mut bytes, mut documents, mut tokens): (Vec<u8>, Documents, u64) = (Vec::new(), Vec::new(), 0);
        for doc in docs {
            let Some(ids) = doc.get(self.tokens).filter(|ids| !ids.is_empty()) else { continue };
            for _ in 0..doc.copies {
                Width::U32.append(ids, &mut bytes)?;
                let whole = [ids.len() as u32];
                let pieces = self.pieces.and_then(|field| doc.get(field)).unwrap_or(&whole);
                documents.extend(pieces.iter().map(|n| (u64::from(*n), doc.id.0, doc.origin.source.clone())));
                tokens += ids.len() as u64;
            }
        }
        Ok(Chunk { bytes, docs: documents.len() as u64, tokens, extra: Some(Box::new(documents)) })
    }
}

/// What a walk leaves: ids of four bytes, and the index.
struct Tokens {
    path: PathBuf,
    payload: AtomicFile,
    index: IndexWriter,
}

impl Part for Tokens {
    fn append(&mut self, chunk: Chunk) -> Result<()> {
        let documents = chunk.extra.and_then(|extra| extra.downcast::<Documents>().ok());
        let documents = documents.ok_or_else(|| Error::bug("a chunk of tokens without its documents"))?;
        documents.iter().for_each(|(tokens, id, source)| self.index.push(*tokens, *id, source));
        self.payload.write_all(&chunk.bytes).map_err(|e| Error::io("write", &self.path, e))
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        let payload = self.payload.commit()?;
        let path = self.path.with_extension("index");
        let mut bytes = Vec::new();
        self.index.write(Width::U32, &mut bytes).map_err(|e| Error::io("write", &path, e))?;
        Ok(vec![payload, write_whole(&path, &bytes)?])
    }
}

/// A part opened for assembling.
struct TokenPart {
    path: PathBuf,
    file: File,
    index: Index,
}

impl TokenPart {
    fn open(payload: &Path, index: &Path) -> Result<Self> {
        let mut file = File::open(index).map_err(|e| Error::io("open", index, e))?;
        let index_read = Index::read(&mut file).map_err(|e| Error::world(format!("`{}`: {e}", index.display())))?;
        let file = File::open(payload).map_err(|e| Error::io("open", payload, e))?;
        Ok(Self { path: payload.to_owned(), file, index: index_read })
    }

    fn document(&mut self, at: usize) -> Result<(Vec<u32>, DocumentEntry)> {
        let documents = &self.index.documents;
        let entry = documents.get(at).copied().ok_or_else(|| Error::bug("a document that is not in the index"))?;
        let start = at.checked_sub(1).and_then(|before| documents.get(before)).map_or(0, |d| d.end);
        let io = |e| Error::io("read", &self.path, e);
        self.file.seek(SeekFrom::Start(start * 4)).map_err(io)?;
        let mut bytes = vec![0; (entry.end - start) as usize * 4];
        self.file.read_exact(&mut bytes).map_err(io)?;
        let ids = bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default())).collect();
        Ok((ids, entry))
    }
}
