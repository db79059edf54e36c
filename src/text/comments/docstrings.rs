//! What a string of Python says, and its documentation string without indentation (`inspect.cleandoc`).

/// Adds what a string literal says to `out`; whether its escapes are valid.
pub(super) fn value(body: &str, raw: bool, out: &mut String) -> bool {
    let body = if body.contains('\r') { body.replace("\r\n", "\n").replace('\r', "\n") } else { body.to_owned() };
    if raw {
        out.push_str(&body);
        return true;
    }
    let mut rest = body.as_str();
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let Some(kind) = escape.chars().next() else { return false };
        let after = escape.get(kind.len_utf8()..).unwrap_or_default();
        rest = after;
        match kind {
            '\n' => (),
            '\\' | '\'' | '"' => out.push(kind),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            '0'..='7' => {
                let digits = escape.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let code = u32::from_str_radix(escape.get(..digits).unwrap_or_default(), 8).unwrap_or_default();
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                rest = escape.get(digits..).unwrap_or_default();
            }
            'x' | 'u' | 'U' => {
                let digits = match kind {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let Some(code) = after.get(..digits).and_then(|d| u32::from_str_radix(d, 16).ok()) else {
                    return false;
                };
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                rest = after.get(digits..).unwrap_or_default();
            }
            'N' => {
                let Some((_, behind)) = after.strip_prefix('{').and_then(|a| a.split_once('}')) else { return false };
                out.push('\u{fffd}');
                rest = behind;
            }
            other => out.extend(['\\', other]),
        }
    }
    out.push_str(rest);
    true
}

/// A documentation string without the indentation that its lines but the first have in common.
pub(super) fn clean(doc: &str) -> String {
    let doc = without_tabs(doc);
    let lines: Vec<&str> = doc.split('\n').collect();
    let bare = |line: &str| line.trim_start_matches(is_space).len();
    let indent = |line: &&str| line.chars().count() - line.trim_start_matches(is_space).chars().count();
    let margin = lines.iter().skip(1).filter(|l| bare(l) > 0).map(indent).min().unwrap_or(0);
    let mut cleaned: Vec<&str> = Vec::with_capacity(lines.len());
    for (number, line) in lines.into_iter().enumerate() {
        cleaned.push(if number == 0 {
            line.trim_start_matches(is_space)
        } else {
            line.char_indices().nth(margin).map_or("", |(at, _)| line.get(at..).unwrap_or_default())
        });
    }
    let first = cleaned.iter().position(|l| !l.is_empty()).unwrap_or(cleaned.len());
    let end = cleaned.iter().rposition(|l| !l.is_empty()).map_or(first, |last| last + 1);
    cleaned.get(first..end).unwrap_or_default().join("\n")
}

/// What Python's `lstrip` takes away.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Tabs as spaces up to the next eighth column.
fn without_tabs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        if c == '\t' {
            let spaces = 8 - column % 8;
            out.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            out.push(c);
            column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::starcoder::characters;
    use super::*;

    #[test]
    fn strings_say_what_they_say() {
        let said = |body: &str, raw| {
            let mut out = String::new();
            value(body, raw, &mut out).then_some(out)
        };
        assert_eq!(
            said(
                r#"a\n\x41\101\u00e9\q\
b"#,
                false
            )
            .as_deref(),
            Some("a\nAAé\\qb")
        );
        assert_eq!(said(r"a\n", true).as_deref(), Some("a\\n"));
        assert_eq!(said(r"\x4", false), None);
        assert_eq!(clean("One.\n\n    Two\n\tthree\n    "), "One.\n\nTwo\n    three");
        assert_eq!(clean("  \n  x"), "x");
    }

    #[test]
    fn python_has_comments_and_documentation_strings() {
        let count = |text: &str| characters(text, "Python").unwrap();
        assert_eq!(count("# one\nx = 1  # two\n"), "one two".len());
        assert_eq!(count("\"\"\"Doc\"\"\"\nx = '# no'\n"), 3);
        assert_eq!(
            count("class A(B):\n    '''Class'''\n    def f(self, x: int = {1: 2}[1]) -> int: 'one'\n"),
            "Class\none".len()
        );
        assert_eq!(count("def f():\n    # c\n    ('a'\n     'b')\n"), "ab\n c".len());
        assert_eq!(
            count("def f():\n    'a'.strip()\ndef g():\n    'a', 'b'\ndef h():\n    f'a'\ndef i():\n    b'a'\n"),
            0
        );
        assert_eq!(count("async def f():\n    'no'\n    def g():\n        'yes'\n"), 3);
        assert_eq!(count("def f():\n    'é'; x = 1\n"), 1);
    }

    #[test]
    fn what_cannot_be_parsed_has_no_documentation() {
        let count = |text: &str| characters(text, "Python").unwrap();
        for broken in [
            "print 'x'",
            "x = 0777",
            "raise A, 'b'",
            "x = 10L",
            "f(a b)",
            "x = `a`",
            "  x",
            "if x:\ny",
            "x = ]",
            "a = \"open",
        ] {
            let text = format!("'Doc'\n# c\n{broken}\n");
            assert!(matches!(count(&text), 0 | 1), "{broken}");
        }
        for fine in [
            "match x:\n    case 1: pass",
            "x = [1,\n  2]",
            "f(a if b else c)",
            "x = 1 if y else 2",
            "lambda: 0",
            "x: int = 1",
            "if x: pass\nelse:\n  pass",
            "@a.b\ndef f(): pass",
            "x = a[1:2]; y = not z",
            "print('x')",
            "x = \"a\" 'b' \\\n  'c'",
            "x = 1_0 + 0x1F + 1e-5 + 0o7 + 00",
        ] {
            let text = format!("'Doc'\n{fine}\n");
            assert_eq!(count(&text), 3, "{fine}");
        }
        // Unclosed brackets and strings leave no comments either.
        assert_eq!(count("# c\nf((\n"), 0);
        assert_eq!(count("# c\nx = '''open\n"), 0);
    }
}
