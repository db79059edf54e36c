//! How much of a source file is comments, by the marks of its language alone: strings are skipped, nothing is parsed.

mod c_family;
mod docstrings;
mod java;
mod javascript;
mod python;
mod rust;
mod scan;
pub mod starcoder;

/// How a language writes comments and strings.
struct Syntax {
    languages: &'static [&'static str],
    /// Begin a comment that ends with the line.
    line: &'static [&'static str],
    /// Begin and end a comment.
    block: &'static [(&'static str, &'static str)],
    /// Begin and end a string on one line.
    quotes: &'static [u8],
    /// Begin and end a string over lines.
    long_quotes: &'static [&'static str],
}

const C_LIKE: &[(&str, &str)] = &[("/*", "*/")];
const MARKUP: &[(&str, &str)] = &[("<!--", "-->")];

const SYNTAXES: &[Syntax] = &[
    Syntax {
        languages: &[
            "C",
            "C#",
            "C++",
            "CUDA",
            "Dart",
            "Groovy",
            "Java",
            "Kotlin",
            "Objective-C",
            "Rust",
            "Scala",
            "Swift",
            "Verilog",
            "Zig",
        ],
        line: &["//"],
        block: C_LIKE,
        quotes: b"\"'",
        long_quotes: &[],
    },
    Syntax {
        languages: &["Go", "JavaScript", "TypeScript", "Vue"],
        line: &["//"],
        block: C_LIKE,
        quotes: b"\"'",
        long_quotes: &["`"],
    },
    Syntax { languages: &["PHP"], line: &["//", "#"], block: C_LIKE, quotes: b"\"'", long_quotes: &[] },
    Syntax { languages: &["CSS"], line: &[], block: C_LIKE, quotes: b"\"'", long_quotes: &[] },
    Syntax { languages: &["SQL"], line: &["--"], block: C_LIKE, quotes: b"\"'", long_quotes: &[] },
    Syntax { languages: &["VHDL"], line: &["--"], block: &[], quotes: b"\"", long_quotes: &[] },
    Syntax { languages: &["Lua"], line: &["--"], block: &[("--[[", "]]")], quotes: b"\"'", long_quotes: &[] },
    Syntax { languages: &["Haskell"], line: &["--"], block: &[("{-", "-}")], quotes: b"\"", long_quotes: &[] },
    Syntax { languages: &["OCaml"], line: &[], block: &[("(*", "*)")], quotes: b"\"", long_quotes: &[] },
    Syntax { languages: &["Python"], line: &["#"], block: &[], quotes: b"\"'", long_quotes: &["\"\"\"", "'''"] },
    Syntax { languages: &["Julia"], line: &["#"], block: &[("#=", "=#")], quotes: b"\"", long_quotes: &["\"\"\""] },
    Syntax { languages: &["PowerShell"], line: &["#"], block: &[("<#", "#>")], quotes: b"\"'", long_quotes: &[] },
    Syntax { languages: &["Nix"], line: &["#"], block: C_LIKE, quotes: b"\"", long_quotes: &["''"] },
    Syntax {
        languages: &[
            "CMake",
            "Dockerfile",
            "Elixir",
            "Makefile",
            "Meson",
            "Perl",
            "R",
            "Ruby",
            "Shell",
            "TOML",
            "YAML",
        ],
        line: &["#"],
        block: &[],
        quotes: b"\"'",
        long_quotes: &[],
    },
    Syntax {
        languages: &["Assembly", "Clojure", "Common Lisp", "Emacs Lisp"],
        line: &[";"],
        block: &[],
        quotes: b"\"",
        long_quotes: &[],
    },
    Syntax { languages: &["Erlang", "TeX"], line: &["%"], block: &[], quotes: b"", long_quotes: &[] },
    Syntax { languages: &["Fortran"], line: &["!"], block: &[], quotes: b"\"'", long_quotes: &[] },
    Syntax { languages: &["Visual Basic"], line: &["'"], block: &[], quotes: b"\"", long_quotes: &[] },
    Syntax { languages: &["HTML", "Markdown", "XML"], line: &[], block: MARKUP, quotes: b"", long_quotes: &[] },
];

/// Bytes of `text` that are comments; `None` if it is not known how `language` writes them. In Python a string over lines
/// that stands by itself, a docstring, is a comment.
pub fn bytes(text: &str, language: &str) -> Option<usize> {
    let syntax = SYNTAXES.iter().find(|s| s.languages.contains(&language))?;
    let docstrings = language == "Python";
    let bytes = text.as_bytes();
    let mut interesting = [false; 256];
    let firsts = syntax.line.iter().chain(syntax.long_quotes).chain(syntax.block.iter().map(|(open, _)| open));
    firsts.filter_map(|mark| mark.bytes().next()).chain(syntax.quotes.iter().copied()).for_each(|b| {
        if let Some(flag) = interesting.get_mut(usize::from(b)) {
            *flag = true;
        }
    });
    let (mut at, mut comments, mut unclosed) = (0, 0, [0usize; 256]);
    while let Some(skip) =
        bytes.get(at..)?.iter().position(|b| interesting.get(usize::from(*b)).copied().unwrap_or(false))
    {
        at += skip;
        let rest = bytes.get(at..)?;
        if let Some((open, close)) = syntax.block.iter().find(|(open, _)| rest.starts_with(open.as_bytes())) {
            let length = until(rest, open.len(), close.as_bytes());
            comments += length;
            at += length;
        } else if let Some(mark) = syntax.long_quotes.iter().find(|mark| rest.starts_with(mark.as_bytes())) {
            let length = until(rest, mark.len(), mark.as_bytes());
            comments += if docstrings && begins_line(bytes, at) { length } else { 0 };
            at += length;
        } else if syntax.line.iter().any(|mark| rest.starts_with(mark.as_bytes())) {
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            comments += length;
            at += length;
        } else {
            at += string(rest, at, syntax.quotes, &mut unclosed);
        }
    }
    Some(comments)
}

/// Length of what begins `rest` with `open` bytes, to the end of `close`.
fn until(rest: &[u8], open: usize, close: &[u8]) -> usize {
    let found = rest.get(open..).and_then(|r| memchr::memmem::find(r, close));
    found.map_or(rest.len(), |at| open + at + close.len())
}

/// Whether only spaces stand before `at` on its line.
fn begins_line(bytes: &[u8], at: usize) -> bool {
    let head = bytes.get(..at).unwrap_or_default();
    head.iter().rev().find(|b| !matches!(b, b' ' | b'\t')).is_none_or(|b| *b == b'\n')
}

/// Length of the string that begins `rest`, which stands at `at`: 1 if it is none, or does not end on its line. A quote that
/// was looked for in vain is not looked for again on that line (`unclosed`), which keeps this linear.
fn string(rest: &[u8], at: usize, quotes: &[u8], unclosed: &mut [usize; 256]) -> usize {
    let Some(&quote) = rest.first().filter(|q| quotes.contains(q)) else { return 1 };
    let Some(given_up) = unclosed.get_mut(usize::from(quote)).filter(|end| at >= **end) else { return 1 };
    let mut here = 1;
    while let Some(&b) = rest.get(here) {
        match b {
            b'\\' => here += 2,
            b'\n' => break,
            b if b == quote => return here + 1,
            _ => here += 1,
        }
    }
    *given_up = at + here;
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_counted_and_strings_are_not() {
        assert_eq!(bytes("x = 1 // one\ny /* two */ z \"// no\"", "Rust"), Some("// one/* two */".len()));
        assert_eq!(bytes("fn f<'a>(x: &'a str) {} // it's", "Rust"), Some("// it's".len()));
        assert_eq!(
            bytes("def f():\n    \"\"\"Doc\n    string\"\"\"\n    x = \"\"\"no # comment\"\"\" # yes", "Python"),
            Some("\"\"\"Doc\n    string\"\"\"# yes".len())
        );
        assert_eq!(bytes("`// no` // yes", "JavaScript"), Some(6));
        assert_eq!(bytes("--[[ a\nb ]] x -- c", "Lua"), Some("--[[ a\nb ]]-- c".len()));
        assert_eq!(bytes("<p>a</p><!-- b -->", "HTML"), Some(10));
        assert_eq!(bytes("x", "Brainfuck"), None);
    }

    #[test]
    fn a_line_of_open_quotes_comes_to_an_end() {
        for piece in ["\"\\", "'\"\\'", "/*", "\"\"\"", "//\n", "\\\""] {
            let text = piece.repeat((2 << 20) / piece.len());
            for language in ["Rust", "Python", "JavaScript"] {
                bytes(&text, language);
            }
        }
    }
}
