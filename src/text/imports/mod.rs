//! Which files of a repository a source file refers to, by its import statements: the edges by which repositories are put in
//! order for training (Guo et al. 2024, DeepSeek-Coder, arXiv 2401.14196, section 2.2).
//!
//! Statements are found by their form, without parsing the language, and names are looked up among the files that are there:
//! what names nothing in the repository (a library, a macro, a line in a comment) is no edge. The rules are in `rules.rs`.
//! Languages: Python, JavaScript and TypeScript, Rust, C and C++, Java, Go. Files of others refer to nothing.

mod order;
mod rules;

use std::collections::{BTreeMap, HashMap};

pub use order::dependencies_first;

use super::programming;

type Map<'p, V> = HashMap<&'p str, V, foldhash::fast::FixedState>;

/// The files that a reference to a whole folder (a Go package, a Java `*`) counts for, at most: the first by path.
const FOLDER: usize = 64;

/// The files of a repository, by their paths and the ends of these.
pub struct Files<'p> {
    paths: &'p [&'p str],
    exact: Map<'p, u32>,
    /// `b/c.py` for `a/b/c.py`; of several files the one with the shortest path.
    suffixes: Map<'p, u32>,
    folders: BTreeMap<&'p str, Vec<u32>>,
    /// As for files.
    folder_suffixes: Map<'p, &'p str>,
    /// The folder of every `go.mod`, and the module's name.
    modules: Vec<(&'p str, String)>,
}

impl<'p> Files<'p> {
    /// The files with these paths. `text` gives the text of one of them, by its number.
    pub fn new(paths: &'p [&'p str], text: &dyn Fn(usize) -> &'p str) -> Self {
        let mut files = Self {
            paths,
            exact: Map::default(),
            suffixes: Map::default(),
            folders: BTreeMap::new(),
            folder_suffixes: Map::default(),
            modules: Vec::new(),
        };
        let mut numbers: Vec<u32> = (0..paths.len() as u32).collect();
        numbers.sort_by_key(|&n| paths.get(n as usize).map(|path| (path.len(), *path)));
        for number in numbers {
            let Some(path) = paths.get(number as usize) else { continue };
            files.exact.entry(path).or_insert(number);
            for end in suffixes(path) {
                files.suffixes.entry(end).or_insert(number);
            }
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            files.folders.entry(folder).or_default().push(number);
            if name == "go.mod" {
                let module = text(number as usize).lines().find_map(|line| line.trim().strip_prefix("module "));
                files.modules.extend(module.map(|name| (folder, name.trim().trim_matches('"').to_owned())));
            }
        }
        let mut folders: Vec<&str> = files.folders.keys().copied().collect();
        folders.sort_by_key(|folder| (folder.len(), *folder));
        for folder in folders {
            for end in suffixes(folder) {
                files.folder_suffixes.entry(end).or_insert(folder);
            }
        }
        for members in files.folders.values_mut() {
            members.sort_by_key(|&n| paths.get(n as usize).copied());
        }
        files
    }

    /// The files that the file `number` refers to, ascending; never itself.
    pub fn references(&self, number: usize, text: &str) -> Vec<u32> {
        let Some(path) = self.paths.get(number).copied() else { return Vec::new() };
        let mut found = Vec::new();
        match programming::language(path) {
            Some("Python") => rules::python(self, path, text, &mut found),
            Some("JavaScript" | "TypeScript" | "Vue") => rules::javascript(self, path, text, &mut found),
            Some("Rust") => rules::rust(self, path, text, &mut found),
            Some("C" | "C++" | "CUDA" | "Objective-C") => rules::c(self, path, text, &mut found),
            Some("Java") => rules::java(self, path, text, &mut found),
            Some("Go") => rules::go(self, path, text, &mut found),
            _ => {}
        }
        found.retain(|&n| n as usize != number);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn exact(&self, path: &str) -> Option<u32> {
        self.exact.get(path).copied()
    }

    fn ending(&self, end: &str) -> Option<u32> {
        self.suffixes.get(end).copied()
    }

    /// Those of the files in `folder` whose names end in `ending`.
    fn within<'f>(&'f self, folder: &str, ending: &'f str) -> impl Iterator<Item = u32> + 'f {
        let members = self.folders.get(folder).map(Vec::as_slice).unwrap_or_default();
        let named = move |n: &u32| self.paths.get(*n as usize).is_some_and(|path| path.ends_with(ending));
        members.iter().copied().filter(named).take(FOLDER)
    }
}

/// `a/b/c`, `b/c`, `c`; nothing of an empty path.
fn suffixes(path: &str) -> impl Iterator<Item = &str> {
    let starts = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
    starts.filter_map(|at| path.get(at..)).filter(|end| !end.is_empty())
}

/// The folder of `path`; the root is empty.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `path` as seen from `folder`, with `.` and `..` resolved; nothing if it leads out of the repository.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[(&str, &[&str])]) {
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        let index = Files::new(&paths, &|n| files[n].1);
        for (path, wanted) in expected {
            let number = paths.iter().position(|p| p == path).unwrap();
            let found: Vec<&str> =
                index.references(number, files[number].1).into_iter().map(|n| paths[n as usize]).collect();
            let mut wanted = wanted.to_vec();
            wanted.sort_by_key(|w| paths.iter().position(|p| p == w));
            assert_eq!(found, wanted, "{path}");
        }
    }

    #[test]
    fn python() {
        check(
            &[
                ("src/pkg/__init__.py", "from .core import run\n"),
                ("src/pkg/core.py", "import os, json\nfrom pkg import util as u, sub\nfrom . import missing\n"),
                ("src/pkg/util.py", "from .sub.deep import (\n    one,  # a comment\n    two,\n)\n"),
                ("src/pkg/sub/__init__.py", "from ..core import x\n"),
                ("src/pkg/sub/deep.py", "import pkg.util, pkg.sub\n"),
                ("tests/test_core.py", "  import pkg.core as core; import pkg\nfrom tests import helper\n"),
                ("tests/helper.py", "text = 'import pkg.core'\n"),
                ("src/pkg/json.py", ""),
            ],
            &[
                ("src/pkg/__init__.py", &["src/pkg/core.py"]),
                ("src/pkg/core.py", &["src/pkg/util.py", "src/pkg/sub/__init__.py", "src/pkg/__init__.py"]),
                ("src/pkg/util.py", &["src/pkg/sub/deep.py"]),
                ("src/pkg/sub/__init__.py", &["src/pkg/core.py"]),
                ("src/pkg/sub/deep.py", &["src/pkg/util.py", "src/pkg/sub/__init__.py"]),
                ("tests/test_core.py", &["src/pkg/core.py", "tests/helper.py"]),
                ("tests/helper.py", &[]),
            ],
        );
    }

    #[test]
    fn javascript_and_typescript() {
        check(
            &[
                (
                    "src/app.ts",
                    "import a, { b } from './a';\nimport './side.js'\nimport fs from 'fs'\nexport * from \"./lib\"\n",
                ),
                ("src/a.tsx", "const x = require('../tools/x'); const y = await import(`./lib/deep`)"),
                ("src/side.ts", "import { up } from '../../out'"),
                ("src/lib/index.js", "import {\n  one,\n  two\n} from './deep.mjs'"),
                ("src/lib/deep.mjs", ""),
                ("tools/x.json", "{}"),
            ],
            &[
                ("src/app.ts", &["src/a.tsx", "src/side.ts", "src/lib/index.js"]),
                ("src/a.tsx", &["tools/x.json", "src/lib/deep.mjs"]),
                ("src/side.ts", &[]),
                ("src/lib/index.js", &["src/lib/deep.mjs"]),
            ],
        );
    }

    #[test]
    fn rust() {
        check(
            &[
                ("src/lib.rs", "pub mod a;\nmod b;\nmod tests { use super::*; }\n"),
                ("src/a/mod.rs", "pub(crate) mod inner;\nuse crate ::b::{self, deep::{Thing, other}};\n"),
                ("src/a/inner.rs", "use super::Item;\nuse std::fmt;\n"),
                ("src/b.rs", "mod deep;\nuse crate ::a::inner::Name as N;"),
                ("src/b/deep.rs", "use super::super::a::Item;\nuse self::x::y;"),
                ("tests/it.rs", "mod place;\n"),
                ("tests/it/place.rs", ""),
            ],
            &[
                ("src/lib.rs", &["src/a/mod.rs", "src/b.rs"]),
                ("src/a/mod.rs", &["src/a/inner.rs", "src/b.rs", "src/b/deep.rs"]),
                ("src/a/inner.rs", &["src/a/mod.rs"]),
                ("src/b.rs", &["src/b/deep.rs", "src/a/inner.rs"]),
                ("src/b/deep.rs", &["src/a/mod.rs"]),
                ("tests/it.rs", &["tests/it/place.rs"]),
            ],
        );
    }

    #[test]
    fn c_java_and_go() {
        check(
            &[
                (
                    "src/main.c",
                    "#include <stdio.h>\n  # include \"util.h\"\n#include <lib/api.h>\n#include \"../x/y.h\"\n",
                ),
                ("src/util.h", ""),
                ("include/lib/api.h", "#include \"lib/types.hpp\""),
                ("include/lib/types.hpp", ""),
                ("x/y.h", ""),
                ("stdio.h", ""),
                (
                    "java/org/a/Main.java",
                    "package org.a;\nimport org.a.b.Util;\nimport static org.a.b.Const.MAX;\nimport org.a.c.*;\nimport java.util.List;\n",
                ),
                ("java/org/a/b/Util.java", ""),
                ("java/org/a/b/Const.java", "import org.a.b.Util.Inner;"),
                ("java/org/a/c/One.java", ""),
                ("java/org/a/c/Two.java", ""),
            ],
            &[
                ("src/main.c", &["src/util.h", "include/lib/api.h", "x/y.h"]),
                ("include/lib/api.h", &["include/lib/types.hpp"]),
                (
                    "java/org/a/Main.java",
                    &[
                        "java/org/a/b/Util.java",
                        "java/org/a/b/Const.java",
                        "java/org/a/c/One.java",
                        "java/org/a/c/Two.java",
                    ],
                ),
                ("java/org/a/b/Const.java", &["java/org/a/b/Util.java"]),
            ],
        );
        check(
            &[
                ("go.mod", "module example.org/tool\n\ngo 1.22\n"),
                (
                    "main.go",
                    "package main\n\nimport (\n\t\"fmt\"\n\tx \"example.org/tool/pkg/x\"\n)\nimport \"github.com/else/pkg/x\"\n",
                ),
                ("pkg/x/x.go", "import . \"example.org/tool\""),
                ("pkg/x/x_test.go", ""),
                ("fmt/fmt.go", ""),
            ],
            &[("main.go", &["pkg/x/x.go"]), ("pkg/x/x.go", &["main.go"])],
        );
        check(
            &[("cmd/main.go", "import \"github.com/me/tool/pkg/x\"\n"), ("pkg/x/x.go", ""), ("x/x.go", "")],
            &[("cmd/main.go", &["pkg/x/x.go"])],
        );
    }

    #[test]
    fn a_file_of_nothing_but_imports_is_read_in_linear_time() {
        let text = "import a.b.c, d\nfrom x import (y, z\n".repeat(50_000);
        let paths = ["m.py", "a/b/c.py"];
        let index = Files::new(&paths, &|_| "");
        assert_eq!(index.references(0, &text), [1]);
    }
}
