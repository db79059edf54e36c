//! What a stage may ask for while it is built: fields, resource files, names.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::doc::{AS_READ, Field, FieldTable, FieldType, INNER, Typed};
use crate::error::{Error, Kind, Result};
use crate::io::mapped::Mapped;
use crate::tokens::Vocabulary;

/// Which fields are there at a place in a flow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Written by a stage before.
    pub written: BTreeSet<String>,
    /// Whether a reader upstream can load any field by name (JSONL, Parquet …).
    pub open: bool,
    /// The vocabularies that tokens written before are of: writers choose the width of ids by it.
    pub vocabularies: BTreeSet<Vocabulary>,
    /// Whether a step before could not be built, so that nobody knows what it would have written.
    pub broken: bool,
}

/// A file a stage needs (a model, a list): its path, and a digest that is part of the fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// As given in the settings.
    pub path: PathBuf,
    /// xxh3-128 of its bytes.
    pub digest: u128,
}

/// What the steps of one plan share: a model that three flows use is read, digested and understood once.
#[derive(Clone, Default)]
pub struct Shared(Rc<RefCell<SharedTables>>);

#[derive(Default)]
struct SharedTables {
    digests: BTreeMap<PathBuf, u128>,
    loaded: BTreeMap<(u128, TypeId), Arc<dyn Any + Send + Sync>>,
}

/// The building site of one step.
pub struct Build<'a> {
    /// The step's label: its `as`, or the stage's name.
    pub label: &'a str,
    /// The flow's name: what documents of its readers carry as source.
    pub flow: &'a str,
    /// Whether the step is in `mode: annotate`: measures become fields, and nothing is dropped.
    pub annotate: bool,
    /// Whether whoever runs the pipeline lets it run programs and load libraries.
    pub allow_exec: bool,
    /// Bytes of memory this stage may use, from `limits.memory`.
    pub memory: u64,
    table: &'a mut FieldTable,
    scope: &'a mut Scope,
    resources: Vec<Resource>,
    loads: BTreeSet<String>,
    notes: Vec<String>,
    executes: Vec<String>,
    shared: Shared,
}

/// What a step asked for while it was built.
#[derive(Debug, Default)]
pub struct Requests {
    /// Files it needs.
    pub resources: Vec<Resource>,
    /// Fields that the readers upstream must load.
    pub loads: BTreeSet<String>,
    /// What the plan should say of it.
    pub notes: Vec<String>,
    /// What it runs that is no part of tamis, as words that follow its name.
    pub executes: Vec<String>,
}

impl<'a> Build<'a> {
    /// A building site over the plan's field table and the flow's scope.
    pub fn new(label: &'a str, flow: &'a str, table: &'a mut FieldTable, scope: &'a mut Scope) -> Self {
        Self {
            label,
            flow,
            annotate: false,
            allow_exec: false,
            memory: 1 << 30,
            table,
            scope,
            resources: Vec::new(),
            loads: BTreeSet::new(),
            notes: Vec::new(),
            executes: Vec::new(),
            shared: Shared::default(),
        }
    }

    /// Shares what it loads with the other steps of a plan.
    pub fn sharing(mut self, shared: &Shared) -> Self {
        self.shared = shared.clone();
        self
    }

    /// A field this stage reads. An error if nothing before writes it.
    pub fn reads<T: Typed>(&mut self, name: &str) -> Result<Field<T>> {
        // Readers load no tokens: what reads them needs a step that makes them.
        self.can_read(name, T::TYPE != FieldType::Tokens)?;
        self.loads_if_open(name);
        self.field(name)
    }

    /// The member `name` of the input as it stands there, whatever its type: as JSON. An error if no reader can have it.
    pub fn reads_as_it_stands(&mut self, name: &str) -> Result<Field<String>> {
        self.can_read(name, true)?;
        let name = format!("{AS_READ}{name}");
        self.loads_if_open(&name);
        self.field(&name)
    }

    /// Whether a stage before writes this field.
    pub fn is_written(&self, name: &str) -> bool {
        self.scope.written.contains(name)
    }

    fn can_read(&self, name: &str, loaded: bool) -> Result<()> {
        let there = self.scope.written.contains(name) || (self.scope.open && loaded);
        if !there {
            let near = nearest(name, self.scope.written.iter().map(String::as_str));
            let error =
                self.missing(format!("`{}` reads the field `{name}`, but nothing before it writes it", self.label));
            return Err(match near {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if self.scope.written.is_empty() => error.hint("no step before writes any field"),
                None => error.hint(format!(
                    "the fields written before are {}",
                    self.scope.written.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ")
                )),
            });
        }
        Ok(())
    }

    /// A field this stage writes.
    pub fn writes<T: Typed>(&mut self, name: &str) -> Result<Field<T>> {
        self.scope.written.insert(name.to_owned());
        self.field(name)
    }

    /// A field this stage leaves for itself, from one look at the corpus to the next: no reader loads it, no writer writes it.
    pub fn inner<T: Typed>(&mut self, name: &str) -> Result<Field<T>> {
        self.field(&format!("{INNER}{}.{name}", self.label))
    }

    /// A field the input may hold, loaded if it is there.
    pub fn may_read<T: Typed>(&mut self, name: &str) -> Result<Field<T>> {
        self.loads_if_open(name);
        self.field(name)
    }

    /// Says that documents from here on may carry any field of their input, loaded when a later stage reads it.
    pub fn opens(&mut self) {
        self.scope.open = true;
    }

    /// Says of which vocabulary the tokens are that this stage writes.
    pub fn writes_tokens_of(&mut self, vocabulary: Vocabulary) {
        self.scope.vocabularies = BTreeSet::from([vocabulary]);
    }

    /// The vocabulary of the tokens written before. An error if they are of two.
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        let mut all = self.scope.vocabularies.iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Ok(one.clone()),
            (Some(one), Some(other)) => Err(Error::pipeline(format!(
                "`{}` gets tokens of two vocabularies, `{}` and `{}`",
                self.label,
                one.path.display(),
                other.path.display()
            ))
            .hint("encode after the flows are joined, or write each to a folder of its own")),
            (None, _) => Err(self
                .missing(format!("`{}` gets tokens of no known vocabulary", self.label))
                .hint("add the step `encode: { tokenizer: … }` before it")),
        }
    }

    /// An error about something that no step before left.
    fn missing(&self, message: String) -> Error {
        Error::new(if self.scope.broken { Kind::Follows } else { Kind::Pipeline }, message)
    }

    /// A file this stage needs. An error naming it if it is not there.
    pub fn resource(&mut self, path: impl AsRef<Path>) -> Result<Resource> {
        let path = path.as_ref();
        let known = self.shared.0.borrow().digests.get(path).copied();
        let digest = match known {
            Some(digest) => digest,
            None => xxhash_rust::xxh3::xxh3_128(self.map(path)?.bytes()),
        };
        self.shared.0.borrow_mut().digests.insert(path.to_owned(), digest);
        let resource = Resource { path: path.to_owned(), digest };
        self.resources.push(resource.clone());
        Ok(resource)
    }

    /// What `read` makes of a file this stage needs: once for all steps that read the same bytes as the same type.
    pub fn load<T: Send + Sync + 'static>(
        &mut self,
        path: impl AsRef<Path>,
        read: impl FnOnce(Mapped) -> Result<T>,
    ) -> Result<Arc<T>> {
        let resource = self.resource(path)?;
        let key = (resource.digest, TypeId::of::<T>());
        let known = self.shared.0.borrow().loaded.get(&key).cloned();
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return Ok(known);
        }
        let loaded = Arc::new(read(self.map(&resource.path)?)?);
        self.shared.0.borrow_mut().loaded.insert(key, loaded.clone());
        Ok(loaded)
    }

    fn map(&self, path: &Path) -> Result<Mapped> {
        let missing = |why: String| {
            Error::pipeline(format!("`{}` needs the file `{}`: {why}", self.label, path.display()))
                .hint("paths are relative to the folder the command is run in")
        };
        let is_file = std::fs::metadata(path).map_err(|e| missing(e.to_string()))?.is_file();
        if is_file { Mapped::open(path) } else { Err(missing("it is a folder".into())) }
    }

    /// A field this stage reads if something before writes it.
    pub fn reads_if_written<T: Typed>(&mut self, name: &str) -> Result<Option<Field<T>>> {
        if self.scope.written.contains(name) { self.field(name).map(Some) } else { Ok(None) }
    }

    /// Tells the user something about this step, in the plan and in the account of the run.
    pub fn notes(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Says that this step executes what is no part of tamis: `what` follows its name, as in ``runs the program `x` ``.
    pub fn executes(&mut self, what: String) {
        self.executes.push(what);
    }

    /// What was asked for.
    pub fn into_requests(self) -> Requests {
        Requests { resources: self.resources, loads: self.loads, notes: self.notes, executes: self.executes }
    }

    /// The fields known so far.
    pub fn table(&self) -> &FieldTable {
        self.table
    }

    fn loads_if_open(&mut self, name: &str) {
        if !self.scope.written.contains(name) {
            self.loads.insert(name.to_owned());
        }
    }

    fn field<T: Typed>(&mut self, name: &str) -> Result<Field<T>> {
        self.table.field(name).map_err(|has| {
            Error::pipeline(format!(
                "`{}` uses the field `{name}` as {}, but it holds {}",
                self.label,
                T::TYPE.name(),
                has.name()
            ))
        })
    }
}

/// The candidate most like `name`, if any is alike enough to be meant.
pub fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .map(|c| (strsim::damerau_levenshtein(name, c), c))
        .filter(|(distance, c)| *distance <= 1 + name.len().max(c.len()) / 4)
        .min()
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_understood_once_for_all_steps_of_a_plan() {
        let (mut table, mut scope, shared) = (FieldTable::default(), Scope::default(), Shared::default());
        let mut read = 0;
        let mut loaded = Vec::new();
        for label in ["one", "two"] {
            let mut cx = Build::new(label, "web", &mut table, &mut scope).sharing(&shared);
            let length = cx.load("fixtures/README.md", |file| {
                read += 1;
                Ok(file.bytes().len())
            });
            loaded.push(length.unwrap());
            assert!(cx.load("fixtures", |_| Ok(())).unwrap_err().message.contains("it is a folder"));
            assert_eq!(cx.into_requests().resources.len(), 1);
        }
        assert!(Arc::ptr_eq(&loaded[0], &loaded[1]));
        assert_eq!(read, 1);
    }

    #[test]
    fn reading_what_nobody_writes_is_an_error_with_a_hint() {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("language", "web", &mut table, &mut scope);
        cx.writes::<f64>("language_score").unwrap();
        let error = cx.reads::<f64>("langauge_score").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `language_score`?"));
        assert!(cx.reads::<String>("language_score").is_err());
        assert!(cx.reads::<f64>("language_score").is_ok());
    }
}
