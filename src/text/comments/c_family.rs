//! C and C++ as Pygments' `CFamilyLexer` reads them.

use super::scan::{Scan, run, width};

pub(super) fn scan(s: &mut Scan<'_>, cpp: bool) {
    while let Some(byte) = s.peek() {
        if s.at_line_start() && directive(s) {
            continue;
        }
        match s.peek().unwrap_or(byte) {
            b'/' if comment(s) => (),
            b'"' => string(s),
            b'\'' => s.skip(character(s.rest()).unwrap_or(1)),
            b'0'..=b'9' => number(s),
            _ if s.at_name() || s.peek() == Some(b'$') => name(s, cpp),
            _ => s.skip_char(),
        }
    }
}

/// Passes a comment in code: whether one begins here.
fn comment(s: &mut Scan<'_>) -> bool {
    if s.starts(b"//") {
        s.comment(line_comment(s.rest()));
        return true;
    }
    let open = match s.rest() {
        [b'/', b'*', ..] => 2,
        [b'/', b'\\', b'\n', b'*', ..] => 4,
        _ => return false,
    };
    match s.find(b"*/", open) {
        Some(at) => s.comment(at + 2),
        None => s.comment_to_end(),
    }
    true
}

/// Length of a comment to the end of its line, or of the next if a backslash ends it.
fn line_comment(rest: &[u8]) -> usize {
    let mut here = 0;
    while let Some(next) = rest.get(here..).and_then(|r| memchr::memchr(b'\n', r)) {
        here += next + 1;
        if here < 2 || rest.get(here - 2) != Some(&b'\\') {
            break;
        }
    }
    here.max(1)
}

fn string(s: &mut Scan<'_>) {
    s.skip(1);
    while let Some(next) = memchr::memchr3(b'"', b'\\', b'\n', s.rest()) {
        s.skip(next);
        if s.peek() != Some(b'\\') {
            return s.skip(1);
        }
        s.skip(if s.byte(1).is_some_and(|b| b"\\\"\n".contains(&b)) { 2 } else { 1 });
    }
    s.skip(s.rest().len());
}

/// Length of the character literal at the beginning of `bytes`.
fn character(bytes: &[u8]) -> Option<usize> {
    let inner = bytes.get(1..)?;
    let on_line = |at: usize| inner.get(at..).filter(|rest| !rest.starts_with(b"\n")).and_then(width);
    let lengths = if inner.first() == Some(&b'\\') {
        let digits = |from: usize, is: fn(u8) -> bool| run(inner.get(from..).unwrap_or_default(), is);
        let octal = digits(1, |b| (b'0'..=b'7').contains(&b)).min(3);
        let hex = if inner.get(1) == Some(&b'x') { digits(2, |b| b.is_ascii_hexdigit()).min(2) } else { 0 };
        [on_line(1).map(|w| w + 1), (octal > 0).then_some(octal + 1), (hex > 0).then_some(hex + 2)]
    } else {
        [on_line(0).filter(|_| inner.first() != Some(&b'\'')), None, None]
    };
    lengths.into_iter().flatten().find(|length| inner.get(*length) == Some(&b'\'')).map(|length| length + 2)
}

/// Passes a number, with the quotes that group its digits.
fn number(s: &mut Scan<'_>) {
    let hex = s.starts(b"0x") || s.starts(b"0X");
    let digit = |b: u8| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
    s.skip(if hex { 2 } else { 1 });
    loop {
        s.skip(run(s.rest(), digit));
        if s.peek() != Some(b'\'') || !s.byte(1).is_some_and(digit) {
            return;
        }
        s.skip(1);
    }
}

/// Passes a name, or the raw string that it begins.
fn name(s: &mut Scan<'_>, cpp: bool) {
    let word = s.word();
    s.skip(word.len().max(1));
    if !cpp || s.peek() != Some(b'"') || !matches!(word, "R" | "LR" | "uR" | "UR" | "u8R") {
        return;
    }
    let rest = s.rest().get(1..).unwrap_or_default();
    let delimiter = run(rest, |b| !b"\\()".contains(&b) && !b.is_ascii_whitespace());
    if delimiter > 16 || rest.get(delimiter) != Some(&b'(') {
        return;
    }
    let mark = [b")", rest.get(..delimiter).unwrap_or_default(), b"\""].concat();
    if let Some(end) = s.find(&mark, delimiter + 2) {
        s.skip(end + mark.len());
    }
}

/// Bytes of white space, one comment on one line, and white space, and where among them the comment stands.
fn gap(s: &Scan<'_>, ahead: usize) -> (usize, Option<(usize, usize)>) {
    let from = ahead + s.space(ahead);
    let rest = s.rest().get(from..).unwrap_or_default();
    let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let closed = rest.strip_prefix(b"/*").and_then(|_| memchr::memmem::find(rest.get(2..line)?, b"*/"));
    let Some(end) = closed.map(|at| from + at + 4) else { return (from, None) };
    (end + s.space(end), Some((from, end)))
}

/// Passes a directive of the preprocessor, at the beginning of a line: whether one begins here. Where none does, the white
/// space at the beginning of the line is passed.
fn directive(s: &mut Scan<'_>) -> bool {
    let (end, comment) = gap(s, 0);
    if s.byte(end) != Some(b'#') {
        s.skip_space();
        return false;
    }
    if let Some((from, to)) = comment {
        s.skip(from);
        s.comment(to - from);
    }
    s.skip_space();
    let zero = s.starts(b"#if").then(|| s.space(3)).filter(|space| *space > 0 && s.byte(3 + space) == Some(b'0'));
    if let Some(space) = zero {
        s.skip(4 + space);
        left_out(s);
    } else {
        s.skip(1);
        directive_line(s);
    }
    true
}

/// Passes what `#if 0` leaves out, which is no comment. `#else` ends one level, as `#endif` does, also of what is nested.
fn left_out(s: &mut Scan<'_>) {
    let mut depth = 1;
    while depth > 0 && s.peek().is_some() {
        let (start, length) = (s.at_line_start(), s.line());
        let line = s.rest().get(..length).unwrap_or_default();
        let word = line.trim_ascii_start();
        let goes_on = line.ends_with(b"\\");
        if start && word.starts_with(b"#if") && !goes_on {
            depth += 1;
        } else if start
            && (word.starts_with(b"#else") || word.starts_with(b"#elif") || (word.starts_with(b"#endif") && !goes_on))
        {
            depth -= 1;
        }
        s.skip(length + 1);
    }
}

/// Passes a directive behind its `#`. Strings hide nothing in it.
fn directive_line(s: &mut Scan<'_>) {
    include(s);
    while let Some(next) = memchr::memchr2(b'/', b'\n', s.rest()) {
        // An inclusion is one as well where the directive goes on in the next line, whatever it is.
        if s.tail(s.space(0)).starts_with("include") && include(s) {
            continue;
        }
        s.skip(next);
        if s.peek() == Some(b'\n') {
            let goes_on = s.at.checked_sub(1).and_then(|b| s.bytes().get(b)) == Some(&b'\\');
            s.skip(1);
            if !goes_on {
                return;
            }
        } else if s.starts(b"//") {
            return s.comment(s.line() + 1);
        } else {
            let end = if s.starts(b"/*") { s.find(b"*/", 2) } else { None };
            match end {
                Some(end) => s.comment(end + 2),
                None => s.skip(1),
            }
        }
    }
    s.skip(s.rest().len());
}

/// Passes an inclusion, behind which the lexer takes whatever stands on the line for a comment: whether one begins here.
fn include(s: &mut Scan<'_>) -> bool {
    let (word, _) = gap(s, 0);
    if !s.rest().get(word..).is_some_and(|r| r.starts_with(b"include")) {
        return false;
    }
    let (name, _) = gap(s, word + 7);
    let close: &[u8] = match s.byte(name) {
        Some(b'"') => b"\"",
        Some(b'<') => b">",
        _ => return false,
    };
    let Some(end) = s.find(close, name + 1).filter(|end| *end > name + 1) else { return false };
    s.skip(end + 1);
    s.skip(run(s.rest(), |b| b.is_ascii_whitespace() && b != b'\n'));
    let slash =
        memchr::memchr2(b'/', b'\n', s.rest()).filter(|at| s.rest().get(*at..).is_some_and(|r| r.starts_with(b"/*")));
    match slash.and_then(|at| s.find(b"*/", at + 2)) {
        Some(end) => s.comment(end + 2),
        None => s.comment(s.line()),
    }
    true
}
