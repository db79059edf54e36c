//! `tamis export` and `tamis peek`, and what `tamis verify` does with a folder of token shards.

use std::path::{Path, PathBuf};

use super::{Failure, Outcome, WORLD, render};
use crate::error::Error;
use crate::stage::settings::ByteSize;
use crate::tokens::{Format, ShardDir, Verified};

/// What `tamis export` takes.
#[derive(clap::Args)]
pub struct ExportArguments {
    /// A folder of token shards
    shards: PathBuf,
    /// The format: megatron, olmo, datatrove, nanogpt, llmc, numpy, mds, litdata, webdataset, parquet or arrow
    #[arg(long, value_parser = format)]
    to: Format,
    /// The folder to write to; must be empty
    #[arg(long)]
    dir: PathBuf,
    /// Bytes of ids of a shard, such as `1GiB`; as they are if not given
    #[arg(long, value_parser = size)]
    shard_size: Option<u64>,
}

fn format(text: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|f| f.name() == text);
    found.ok_or_else(|| match crate::stage::nearest(text, Format::ALL.iter().map(|f| f.name())) {
        Some(near) => format!("no such format; did you mean `{near}`?"),
        None => format!("no such format; there are {}", Format::ALL.map(Format::name).join(", ")),
    })
}

fn size(text: &str) -> Result<u64, String> {
    ByteSize::parse(text).map(|size| size.0).ok_or_else(|| "write a size such as 1GiB".to_owned())
}

/// What `tamis peek` takes.
#[derive(clap::Args)]
pub struct PeekArguments {
    /// A folder of token shards, or a file of one of its shards
    shards: PathBuf,
    /// The position, in tokens from the shard's start
    #[arg(long, default_value_t = 0)]
    at: u64,
    /// Tokens shown on either side
    #[arg(long, default_value_t = 64)]
    around: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes shards in another format.
pub fn export(arguments: &ExportArguments) -> Outcome {
    let written = ShardDir::open(&arguments.shards)?.export(arguments.to, &arguments.dir, arguments.shard_size)?;
    let bytes = written.iter().map(|w| w.bytes).sum();
    render::out(&format!("{} files, {} in {}\n", written.len(), crate::plan::size(bytes), arguments.dir.display()));
    Ok(())
}

/// Shows the text around a position, and whose it is.
pub fn peek(arguments: &PeekArguments) -> Outcome {
    let path = &arguments.shards;
    let (dir, name) = if path.is_dir() {
        (path.as_path(), None)
    } else {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        (path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")), name)
    };
    let shards = ShardDir::open(dir)?;
    let shard = shards.shard(name.as_deref())?;
    if arguments.at >= shard.tokens {
        let error = Error::world(format!("`{}` has {} tokens, and none at {}", shard.name, shard.tokens, arguments.at));
        return Err(error.hint("positions count from 0 in each shard").into());
    }
    let (mut start, mut found) = (0, None);
    for segment in shards.segments(shard)? {
        let end = start + segment.tokens;
        if arguments.at < end {
            found = Some((start, end, segment));
            break;
        }
        start = end;
    }
    let (start, end, segment) = found.ok_or_else(|| Error::world("the index of documents is cut short"))?;
    let mut ids = shards.ids(shard)?;
    let from = arguments.at.saturating_sub(arguments.around).max(start);
    let to = (arguments.at + arguments.around + 1).min(end);
    let (before, after) = (ids.read(from, arguments.at - from)?, ids.read(arguments.at, to - arguments.at)?);
    let tokenizer = shards.tokenizer()?;
    let (before_text, after_text) = (tokenizer.decode(&before), tokenizer.decode(&after));
    let of = segment.of.as_ref();
    let id = of.map(|o| format!("{:032x}", o.id));
    if arguments.json {
        render::json(&serde_json::json!({
            "shard": shard.name, "at": arguments.at, "id": id, "source": of.map(|o| &*o.source),
            "place": of.map(|o| &*o.place), "start": start, "end": end, "token": after.first(),
            "before": before_text, "after": after_text,
        }));
        return Ok(());
    }
    match (of, id) {
        (Some(of), Some(id)) => render::out(&format!(
            "{} at {}: document {id} of {}\n    {}\n    tokens {start} to {end}, this is its {}\n\n",
            shard.name,
            arguments.at,
            of.source,
            of.place,
            arguments.at - start
        )),
        _ => render::out(&format!("{} at {}: padding from {start} to {end}\n\n", shard.name, arguments.at)),
    }
    render::out(&format!("{before_text}»{after_text}\n"));
    Ok(())
}

/// Reads a folder of shards again.
pub fn verify(dir: &Path, json: bool) -> Outcome {
    let shards = ShardDir::open(dir)?;
    let Verified { wrong, compared } = shards.verify()?;
    if json {
        render::json(&serde_json::json!({ "shards": shards.manifest.shards.len(), "tokens": shards.manifest.tokens,
            "compared": compared, "wrong": wrong }));
    } else {
        wrong.iter().for_each(|what| render::out(&format!("{what}\n")));
        let tokens = render::count(shards.manifest.tokens);
        let (shards, compared) = (shards.manifest.shards.len(), render::count(compared));
        render::out(&format!(
            "{shards} shards, {tokens} tokens, {compared} documents held against their text: {} wrong\n",
            wrong.len()
        ));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Code(WORLD)) }
}
