//! Reading shards: their ids, which document lies where, whether all is as it was written; and writing them in another format.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::write::{ShardSpec, ShardWriter};
use super::{DOCUMENTS, MANIFEST, Manifest, text_digest};
use crate::error::{Error, Result};
use crate::io::atomic::Written;
use crate::io::columns::Column;
use crate::io::table::ParquetFile;
use crate::tokens::Tokenizer;
use crate::tokens::formats::{Format, Item, Origin, Segment, ShardSummary};
use crate::tokens::pack::Pack;
use crate::tokens::payload::Width;
use crate::tokens::vocabulary::Vocabulary;

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
