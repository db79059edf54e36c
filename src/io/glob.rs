//! Patterns → files, sorted by the bytes of their paths.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result};

/// A file that a pattern found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its modification time, nanoseconds since 1970.
    pub mtime_ns: u64,
}

/// The files that `patterns` name, each once, sorted. A pattern that names none is an error.
pub fn expand(patterns: &[String]) -> Result<Vec<FileEntry>> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let before = paths.len();
        let found = glob::glob(pattern).map_err(|e| {
            Error::pipeline(format!("`{pattern}` is no pattern: {}", e.msg)).hint("`*`, `?`, `[ab]` and `**/` match")
        })?;
        for path in found {
            let path = path.map_err(|e| Error::io("list", e.path(), std::io::Error::from(e.error().kind())))?;
            if path.is_file() {
                paths.push(path);
            }
        }
        if paths.len() == before {
            return Err(nothing(pattern));
        }
    }
    paths.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    paths.dedup();
    paths.into_iter().map(entry).collect()
}

/// Size and time of the file at `path`.
pub fn entry(path: PathBuf) -> Result<FileEntry> {
    let meta = std::fs::metadata(&path).map_err(|e| Error::io("open", &path, e))?;
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    Ok(FileEntry { size: meta.len(), mtime_ns: modified.map_or(0, |t| t.as_nanos() as u64), path })
}

fn nothing(pattern: &str) -> Error {
    if Path::new(pattern).is_dir() {
        return Error::pipeline(format!("`{pattern}` is a folder")).hint(format!(
            "write `{}/*` for the files in it, or `{}/**/*` for those in its folders too",
            pattern.trim_end_matches('/'),
            pattern.trim_end_matches('/')
        ));
    }
    let error = Error::pipeline(format!("no file matches `{pattern}`"));
    let there = Path::new(pattern).ancestors().skip(1).find(|p| p.is_dir());
    match there {
        Some(dir) if !dir.as_os_str().is_empty() => {
            error.hint(format!("`{}` is there; look what it holds", dir.display()))
        }
        _ => error.hint("paths are relative to the folder the command is run in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_sorted_and_once_and_nothing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a.txt", "sub/c.txt"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let pattern = |p: &str| dir.path().join(p).to_string_lossy().into_owned();
        let names = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|p| pattern(p)).collect();
            expand(&patterns).map(|f| {
                f.iter().map(|f| f.path.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
            })
        };
        assert_eq!(names(&["*.txt", "a.txt"]).unwrap(), ["a.txt", "b.txt"]);
        assert_eq!(names(&["**/*"]).unwrap(), ["a.txt", "b.txt", "c.txt"]);
        assert!(names(&["*.gz"]).unwrap_err().message.starts_with("no file matches"));
        assert!(names(&["sub"]).unwrap_err().hint.unwrap().contains("/**/*"));
    }
}
