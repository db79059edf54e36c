//! `tamis stats`, `why`, `verify`: what a run did, read from its receipts and ledger.

use std::path::PathBuf;

use super::run::{Remembered, account, report};
use super::{Failure, Outcome, WORLD, render};
use crate::error::{Error, Result};
use crate::io::atomic::{Written, digest};
use crate::run::{Ending, Layout, LedgerRow, Receipt, read_ledger, summarize};
use crate::tokens::ShardDir;

/// A run folder.
#[derive(clap::Args)]
pub struct RunFolder {
    /// The run folder, such as `runs/quickstart`
    run: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `tamis why` takes.
#[derive(clap::Args)]
pub struct WhyArguments {
    /// The run folder, such as `runs/quickstart`
    run: PathBuf,
    /// A document's id (32 hexadecimal digits, or the first of them), or the file it was read from
    document: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the account of a run.
pub fn stats(arguments: &RunFolder) -> Outcome {
    let plan = Remembered::plan(&arguments.run, false)?;
    let outcome = summarize(&plan, &Layout::at(&arguments.run))?;
    if arguments.json {
        render::json(&account(&plan, &outcome));
    } else {
        render::out(&report(&plan, &outcome));
    }
    Ok(())
}

/// Says what became of a document.
pub fn why(arguments: &WhyArguments) -> Outcome {
    let dir = arguments.run.join("ledger");
    let wanted = arguments.document.as_str();
    let mut found = Vec::new();
    for path in sorted_files(&dir)? {
        read_ledger(&path, &mut |row| {
            let by_id = row.id.as_deref().is_some_and(|id| wanted.len() >= 6 && id.starts_with(wanted));
            if by_id || row.file == wanted || format!("{}#{}", row.file, row.at) == wanted {
                found.push(if arguments.json { serde_json::to_string(row).unwrap_or_default() } else { sentence(row) });
            }
            found.len() < 1000
        })?;
    }
    if found.is_empty() {
        let error = Error::world(format!(
            "the ledger of `{}` has no dropped, quarantined or redacted `{wanted}`",
            arguments.run.display()
        ));
        return Err(error
            .hint(
                "a document that is not in the ledger was kept as it was, or never read; ids are in the output and in the ledger",
            )
            .into());
    }
    found.iter().for_each(|line| render::out(&format!("{line}\n")));
    Ok(())
}

fn sentence(row: &LedgerRow<'_>) -> String {
    let ending = match row.ending {
        Ending::Dropped => "dropped by",
        Ending::Quarantined => "quarantined by",
        Ending::Redacted => "went on, redacted by",
    };
    let mut text = match &row.id {
        Some(id) if row.ending == Ending::Redacted => format!("{id} {ending} {}", row.by),
        Some(id) => format!("{id} {ending} {} because {}", row.by, row.because),
        None => format!("a record {ending} {} because {}", row.by, row.because),
    };
    match (row.number, row.limit) {
        (Some(number), Some(limit)) => text.push_str(&format!(" ({number} against {limit})")),
        (Some(number), None) => text.push_str(&format!(" ({number})")),
        _ => {}
    }
    if let Some(detail) = &row.detail {
        text.push_str(&format!(": {detail}"));
    }
    let spans: Vec<String> = row.spans.iter().map(|(what, start, end)| format!("{what} {start}..{end}")).collect();
    if !spans.is_empty() {
        text.push_str(&format!(": {} (bytes of the text it was given)", spans.join(", ")));
    }
    text.push_str(&format!("\n    read by {} from {} at {}", row.source, row.file, row.at));
    if let Some(body) = &row.text {
        let start: String = body.chars().take(200).collect();
        text.push_str(&format!("\n    {start:?}"));
    }
    text
}

fn sorted_files(dir: &std::path::Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir)
        .map_err(|e| Error::io("read the folder", dir, e).hint("give a run folder, such as `runs/quickstart`"))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')))
        .collect();
    paths.sort();
    Ok(paths)
}

/// Reads every file of a run again.
pub fn verify(arguments: &RunFolder) -> Outcome {
    if ShardDir::is(&arguments.run) {
        return super::shards::verify(&arguments.run, arguments.json);
    }
    let mut wrong = Vec::new();
    let (mut files, mut bytes) = (0u64, 0u64);
    for path in sorted_files(&arguments.run.join("receipts"))? {
        let json = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
        let receipt: Receipt = match serde_json::from_slice(&json) {
            Ok(receipt) => receipt,
            Err(e) => {
                wrong.push((path.clone(), format!("is no receipt: {e}")));
                continue;
            }
        };
        for written in receipt.outputs.iter().chain(receipt.parts.iter().flatten()) {
            files += 1;
            bytes += written.bytes;
            if let Some(what) = compare(written) {
                wrong.push((written.path.clone(), what));
            }
        }
    }
    if arguments.json {
        let list: Vec<_> = wrong.iter().map(|(p, w)| serde_json::json!({ "path": p, "wrong": w })).collect();
        render::json(&serde_json::json!({ "files": files, "bytes": bytes, "wrong": list }));
    } else {
        wrong.iter().for_each(|(path, what)| render::out(&format!("{}: {what}\n", path.display())));
        let size = crate::plan::size(bytes);
        render::out(&format!("{} files, {size}: {} differ from their receipts\n", render::count(files), wrong.len()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Code(WORLD)) }
}

fn compare(written: &Written) -> Option<String> {
    match digest(&written.path) {
        Err(error) => Some(error.to_string()),
        Ok((_, bytes)) if bytes != written.bytes => {
            Some(format!("has {bytes} bytes, its receipt says {}", written.bytes))
        }
        Ok((xxh3, _)) if xxh3 != written.xxh3 => Some("has other bytes than its receipt says".to_owned()),
        Ok(_) => None,
    }
}
