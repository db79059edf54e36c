//! Programming languages by file name.

/// Extension → language.
const EXTENSIONS: [(&str, &str); 62] = [
    ("asm", "Assembly"), ("bash", "Shell"), ("c", "C"), ("cc", "C++"), ("clj", "Clojure"), ("cpp", "C++"), ("cs", "C#"),
    ("css", "CSS"), ("cu", "CUDA"), ("cxx", "C++"), ("dart", "Dart"), ("el", "Emacs Lisp"), ("erl", "Erlang"),
    ("ex", "Elixir"), ("exs", "Elixir"), ("f90", "Fortran"), ("go", "Go"), ("groovy", "Groovy"), ("h", "C"),
    ("hpp", "C++"), ("hs", "Haskell"), ("html", "HTML"), ("ipynb", "Jupyter Notebook"), ("java", "Java"),
    ("jl", "Julia"), ("js", "JavaScript"), ("json", "JSON"), ("jsx", "JavaScript"), ("kt", "Kotlin"), ("lisp", "Common Lisp"),
    ("lua", "Lua"), ("m", "Objective-C"), ("md", "Markdown"), ("mjs", "JavaScript"), ("ml", "OCaml"), ("nix", "Nix"),
    ("php", "PHP"), ("pl", "Perl"), ("ps1", "PowerShell"), ("py", "Python"), ("pyi", "Python"), ("r", "R"),
    ("rb", "Ruby"), ("rs", "Rust"), ("rst", "reStructuredText"), ("scala", "Scala"), ("sh", "Shell"), ("sql", "SQL"),
    ("swift", "Swift"), ("tex", "TeX"), ("toml", "TOML"), ("ts", "TypeScript"), ("tsx", "TypeScript"), ("txt", "Text"),
    ("v", "Verilog"), ("vb", "Visual Basic"), ("vhd", "VHDL"), ("vue", "Vue"), ("xml", "XML"), ("yaml", "YAML"),
    ("yml", "YAML"), ("zig", "Zig"),
];

const NAMES: [(&str, &str); 6] = [
    ("cmakelists.txt", "CMake"), ("dockerfile", "Dockerfile"), ("gemfile", "Ruby"), ("makefile", "Makefile"),
    ("meson.build", "Meson"), ("rakefile", "Ruby"),
];

/// The language of the file `path`, by its name alone.
pub fn language(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?.to_ascii_lowercase();
    let by_name = NAMES.iter().find(|(n, _)| *n == name).map(|(_, l)| *l);
    by_name.or_else(|| {
        let (_, extension) = name.rsplit_once('.')?;
        EXTENSIONS.iter().find(|(e, _)| *e == extension).map(|(_, l)| *l)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_extensions() {
        assert_eq!(language("a/b.rs"), Some("Rust"));
        assert_eq!(language("CMakeLists.txt"), Some("CMake"));
        assert_eq!(language("a/Makefile"), Some("Makefile"));
        assert_eq!(language("a/LICENSE"), None);
        assert!(EXTENSIONS.is_sorted() && NAMES.is_sorted());
    }
}
