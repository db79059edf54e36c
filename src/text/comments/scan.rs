//! A place in a source file that moves forward, and the characters of comments passed on the way.

/// Marks that were looked for in vain, beyond which nothing is looked for: a file of nothing but marks stays linear.
const MAX_MISSING: usize = 64;

/// A place in a source file.
pub(super) struct Scan<'t> {
    text: &'t str,
    /// Bytes passed.
    pub at: usize,
    /// Characters of comments among them.
    pub comments: usize,
    /// What does not occur behind this place.
    missing: Vec<Vec<u8>>,
    /// Quotes that no string ends with behind this place.
    unclosed: Vec<u8>,
}

impl<'t> Scan<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, comments: 0, missing: Vec::new(), unclosed: Vec::new() }
    }

    pub fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// What is still to come.
    pub fn rest(&self) -> &'t [u8] {
        self.bytes().get(self.at..).unwrap_or_default()
    }

    /// What comes `ahead` of here.
    pub fn tail(&self, ahead: usize) -> &'t str {
        self.text.get(self.at + ahead..).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<u8> {
        self.byte(0)
    }

    /// The byte `ahead` of here.
    pub fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes().get(self.at + ahead).copied()
    }

    pub fn starts(&self, mark: &[u8]) -> bool {
        self.rest().starts_with(mark)
    }

    pub fn at_line_start(&self) -> bool {
        self.at.checked_sub(1).is_none_or(|before| self.bytes().get(before) == Some(&b'\n'))
    }

    /// Passes `length` bytes.
    pub fn skip(&mut self, length: usize) {
        self.at = (self.at + length).min(self.text.len());
    }

    /// Passes one character.
    pub fn skip_char(&mut self) {
        self.at = (self.at + 1).min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    /// Passes `length` bytes of comment.
    pub fn comment(&mut self, length: usize) {
        self.comments += chars(self.rest().get(..length).unwrap_or_default());
        self.skip(length);
    }

    /// Passes what is left, as comment.
    pub fn comment_to_end(&mut self) {
        self.comment(self.rest().len());
    }

    /// Bytes to the end of the line, which is not among them.
    pub fn line(&self) -> usize {
        memchr::memchr(b'\n', self.rest()).unwrap_or(self.rest().len())
    }

    /// Passes white space, line ends too.
    pub fn skip_space(&mut self) {
        self.at += self.space(0);
    }

    /// Bytes of white space `ahead` of here.
    pub fn space(&self, ahead: usize) -> usize {
        let rest = self.tail(ahead);
        rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)).len()
    }

    /// The letters, digits and underscores that come next.
    pub fn word(&self) -> &'t str {
        let rest = self.tail(0);
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// Whether a word begins here, which digits do not.
    pub fn at_name(&self) -> bool {
        self.tail(0).chars().next().is_some_and(|c| is_word(c) && !c.is_ascii_digit())
    }

    /// Where `mark` begins first, `ahead` of here.
    pub fn find(&mut self, mark: &[u8], ahead: usize) -> Option<usize> {
        if self.missing.len() >= MAX_MISSING || self.missing.iter().any(|m| m == mark) {
            return None;
        }
        let found = memchr::memmem::find(self.bytes().get(self.at + ahead..)?, mark).map(|at| at + ahead);
        if found.is_none() {
            self.missing.push(mark.to_vec());
        }
        found
    }

    /// Passes a comment between `/*` and `*/`, as comment: whether one begins here that ends.
    pub fn block_comment(&mut self) -> bool {
        let end = if self.starts(b"/*") { self.find(b"*/", 2) } else { None };
        if let Some(end) = end {
            self.comment(end + 2);
        }
        end.is_some()
    }

    /// Where the string ends that begins here with `quote`, as bytes; a backslash hides what follows it. Where it ends
    /// does not depend on where it began: backslashes are counted from the first of a row.
    pub fn string(&mut self, quote: u8) -> Option<usize> {
        if self.unclosed.contains(&quote) {
            return None;
        }
        let mut here = 1;
        let rest = self.rest();
        while let Some(next) = rest.get(here..).and_then(|r| memchr::memchr2(quote, b'\\', r)) {
            here += next;
            if rest.get(here) == Some(&quote) {
                return Some(here + 1);
            }
            here += 2;
        }
        self.unclosed.push(quote);
        None
    }
}

pub(super) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Characters in UTF-8.
pub(super) fn chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b & 0xc0 != 0x80).count()
}

/// Bytes of the character at the beginning of `bytes`.
pub(super) fn width(bytes: &[u8]) -> Option<usize> {
    let (first, rest) = bytes.split_first()?;
    Some(if first.is_ascii() { 1 } else { 1 + run(rest, |b| b & 0xc0 == 0x80) })
}

/// Bytes at the beginning of `bytes` that are `is`.
pub(super) fn run(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !is(*b)).unwrap_or(bytes.len())
}
