//! How each language names other files.

use std::sync::LazyLock;

use regex::Regex;

use super::{Files, folder, join};

/// A pattern that is known to be one.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// Every match's groups, as text; a group that took no part is empty.
fn each<'t>(pattern: &'static LazyLock<Option<Regex>>, text: &'t str) -> impl Iterator<Item = [&'t str; 2]> {
    pattern.iter().flat_map(move |regex| regex.captures_iter(text)).map(|groups| {
        let group = |n| groups.get(n).map_or("", |m| m.as_str());
        [group(1), group(2)]
    })
}

/// `import a.b` is `a/b.py` or `a/b/__init__.py`, seen from the importing file's folder or one above it that is no package
/// (a package's own folder is not searched), or else, if it has several parts, anywhere; `from a.b import c` is the module `a.b.c` if there is one, or else `a.b`; dots lead upward.
pub fn python(files: &Files<'_>, path: &str, text: &str, found: &mut Vec<u32>) {
    static IMPORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        pattern(r"(?m)^[ \t]*import[ \t]+([\w.]+(?:[ \t]+as[ \t]+\w+)?(?:[ \t]*,[ \t]*[\w.]+(?:[ \t]+as[ \t]+\w+)?)*)")
    });
    static FROM: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(r"(?m)^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*|[^(\n;]+)"));
    let first_word = |item: &str| item.split_whitespace().next().unwrap_or_default().to_owned();
    for [names, _] in each(&IMPORT, text) {
        for name in names.split(',') {
            found.extend(python_module(files, path, &first_word(name)));
        }
    }
    for [module, names] in each(&FROM, text) {
        let names = names.trim_start_matches('(');
        for line in names.lines() {
            for name in line.split('#').next().unwrap_or_default().split(',').map(first_word) {
                let dot = if module.ends_with('.') { "" } else { "." };
                let submodule = python_module(files, path, &format!("{module}{dot}{name}"));
                found.extend(submodule.or_else(|| python_module(files, path, module)));
            }
        }
    }
}

fn python_module(files: &Files<'_>, path: &str, name: &str) -> Option<u32> {
    let relative = name.trim_start_matches('.');
    let (dots, inner) = (name.len() - relative.len(), relative.replace('.', "/"));
    let at = |base: &str| {
        let module = join(base, &inner)?;
        let package = if module.is_empty() { "__init__.py".to_owned() } else { format!("{module}/__init__.py") };
        let module = if inner.is_empty() { None } else { files.exact(&format!("{module}.py")) };
        module.or_else(|| files.exact(&package))
    };
    let mut base = folder(path);
    if dots > 0 {
        for _ in 1..dots {
            base = folder(base);
        }
        return at(base);
    }
    if inner.is_empty() || inner.ends_with('/') {
        return None;
    }
    loop {
        let package = join(base, "__init__.py").is_some_and(|init| files.exact(&init).is_some());
        if let Some(found) = at(base).filter(|_| !package) {
            return Some(found);
        }
        if base.is_empty() {
            break;
        }
        base = folder(base);
    }
    if !inner.contains('/') {
        return None;
    }
    files.ending(&format!("{inner}.py")).or_else(|| files.ending(&format!("{inner}/__init__.py")))
}

/// `import … from './x'`, `import './x'`, `export … from './x'`, `require('./x')` and `import('./x')`: a file as it is named,
/// or with an extension, or the index of a folder; `./x.js` may be written `x.ts`. Names that do not begin with a dot are
/// packages.
pub fn javascript(files: &Files<'_>, path: &str, text: &str, found: &mut Vec<u32>) {
    static IMPORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        pattern(r#"\b(?:from|import|require[ \t]*\(|import[ \t]*\()[ \t]*['"`](\.{1,2}(?:/[^'"`\n]*)?)['"`]"#)
    });
    const ENDINGS: [&str; 10] = [".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".vue", ".json"];
    for [name, _] in each(&IMPORT, text) {
        let Some(name) = join(folder(path), name) else { continue };
        let ended = |stem: &str| ENDINGS.iter().find_map(|end| files.exact(&format!("{stem}{end}")));
        let compiled = || {
            let (stem, end) = name.rsplit_once('.')?;
            matches!(end, "js" | "jsx" | "mjs" | "cjs").then(|| ended(stem))?
        };
        let index = || ended(&join(&name, "index")?);
        found.extend(files.exact(&name).or_else(|| ended(&name)).or_else(compiled).or_else(index));
    }
}

/// `mod x;` is `x.rs` or `x/mod.rs` in the module's folder; `use` with `crate`, `self` or `super` is followed from
/// module to module as far as there are files.
pub fn rust(files: &Files<'_>, path: &str, text: &str, found: &mut Vec<u32>) {
    static MOD: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(r"(?m)^[ \t]*(?:pub(?:\([^)\n]*\))?[ \t]+)?mod[ \t]+(?:r#)?(\w+)[ \t]*;"));
    static USE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        pattern(r"(?m)^[ \t]*(?:pub(?:\([^)\n]*\))?[ \t]+)?use[ \t]+((?:crate|self|super)\s*::[^;]*);")
    });
    let parent = folder(path);
    let own = match path.rsplit('/').next() {
        Some("mod.rs" | "lib.rs" | "main.rs") => parent.to_owned(),
        _ => path.strip_suffix(".rs").unwrap_or(path).to_owned(),
    };
    for [name, _] in each(&MOD, text) {
        found.extend(rust_file(files, &own, name));
    }
    let mut root = parent;
    while rust_root(files, root).is_none() && !root.is_empty() {
        root = folder(root);
    }
    for [tree, _] in each(&USE, text) {
        use_tree(tree, &mut Vec::new(), &mut |path: &[&str]| {
            let mut path = path;
            let mut base = own.as_str();
            match path {
                ["crate", rest @ ..] => (base, path) = (root, rest),
                ["self", rest @ ..] => path = rest,
                _ => {}
            }
            while let ["super", rest @ ..] = path {
                (base, path) = (folder(base), rest);
            }
            found.extend(rust_path(files, base, path));
        });
    }
}

fn rust_root(files: &Files<'_>, folder: &str) -> Option<u32> {
    ["lib.rs", "main.rs"].iter().find_map(|name| files.exact(&join(folder, name)?))
}

fn rust_file(files: &Files<'_>, folder: &str, module: &str) -> Option<u32> {
    let stem = join(folder, module)?;
    files.exact(&format!("{stem}.rs")).or_else(|| files.exact(&format!("{stem}/mod.rs")))
}

/// The file of the module that `path` leads to from the module with the folder `base`, or of the last on the way.
fn rust_path(files: &Files<'_>, base: &str, path: &[&str]) -> Option<u32> {
    let (mut base, mut last) = (base.to_owned(), None);
    for name in path {
        let Some(file) = rust_file(files, &base, name) else { break };
        last = Some(file);
        base = join(&base, name)?;
    }
    last.or_else(|| {
        let own = if base.is_empty() { None } else { files.exact(&format!("{base}.rs")) };
        own.or_else(|| files.exact(&join(&base, "mod.rs")?)).or_else(|| rust_root(files, &base))
    })
}

/// Gives every path of a `use` tree, without `self` at its end and without new names.
fn use_tree<'t>(tree: &'t str, before: &mut Vec<&'t str>, each: &mut dyn FnMut(&[&'t str])) {
    let depth = before.len();
    // Trees are as deep as people write them; what is deeper is no import.
    if depth > 32 {
        return;
    }
    let (head, rest) = match tree.split_once('{') {
        Some((head, rest)) => (head, rest.rfind('}').and_then(|end| rest.get(..end))),
        None => (tree.split_once(" as ").map_or(tree, |(path, _)| path), None),
    };
    before.extend(head.split("::").map(str::trim).filter(|name| !name.is_empty() && *name != "*"));
    match rest {
        Some(inner) => {
            let (mut nested, mut start) = (0usize, 0);
            for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
                match c {
                    '{' => nested += 1,
                    '}' => nested = nested.saturating_sub(1),
                    ',' if nested == 0 => {
                        let branch = inner.get(start..at).unwrap_or_default().trim();
                        if !branch.is_empty() {
                            use_tree(branch, before, each);
                        }
                        start = at + 1;
                    }
                    _ => {}
                }
            }
        }
        None if before.len() > 1 && before.last() == Some(&"self") => {
            each(before.get(..before.len() - 1).unwrap_or_default())
        }
        None => each(before),
    }
    before.truncate(depth);
}

/// `#include "x"` is the file seen from the including one's folder, or else one whose path ends so; `#include <a/x>` is one whose
/// path ends so, if it names a folder.
pub fn c(files: &Files<'_>, path: &str, text: &str, found: &mut Vec<u32>) {
    static INCLUDE: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(r#"(?m)^[ \t]*#[ \t]*(?:include|import)[ \t]*(["<])([^">\n]+)[">]"#));
    for [quote, name] in each(&INCLUDE, text) {
        let beside = || join(folder(path), name).and_then(|path| files.exact(&path));
        let anywhere = || files.ending(name);
        found.extend(match quote {
            "\"" => beside().or_else(anywhere),
            _ if name.contains('/') => anywhere(),
            _ => None,
        });
    }
}

/// `import a.b.C;` is the file whose path ends in `a/b/C.java`, also where a member or an inner class of it is named; `a.b.*` is
/// every file of the folder whose path ends in `a/b`. The other files of a package need no import, and are no edges.
pub fn java(files: &Files<'_>, _: &str, text: &str, found: &mut Vec<u32>) {
    static IMPORT: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(r"(?m)^[ \t]*import[ \t]+(?:static[ \t]+)?([\w.]+?)(\.\*)?[ \t]*;"));
    for [name, all] in each(&IMPORT, text) {
        let path = name.replace('.', "/");
        let mut class = path.as_str();
        let mut file = None;
        while file.is_none() && class.contains('/') {
            file = files.ending(&format!("{class}.java"));
            class = folder(class);
        }
        found.extend(file);
        if let Some(folder) = files.folder_suffixes.get(path.as_str()).filter(|_| !all.is_empty()) {
            found.extend(files.within(folder, ".java"));
        }
    }
}

/// `import "m/p"` is every file but tests in the folder `p` of the module `m` that a `go.mod` names; in a repository without one,
/// the folder whose path is the longest end of the import's.
pub fn go(files: &Files<'_>, _: &str, text: &str, found: &mut Vec<u32>) {
    static IMPORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        pattern(
            r#"(?m)^[ \t]*import[ \t]+(?:([\w.]+)[ \t]+)?"([^"\n]+)"|^[ \t]*(?:([\w.]+)[ \t]+)?"([^"\n]+)"[ \t]*(?://.*)?$"#,
        )
    });
    let Some(regex) = IMPORT.as_ref() else { return };
    for groups in regex.captures_iter(text) {
        let Some(name) = groups.get(2).or_else(|| groups.get(4)).map(|m| m.as_str()) else { continue };
        let module = files.modules.iter().find_map(|(root, module)| {
            let inner = name.strip_prefix(module.as_str())?;
            (inner.is_empty() || inner.starts_with('/')).then(|| join(root, inner))?
        });
        let foreign = || {
            let (_, rest) = name.split_once('/').filter(|(host, _)| host.contains('.') && files.modules.is_empty())?;
            super::suffixes(rest).find_map(|end| files.folder_suffixes.get(end)).map(|folder| (*folder).to_owned())
        };
        let Some(folder) = module.or_else(foreign) else { continue };
        let tests: Vec<u32> = files.within(&folder, "_test.go").collect();
        found.extend(files.within(&folder, ".go").filter(|n| !tests.contains(n)));
    }
}
