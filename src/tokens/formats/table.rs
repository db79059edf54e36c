//! Parquet and Arrow tables: `input_ids` (signed, four bytes), and for documents `id`, `source` and `place`, for packed
//! rows `loss_mask` and `cu_seqlens`.

use super::{Format, Item, Shard, ShardPlace};
use crate::error::Result;
use crate::io::atomic::Written;
use crate::io::token_table::{TokenRow, TokenTable};

/// A table being written.
pub struct Table {
    packed: bool,
    table: TokenTable,
}

impl Table {
    /// Begins a table.
    pub fn create(format: Format, place: ShardPlace) -> Result<Self> {
        let parquet = format == Format::Parquet;
        let path = place.path(if parquet { ".parquet" } else { ".arrow" });
        let packed = place.row.is_some();
        Ok(Self { packed, table: TokenTable::create(&path, parquet, packed)? })
    }
}

impl Shard for Table {
    fn push(&mut self, item: &Item<'_>) -> Result<()> {
        let ids = item.ids.iter().map(|id| *id as i32).collect();
        let row = if self.packed {
            TokenRow::Packed { ids, mask: item.mask().collect(), boundaries: item.boundaries() }
        } else {
            let of = item.segments.first().and_then(|s| s.of.clone());
            let (id, source, place) =
                of.map(|o| (format!("{:032x}", o.id), o.source.to_string(), o.place.to_string())).unwrap_or_default();
            TokenRow::Document { ids, id, source, place }
        };
        self.table.push(row)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(vec![self.table.finish()?])
    }
}
