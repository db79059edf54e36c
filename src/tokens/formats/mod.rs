//! The formats that training frameworks read token shards in, one file each or one for each family. A shard is given its
//! items one by one and committed whole.

mod litdata;
mod mds;
mod payload;
mod table;
mod webdataset;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::payload::Width;
use super::vocabulary::Vocabulary;
use crate::error::{Error, Result};
use crate::io::atomic::Written;

/// What token shards are written as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Megatron-LM's `.bin` and `.idx`: also NeMo, GPT-NeoX, MaxText.
    #[default]
    Megatron,
    /// OLMo-core's raw `.npy` with document boundaries in `.csv.gz`: also MaxText.
    Olmo,
    /// datatrove's `.ds`, `.ds.index` and `.ds.metadata`, for nanotron.
    Datatrove,
    /// nanoGPT's headerless `.bin` of two-byte ids.
    Nanogpt,
    /// llm.c's `.bin` with its header of 1,024 bytes: also modded-nanogpt.
    Llmc,
    /// A true NumPy `.npy`, with the documents' ends in `.ends.npy`.
    Numpy,
    /// MosaicML Streaming's MDS.
    Mds,
    /// LitData's chunks for its `TokensLoader`.
    Litdata,
    /// WebDataset's tar files, a sample for each item.
    Webdataset,
    /// Parquet with `input_ids`: Hugging Face datasets, Grain, Ray, Spark, DuckDB.
    Parquet,
    /// Arrow IPC files with `input_ids`.
    Arrow,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 11] = [
        Self::Megatron,
        Self::Olmo,
        Self::Datatrove,
        Self::Nanogpt,
        Self::Llmc,
        Self::Numpy,
        Self::Mds,
        Self::Litdata,
        Self::Webdataset,
        Self::Parquet,
        Self::Arrow,
    ];

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Megatron => "megatron",
            Self::Olmo => "olmo",
            Self::Datatrove => "datatrove",
            Self::Nanogpt => "nanogpt",
            Self::Llmc => "llmc",
            Self::Numpy => "numpy",
            Self::Mds => "mds",
            Self::Litdata => "litdata",
            Self::Webdataset => "webdataset",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// How wide ids of a vocabulary are: as the format's readers will assume, or as asked for where they are told.
    pub fn width(self, vocab_size: u32, asked: Option<u8>) -> Result<Width> {
        let fits = vocab_size <= 1 << 16;
        let natural = match self {
            // Its readers disagree between 65,500 and 65,536: wider is safe, because the index says so.
            Self::Megatron => vocab_size < 65_500,
            _ => fits,
        };
        let width = match asked {
            None => natural,
            Some(2) => true,
            Some(4) => false,
            Some(other) => {
                return Err(Error::pipeline(format!("ids cannot be {other} bytes wide")).hint("write 2 or 4"));
            }
        };
        let of = format!("of {vocab_size} ids");
        match self {
            _ if width && !fits => Err(Error::pipeline(format!("a vocabulary {of} does not fit two bytes"))
                .hint("leave `width` out, or write `width: 4`")),
            Self::Nanogpt if !width => {
                Err(Error::pipeline(format!("nanoGPT reads ids of two bytes, and this vocabulary is one {of}"))
                    .hint("write `format: llmc` or `format: numpy`"))
            }
            Self::Olmo | Self::Datatrove if width != fits => Err(Error::pipeline(format!(
                "readers of `{}` know the width of ids from the vocabulary: {} bytes",
                self.name(),
                if fits { 2 } else { 4 }
            ))
            .hint("leave `width` out")),
            Self::Olmo if vocab_size <= 1 << 8 => {
                Err(Error::pipeline(format!("OLMo-core reads ids of one byte for a vocabulary {of}"))
                    .hint("write another format"))
            }
            _ if width => Ok(Width::U16),
            _ => Ok(Width::U32),
        }
    }

    /// A shard's file name without its ending.
    pub fn stem(self, group: &str, number: u32) -> String {
        match self {
            Self::Megatron => format!("{group}_{number:05}_text_document"),
            Self::Llmc => format!("{group}_{number:06}"),
            Self::Mds => format!("{group}.{number:05}"),
            Self::Litdata => format!("chunk-{group}-{number}"),
            _ => format!("{group}_{number:05}"),
        }
    }

    /// Ending and bytes of header of the file that holds all ids of a shard in order, if there is one: such shards can be
    /// exported to other formats, looked into and verified.
    pub fn payload(self) -> Option<(&'static str, u64)> {
        match self {
            Self::Megatron | Self::Nanogpt => Some((".bin", 0)),
            Self::Olmo => Some((".npy", 0)),
            Self::Datatrove => Some((".ds", 0)),
            Self::Llmc => Some((".bin", payload::LLMC_HEADER)),
            Self::Numpy => Some((".npy", payload::NPY_HEADER)),
            Self::Mds | Self::Litdata | Self::Webdataset | Self::Parquet | Self::Arrow => None,
        }
    }

    /// Whether a mask beside the ids of packed rows says which of them are learnt.
    pub fn masks(self) -> bool {
        matches!(self, Self::Olmo | Self::Datatrove | Self::Numpy | Self::Parquet | Self::Arrow)
    }

    /// Begins a shard.
    pub fn create(self, place: ShardPlace) -> Result<Box<dyn Shard>> {
        Ok(match self {
            Self::Mds => Box::new(mds::Mds::create(place)?),
            Self::Litdata => Box::new(litdata::Litdata::create(place)?),
            Self::Webdataset => Box::new(webdataset::Webdataset::create(place)?),
            Self::Parquet | Self::Arrow => Box::new(table::Table::create(self, place)?),
            _ => Box::new(payload::Payload::create(self, place)?),
        })
    }

    /// Writes what a folder of shards needs beside them.
    pub fn finish(self, dir: &Path, shards: &[ShardSummary], width: Width) -> Result<Vec<Written>> {
        match self {
            Self::Mds => mds::index(dir, shards, width).map(|w| vec![w]),
            Self::Litdata => litdata::index(dir, shards, width).map(|w| vec![w]),
            _ => Ok(Vec::new()),
        }
    }
}

/// A shard that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSummary {
    /// File name without its ending.
    pub name: String,
    /// The group it belongs to: train or validation, a source.
    pub group: String,
    /// Items in it: documents, or packed rows.
    pub items: u64,
    /// Tokens in it, padding included.
    pub tokens: u64,
    /// Whether rows are packed.
    pub packed: bool,
    /// Its files, with their length and digest.
    pub files: Vec<ShardFile>,
}

/// A file of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardFile {
    /// Its name in the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// xxh3-64 of its bytes, in hexadecimal.
    pub xxh3: String,
}

/// Where and as what a shard is written.
#[derive(Debug, Clone)]
pub struct ShardPlace {
    /// The folder.
    pub dir: PathBuf,
    /// The file name without its ending.
    pub stem: String,
    /// How wide ids are.
    pub width: Width,
    /// The vocabulary of the ids.
    pub vocabulary: Arc<Vocabulary>,
    /// Tokens of a row, if rows are packed.
    pub row: Option<usize>,
}

impl ShardPlace {
    /// The path with `ending`.
    pub fn path(&self, ending: &str) -> PathBuf {
        self.dir.join(format!("{}{ending}", self.stem))
    }
}

/// A stretch of tokens of one document, or padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// How many.
    pub tokens: u64,
    /// The document, unless it is padding.
    pub of: Option<Origin>,
}

/// Which document tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its id.
    pub id: u128,
    /// Its source.
    pub source: Arc<str>,
    /// Its URL, or its file and place.
    pub place: Arc<str>,
    /// xxh3-64 of the text that the tokens are of, for a sample of the documents; otherwise 0.
    pub text: u64,
}

/// One document, or one packed row.
#[derive(Debug, Clone, Copy)]
pub struct Item<'i> {
    /// The ids.
    pub ids: &'i [u32],
    /// Whose they are; together as long as `ids`.
    pub segments: &'i [Segment],
}

impl Item<'_> {
    /// For each token, whether it is to be learnt: all but padding.
    pub fn mask(&self) -> impl Iterator<Item = bool> + '_ {
        self.segments.iter().flat_map(|s| std::iter::repeat_n(s.of.is_some(), s.tokens as usize))
    }

    /// Where documents begin, and the end: what attention kernels call `cu_seqlens`.
    pub fn boundaries(&self) -> Vec<i32> {
        let mut at = 0;
        let ends = self.segments.iter().map(|s| {
            at += s.tokens as i32;
            at
        });
        std::iter::once(0).chain(ends).collect()
    }
}

/// A shard being written.
pub trait Shard {
    /// Appends an item.
    fn push(&mut self, item: &Item<'_>) -> Result<()>;
    /// Commits its files.
    fn finish(self: Box<Self>) -> Result<Vec<Written>>;
}

/// Bytes kept aside until a header is known that stands before them.
struct Spool(std::io::BufWriter<std::fs::File>, PathBuf);

impl Spool {
    fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, e))?;
        let file = tempfile::tempfile_in(dir).map_err(|e| Error::io("write in", dir, e))?;
        Ok(Self(std::io::BufWriter::with_capacity(1 << 20, file), dir.to_owned()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        std::io::Write::write_all(&mut self.0, bytes).map_err(|e| Error::io("write in", &self.1, e))
    }

    /// The file: `header`, then what was kept.
    fn commit(self, path: &Path, header: &[u8]) -> Result<Written> {
        use std::io::{Seek, Write};
        let io = |e| Error::io("write", path, e);
        let mut file = self.0.into_inner().map_err(|e| io(e.into_error()))?;
        file.rewind().map_err(io)?;
        let mut out = crate::io::atomic::AtomicFile::create(path)?;
        out.write_all(header).map_err(io)?;
        std::io::copy(&mut file, &mut out).map_err(io)?;
        out.commit()
    }
}

/// Offsets of `lengths`, each and the end, after `header` bytes; an error if they do not fit 32 bits.
fn offsets(lengths: &[u32], header: usize) -> Result<Vec<u8>> {
    let mut at = header as u64;
    let mut out = Vec::with_capacity(lengths.len() * 4 + 4);
    for length in std::iter::once(0).chain(lengths.iter().copied()) {
        at += u64::from(length);
        let offset = u32::try_from(at).map_err(|_| {
            Error::world("a shard has more than 4 GiB, and its format no room for that")
                .hint("give a smaller `shard_size`")
        })?;
        out.extend_from_slice(&offset.to_le_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_what_each_formats_readers_will_assume() {
        let width = |format: Format, vocabulary: u32, asked: Option<u8>| format.width(vocabulary, asked).ok();
        // Megatron-core has two thresholds: 65,500 where it writes, 65,536 where it reads without the index.
        assert_eq!(width(Format::Megatron, 65_499, None), Some(Width::U16));
        assert_eq!(width(Format::Megatron, 65_500, None), Some(Width::U32));
        assert_eq!(width(Format::Megatron, 65_536, Some(2)), Some(Width::U16));
        assert_eq!(width(Format::Megatron, 65_537, Some(2)), None);
        for format in [Format::Olmo, Format::Datatrove] {
            assert_eq!(width(format, 65_536, None), Some(Width::U16));
            assert_eq!(width(format, 65_537, None), Some(Width::U32));
            // Nothing in the files would tell their readers.
            assert_eq!(width(format, 50_257, Some(4)), None);
        }
        assert_eq!(width(Format::Olmo, 256, None), None);
        assert_eq!(width(Format::Nanogpt, 65_537, None), None);
        assert_eq!(width(Format::Llmc, 128_256, None), Some(Width::U32));
        assert_eq!(width(Format::Numpy, 100, Some(3)), None);
    }

    #[test]
    fn offsets_beyond_four_gibibytes_are_refused() {
        assert_eq!(offsets(&[1, 2], 8).unwrap().len(), 12);
        assert!(offsets(&[u32::MAX, 1], 8).is_err());
    }
}
