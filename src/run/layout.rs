//! Where things lie in a run folder.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::plan::Plan;

/// The run folder.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

/// Held while a run works in its folder; released by dropping, also when the process dies.
pub struct RunLock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] std::fs::File);

impl Layout {
    /// The layout of the run folder `root`, which need not exist.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Makes the folders.
    pub fn create(root: &Path) -> Result<Self> {
        let layout = Self::at(root);
        for name in ["receipts", "ledger", "held", "moved", "records", "links", "found", "parts"] {
            let dir = layout.root.join(name);
            std::fs::create_dir_all(&dir).map_err(|e| Error::io("create the folder", &dir, e))?;
        }
        Ok(layout)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The receipt of a task.
    pub fn receipt(&self, task: &str) -> PathBuf {
        self.root.join("receipts").join(format!("{task}.json"))
    }

    /// The ledger of a walk.
    pub fn ledger(&self, task: &str) -> PathBuf {
        self.root.join("ledger").join(format!("{task}.jsonl.zst"))
    }

    /// The documents a walk holds.
    pub fn held(&self, task: &str) -> PathBuf {
        self.root.join("held").join(format!("{task}.parquet"))
    }

    /// The documents a walk moves to other splits.
    pub fn moved(&self, task: &str) -> PathBuf {
        self.root.join("moved").join(format!("{task}.bin"))
    }

    /// The records a walk mapped for the `global`-th global stage of its pass.
    pub fn records(&self, task: &str, global: usize) -> PathBuf {
        self.root.join("records").join(format!("{task}-g{global}.rec"))
    }

    /// The links that a reduce wrote.
    pub fn links(&self, reduce: &str) -> PathBuf {
        self.root.join("links").join(format!("{reduce}.bin"))
    }

    /// The findings of a global stage.
    pub fn found(&self, finish: &str) -> PathBuf {
        self.root.join("found").join(format!("{finish}.bin"))
    }

    /// Where a writer's parts lie that are not final files.
    pub fn parts(&self, assemble: &str) -> PathBuf {
        self.root.join("parts").join(assemble)
    }

    /// What resuming needs but a finished run does not.
    pub fn intermediate_dirs(&self) -> Vec<PathBuf> {
        ["held", "moved", "records", "links", "parts"].iter().map(|d| self.root.join(d)).collect()
    }

    /// Takes the run folder for this process; an error if another run has it.
    pub fn lock(&self) -> Result<RunLock> {
        let path = self.root.join("lock");
        let file = std::fs::File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(RunLock(file)),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(Error::world(format!("another run is working in `{}`", self.root.display()))
                    .hint("wait for it, or choose another folder with `run:`"))
            }
            Err(std::fs::TryLockError::Error(e)) => Err(Error::io("lock", &path, e)),
        }
    }

    /// An error if an output folder holds files although this run folder knows of no run that wrote there: mixing two
    /// runs' shards is a loss nobody sees.
    ///
    /// Tasks of one plan may come here at the same time in processes of their own: each claims all of the plan's folders
    /// before it writes into one, so that files in a folder that nobody has claimed even now are somebody else's.
    pub fn refuse_foreign_outputs(&self, plan: &Plan) -> Result<()> {
        let claim = self.root.join("outputs.json");
        let claimed = || -> Vec<PathBuf> {
            std::fs::read(&claim).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
        };
        let mut all = claimed();
        let dirs = plan.output_dirs();
        let new: Vec<PathBuf> = dirs.into_iter().filter(|dir| !all.contains(dir)).collect();
        for dir in &new {
            if let Ok(mut entries) = std::fs::read_dir(dir)
                && let Some(Ok(entry)) = entries.next()
                && !claimed().contains(dir)
            {
                return Err(Error::world(format!(
                    "the output folder `{}` already holds files of something else, `{}` for one",
                    dir.display(),
                    entry.file_name().to_string_lossy()
                ))
                .hint("choose another `dir`, or empty the folder if nothing in it is needed"));
            }
        }
        if !new.is_empty() {
            all.extend(new);
            let json = serde_json::to_vec(&all).map_err(|e| Error::bug("paths do not serialize").because(e))?;
            crate::io::atomic::write_whole(&claim, &json)?;
        }
        Ok(())
    }
}
