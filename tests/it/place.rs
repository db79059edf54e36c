//! A folder of its own for each test, and tamis run in it as a user would.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tamis::run::{Layout, LedgerRow, Receipt, read_ledger};

/// The repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own.
pub struct Place(tempfile::TempDir);

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    /// Panics unless the command succeeded.
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }
}

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tamis"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub fn tamis(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The shipped quickstart on the shipped fixtures, written into this folder.
    pub fn quickstart(&self, command: &str, more: &[&str]) -> Command {
        let root = repository();
        let pipeline = root.join("pipelines/quickstart.yaml");
        let fixtures = format!("fixtures={}", root.join("fixtures").display());
        let mut command = self.command(&[command]);
        command.arg(pipeline).args(["--set", &fixtures]).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run_quickstart(&self, more: &[&str]) -> Ran {
        let output = self.quickstart("run", more).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Names and digests of all files under these folders.
    pub fn digest(&self, folders: &[&str]) -> String {
        let mut text = String::new();
        for path in folders.iter().flat_map(|folder| files(&self.path(folder))) {
            let name = path.strip_prefix(self.0.path()).unwrap().display().to_string();
            let bytes = std::fs::read(&path).unwrap();
            text.push_str(&format!("{name} {:032x}\n", xxhash_rust::xxh3::xxh3_128(&bytes)));
        }
        assert!(!text.is_empty());
        text
    }

    /// The receipts of a run.
    pub fn receipts(&self, run: &str) -> Vec<Receipt> {
        let paths = files(&self.path(run).join("receipts"));
        paths.iter().map(|p| serde_json::from_slice(&std::fs::read(p).unwrap()).unwrap()).collect()
    }

    /// The rows of a run's ledger.
    pub fn ledger(&self, run: &str) -> Vec<LedgerRow<'static>> {
        let mut rows = Vec::new();
        let dir = Layout::at(&self.path(run)).ledger("x");
        for path in files(dir.parent().unwrap()) {
            read_ledger(&path, &mut |row| {
                let json = serde_json::to_string(row).unwrap();
                let text: &'static str = Box::leak(json.into_boxed_str());
                rows.push(serde_json::from_str(text).unwrap());
                true
            })
            .unwrap();
        }
        rows
    }

    /// Every split's account is closed: read = kept + dropped + quarantined.
    pub fn assert_balanced(&self, run: &str) {
        let receipts = self.receipts(run);
        assert!(!receipts.is_empty());
        for receipt in receipts {
            assert!(receipt.tally.balances(), "{}: {:?}", receipt.task, receipt.tally);
        }
    }

    /// The `text` members of the JSON lines written under `out`, in order.
    pub fn texts(&self, out: &str) -> Vec<String> {
        let lines = self.lines(out);
        lines.iter().map(|l| l["text"].as_str().unwrap().to_owned()).collect()
    }

    /// The uncompressed JSON lines written under `out`, in order.
    pub fn lines(&self, out: &str) -> Vec<serde_json::Value> {
        let mut all = Vec::new();
        for path in files(&self.path(out)).iter().filter(|p| p.extension().is_some_and(|e| e == "jsonl")) {
            let text = std::fs::read_to_string(path).unwrap();
            all.extend(text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()));
        }
        all
    }
}

/// All files under `dir`, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(|e| e.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}
