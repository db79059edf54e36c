//! Python's comments as its tokenizer finds them, and its documentation strings as its parser does (CPython 3.11): the
//! strings are those of modules, classes and functions that are not asynchronous, with their escapes undone and their
//! indentation taken away. A file that cannot be parsed has none.
//!
//! There is no parser here. A file cannot be parsed where its tokens say so: brackets that do not match, indentation that
//! fits nothing, characters of no meaning, or two operands side by side, which is what Python 2 looks like.

use super::docstrings::{clean, value};
use super::scan::{Scan, run};

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Characters of comments and documentation strings.
pub(super) fn characters(text: &str) -> usize {
    let mut reader = Reader::new(text);
    reader.file();
    let mut said = String::new();
    if reader.valid {
        reader.docs.sort_by(|a, b| (a.kind, a.name).cmp(&(b.kind, b.name)));
        let docs: Vec<&str> = reader.docs.iter().map(|d| d.text.as_str()).collect();
        said = docs.join("\n");
    }
    said.push('\n');
    if reader.tokenized {
        said.push_str(&reader.comments);
    }
    said.trim().chars().count()
}

/// What has a documentation string, in the order in which they are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Class,
    Function,
    Module,
}

struct Doc<'t> {
    kind: Kind,
    name: &'t str,
    text: String,
}

/// What a token is to its neighbors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Operand,
    String,
    /// A word that may be a keyword, as `match`.
    Soft,
    Other,
}

/// Where a documentation string may stand.
#[derive(Debug, Clone, Copy)]
enum Expected<'t> {
    No,
    /// In the next statement.
    Of(Kind, &'t str),
    /// In this one, of which nothing else was seen but brackets: whether a string was.
    Here(Kind, &'t str, bool),
}

struct Reader<'t> {
    s: Scan<'t>,
    text: &'t str,
    comments: String,
    docs: Vec<Doc<'t>>,
    /// Whether the tokenizer gets to the end.
    tokenized: bool,
    /// Whether the parser does.
    valid: bool,
    brackets: Vec<u8>,
    /// Columns of the blocks around, with tabs of eight and of one.
    indents: Vec<(usize, usize)>,
    expected: Expected<'t>,
    /// What the string in a statement says so far.
    doc: String,
    /// The block that a header begins: it is known before its colon.
    header: Option<(Kind, &'t str)>,
    last: Token,
    /// Tokens of the statement so far, and the word that it begins with.
    tokens: usize,
    first: &'t str,
    /// Whether the line so far ends with a colon, and a block must follow.
    colon: bool,
    /// Up to where no string ends, by its quote: single, double.
    unclosed: [usize; 2],
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            s: Scan::new(text),
            text,
            comments: String::new(),
            docs: Vec::new(),
            tokenized: true,
            valid: !text.contains(['\0', '\u{feff}']),
            brackets: Vec::new(),
            indents: vec![(0, 0)],
            expected: Expected::Of(Kind::Module, ""),
            doc: String::new(),
            header: None,
            last: Token::Other,
            tokens: 0,
            first: "",
            colon: false,
            unclosed: [0; 2],
        }
    }

    fn file(&mut self) {
        while self.s.peek().is_some() && self.tokenized {
            if self.tokens == 0 && self.brackets.is_empty() && self.s.at_line_start() && self.blank_or_indent() {
                continue;
            }
            self.token();
        }
        if !self.brackets.is_empty() {
            (self.tokenized, self.valid) = (false, false);
        }
        self.line_end();
        self.valid &= self.tokenized && !self.colon;
    }

    /// Measures the indentation of a line; whether the line is blank or a comment, and passed.
    fn blank_or_indent(&mut self) -> bool {
        let (mut column, mut short, mut length) = (0, 0, 0);
        for byte in self.s.rest() {
            (column, short) = match byte {
                b' ' => (column + 1, short + 1),
                b'\t' => ((column / 8 + 1) * 8, short + 1),
                b'\x0c' => (0, 0),
                _ => break,
            };
            length += 1;
        }
        self.s.skip(length);
        match self.s.peek() {
            None => return true,
            Some(b'#') => {
                self.comment();
                self.s.skip(run(self.s.rest(), |b| b == b'\r'));
                self.s.skip(1);
                return true;
            }
            Some(b'\n') => {
                self.s.skip(1);
                return true;
            }
            Some(b'\r') => {
                self.s.skip(self.s.line() + 1);
                return true;
            }
            _ => (),
        }
        let deeper = self.indents.last().is_some_and(|(c, _)| column > *c);
        self.valid &= deeper == self.colon;
        self.colon = false;
        if deeper {
            self.valid &= self.indents.last().is_some_and(|(_, s)| short > *s);
            self.indents.push((column, short));
        }
        while self.indents.last().is_some_and(|(c, _)| column < *c) {
            self.indents.pop();
        }
        match self.indents.last() {
            Some((c, s)) if *c == column => self.valid &= *s == short,
            _ => (self.tokenized, self.valid) = (false, false),
        }
        false
    }

    fn comment(&mut self) {
        let length = run(self.s.rest(), |b| b != b'\n' && b != b'\r');
        let end = self.s.at + length;
        self.comments.extend(self.text.get(self.s.at..end).unwrap_or_default().split('#'));
        self.s.skip(length);
    }

    fn token(&mut self) {
        let Some(byte) = self.s.peek() else { return };
        match byte {
            b' ' | b'\t' | b'\x0c' => self.s.skip(1),
            b'#' => self.comment(),
            b'\n' => self.new_line(1),
            b'\r' if self.s.byte(1) == Some(b'\n') => self.new_line(2),
            b'\\' if self.s.starts(b"\\\n") || self.s.starts(b"\\\r\n") => {
                self.s.skip(self.s.line() + 1);
                // What goes on must have a next line.
                if self.s.peek().is_none() {
                    (self.tokenized, self.valid) = (false, false);
                }
            }
            b'"' | b'\'' => self.string(0),
            b'0'..=b'9' => self.number(),
            b'.' if self.s.byte(1).is_some_and(|b| b.is_ascii_digit()) => self.number(),
            _ if self.s.at_name() => self.name(),
            _ => self.operator(byte),
        }
    }

    fn new_line(&mut self, length: usize) {
        self.s.skip(length);
        if self.brackets.is_empty() {
            self.line_end();
        }
    }

    /// Ends the statement and its line.
    fn line_end(&mut self) {
        if self.tokens == 0 {
            return;
        }
        self.statement_end();
        if let (true, Some((kind, name))) = (self.colon, self.header.take()) {
            self.expected = Expected::Of(kind, name);
        }
    }

    fn statement_end(&mut self) {
        if let Expected::Here(kind, name, true) = self.expected {
            let text = clean(&self.doc);
            if !text.is_empty() {
                self.docs.push(Doc { kind, name, text });
            }
        }
        self.doc.clear();
        self.expected = Expected::No;
        (self.tokens, self.last, self.first) = (0, Token::Other, "");
    }

    /// Counts a token that is to its neighbors what `now` says.
    fn seen(&mut self, now: Token) {
        let before = std::mem::replace(&mut self.last, now);
        let operand = |t: Token| matches!(t, Token::Operand | Token::String | Token::Soft);
        let beside = operand(before) && operand(now) && (before, now) != (Token::String, Token::String);
        self.valid &= !beside || before == Token::Soft;
        self.tokens += 1;
        self.colon = false;
        if let Expected::Of(kind, name) = self.expected {
            self.expected = Expected::Here(kind, name, false);
        }
        if now != Token::String && matches!(self.expected, Expected::Here(..)) && now != Token::Other {
            self.expected = Expected::No;
        }
    }

    fn name(&mut self) {
        let word = self.s.word();
        let quoted = self.s.byte(word.len()).is_some_and(|b| b == b'"' || b == b'\'');
        if quoted && word.len() <= 2 && word.bytes().all(|b| b"rRbBuUfF".contains(&b)) && prefix(word) {
            return self.string(word.len());
        }
        let start = self.tokens == 0;
        let after = self.first;
        if start {
            self.first = word;
        }
        let soft = start && matches!(word, "match" | "case" | "type");
        let keyword = KEYWORDS.contains(&word);
        self.seen(if soft {
            Token::Soft
        } else if keyword {
            Token::Other
        } else {
            Token::Operand
        });
        if keyword {
            self.not_a_string();
        }
        if self.tokens == 2 && matches!(after, "class" | "def") {
            self.header = Some((if after == "class" { Kind::Class } else { Kind::Function }, word));
        }
        self.s.skip(word.len());
    }

    fn not_a_string(&mut self) {
        if matches!(self.expected, Expected::Here(..)) {
            self.expected = Expected::No;
        }
    }

    fn number(&mut self) {
        let rest = self.s.rest();
        let exponent = |at: usize| {
            at > 0
                && rest.get(at - 1).is_some_and(|b| matches!(b, b'e' | b'E'))
                && !rest.starts_with(b"0x")
                && !rest.starts_with(b"0X")
        };
        let mut length = 0;
        while let Some(b) = rest.get(length) {
            if !(b.is_ascii_alphanumeric()
                || matches!(b, b'_' | b'.')
                || (matches!(b, b'+' | b'-') && exponent(length)))
            {
                break;
            }
            length += 1;
        }
        let number = rest.get(..length).unwrap_or_default();
        // Numbers of Python 2: long ones, and octal ones without an `o`.
        let octal = matches!(number, [b'0', b'0'..=b'9', ..])
            && number.iter().all(u8::is_ascii_digit)
            && number.iter().any(|b| *b != b'0');
        self.valid &= !octal && !matches!(number.last(), Some(b'l' | b'L'));
        self.seen(Token::Operand);
        self.s.skip(length);
    }

    fn operator(&mut self, byte: u8) {
        let known = b"()[]{}:;,.=+-*/%@<>!&|^~".contains(&byte) && (byte != b'!' || self.s.byte(1) == Some(b'='));
        self.valid &= known && !self.s.starts(b"<>");
        let closes = matches!(byte, b')' | b']' | b'}');
        let strings = matches!(self.expected, Expected::Here(_, _, true));
        let opens_doc = byte == b'(' && !strings && !matches!(self.expected, Expected::No);
        self.seen(Token::Other);
        if !(opens_doc || (byte == b')' && strings) || byte == b';') {
            self.not_a_string();
        }
        match byte {
            b'(' | b'[' | b'{' => self.brackets.push(byte),
            _ if closes => {
                let open = match byte {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                match self.brackets.pop() {
                    Some(b) => self.valid &= b == open,
                    None => (self.tokenized, self.valid) = (false, false),
                }
                self.last = Token::Operand;
            }
            _ => (),
        }
        self.s.skip_char();
        if self.brackets.is_empty() {
            match byte {
                b':' => self.after_colon(),
                b';' => {
                    self.statement_end();
                    self.tokens = 1;
                }
                b',' => self.valid &= !matches!(self.first, "except" | "raise"),
                _ => (),
            }
        }
    }

    /// A colon outside of brackets: behind that of a header a block begins, on this line or the next.
    fn after_colon(&mut self) {
        self.colon = true;
        self.first = "";
        if let Some((kind, name)) = self.header {
            let rest = self.s.rest();
            let line = rest.get(..self.s.line()).unwrap_or_default().trim_ascii_start();
            if !(line.is_empty() || line.starts_with(b"#") || line.starts_with(b"\\")) {
                self.header = None;
                self.expected = Expected::Of(kind, name);
                self.last = Token::Other;
            }
        }
    }

    /// A string, behind a prefix of `prefix` bytes.
    fn string(&mut self, prefix: usize) {
        let start = self.s.at;
        let Some(&quote) = self.s.rest().get(prefix) else { return };
        let triple = self.s.rest().get(prefix..prefix + 3) == Some(&[quote; 3]);
        let inner = prefix + if triple { 3 } else { 1 };
        let given_up = usize::from(quote == b'"');
        let looked = triple || self.unclosed.get(given_up).is_some_and(|end| start >= *end);
        let end = if looked { string_end(self.s.rest(), inner, quote, triple) } else { Err(0) };
        let Ok(end) = end else {
            if let (Err(length @ 1..), Some(unclosed)) = (end, self.unclosed.get_mut(given_up)) {
                *unclosed = start + length;
            }
            if triple {
                (self.tokenized, self.valid) = (false, false);
                return self.s.skip(self.s.rest().len());
            }
            self.valid = false;
            self.seen(Token::Other);
            return self.s.skip(prefix + 1);
        };
        let marks = self.text.get(start..start + prefix).unwrap_or_default();
        self.seen(Token::String);
        match self.expected {
            Expected::Here(kind, name, _) if !marks.contains(['b', 'B', 'f', 'F']) => {
                let close = end - if triple { 3 } else { 1 };
                let body = self.text.get(start + inner..start + close).unwrap_or_default();
                self.valid &= value(body, marks.contains(['r', 'R']), &mut self.doc);
                self.expected = Expected::Here(kind, name, true);
            }
            _ => self.not_a_string(),
        }
        self.s.skip(end);
    }
}

/// Whether the letters are a prefix of a string.
fn prefix(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "r" | "b" | "u" | "f" | "rb" | "br" | "rf" | "fr")
}

/// Where the string ends whose text begins at `inner`; one in single quotes ends on its line, but for backslashes. Where
/// none does, how far it was looked for.
fn string_end(rest: &[u8], inner: usize, quote: u8, triple: bool) -> Result<usize, usize> {
    let mut here = inner;
    loop {
        match rest.get(here).ok_or(here)? {
            b'\\' if rest.get(here + 1..here + 3) == Some(b"\r\n") => here += 3,
            b'\\' => here += 2,
            b'\n' if !triple => return Err(here),
            b if *b == quote && (!triple || rest.get(here..here + 3) == Some(&[quote; 3])) => {
                return Ok(here + if triple { 3 } else { 1 });
            }
            _ => here += 1,
        }
    }
}
