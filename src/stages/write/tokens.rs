//! Writes token shards in the format of a training framework, with a manifest, an index of which document lies where, a
//! card and the tokenizer beside them.
//!
//! Each walk leaves its documents of tokens as they are; the shards are cut from these in corpus order, or shuffled by a
//! keyed hash of the document's id, so that they do not depend on how the corpus was split.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, FieldType};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};
use crate::stage::keys::Key;
use crate::stage::settings::{ByteSize, Fraction};
use crate::stage::{About, Build, Chunk, Encode, Family, Part, PartPlace, Settings, Sink, Stage};
use crate::tokens::{
    Format, Pack, ShardSpec, ShardWriter, TokenDocument, Tokenizer, Vocabulary, Width, in_order, text_digest,
};

/// Settings of the writer `tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteTokens {
    /// The folder the shards are written to. Must be empty or this run's own.
    pub dir: PathBuf,
    /// What shards' names begin with.
    #[serde(default = "name")]
    pub name: String,
    /// What the shards are read by. `tamis export` makes another format of what is written.
    #[serde(default)]
    pub format: Format,
    /// Bytes of ids after which a shard is closed.
    #[serde(default = "shard_size")]
    pub shard_size: ByteSize,
    /// A seed: documents are shuffled over the whole corpus. Left in corpus order without it.
    #[serde(default)]
    pub shuffle: Option<u64>,
    /// Bytes of an id, 2 or 4; as the format's readers expect for the vocabulary if left out.
    #[serde(default)]
    pub width: Option<u8>,
    /// Rows of a fixed length instead of documents.
    #[serde(default)]
    pub pack: Option<Pack>,
    /// A field whose values have shards of their own, such as the `phase` of `mix`.
    #[serde(default)]
    pub by: Option<String>,
    /// Shards of their own for each source, for blending while training.
    #[serde(default)]
    pub per_source: bool,
    /// Share of the documents (by hash of id) that goes to shards of its own, named `…_val`.
    #[serde(default)]
    pub validation: Fraction,
}

fn name() -> String {
    "tokens".into()
}

fn shard_size() -> ByteSize {
    ByteSize(1 << 30)
}

impl Settings for WriteTokens {
    const ABOUT: About = About {
        // The parts of version 1 held ids of four bytes.
        version: 2,
        shorthand: Some("dir"),
        ..About::new(
            "tokens",
            Family::Write,
            "writes token shards: megatron, olmo, datatrove, nanogpt, llmc, numpy, mds, litdata, webdataset, parquet, arrow",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let tokens = cx.reads("tokens").map_err(|e| e.hint("add the step `encode: { tokenizer: … }` before it"))?;
        let pieces = cx.reads_if_written("token_pieces")?;
        // Any reader that has a URL may load it: the index names documents by it.
        let is_text = cx.table().lookup("url").is_none_or(|(_, kind)| kind == FieldType::Str);
        let url = if is_text { Some(cx.may_read("url")?) } else { None };
        let by = self.by.as_deref().map(|field| Key::resolve(cx, field)).transpose()?;
        let vocabulary = Arc::new(cx.vocabulary()?);
        let width = self.format.width(vocabulary.size, self.width).map_err(|e| e.with("writer", "tokens"))?;
        let pack = match &self.pack {
            None => None,
            Some(pack) if pack.length < 2 => {
                return Err(Error::pipeline("`tokens`: rows of fewer than 2 tokens teach nothing")
                    .hint("give the training's sequence length as `pack.length`"));
            }
            Some(pack) => {
                let pad = match &pack.pad_token {
                    Some(token) => Tokenizer::load(&vocabulary.path, false)?.token_id(token),
                    None => vocabulary.eos,
                };
                // Where a mask says what is learnt, anything may stand for padding.
                let pad = pad.or((pack.pad_token.is_none() && self.format.masks()).then_some(0));
                let pad = pad.ok_or_else(|| {
                    Error::pipeline("`tokens`: there is no token to fill rows up with")
                        .hint("name one of the tokenizer's: `pack: { length: …, pad_token: … }`")
                })?;
                Some((pack.clone(), pad))
            }
        };
        let spec = ShardSpec {
            dir: self.dir,
            name: self.name,
            format: self.format,
            shard_size: self.shard_size.0,
            width,
            vocabulary,
            pack,
            per_source: self.per_source,
            validation: self.validation.0,
            shuffle: self.shuffle,
        };
        Ok(Stage::Sink(Arc::new(Running { spec, memory: cx.memory, tokens, pieces, url, by, decoder: Arc::default() })))
    }
}

struct Running {
    spec: ShardSpec,
    memory: u64,
    tokens: Field<Vec<u32>>,
    /// Lengths of the pieces that long documents were split into.
    pieces: Option<Field<Vec<u32>>>,
    url: Option<Field<String>>,
    by: Option<Key>,
    /// Decodes the sample; loaded when the first of it comes.
    decoder: Arc<OnceLock<Option<Tokenizer>>>,
}

impl Sink for Running {
    fn dir(&self) -> &Path {
        &self.spec.dir
    }

    fn encoder(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Encode>> {
        Ok(Box::new(Encoder {
            tokens: self.tokens,
            pieces: self.pieces,
            url: self.url,
            by: self.by,
            width: self.spec.width,
            vocabulary: self.spec.vocabulary.clone(),
            decoder: self.decoder.clone(),
        }))
    }

    fn part(&self, place: &PartPlace, _: &Arc<FieldTable>) -> Result<Box<dyn Part>> {
        let path = place.scratch.join(format!("{:05}.tokens", place.ordinal));
        Ok(Box::new(Tokens { file: AtomicFile::create(&path)?, path }))
    }

    fn assemble(&self, parts: &[Vec<Written>]) -> Result<Vec<Written>> {
        let parts: Vec<PathBuf> = parts.iter().filter_map(|p| p.first()).map(|w| w.path.clone()).collect();
        let scratch = parts.first().and_then(|p| p.parent()).unwrap_or(Path::new(".")).to_owned();
        let mut shards = ShardWriter::new(self.spec.clone());
        in_order(&parts, self.spec.width, self.spec.shuffle, self.memory, &scratch, &mut |d| shards.push(d))?;
        shards.finish().map(|(written, _)| written)
    }
}

struct Encoder {
    tokens: Field<Vec<u32>>,
    pieces: Option<Field<Vec<u32>>>,
    url: Option<Field<String>>,
    by: Option<Key>,
    width: Width,
    vocabulary: Arc<Vocabulary>,
    decoder: Arc<OnceLock<Option<Tokenizer>>>,
}

/// One document in so many, by its id, is decoded again, so that its text can be known from its shard.
const SAMPLE: u128 = 16;

impl Encoder {
    /// The digest of the document's text if it is one of the sample and its ids give the text back: not if it was normalized,
    /// cut, or its middle moved.
    fn digest(&self, doc: &Document, ids: &[u32]) -> u64 {
        if !doc.id.0.is_multiple_of(SAMPLE) {
            return 0;
        }
        let decoder = self.decoder.get_or_init(|| Tokenizer::load(&self.vocabulary.path, false).ok());
        let text = decoder.as_ref().map(|d| d.decode(self.vocabulary.inner(ids)));
        if text.is_some_and(|text| text == doc.text.as_str()) { text_digest(doc.text.as_str()) } else { 0 }
    }
}

impl Encode for Encoder {
    fn encode(&mut self, docs: &[Document]) -> Result<Chunk> {
        let mut chunk = Chunk::default();
        let mut place = String::new();
        for doc in docs {
            let Some(ids) = doc.get(self.tokens).filter(|ids| !ids.is_empty()) else { continue };
            let whole = [ids.len() as u32];
            let pieces = self.pieces.and_then(|field| doc.get(field)).unwrap_or(&whole);
            let text = if pieces.len() == 1 { self.digest(doc, ids) } else { 0 };
            let part = self.by.and_then(|by| by.text(doc)).unwrap_or_default();
            place.clear();
            match self.url.and_then(|field| doc.get(field)) {
                Some(url) => place.push_str(url),
                None => place.push_str(&format!("{}#{}", doc.origin.file, doc.origin.at)),
            }
            for copy in 0..doc.copies {
                let mut rest = ids;
                for (number, length) in pieces.iter().enumerate() {
                    let (ids, after) = rest.split_at((*length as usize).min(rest.len()));
                    rest = after;
                    let copy = copy * pieces.len() as u32 + number as u32;
                    let (id, source) = (doc.id.0, &*doc.origin.source);
                    let document = TokenDocument { id, copy, source, place: &place, part: &part, ids, text };
                    document.write(self.width, &mut chunk.bytes)?;
                    chunk.docs += 1;
                    chunk.tokens += ids.len() as u64;
                }
            }
        }
        Ok(chunk)
    }
}

/// What a walk leaves: its documents.
struct Tokens {
    path: PathBuf,
    file: AtomicFile,
}

impl Part for Tokens {
    fn append(&mut self, chunk: Chunk) -> Result<()> {
        self.file.write_all(&chunk.bytes).map_err(|e| Error::io("write", &self.path, e))
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(vec![self.file.commit()?])
    }
}
