//! JavaScript and TypeScript as Pygments' lexers read them: where a slash begins a regular expression is told by what
//! stands before it.

use super::scan::{Scan, is_word, run};

/// Words behind which a slash begins a regular expression.
const BEFORE_EXPRESSIONS: &str = "typeof instanceof in void delete new for while do break return continue switch case default if else \
    throw try catch finally yield await async this of static export import debugger extends super var \
    let const with function class";
/// Words that are such in TypeScript, too.
const TYPESCRIPT: &str = "abstract implements private protected public readonly enum interface override";

/// In what a piece of code stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// The text of a template.
    Template,
    /// An expression in a template: the next closing brace ends it.
    Expression,
}

pub(super) fn scan(s: &mut Scan<'_>, typescript: bool) {
    let mut inside: Vec<Inside> = Vec::new();
    // Whether a slash would begin a regular expression.
    let mut expression = false;
    let mut untyped = 0;
    while let Some(byte) = s.peek() {
        if inside.last() == Some(&Inside::Template) {
            template(s, &mut inside);
            expression = false;
            continue;
        }
        let space = if byte.is_ascii_graphic() { 0 } else { s.space(0) };
        if s.at_line_start() && (space > 0 || byte == b'/' || s.starts(b"<!--")) {
            expression = true;
        }
        if space > 0 {
            s.skip(space);
        } else if s.starts(b"<!--") {
            s.skip(4);
        } else if s.starts(b"//") {
            s.comment(s.line());
        } else if byte == b'/' && s.block_comment() {
            continue;
        } else if expression && byte == b'/' {
            expression = false;
            // What is no regular expression hides the rest of its line.
            s.skip(regular_expression(s.tail(0)).unwrap_or_else(|| s.line() + 1));
        } else {
            expression = code(s, byte, typescript.then_some(&mut untyped), &mut inside);
        }
    }
}

fn is_among(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// Passes a piece of a template.
fn template(s: &mut Scan<'_>, inside: &mut Vec<Inside>) {
    s.skip(memchr::memchr3(b'`', b'\\', b'$', s.rest()).unwrap_or(s.rest().len()));
    match s.peek() {
        Some(b'`') => {
            inside.pop();
            s.skip(1);
        }
        Some(b'$') if s.byte(1) == Some(b'{') => {
            inside.push(Inside::Expression);
            s.skip(2);
        }
        Some(b'\\') => {
            s.skip(1);
            s.skip_char();
        }
        _ => s.skip(1),
    }
}

/// Passes a token that is neither space nor comment nor regular expression; whether one may begin behind it.
fn code(s: &mut Scan<'_>, byte: u8, typescript: Option<&mut usize>, inside: &mut Vec<Inside>) -> bool {
    let more = typescript.is_some();
    if let Some(is) = typescript.and_then(|untyped| typed(s, untyped)) {
        return is;
    }
    match byte {
        b'#' if s.at == 0 && s.starts(b"#!") && matches!(s.rest(), [_, _, b'/', ..] | [_, _, b' ', b'/', ..]) => {
            s.skip(s.line());
        }
        b'}' if inside.last() == Some(&Inside::Expression) => {
            inside.pop();
            s.skip(1);
        }
        b'=' if s.byte(1) == Some(b'>') => s.skip(2),
        b'+' | b'-' | b'~' | b'?' | b':' | b'<' | b'>' | b'=' | b'!' | b'*' | b'|' | b'&' | b'%' | b'^' | b'/'
        | b'{' | b'(' | b'[' | b';' | b',' => {
            s.skip(1);
            return true;
        }
        b'\\' if s.byte(1) == Some(b'\n') => {
            s.skip(1);
            return true;
        }
        b'"' | b'\'' => {
            let length = s.string(byte).unwrap_or(1);
            s.skip(length);
        }
        b'`' => {
            inside.push(Inside::Template);
            s.skip(1);
        }
        b'0'..=b'9' => s.skip(run(s.rest(), |b| b.is_ascii_alphanumeric())),
        _ if s.at_name() || byte == b'$' => {
            let word = s.word();
            if is_among(BEFORE_EXPRESSIONS, word) || (more && is_among(TYPESCRIPT, word)) {
                s.skip(word.len());
                return true;
            }
            while s.at_name() || s.peek().is_some_and(|b| b == b'$' || b.is_ascii_digit()) {
                s.skip(s.word().len().max(1));
            }
        }
        _ => s.skip_char(),
    }
    false
}

/// Passes what TypeScript's lexer takes for a name and its type, whatever it is; whether an expression may follow.
/// Names before `untyped` were looked at.
fn typed(s: &mut Scan<'_>, untyped: &mut usize) -> Option<bool> {
    let named = |c: char| is_word(c) || c == '?' || c == '.' || c == '$';
    let length = |s: &Scan<'_>, ahead: usize| {
        let rest = s.tail(ahead);
        rest.find(|c| !named(c)).unwrap_or(rest.len())
    };
    let byte = s.peek()?;
    if !(s.at_name() || byte.is_ascii_digit() || b"?.$".contains(&byte)) {
        return None;
    }
    let word = s.word();
    if is_among(TYPESCRIPT, word) {
        return None;
    }
    if matches!(word, "declare" | "type" | "string" | "boolean" | "number") {
        s.skip(word.len());
        return Some(false);
    }
    if s.at < *untyped {
        return None;
    }
    let name = length(s, 0);
    let colon = name + s.space(name);
    let kind = if s.byte(colon) == Some(b':') { colon + 1 + s.space(colon + 1) } else { colon };
    let end = kind + length(s, kind);
    if kind == colon || end == kind {
        *untyped = s.at + name;
        return None;
    }
    s.skip(end);
    Some(false)
}

/// Length of the regular expression at the beginning of `text`.
fn regular_expression(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut here, mut class) = (1, false);
    let end = loop {
        match bytes.get(here)? {
            b'\\' => here += 1,
            b'\n' => return None,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => break here + 1,
            _ => (),
        }
        here += 1;
    };
    let end = end + run(bytes.get(end..)?, |b| b"gimuysd".contains(&b));
    (end > 2 && !text.get(end..)?.chars().next().is_some_and(is_word)).then_some(end)
}
