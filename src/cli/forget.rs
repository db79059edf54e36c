//! `tamis forget`: takes documents out of an index, as when somebody asks to be left out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Outcome, render};
use crate::doc::DocId;
use crate::error::{Error, Result};
use crate::stage::index::{self, url_hash};

#[derive(clap::Args)]
pub(super) struct ForgetArguments {
    /// The index's folder
    index: PathBuf,
    /// A file of document ids, one a line: the 32 hexadecimal digits that the ledger and `tamis why` show
    #[arg(long, required_unless_present_any = ["id", "urls", "url"])]
    ids: Option<PathBuf>,
    /// A document's id
    #[arg(long)]
    id: Vec<String>,
    /// A file of addresses, one a line: all documents that were read at one (the field `url`) are forgotten
    #[arg(long)]
    urls: Option<PathBuf>,
    /// An address; `http` or `https`, `www.`, fragments, tracking parameters and a last slash make no difference
    #[arg(long)]
    url: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Removes the documents and says how many there were and which files were written anew.
pub(super) fn forget(arguments: &ForgetArguments) -> Outcome {
    let (mut ids, mut urls) = (HashSet::new(), HashSet::new());
    for (id, place) in given(&arguments.id, arguments.ids.as_deref(), "id")? {
        ids.insert(parse(&id, &place)?);
    }
    for (url, _) in given(&arguments.url, arguments.urls.as_deref(), "address")? {
        urls.insert(url_hash(&url));
    }
    let forgotten = index::forget(&arguments.index, |entry| ids.contains(&entry.id) || urls.contains(&entry.url))?;
    if arguments.json {
        let json = serde_json::to_value(&forgotten);
        render::json(&json.map_err(|e| Error::bug("what was forgotten does not serialize").because(e))?);
        return Ok(());
    }
    let asked: Vec<String> = [(ids.len(), "ids"), (urls.len(), "addresses")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", render::count(*count as u64)))
        .collect();
    let documents = render::count(forgotten.documents);
    render::out(&format!("{documents} documents of {} were in the index and are forgotten\n", asked.join(" and ")));
    forgotten.files.iter().for_each(|file| render::out(&format!("written anew: {}\n", file.display())));
    Ok(())
}

/// What was given one by one and in a file, each with its place for messages.
fn given(one_by_one: &[String], file: Option<&Path>, what: &str) -> Result<Vec<(String, String)>> {
    let mut all: Vec<_> = one_by_one
        .iter()
        .enumerate()
        .map(|(at, text)| (text.trim().to_owned(), format!("the {what} {}", at + 1)))
        .collect();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let place = |at| format!("line {} of `{}`", at + 1, path.display());
        all.extend(text.lines().enumerate().map(|(at, line)| (line.trim().to_owned(), place(at))));
    }
    all.retain(|(text, _)| !text.is_empty());
    Ok(all)
}

fn parse(id: &str, place: &str) -> Result<DocId> {
    DocId::parse(id).ok_or_else(|| {
        Error::pipeline(format!("{place}: `{id}` is no document id"))
            .hint("ids are 32 hexadecimal digits, as the ledger shows them")
    })
}
