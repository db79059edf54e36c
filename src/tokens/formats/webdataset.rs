//! WebDataset's tar files (USTAR, no clock, no owner): for each item `NUMBER.input_ids.npy` and `NUMBER.json`.

use std::io::BufWriter;

use serde_json::json;

use super::super::payload::Width;
use super::{Item, Shard, ShardPlace};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};

/// A tar file being written.
pub struct Webdataset {
    place: ShardPlace,
    tar: tar::Builder<BufWriter<AtomicFile>>,
    items: u64,
}

impl Webdataset {
    /// Begins a tar file.
    pub fn create(place: ShardPlace) -> Result<Self> {
        let file = AtomicFile::create(&place.path(".tar"))?;
        Ok(Self { place, tar: tar::Builder::new(BufWriter::with_capacity(1 << 20, file)), items: 0 })
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let path = self.place.path(".tar");
        self.tar.append_data(&mut header, name, bytes).map_err(|e| Error::io("write", &path, e))
    }
}

impl Shard for Webdataset {
    fn push(&mut self, item: &Item<'_>) -> Result<()> {
        let kind = if self.place.width == Width::U16 { "<u2" } else { "<u4" };
        let mut array = super::payload::npy(kind, &format!("({},)", item.ids.len()))?;
        self.place.width.append(item.ids, &mut array)?;
        let documents: Vec<_> = item
            .segments
            .iter()
            .map(|s| match &s.of {
                Some(of) => json!({ "id": format!("{:032x}", of.id), "source": &*of.source, "place": &*of.place,
                    "tokens": s.tokens }),
                None => json!({ "padding": s.tokens }),
            })
            .collect();
        let about = json!({ "documents": documents }).to_string();
        let name = format!("{:09}", self.items);
        self.member(&format!("{name}.input_ids.npy"), &array)?;
        self.member(&format!("{name}.json"), about.as_bytes())?;
        self.items += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        let path = self.place.path(".tar");
        let out = self.tar.into_inner().map_err(|e| Error::io("write", &path, e))?;
        Ok(vec![out.into_inner().map_err(|e| Error::io("write", &path, e.into_error()))?.commit()?])
    }
}
