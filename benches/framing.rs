//! Frames every record of WARC.gz files (no extraction): `cargo bench --bench framing -- FILE…` prints MB/s of content.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use tamis::io::warc::{Framed, members};

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let started = std::time::Instant::now();
    let (mut records, mut content) = (0u64, 0u64);
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        members(&bytes, 0..bytes.len() as u64, 64 << 20, &mut |framed| {
            if let Framed::Record(record) = framed {
                records += 1;
                content += record.block.len() as u64;
            }
        });
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{records} records, {:.1} MB, {:.1} MB/s", content as f64 / 1e6, content as f64 / 1e6 / seconds);
}
