//! Data written as text inside of files: base64, lists of hexadecimal bytes, escaped characters.
//!
//! The three patterns are StarCoder2's (Lozhkov et al. 2024, arXiv 2402.19173, 2.3): 64 or more of base64's characters and line
//! ends, eight or more hexadecimal bytes one after the other, eight or more `\u` escapes. Lists of bytes may have a space after
//! the comma here.

/// How much of a text is encoded data, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The longest piece.
    pub longest: usize,
    /// All pieces.
    pub total: usize,
}

const BASE64: usize = 64;
const ITEMS: usize = 8;

/// What of `text` is encoded.
pub fn measure(text: &str) -> Encoded {
    let bytes = text.as_bytes();
    let mut encoded = Encoded::default();
    let mut add = |length: usize| {
        encoded.longest = encoded.longest.max(length);
        encoded.total += length;
    };
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let run = if base64(b) { rest.iter().position(|b| !base64(*b)).unwrap_or(rest.len()) } else { 0 };
        if run >= BASE64 {
            add(run);
            at += run;
            continue;
        }
        let (items, length) = if b == b'\\' || b.is_ascii_hexdigit() { list(rest, bytes, at) } else { (0, 0) };
        if items >= ITEMS {
            add(length);
        }
        // A run of base64's characters holds no second beginning of a list but at its start.
        at += length.max(run).max(1);
    }
    encoded
}

fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\n')
}

/// The list of bytes or escapes that begins `rest`, which stands at `at` in `bytes`: its items and its length.
fn list(rest: &[u8], bytes: &[u8], at: usize) -> (usize, usize) {
    if at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(u8::is_ascii_alphanumeric) {
        return (0, 0);
    }
    let (mut items, mut length) = (0, 0);
    while let Some(item) = rest.get(length..).and_then(item) {
        items += 1;
        length += item;
        let gap = rest
            .get(length..)
            .unwrap_or_default()
            .iter()
            .take(64)
            .take_while(|b| matches!(b, b',' | b' ' | b'\n' | b'\t' | b'\r'))
            .count();
        length += gap;
    }
    (items, length)
}

/// Length of `\u00e9`, `\xe9`, `0xe9` or `e9` at the beginning of `rest`.
fn item(rest: &[u8]) -> Option<usize> {
    let hex =
        |from: usize, count: usize| rest.get(from..from + count).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit));
    let ends = |at: usize| !rest.get(at).is_some_and(u8::is_ascii_alphanumeric);
    match rest {
        [b'\\', b'u', ..] if hex(2, 4) => Some(6),
        [b'\\', b'x', ..] if hex(2, 2) => Some(4),
        [b'0', b'x' | b'X', ..] if hex(2, 2) && ends(4) => Some(4),
        _ if hex(0, 2) && ends(2) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_pieces_are_measured() {
        let base64 = "iVBORw0KGgo".repeat(8);
        assert_eq!(measure(&format!("x = \"{base64}\";")), Encoded { longest: 88, total: 88 });
        assert_eq!(measure("[0xde, 0xad, 0xbe, 0xef, 0x00, 0x01, 0x02, 0x03]").total, 46);
        assert_eq!(measure(r"\x01\x02\x03\x04\x05\x06\x07\x08").total, 32);
        assert_eq!(measure(&r"\u00e9".repeat(9)).longest, 54);
        assert_eq!(measure("fn main() { let be = 0xfe; add(1, 22, 333) }"), Encoded::default());
        assert_eq!(measure("It was the best of times, it was the worst of times."), Encoded::default());
    }
}
