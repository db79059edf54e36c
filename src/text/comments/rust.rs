//! Rust as Pygments' `RustLexer` reads it.

use super::scan::{Scan, run, width};

/// Behind which a type may still come: the lexer knows them, and stays where it expects one.
const KNOWN_TYPES: &str = "u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 usize isize f32 f64 char str bool Copy Send Sized Sync Unpin \
    Drop Fn FnMut FnOnce drop Box ToOwned Clone PartialEq PartialOrd Eq Ord AsRef AsMut Into From \
    Default Iterator Extend IntoIterator DoubleEndedIterator ExactSizeIterator Option Some None Result \
    Ok Err String ToString Vec";

pub(super) fn scan(s: &mut Scan<'_>) {
    if s.starts(b"#!") && s.byte(2).is_some_and(|b| !b"[\r\n".contains(&b)) {
        s.skip(s.line());
    }
    // Whether a type is expected, where a quote begins a lifetime and no character.
    let mut type_next = false;
    while let Some(byte) = s.peek() {
        if type_next {
            match byte {
                b'&' => s.skip(1),
                b'\'' => lifetime(s),
                _ if s.space(0) > 0 => s.skip_space(),
                _ if byte == b'_' || byte.is_ascii_alphabetic() => {
                    let word = s.word();
                    type_next = KNOWN_TYPES.split(' ').any(|known| known == word);
                    s.skip(word.len());
                }
                _ => type_next = false,
            }
            continue;
        }
        match byte {
            b'/' if s.starts(b"//") => line_comment(s),
            b'/' if s.starts(b"/*") => block_comment(s),
            b'"' => string(s),
            b'\'' => match character(s.rest(), b'7') {
                Some(length) => s.skip(length),
                None => lifetime(s),
            },
            b'#' if s.starts(b"#[") || s.starts(b"#![") => attribute(s),
            b':' if s.starts(b"::") && s.bytes().get(s.at + 2).is_some_and(|b| is_word(*b)) => s.skip(2),
            b':' => (type_next, s.at) = (true, s.at + 1),
            b'-' if s.starts(b"->") => (type_next, s.at) = (true, s.at + 2),
            b'0'..=b'9' => s.skip(run(s.rest(), |b| b.is_ascii_digit() || b == b'_')),
            _ if s.at_name() => type_next = word(s),
            _ => s.skip_char(),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Passes a word, or the string or character that it begins; whether a type is expected behind it.
fn word(s: &mut Scan<'_>) -> bool {
    let word = s.word();
    let after = s.rest().get(word.len()..).unwrap_or_default();
    match (word, after.first()) {
        ("b", Some(b'"')) => {
            s.skip(1);
            string(s);
        }
        ("b", Some(b'\'')) if character(after, b'f').is_some() => {
            s.skip(1 + character(after, b'f').unwrap_or_default())
        }
        ("r" | "br", Some(b'"' | b'#')) => {
            let hashes = run(after, |b| b == b'#');
            let quoted = after.get(hashes) == Some(&b'"');
            let mark: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            let end = if quoted { s.find(&mark, word.len() + hashes + 1) } else { None };
            s.skip(end.map_or(word.len(), |end| end + mark.len()));
        }
        _ => s.skip(word.len()),
    }
    matches!(word, "struct" | "enum" | "type" | "union")
}

fn line_comment(s: &mut Scan<'_>) {
    let length = s.line() + 1;
    let doc = s.starts(b"//!") || (s.starts(b"///") && s.byte(3) != Some(b'/'));
    if doc { s.skip(length) } else { s.comment(length) }
}

fn block_comment(s: &mut Scan<'_>) {
    let starred = s.starts(b"/**") && s.byte(3).is_some_and(|b| b != b'/' && b != b'*');
    let doc = starred || s.starts(b"/*!");
    let rest = s.rest();
    let (mut here, mut depth) = (
        if starred {
            4
        } else if doc {
            3
        } else {
            2
        },
        1,
    );
    while depth > 0 {
        let Some(next) = rest.get(here..).and_then(|r| memchr::memchr2(b'*', b'/', r)) else {
            here = rest.len();
            break;
        };
        here += next;
        (depth, here) = match rest.get(here..here + 2) {
            Some(b"/*") => (depth + 1, here + 2),
            Some(b"*/") => (depth - 1, here + 2),
            _ => (depth, here + 1),
        };
    }
    if doc { s.skip(here) } else { s.comment(here) }
}

/// Passes the string that begins here; one that does not end is the rest of the file.
fn string(s: &mut Scan<'_>) {
    let length = s.string(b'"').unwrap_or(s.rest().len());
    s.skip(length);
}

/// Passes a quote and the name behind it.
fn lifetime(s: &mut Scan<'_>) {
    s.skip(1);
    if s.peek().is_some_and(|b| b == b'_' || b.is_ascii_alphabetic()) {
        s.skip(s.word().len());
    }
}

/// Length of the character literal that begins `bytes`; `high` is the greatest first digit of `\x`.
fn character(bytes: &[u8], high: u8) -> Option<usize> {
    let inner = bytes.get(1..)?;
    let escape = match inner {
        [b'\\', b'\'' | b'"' | b'\\' | b'n' | b'r' | b't' | b'0', ..] => Some(2),
        [b'\\', b'x', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
            (a.to_ascii_lowercase() <= high).then_some(4)
        }
        [b'\\', b'u', b'{', digits @ ..] => {
            let count = run(digits, |b| b.is_ascii_hexdigit());
            ((1..=6).contains(&count) && digits.get(count) == Some(&b'}')).then_some(count + 4)
        }
        _ => None,
    };
    let any = width(inner).filter(|_| inner.first() != Some(&b'\n'));
    [escape, any].into_iter().flatten().find(|length| inner.get(*length) == Some(&b'\'')).map(|length| length + 2)
}

/// Passes an attribute: what stands in it is no comment.
fn attribute(s: &mut Scan<'_>) {
    s.skip(if s.starts(b"#!") { 3 } else { 2 });
    let mut depth = 1;
    while depth > 0 {
        let Some(next) = memchr::memchr3(b'"', b'[', b']', s.rest()) else { return s.skip(s.rest().len()) };
        s.skip(next);
        match s.peek() {
            Some(b'"') => {
                string(s);
                continue;
            }
            Some(b'[') => depth += 1,
            _ => depth -= 1,
        }
        s.skip(1);
    }
}
