//! `tamis forget`: takes documents out of an index, as when somebody asks to be left out.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Failure, Outcome};
use crate::doc::DocId;
use crate::error::Error;
use crate::stage::index;

#[derive(clap::Args)]
pub(super) struct ForgetArguments {
    /// The index's folder
    index: PathBuf,
    /// A file of document ids, one a line: the 32 hexadecimal digits that the ledger and `tamis why` show
    #[arg(long, required_unless_present = "id")]
    ids: Option<PathBuf>,
    /// A document's id
    #[arg(long)]
    id: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Removes the documents and says how many there were and which files were written anew.
pub(super) fn forget(arguments: &ForgetArguments) -> Outcome {
    let mut ids = HashSet::new();
    for (at, id) in arguments.id.iter().enumerate() {
        ids.insert(parse(id, &format!("the id {}", at + 1))?);
    }
    if let Some(path) = &arguments.ids {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            ids.insert(parse(line, &format!("line {} of `{}`", at + 1, path.display()))?);
        }
    }
    let forgotten = index::forget(&arguments.index, |id| ids.contains(&id))?;
    if arguments.json {
        let json = serde_json::to_string_pretty(&forgotten);
        println!("{}", json.map_err(|e| Error::bug("what was forgotten does not serialize").because(e))?);
        return Ok(());
    }
    println!("{} of {} documents were in the index and are forgotten", forgotten.documents, ids.len());
    forgotten.files.iter().for_each(|file| println!("written anew: {}", file.display()));
    Ok(())
}

fn parse(id: &str, place: &str) -> Result<DocId, Failure> {
    DocId::parse(id.trim()).ok_or_else(|| {
        let error = Error::pipeline(format!("{place}: `{id}` is no document id"));
        error.hint("ids are 32 hexadecimal digits, as the ledger shows them").into()
    })
}
