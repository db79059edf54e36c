//! LitData's chunks for its `TokensLoader`: number of items, absolute offsets, the ids of each item.
//!
//! The loader cuts a chunk into blocks and leaves its tail: large chunks lose least.

use std::path::Path;

use serde_json::json;

use super::super::payload::Width;
use super::{Item, Shard, ShardPlace, ShardSummary, Spool, offsets};
use crate::error::{Error, Result};
use crate::io::atomic::{Written, write_whole};

/// A chunk being written.
pub struct Litdata {
    place: ShardPlace,
    spool: Spool,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Litdata {
    /// Begins a chunk.
    pub fn create(place: ShardPlace) -> Result<Self> {
        Ok(Self { spool: Spool::create(&place.dir)?, place, lengths: Vec::new(), bytes: Vec::new() })
    }
}

impl Shard for Litdata {
    fn push(&mut self, item: &Item<'_>) -> Result<()> {
        self.bytes.clear();
        self.place.width.append(item.ids, &mut self.bytes)?;
        self.lengths.push(u32::try_from(self.bytes.len()).map_err(|_| {
            Error::world("a document has more than 4 GiB of ids").hint("give `encode` a `max_tokens` and `long: split`")
        })?);
        self.spool.write(&self.bytes)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        let mut header = (self.lengths.len() as u32).to_le_bytes().to_vec();
        header.extend(offsets(&self.lengths, 4 + 4 * (self.lengths.len() + 1))?);
        Ok(vec![self.spool.commit(&self.place.path(".bin"), &header)?])
    }
}

/// `index.json`: every chunk, and how ids are written.
pub fn index(dir: &Path, shards: &[ShardSummary], width: Width) -> Result<Written> {
    let chunks = shards.iter().filter_map(|shard| {
        let file = shard.files.first()?;
        Some(
            json!({ "chunk_bytes": file.bytes, "chunk_size": shard.items, "dim": shard.tokens, "filename": file.name }),
        )
    });
    // The numbers are LitData's codes for uint16 and int32.
    let format = if width == Width::U16 { "no_header_tensor:20" } else { "no_header_tensor:16" };
    let index = json!({
        "chunks": chunks.collect::<Vec<_>>(),
        "config": { "chunk_bytes": null, "chunk_size": null, "compression": null, "encryption": null,
            "data_format": [format], "data_spec": "[1, {\"type\": null, \"context\": null, \"children_spec\": []}]",
            "item_loader": "TokensLoader" },
        // No clock: equal input, equal bytes.
        "updated_at": "0",
    });
    write_whole(&dir.join("index.json"), index.to_string().as_bytes())
}
