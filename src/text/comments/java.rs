//! Java and Go as Pygments' lexers read them.

use super::scan::{Scan, run, width};

pub(super) fn scan(s: &mut Scan<'_>) {
    while let Some(byte) = s.peek() {
        match byte {
            b'/' if s.starts(b"//") => s.comment(s.line()),
            b'/' if s.block_comment() => (),
            b'"' if s.starts(b"\"\"\"\n") => text_block(s),
            b'"' => {
                let length = s.string(b'"').unwrap_or(s.rest().len());
                s.skip(length);
            }
            b'\'' => s.skip(character(s.rest(), false).unwrap_or(1)),
            b'.' => {
                s.skip(1);
                s.skip(s.word().len());
            }
            _ if s.at_name() => word(s),
            _ => s.skip_char(),
        }
    }
}

pub(super) fn scan_go(s: &mut Scan<'_>) {
    while let Some(byte) = s.peek() {
        match byte {
            b'/' if s.starts(b"//") => s.comment(s.line()),
            b'/' if s.block_comment() => (),
            b'"' => {
                let length = s.string(b'"').unwrap_or(1);
                s.skip(length);
            }
            b'`' => {
                let length = s.find(b"`", 1).map_or(1, |end| end + 1);
                s.skip(length);
            }
            b'\'' => s.skip(character(s.rest(), true).unwrap_or(1)),
            _ => s.skip_char(),
        }
    }
}

/// Passes a string of lines, which three quotes end that no backslash hides.
fn text_block(s: &mut Scan<'_>) {
    s.skip(3);
    while let Some(next) = memchr::memchr2(b'"', b'\\', s.rest()) {
        s.skip(next);
        if s.starts(b"\"\"\"") {
            return s.skip(3);
        }
        s.skip(if s.starts(b"\\\\") || s.starts(b"\\\"") { 2 } else { 1 });
    }
    s.skip(s.rest().len());
}

/// Passes a word, and what the lexer takes for a name behind some of them: whatever stands before it is passed.
fn word(s: &mut Scan<'_>) {
    let word = s.word();
    s.skip(word.len());
    let names = matches!(word, "class" | "interface" | "module");
    let paths = matches!(word, "import" | "package") && s.space(0) > 0;
    if !(names || paths) {
        return;
    }
    s.skip_space();
    while let Some(byte) = s.peek() {
        if s.at_name() || (paths && (byte == b'.' || byte.is_ascii_digit())) {
            return s.skip(s.word().len().max(1));
        }
        s.skip_char();
        // A line end is no name, and ends the search for a path.
        if paths && byte == b'\n' {
            return;
        }
    }
}

/// Length of the character literal at the beginning of `bytes`.
fn character(bytes: &[u8], go: bool) -> Option<usize> {
    let inner = bytes.get(1..)?;
    let hex = |count: usize| inner.get(2..2 + count)?.iter().all(u8::is_ascii_hexdigit).then_some(count + 2);
    let length = match inner {
        [b'\\', b'u', ..] if hex(4).is_some() => hex(4),
        [b'\\', b'x', ..] if go => hex(2),
        [b'\\', b'U', ..] if go => hex(8),
        [b'\\', b'0'..=b'7', ..] if go => Some(1 + run(inner.get(1..)?, |b| (b'0'..=b'7').contains(&b)).min(3)),
        [b'\\', rest @ ..] => width(rest).map(|w| w + 1),
        _ => width(inner),
    }?;
    (inner.get(length) == Some(&b'\'')).then_some(length + 2)
}
