//! Where a source file lies: its repository, and its path in it.

use std::borrow::Cow;

use super::keys::Key;
use crate::doc::{Document, Field};

/// The fields that say it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The file's path in its repository.
    pub path: Field<String>,
    /// The field that names the repository. Without it the archive that holds the file is the repository.
    pub repository: Option<Key>,
}

impl Place {
    /// The repository that holds `doc`, if anything says which.
    pub fn repository<'d>(&self, doc: &'d Document) -> Option<Cow<'d, str>> {
        let named = self.repository.and_then(|key| key.text(doc));
        named.or_else(|| doc.origin.file.split_once("!/").map(|(archive, _)| archive.into()))
    }

    /// The path of `doc`: its field, or where it was read.
    pub fn path<'d>(&self, doc: &'d Document) -> &'d str {
        let read = || match doc.origin.file.split_once("!/") {
            Some((_, member)) => member,
            None => &doc.origin.file,
        };
        doc.get(self.path).unwrap_or_else(read)
    }
}
