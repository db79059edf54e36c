//! Writing shards: documents in, files, manifest, card and lists for blending out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::documents::DocumentIndex;
use super::{Amount, DOCUMENTS, MANIFEST, Manifest, Packing};
use crate::error::{Error, Result};
use crate::io::atomic::{Written, write_whole};
use crate::tokens::formats::{Format, Item, Origin, Segment, Shard, ShardFile, ShardPlace, ShardSummary};
use crate::tokens::order::TokenDocument;
use crate::tokens::pack::{How, Pack, Packer};
use crate::tokens::payload::Width;
use crate::tokens::vocabulary::Vocabulary;

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
    pub(super) fn push_item(&mut self, name: &str, item: &Item<'_>) -> Result<()> {
        self.group(name.to_owned()).out.push(item)
    }

    /// Writes what is left, the manifest, the card and the tokenizer. Without a document there is nothing but these:
    /// readers fail on empty shards.
    pub fn finish(self) -> Result<(Vec<Written>, Manifest)> {
        let packing = self.spec.pack.as_ref().map(|(pack, _)| (pack.length, pack.how));
        self.finish_as(packing, None)
    }

    pub(super) fn finish_as(
        mut self,
        packing: Option<(usize, How)>,
        of: Option<&Manifest>,
    ) -> Result<(Vec<Written>, Manifest)> {
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
