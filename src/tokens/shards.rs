//! Folders of token shards: writing them from documents in order, with a manifest and an index of which document lies
//! where, and reading them again.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Tokenizer;
use super::formats::{Format, Item, Origin, Segment, Shard, ShardFile, ShardPlace, ShardSummary};
use super::order::TokenDocument;
use super::pack::{How, Pack, Packer};
use super::payload::Width;
use super::vocabulary::Vocabulary;
use crate::error::{Error, Result};
use crate::io::atomic::{Written, write_whole};
use crate::io::columns::{Column, ColumnRef, ColumnType, GroupEncoder, GroupWriter};
use crate::io::table::ParquetFile;

/// What shards to write.
#[derive(Debug, Clone)]
pub struct ShardSpec {
    /// The folder.
    pub dir: PathBuf,
    /// What files' names begin with.
    pub name: String,
    /// The format.
    pub format: Format,
    /// Bytes of ids after which a shard is closed.
    pub shard_size: u64,
    /// How wide ids are.
    pub width: Width,
    /// The vocabulary of the ids.
    pub vocabulary: Arc<Vocabulary>,
    /// Rows of a fixed length, filled up with this token.
    pub pack: Option<(Pack, u32)>,
    /// Shards of their own for each source.
    pub per_source: bool,
    /// Share of the documents that goes to shards for validation.
    pub validation: f64,
    /// The seed of the shuffle they come from; only told.
    pub shuffle: Option<u64>,
}

/// What a folder of shards says of itself: `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format.
    pub format: Format,
    /// How wide ids are.
    pub dtype: Width,
    /// The vocabulary; its file lies in the folder.
    pub tokenizer: Vocabulary,
    /// The seed of the shuffle; corpus order without one.
    pub shuffle: Option<u64>,
    /// How rows are packed, if they are.
    pub packing: Option<Packing>,
    /// Documents, or pieces of such; a document packed in two rows counts once.
    pub documents: u64,
    /// Tokens, padding left out.
    pub tokens: u64,
    /// How much is of each source.
    pub sources: BTreeMap<String, Amount>,
    /// The shards, in order.
    pub shards: Vec<ShardSummary>,
}

/// How rows are packed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packing {
    /// Tokens of a row.
    pub length: usize,
    /// How documents were put in rows.
    pub how: How,
    /// Rows.
    pub rows: u64,
    /// Tokens of padding.
    pub padding: u64,
}

/// An amount of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
}

const MANIFEST: &str = "manifest.json";
/// The folder of the indices of documents.
const DOCUMENTS: &str = "documents";

/// Writes shards from documents as they come.
pub struct ShardWriter {
    spec: Arc<ShardSpec>,
    groups: BTreeMap<String, Group>,
    sources: BTreeMap<String, Amount>,
}

/// Shards that are numbered together.
struct Group {
    packer: Option<Packer>,
    out: GroupOut,
}

struct GroupOut {
    spec: Arc<ShardSpec>,
    name: String,
    number: u32,
    open: Option<Open>,
    written: Vec<Written>,
    shards: Vec<ShardSummary>,
}

struct Open {
    shard: Box<dyn Shard>,
    index: DocumentIndex,
    items: u64,
    tokens: u64,
}

impl ShardWriter {
    /// A writer of `spec`.
    pub fn new(spec: ShardSpec) -> Self {
        Self { spec: Arc::new(spec), groups: BTreeMap::new(), sources: BTreeMap::new() }
    }

    fn group(&mut self, name: String) -> &mut Group {
        let spec = &self.spec;
        self.groups.entry(name).or_insert_with_key(|name| Group {
            packer: spec.pack.as_ref().map(|(pack, pad)| Packer::new(pack, *pad)),
            out: GroupOut {
                spec: spec.clone(),
                name: name.clone(),
                number: 0,
                open: None,
                written: Vec::new(),
                shards: Vec::new(),
            },
        })
    }

    /// The group of a document: by what it is for, and by source.
    fn group_of(&self, document: &TokenDocument<'_>) -> String {
        let spec = &self.spec;
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&document.id.to_le_bytes(), 0x7661_6c69);
        let validates = (hash as f64) < spec.validation * u64::MAX as f64;
        let mut name = spec.name.clone();
        if !document.part.is_empty() {
            name = format!("{name}_{}", file_name(document.part));
        }
        if spec.per_source {
            name = format!("{name}_{}", document.source);
        }
        match (validates, spec.validation > 0.0 || spec.format == Format::Llmc) {
            (true, _) => format!("{name}_val"),
            (false, true) => format!("{name}_train"),
            (false, false) => name,
        }
    }

    /// Adds a document.
    pub fn push(&mut self, document: &TokenDocument<'_>) -> Result<()> {
        if document.ids.is_empty() {
            return Ok(());
        }
        let amount = match self.sources.get_mut(document.source) {
            Some(amount) => amount,
            None => self.sources.entry(document.source.to_owned()).or_default(),
        };
        amount.documents += 1;
        amount.tokens += document.ids.len() as u64;
        let (source, place) = (document.source.into(), document.place.into());
        let of = Origin { id: document.id, source, place, text: document.text };
        let segment = Segment { tokens: document.ids.len() as u64, of: Some(of) };
        let name = self.group_of(document);
        let Group { packer, out } = self.group(name);
        match packer {
            Some(packer) => packer.push(document.ids, &segment, &mut |item| out.push(item)),
            None => out.push(&Item { ids: document.ids, segments: &[segment] }),
        }
    }

    /// Adds an item of the group `name` as it is.
    fn push_item(&mut self, name: &str, item: &Item<'_>) -> Result<()> {
        self.group(name.to_owned()).out.push(item)
    }

    /// Writes what is left, the manifest, the card and the tokenizer. Without a document there is nothing but these:
    /// readers fail on empty shards.
    pub fn finish(self) -> Result<(Vec<Written>, Manifest)> {
        let packing = self.spec.pack.as_ref().map(|(pack, _)| (pack.length, pack.how));
        self.finish_as(packing, None)
    }

    fn finish_as(mut self, packing: Option<(usize, How)>, of: Option<&Manifest>) -> Result<(Vec<Written>, Manifest)> {
        let (mut rows, mut padding) = (0, 0);
        for Group { packer, out } in self.groups.values_mut() {
            if let Some(packer) = packer {
                packer.finish(&mut |item| out.push(item))?;
                rows += packer.rows;
                padding += packer.padding;
            }
            out.close()?;
        }
        let spec = &self.spec;
        let (mut written, mut shards) = (Vec::new(), Vec::new());
        for Group { out, .. } in self.groups.into_values() {
            written.extend(out.written);
            shards.extend(out.shards);
        }
        let sum = |of: fn(&Amount) -> u64| self.sources.values().map(of).sum();
        let manifest = Manifest {
            format: spec.format,
            dtype: spec.width,
            tokenizer: Vocabulary::clone(&spec.vocabulary),
            shuffle: spec.shuffle,
            packing: packing.map(|(length, how)| Packing { length, how, rows, padding }),
            documents: sum(|a| a.documents),
            tokens: sum(|a| a.tokens),
            sources: self.sources,
            shards,
        };
        // What is exported keeps the account of what it was exported from.
        let manifest = match of {
            None => manifest,
            Some(of) => Manifest { format: spec.format, dtype: spec.width, shards: manifest.shards, ..of.clone() },
        };
        written.extend(spec.format.finish(&spec.dir, &manifest.shards, spec.width)?);
        written.extend(blend(&spec.dir, &manifest)?);
        let json = serde_json::to_string_pretty(&manifest)
            .map_err(|e| Error::bug("a manifest does not serialize").because(e))?;
        written.push(write_whole(&spec.dir.join(MANIFEST), format!("{json}\n").as_bytes())?);
        written.push(write_whole(&spec.dir.join("README.md"), card(&spec.name, &manifest).as_bytes())?);
        let path = &spec.vocabulary.path;
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        written.push(write_whole(&spec.dir.join(&spec.vocabulary.name), &bytes)?);
        Ok((written, manifest))
    }
}

impl GroupOut {
    fn push(&mut self, item: &Item<'_>) -> Result<()> {
        let spec = self.spec.clone();
        let bytes = |tokens: u64| tokens * spec.width.bytes() as u64;
        let full = self.open.as_ref().is_some_and(|o| bytes(o.tokens + item.ids.len() as u64) > spec.shard_size);
        if full {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let stem = spec.format.stem(&self.name, self.number);
                let index = DocumentIndex::create(&spec.dir.join(DOCUMENTS).join(format!("{stem}.parquet")))?;
                let shard = spec.format.create(ShardPlace {
                    dir: spec.dir.clone(),
                    stem,
                    width: spec.width,
                    vocabulary: spec.vocabulary.clone(),
                    row: spec.pack.as_ref().map(|(pack, _)| pack.length),
                })?;
                self.open.insert(Open { shard, index, items: 0, tokens: 0 })
            }
        };
        open.shard.push(item)?;
        open.items += 1;
        for segment in item.segments {
            open.tokens += segment.tokens;
            open.index.push(open.tokens, segment.of.as_ref())?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let mut files = open.shard.finish()?;
        files.push(open.index.finish()?);
        let name =
            |w: &Written| w.path.strip_prefix(&self.spec.dir).unwrap_or(&w.path).to_string_lossy().replace('\\', "/");
        self.shards.push(ShardSummary {
            name: self.spec.format.stem(&self.name, self.number),
            group: self.name.clone(),
            items: open.items,
            tokens: open.tokens,
            packed: self.spec.pack.is_some(),
            files: files
                .iter()
                .map(|w| ShardFile { name: name(w), bytes: w.bytes, xxh3: format!("{:016x}", w.xxh3) })
                .collect(),
        });
        self.written.extend(files);
        self.number += 1;
        Ok(())
    }
}

/// `text` without what file systems take amiss.
fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    text.chars().take(80).map(plain).collect()
}

/// The list that the framework takes to blend shards: weights are their tokens.
fn blend(dir: &Path, manifest: &Manifest) -> Result<Option<Written>> {
    let shards = manifest.shards.iter().filter(|s| !s.group.ends_with("_val"));
    let (name, text) = match manifest.format {
        Format::Megatron => ("blend.txt", shards.map(|s| format!("{} {}\n", s.tokens, s.name)).collect::<String>()),
        Format::Olmo => ("mix.txt", shards.map(|s| format!("{},{}.npy\n", s.group, s.name)).collect()),
        Format::Datatrove => {
            let weights: BTreeMap<String, u64> = shards.map(|s| (format!("{}.ds", s.name), s.tokens)).collect();
            let json = serde_json::to_string_pretty(&weights);
            ("nanotron.json", json.map_err(|e| Error::bug("weights do not serialize").because(e))?)
        }
        _ => return Ok(None),
    };
    write_whole(&dir.join(name), text.as_bytes()).map(Some)
}

/// A card as the Hugging Face hub shows it.
fn card(name: &str, manifest: &Manifest) -> String {
    let size = match manifest.documents {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        100_000_000..1_000_000_000 => "100M<n<1B",
        _ => "n>1B",
    };
    let mut text = format!(
        "---\npretty_name: {name}\nsize_categories:\n- {size}\ntags:\n- tokenized\n- {}\n",
        manifest.format.name()
    );
    if manifest.format == Format::Parquet {
        text.push_str("configs:\n- config_name: default\n  data_files: \"*.parquet\"\n");
    }
    text.push_str(&format!(
        "---\n\n# {name}\n\n{} documents, {} tokens of `{}` in {} shards of the format {}. `manifest.json` names every file with \
         its digest; `documents/` says which document lies where.\n\n| source | documents | tokens |\n|---|---|---|\n",
        manifest.documents,
        manifest.tokens,
        manifest.tokenizer.name,
        manifest.shards.len(),
        manifest.format.name()
    ));
    for (source, amount) in &manifest.sources {
        text.push_str(&format!("| {source} | {} | {} |\n", amount.documents, amount.tokens));
    }
    text
}

/// Rows of an index that are written together.
const ROWS: usize = 1 << 15;

/// Which document lies where in a shard, as Parquet: exclusive end in tokens, id, source and place of each stretch of
/// tokens, and for a sample the digest of its text; padding has none but the first.
struct DocumentIndex {
    encoder: GroupEncoder,
    file: GroupWriter,
    rows: Vec<(u64, Option<Origin>)>,
}

impl DocumentIndex {
    fn create(path: &Path) -> Result<Self> {
        let columns = vec![
            ("end".to_owned(), ColumnType::I64),
            ("id".to_owned(), ColumnType::Str),
            ("source".to_owned(), ColumnType::Str),
            ("place".to_owned(), ColumnType::Str),
            ("text_xxh3".to_owned(), ColumnType::Str),
        ];
        let (encoder, file) = (GroupEncoder::new(&columns)?, GroupWriter::create(path, &columns)?);
        Ok(Self { encoder, file, rows: Vec::new() })
    }

    fn push(&mut self, end: u64, of: Option<&Origin>) -> Result<()> {
        self.rows.push((end, of.cloned()));
        if self.rows.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let ids: Vec<Option<String>> =
            rows.iter().map(|(_, of)| of.as_ref().map(|o| format!("{:032x}", o.id))).collect();
        let text = |of: &Origin| (of.text != 0).then(|| format!("{:016x}", of.text));
        let texts: Vec<Option<String>> = rows.iter().map(|(_, of)| of.as_ref().and_then(text)).collect();
        let group = self.encoder.encode(&[
            ColumnRef::I64(rows.iter().map(|(end, _)| Some(*end as i64)).collect()),
            ColumnRef::Str(ids.iter().map(Option::as_deref).collect()),
            ColumnRef::Str(rows.iter().map(|(_, of)| of.as_ref().map(|o| &*o.source)).collect()),
            ColumnRef::Str(rows.iter().map(|(_, of)| of.as_ref().map(|o| &*o.place)).collect()),
            ColumnRef::Str(texts.iter().map(Option::as_deref).collect()),
        ])?;
        self.file.append(group)
    }

    fn finish(mut self) -> Result<Written> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.file.finish()
    }
}

/// A folder of shards, to be read.
pub struct ShardDir {
    dir: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl ShardDir {
    /// Whether `dir` is a folder of shards.
    pub fn is(dir: &Path) -> bool {
        dir.join(MANIFEST).is_file()
    }

    /// Opens the folder `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let hint = "give the folder that the writer `tokens` wrote";
        let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, e).hint(hint))?;
        let manifest = serde_json::from_slice(&bytes).map_err(|e| {
            Error::world(format!("`{}` is no manifest of token shards: {e}", path.display())).hint(hint)
        })?;
        Ok(Self { dir: dir.to_owned(), manifest })
    }

    /// The shard called `name`, with or without an ending, or the first.
    pub fn shard(&self, name: Option<&str>) -> Result<&ShardSummary> {
        let Some(name) = name else {
            return self.manifest.shards.first().ok_or_else(|| Error::world("the folder has no shards"));
        };
        let found = self.manifest.shards.iter().find(|s| s.name == name || s.files.iter().any(|f| f.name == name));
        found.ok_or_else(|| {
            let names: Vec<&str> = self.manifest.shards.iter().map(|s| s.name.as_str()).take(5).collect();
            Error::world(format!("`{}` has no shard `{name}`", self.dir.display()))
                .hint(format!("its shards are {}", names.join(", ")))
        })
    }

    /// Which document lies where in `shard`: stretches of tokens, in order.
    pub fn segments(&self, shard: &ShardSummary) -> Result<Vec<Segment>> {
        let path = self.dir.join(DOCUMENTS).join(format!("{}.parquet", shard.name));
        let file = ParquetFile::open(&path)?;
        let damaged = || Error::world(format!("`{}` is no index of documents", path.display()));
        let (mut all, mut start) = (Vec::new(), 0u64);
        for group in 0..file.groups() {
            let columns = file.columns(group).map_err(|_| damaged())?;
            let mut columns = columns.into_iter().map(|(_, column)| column);
            let (
                Some(Column::I64(ends)),
                Some(Column::Str(ids)),
                Some(Column::Str(sources)),
                Some(Column::Str(places)),
                Some(Column::Str(texts)),
            ) = (columns.next(), columns.next(), columns.next(), columns.next(), columns.next())
            else {
                return Err(damaged());
            };
            let texts = texts.into_iter().map(|t| t.and_then(|t| u64::from_str_radix(&t, 16).ok()).unwrap_or(0));
            for ((((end, id), source), place), text) in ends.into_iter().zip(ids).zip(sources).zip(places).zip(texts) {
                let end = end.and_then(|e| u64::try_from(e).ok()).filter(|e| *e >= start).ok_or_else(damaged)?;
                let of = id.and_then(|id| u128::from_str_radix(&id, 16).ok()).map(|id| Origin {
                    id,
                    source: source.unwrap_or_default().into(),
                    place: place.unwrap_or_default().into(),
                    text,
                });
                all.push(Segment { tokens: end - start, of });
                start = end;
            }
        }
        Ok(all)
    }

    /// The ids of `shard`, to be read.
    pub fn ids(&self, shard: &ShardSummary) -> Result<Ids> {
        let format = self.manifest.format;
        let (ending, header) = format.payload().ok_or_else(|| {
            Error::world(format!("shards of the format {} cannot be read back", format.name())).hint(
                "write `megatron`, `olmo`, `datatrove`, `nanogpt`, `llmc` or `numpy`; `tamis export` makes the others from these",
            )
        })?;
        let path = self.dir.join(format!("{}{ending}", shard.name));
        let file = std::fs::File::open(&path).map_err(|e| Error::io("open", &path, e))?;
        Ok(Ids { path, file, header, width: self.manifest.dtype })
    }

    /// The tokenizer that lies in the folder.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        Tokenizer::load(&self.dir.join(&self.manifest.tokenizer.name), false)
    }

    /// Writes the same documents in another format, without encoding them again. Gives the files.
    pub fn export(&self, format: Format, dir: &Path, shard_size: Option<u64>) -> Result<Vec<Written>> {
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(
                Error::world(format!("the folder `{}` is not empty", dir.display())).hint("give another with `--dir`")
            );
        }
        let manifest = &self.manifest;
        let vocabulary = Vocabulary { path: self.dir.join(&manifest.tokenizer.name), ..manifest.tokenizer.clone() };
        let packing = manifest.packing.as_ref().map(|p| Pack { length: p.length, how: p.how, pad_token: None });
        let largest = manifest.shards.iter().map(|s| s.tokens).max().unwrap_or(0);
        let width = format.width(vocabulary.size, None)?;
        let mut writer = ShardWriter::new(ShardSpec {
            dir: dir.to_owned(),
            name: manifest.shards.first().map_or("tokens", |s| s.group.as_str()).to_owned(),
            format,
            // Shards hold what they held.
            shard_size: shard_size.unwrap_or(largest * width.bytes() as u64),
            width,
            vocabulary: Arc::new(vocabulary),
            pack: packing.map(|pack| (pack, 0)),
            per_source: false,
            validation: 0.0,
            shuffle: manifest.shuffle,
        });
        for shard in &manifest.shards {
            let mut ids = self.ids(shard)?;
            let segments = self.segments(shard)?;
            // llm.c finds training and validation by name.
            let named = shard.group.ends_with("_train") || shard.group.ends_with("_val");
            let group = match format {
                Format::Llmc if !named => format!("{}_train", shard.group),
                _ => shard.group.clone(),
            };
            let mut at = 0;
            let mut rest = segments.as_slice();
            while !rest.is_empty() {
                let of_item = match &manifest.packing {
                    None => 1,
                    Some(packing) => segments_of_row(rest, packing.length as u64),
                };
                let (item, after) = rest.split_at(of_item.min(rest.len()));
                rest = after;
                let tokens = item.iter().map(|s| s.tokens).sum::<u64>();
                let row = ids.read(at, tokens)?;
                at += tokens;
                writer.push_item(&group, &Item { ids: &row, segments: item })?;
            }
        }
        let packing = manifest.packing.as_ref().map(|p| (p.length, p.how));
        writer.finish_as(packing, Some(manifest)).map(|(written, _)| written)
    }

    /// Reads everything again: digests, ids below the vocabulary's size, boundaries, that documents decode to text, and a
    /// sample to the text it was made of.
    pub fn verify(&self) -> Result<Verified> {
        let mut found = Verified::default();
        let tokenizer = self.tokenizer()?;
        for shard in &self.manifest.shards {
            for file in &shard.files {
                let path = self.dir.join(&file.name);
                match crate::io::atomic::digest(&path) {
                    Err(error) => found.wrong.push(error.to_string()),
                    Ok((xxh3, bytes)) if bytes != file.bytes || format!("{xxh3:016x}") != file.xxh3 => {
                        found.wrong.push(format!("`{}` has other bytes than the manifest says", path.display()));
                    }
                    Ok(_) => {}
                }
            }
            if self.manifest.format.payload().is_some() {
                self.verify_ids(shard, &tokenizer, &mut found)?;
            }
        }
        Ok(found)
    }

    fn verify_ids(&self, shard: &ShardSummary, tokenizer: &Tokenizer, found: &mut Verified) -> Result<()> {
        let wrong = &mut found.wrong;
        let segments = match self.segments(shard) {
            Ok(segments) => segments,
            Err(error) => {
                wrong.push(error.to_string());
                return Ok(());
            }
        };
        let mut ids = self.ids(shard)?;
        let (indexed, there) = (segments.iter().map(|s| s.tokens).sum::<u64>(), ids.tokens()?);
        if indexed != there {
            wrong.push(format!("`{}` has {there} tokens, and its index {indexed}", shard.name));
            return Ok(());
        }
        let mut at = 0;
        for (number, segment) in segments.iter().enumerate() {
            let document = ids.read(at, segment.tokens)?;
            if let Some(id) = document.iter().find(|id| **id >= self.manifest.tokenizer.size) {
                wrong.push(format!("`{}` has the id {id} in document {number}, beyond the vocabulary", shard.name));
                return Ok(());
            }
            // Decoding is slow: the sample and every hundredth document are read as text. Pieces may begin within a character.
            let known = segment.of.as_ref().map_or(0, |of| of.text);
            if segment.of.is_some() && (known != 0 || number % 100 == 0) {
                let text = tokenizer.decode(self.manifest.tokenizer.inner(&document));
                let damaged = text.matches('\u{fffd}').count();
                if known != 0 {
                    found.compared += 1;
                    if text_digest(&text) != known {
                        wrong.push(format!(
                            "document {number} of `{}` decodes to another text than its own",
                            shard.name
                        ));
                    }
                } else if damaged * 4 > text.chars().count() {
                    wrong.push(format!("document {number} of `{}` does not decode to text", shard.name));
                }
            }
            at += segment.tokens;
        }
        Ok(())
    }
}

/// What was found by reading shards again.
#[derive(Debug, Default)]
pub struct Verified {
    /// What is wrong, a sentence each.
    pub wrong: Vec<String>,
    /// Documents whose ids were decoded and held against the digest of their text.
    pub compared: u64,
}

/// The digest by which a document's text is known again; never 0.
pub fn text_digest(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes()).max(1)
}

/// How many stretches make up a row of `length` tokens.
fn segments_of_row(segments: &[Segment], length: u64) -> usize {
    let mut tokens = 0;
    let within = segments.iter().take_while(|s| {
        let more = tokens < length;
        tokens += s.tokens;
        more
    });
    within.count().max(1)
}

/// The ids of a shard.
pub struct Ids {
    path: PathBuf,
    file: std::fs::File,
    header: u64,
    width: Width,
}

impl Ids {
    /// How many there are.
    pub fn tokens(&self) -> Result<u64> {
        let bytes = self.file.metadata().map_err(|e| Error::io("read", &self.path, e))?.len();
        Ok(bytes.saturating_sub(self.header) / self.width.bytes() as u64)
    }

    /// The ids from `at` on, `tokens` of them.
    pub fn read(&mut self, at: u64, tokens: u64) -> Result<Vec<u32>> {
        let width = self.width.bytes() as u64;
        let io = |e| Error::io("read", &self.path, e);
        self.file.seek(SeekFrom::Start(self.header + at * width)).map_err(io)?;
        let mut bytes = Vec::new();
        (&self.file).take(tokens * width).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 != tokens * width {
            return Err(Error::world(format!("`{}` is cut short", self.path.display()))
                .hint("`tamis verify` says which files are damaged"));
        }
        let mut ids = Vec::with_capacity(tokens as usize);
        self.width.read(&bytes, &mut ids);
        Ok(ids)
    }
}
