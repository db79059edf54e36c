//! How much of a source file is comments as SantaCoder and StarCoder counted (bigcode-dataset 014784c): in Python its own
//! tokenizer and parser, elsewhere the lexers of Pygments (2.21), of which only two kinds of comment were counted.
//!
//! The lexers are told here by what they do with comments and with whatever hides them. They have faults, which are part
//! of the count: a documentation string of Rust is no comment, a `//` in a C macro's string is one, what follows
//! `#include <x>` on its line is one, and a comment of CSS is of a third kind, and no comment at all.

use std::borrow::Cow;

use super::scan::Scan;
use super::{c_family, java, javascript, python, rust};

/// Characters of `text` that are comments; `None` if this knows no lexer of `language`.
pub fn characters(text: &str, language: &str) -> Option<usize> {
    if language == "Python" {
        return Some(python::characters(text));
    }
    let lexer: fn(&mut Scan<'_>) = match language {
        "Rust" => rust::scan,
        "C" => |scan| c_family::scan(scan, false),
        "C++" => |scan| c_family::scan(scan, true),
        "JavaScript" => |scan| javascript::scan(scan, false),
        "TypeScript" => |scan| javascript::scan(scan, true),
        "Java" => java::scan,
        "Go" => java::scan_go,
        "CSS" => |_| (),
        _ => return None,
    };
    let text = lexed(text);
    let mut scan = Scan::new(&text);
    lexer(&mut scan);
    Some(scan.comments)
}

/// The text as Pygments has it lexed: line feeds alone end lines, none stands at the beginning, and one at the end.
fn lexed(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text: Cow<'_, str> =
        if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() };
    let mut text = text.trim_matches('\n').to_owned();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(language: &str, text: &str) -> usize {
        characters(text, language).unwrap()
    }

    #[test]
    fn rust_has_comments_and_documentation() {
        assert_eq!(count("Rust", "// é\n/// doc\n//! doc\n//// four\n"), "// é\n//// four\n".chars().count());
        assert_eq!(count("Rust", "/* a /* b */ c */ /** doc /* x */ */ /*! doc */ /**/ /*** no */"), 17 + 4 + 10);
        assert_eq!(count("Rust", "let a = \"// no\"; let b = r#\"/* \" no */\"#; let c = b\"//\\\"//\"; // yes"), 7);
        assert_eq!(count("Rust", "match c { '\"' => 1, '\\'' => 2, 'a' => 3 } // yes"), 7);
        assert_eq!(count("Rust", "#[doc = \"// no\"] #![allow(x, /* no */ y)] fn f<'a>() {} // yes"), 7);
        // A colon makes the lexer expect a type, and no character: the quote behind it begins a string.
        assert_eq!(count("Rust", "S { c: '\"' } // no\n\"; // yes"), 7);
        assert_eq!(count("Rust", "#!/bin/x // no\nx // yes"), 7);
        assert_eq!(count("Rust", "/* never closed"), 16);
    }

    #[test]
    fn c_has_macros_and_blocks_left_out() {
        assert_eq!(count("C", "int a; // one \\\nmore\nint b; /* two\n */"), "// one \\\nmore\n/* two\n */".len());
        assert_eq!(count("C", "#include <a.h>  // x\n#include \"b.h\" y /* z */ // w\n"), "// xy /* z */".len() + 5);
        assert_eq!(
            count("C", "#define URL \"http://x\"\n  # define B /* b */ \\\n  // c\nint x;"),
            "//x\"\n/* b */// c\n".len()
        );
        assert_eq!(count("C", "#if 0\n// no\n#if X\n#endif\n/* no */\n#endif\n// yes"), 7);
        assert_eq!(count("C", "#if 0\n// no\n#else\n// yes\n#endif\n"), 7);
        assert_eq!(count("C", "char *a = \"// no\"; char b = '\"'; int c = 1'000; // yes"), 7);
        assert_eq!(count("C", "char *a = \"open // no\nx; // yes"), 7);
        assert_eq!(count("C++", "auto a = R\"x(// \" no)x\"; // yes"), 7);
        assert_eq!(count("C", "/* never closed"), 16);
    }

    #[test]
    fn javascript_has_regular_expressions_and_templates() {
        assert_eq!(count("JavaScript", "a = /[/\"]x\\//g; // yes\nb = c / d / e; /* two */"), 6 + 9);
        assert_eq!(count("JavaScript", "`// no ${ a /* yes */ + `${1} // no` } // no`; // yes"), 9 + 6);
        assert_eq!(count("JavaScript", "\"// no\"; '\\'// no'; // yes"), 6);
        assert_eq!(count("JavaScript", "x = /no end // no\ny // yes"), 6);
        assert_eq!(count("JavaScript", "f()\n/a\"b/.test(c) // yes"), 6);
        assert_eq!(count("TypeScript", "let a: string = 'x'; // yes"), 6);
    }

    #[test]
    fn java_go_and_css_are_counted_as_their_lexers_do() {
        assert_eq!(count("Java", "char a = '\"'; // one\n/** two */ String b = \"// no\";"), 6 + 10);
        assert_eq!(count("Java", "x = \"\"\"\n // no \"q\" \\\"\"\" no\n \"\"\"; // yes"), 6);
        assert_eq!(count("Go", "a := `// \" no`; b := '\"'; c := \"\\\"// no\" // yes"), 6);
        assert_eq!(count("CSS", "/* a */ p { }"), 0);
        assert_eq!(characters("x", "Brainfuck"), None);
    }

    #[test]
    fn files_of_marks_take_linear_time() {
        for piece in [
            "\"\\",
            "'\"\\'",
            "/*",
            "*/",
            "\"\"\"",
            "//\n",
            "\\\"",
            "/",
            "`${",
            "R\"a(",
            "r#\"",
            "\n",
            " \n",
            "#if 0\n",
            "#include \"",
            "'",
            "\n /* */",
            "(",
            "def f():\n\"",
            "a:",
            "/[",
            "/\\\n",
        ] {
            let text = piece.repeat((1 << 20) / piece.len());
            for language in ["Rust", "C", "C++", "JavaScript", "TypeScript", "Java", "Go", "Python"] {
                count(language, &text);
            }
        }
    }
}
