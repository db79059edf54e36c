//! MosaicML Streaming's MDS, version 2: number of samples, absolute offsets, the shard's configuration as JSON, samples.
//! A sample is the lengths of its columns and then their bytes, columns by name.

use serde_json::{Value, json};

use super::super::payload::Width;
use super::{Item, Shard, ShardPlace, ShardSummary, Spool, offsets};
use crate::error::{Error, Result};
use crate::io::atomic::{Written, write_whole};
use std::path::Path;

/// Names and encodings, by name.
fn columns(width: Width, packed: bool) -> Vec<(&'static str, &'static str)> {
    let ids = if width == Width::U16 { "ndarray:uint16" } else { "ndarray:uint32" };
    if packed {
        vec![("cu_seqlens", "ndarray:int32"), ("input_ids", ids)]
    } else {
        vec![("id", "str"), ("input_ids", ids), ("source", "str")]
    }
}

fn config(width: Width, packed: bool) -> Value {
    let columns = columns(width, packed);
    json!({
        "column_encodings": columns.iter().map(|c| c.1).collect::<Vec<_>>(),
        "column_names": columns.iter().map(|c| c.0).collect::<Vec<_>>(),
        "column_sizes": columns.iter().map(|_| Value::Null).collect::<Vec<_>>(),
        "compression": null, "format": "mds", "hashes": [], "size_limit": null, "version": 2,
    })
}

/// A shard being written.
pub struct Mds {
    place: ShardPlace,
    spool: Spool,
    lengths: Vec<u32>,
}

impl Mds {
    /// Begins a shard.
    pub fn create(place: ShardPlace) -> Result<Self> {
        Ok(Self { spool: Spool::create(&place.dir)?, place, lengths: Vec::new() })
    }
}

/// One dimension: its code, the length in as few bytes as it needs, the values.
fn array(length: usize, values: &[u8]) -> Vec<u8> {
    let (code, bytes) = match length {
        0..=0xff => (0u8, 1),
        0x100..=0xffff => (1, 2),
        0x1_0000..=0xffff_ffff => (2, 4),
        _ => (3, 8),
    };
    let mut out = vec![1 << 2 | code];
    out.extend((length as u64).to_le_bytes().into_iter().take(bytes));
    out.extend_from_slice(values);
    out
}

impl Shard for Mds {
    fn push(&mut self, item: &Item<'_>) -> Result<()> {
        let mut ids = Vec::new();
        self.place.width.append(item.ids, &mut ids)?;
        let ids = array(item.ids.len(), &ids);
        let first = item.segments.first().and_then(|s| s.of.as_ref());
        let columns = if self.place.row.is_some() {
            let boundaries = item.boundaries();
            let values: Vec<u8> = boundaries.iter().flat_map(|b| b.to_le_bytes()).collect();
            vec![array(boundaries.len(), &values), ids]
        } else {
            let id = first.map(|o| format!("{:032x}", o.id)).unwrap_or_default();
            vec![id.into_bytes(), ids, first.map(|o| o.source.as_bytes().to_vec()).unwrap_or_default()]
        };
        let mut length = 0usize;
        for column in &columns {
            length += column.len() + 4;
            self.spool.write(&(column.len() as u32).to_le_bytes())?;
        }
        columns.iter().try_for_each(|column| self.spool.write(column))?;
        self.lengths.push(u32::try_from(length).map_err(|_| {
            Error::world("a document has more than 4 GiB of ids").hint("give `encode` a `max_tokens` and `long: split`")
        })?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        let config = config(self.place.width, self.place.row.is_some()).to_string();
        let mut header = (self.lengths.len() as u32).to_le_bytes().to_vec();
        header.extend(offsets(&self.lengths, 4 + 4 * (self.lengths.len() + 1) + config.len())?);
        header.extend_from_slice(config.as_bytes());
        Ok(vec![self.spool.commit(&self.place.path(".mds"), &header)?])
    }
}

/// `index.json`: every shard with its configuration.
pub fn index(dir: &Path, shards: &[ShardSummary], width: Width) -> Result<Written> {
    let shards = shards.iter().filter_map(|shard| {
        let file = shard.files.first()?;
        let mut entry = config(width, shard.packed);
        entry["raw_data"] = json!({ "basename": file.name, "bytes": file.bytes, "hashes": {} });
        entry["samples"] = shard.items.into();
        entry["zip_data"] = Value::Null;
        Some(entry)
    });
    let index = json!({ "shards": shards.collect::<Vec<_>>(), "version": 2 });
    write_whole(&dir.join("index.json"), index.to_string().as_bytes())
}
