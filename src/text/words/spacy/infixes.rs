//! Where what is left of a chunk is cut: at ellipses and symbols, and at marks between letters or digits.

use super::{ALPHA, Span, ahead, behind};
use crate::text::chars::{Chars, SPACY_ICON, SPACY_LOWER, SPACY_QUOTE, SPACY_UPPER};

/// Bytes that may begin an infix; all beyond ASCII may.
static MAY: [bool; 256] = may();

const fn may() -> [bool; 256] {
    let mut may = [false; 256];
    let marks = b".+-*^,~:<>=/";
    let mut i = 0;
    while i < marks.len() {
        may[marks[i] as usize] = true;
        i += 1;
    }
    let mut byte = 128;
    while byte < 256 {
        may[byte] = true;
        byte += 1;
    }
    may
}

/// Appends the pieces of `text`, which stands at `offset`, to `out`.
pub fn cut(text: &str, offset: usize, chars: &Chars, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut push = |from: usize, to: usize| {
        if from < to {
            out.push(((offset + from) as u32, (offset + to) as u32));
        }
    };
    let (mut start, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        if !MAY[byte as usize] {
            at += 1;
            continue;
        }
        let (length, step) = if byte < 128 {
            (mark(text, at, byte, chars), 1)
        } else {
            let c = text.get(at..).and_then(|t| t.chars().next()).unwrap_or(' ');
            (symbol(text, at, c, chars), c.len_utf8())
        };
        // A match at the very start cuts nothing, and is passed over whole.
        if length > 0 && at > 0 {
            push(start, at);
            push(at, at + length);
            start = at + length;
        }
        at += if length > 0 { length } else { step };
    }
    push(start, text.len());
}

/// Length of the infix that begins with the ASCII mark `byte` at `at`.
fn mark(text: &str, at: usize, byte: u8, chars: &Chars) -> usize {
    let bytes = text.as_bytes();
    let next = bytes.get(at + 1).copied().unwrap_or(0);
    match byte {
        b'.' if next == b'.' => bytes.get(at..).unwrap_or_default().iter().take_while(|b| **b == b'.').count(),
        b'.' => usize::from(
            behind(text, at, chars, SPACY_LOWER | SPACY_QUOTE, false)
                && ahead(text, at + 1, chars, SPACY_UPPER | SPACY_QUOTE),
        ),
        b',' => usize::from(behind(text, at, chars, ALPHA, false) && ahead(text, at + 1, chars, ALPHA)),
        b':' | b'<' | b'>' | b'=' | b'/' => {
            usize::from(behind(text, at, chars, ALPHA, true) && ahead(text, at + 1, chars, ALPHA))
        }
        _ => {
            let digit = at > 0 && bytes.get(at - 1).is_some_and(u8::is_ascii_digit);
            if byte != b'~' && digit && (next.is_ascii_digit() || next == b'-') {
                return 1;
            }
            match byte {
                b'-' => hyphens(text, at, "-", 3, chars),
                b'~' => hyphens(text, at, "~", 1, chars),
                _ => 0,
            }
        }
    }
}

/// Length of the infix that begins with `c`, beyond ASCII, at `at`.
fn symbol(text: &str, at: usize, c: char, chars: &Chars) -> usize {
    match c {
        '–' => hyphens(text, at, "–", 1, chars),
        '—' => hyphens(text, at, "—", 2, chars),
        c if chars.is(c, SPACY_ICON) => c.len_utf8(),
        _ => 0,
    }
}

/// Length of one to `most` times `hyphen` between a letter or digit and a letter.
fn hyphens(text: &str, at: usize, hyphen: &str, most: usize, chars: &Chars) -> usize {
    let mut end = at;
    if behind(text, at, chars, ALPHA, true) {
        for _ in 0..most {
            if !text.get(end..).is_some_and(|t| t.starts_with(hyphen)) {
                break;
            }
            end += hyphen.len();
            if ahead(text, end, chars, ALPHA) {
                return end - at;
            }
        }
    }
    0
}
