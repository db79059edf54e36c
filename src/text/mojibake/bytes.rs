//! What misreading did to bytes of UTF-8, beside giving them other characters.

use super::charmap::LOST;

/// Undoes what made `A0` (no-break space) an ordinary space in the middle of UTF-8. Which first bytes are tried is
/// decided by how likely the characters are that they make.
pub fn restore_no_break_spaces(bytes: Vec<u8>) -> Vec<u8> {
    if !(0..bytes.len()).any(|at| altered(bytes.get(at..).unwrap_or_default()) > 0) {
        return bytes;
    }
    let bytes = keep_space_after_a_grave(&bytes);
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        let (sequence, next) = rest.split_at(altered(rest));
        out.extend(sequence.iter().map(|&b| if b == b' ' { 0xa0 } else { b }));
        rest = next;
        if sequence.is_empty() {
            out.push(byte);
            rest = after;
        }
    }
    out
}

/// `Ã ` between words is almost always the word `à` and the space behind it, but for Portuguese contractions.
fn keep_space_after_a_grave(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        out.push(byte);
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix(b"\xc3 ")
            && ![&b" "[..], b"quele", b"quela", b"quilo", b"s "].iter().any(|word| after.starts_with(word))
        {
            out.push(0xa0);
        }
    }
    out
}

/// Bytes of the sequence at the beginning of `bytes` that would be UTF-8 if its space were `A0`; 0 if there is none.
fn altered(bytes: &[u8]) -> usize {
    let follows = |b: u8| matches!(b, 0x80..=0xbf);
    // Neither `A0`, which needs no restoring, nor `85`, which stands for itself too often.
    let other = |b: u8| follows(b) && b != 0xa0 && b != 0x85;
    match bytes {
        [0xc2 | 0xc3 | 0xc5 | 0xce | 0xd0 | 0xd9, b' ', ..] => 2,
        [0xe2 | 0xe3, b' ', b, ..] if other(*b) => 3,
        [0xe0..=0xe3, b, b' ', ..] if other(*b) => 3,
        [0xf0, b' ', a, b, ..] | [0xf0, a, b' ', b, ..] | [0xf0, a, b, b' ', ..] if follows(*a) && follows(*b) => 4,
        _ => 0,
    }
}

/// Sequences of UTF-8 of which a byte was lost (or, in places, became a question mark) as replacement characters.
pub fn replace_lost(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.iter().any(|b| matches!(*b, LOST | b'?')) {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        let lost = lost(rest);
        if lost > 0 {
            out.extend("\u{fffd}".as_bytes());
            rest = rest.get(lost..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = after;
        }
    }
    out
}

/// Bytes of the sequence at the beginning of `bytes` that has lost a byte; 0 if there is none.
fn lost(bytes: &[u8]) -> usize {
    let follows = |b: u8| matches!(b, 0x80..=0xbf);
    let gone = |b: u8| matches!(b, LOST | b'?');
    let either = |b: u8| b == LOST || follows(b);
    let any = |b: u8| gone(b) || follows(b);
    match *bytes {
        [0xc2..=0xdf, LOST, ..] | [0xc2 | 0xc3, b'?', ..] => 2,
        [0xed, 0xa0..=0xaf, a, 0xed, 0xb0..=0xbf, b, ..] if (gone(a) && any(b)) || (any(a) && gone(b)) => 6,
        [0xe0..=0xef, a, b, ..] if (gone(a) && either(b)) || (either(a) && gone(b)) => 3,
        [0xf0..=0xf4, a, b, c, ..]
            if (gone(a) && either(b) && either(c))
                || (either(a) && gone(b) && either(c))
                || (either(a) && either(b) && gone(c)) =>
        {
            4
        }
        [LOST, ..] => 1,
        _ => 0,
    }
}

/// Decodes UTF-8, and what Java and others write in its place: `C0 80` for NUL, surrogates as three bytes each.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let special = memchr::memchr2(0xc0, 0xed, rest).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(special);
        out.push_str(std::str::from_utf8(plain).ok()?);
        let (c, length) = match *tail {
            [] => return Some(out),
            [0xc0, 0x80, ..] => ('\0', 2),
            [0xed, a @ 0xa0..=0xaf, b @ 0x80..=0xbf, 0xed, c @ 0xb0..=0xbf, d @ 0x80..=0xbf, ..] => {
                let bits = |byte: u8, mask: u8, shift: u32| u32::from(byte & mask) << shift;
                let code = bits(a, 0xf, 16) + bits(b, 0x3f, 10) + bits(c, 0xf, 6) + bits(d, 0x3f, 0) + 0x1_0000;
                (char::from_u32(code)?, 6)
            }
            [0xed, ..] => (std::str::from_utf8(tail.get(..3)?).ok()?.chars().next()?, 3),
            _ => return None,
        };
        out.push(c);
        rest = tail.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variants_of_utf_8_are_read() {
        assert_eq!(decode(b"a\xc0\x80b").as_deref(), Some("a\0b"));
        assert_eq!(decode(b"\xed\xa0\xbd\xed\xb2\xa9").as_deref(), Some("💩"));
        assert_eq!(decode(b"\xed\xa0\xbd"), None);
        assert_eq!(decode("한".as_bytes()).as_deref(), Some("한"));
        assert_eq!(decode(b"\xc3"), None);
    }

    #[test]
    fn spaces_and_losses_are_made_good() {
        assert_eq!(restore_no_break_spaces(b"voil\xc3 le".to_vec()), b"voil\xc3\xa0 le");
        assert_eq!(restore_no_break_spaces(b"\xc3 s vezes".to_vec()), b"\xc3\xa0s vezes");
        assert_eq!(restore_no_break_spaces(b"\xe2\x80 x \xe4 ".to_vec()), b"\xe2\x80\xa0x \xe4 ");
        assert_eq!(replace_lost(b"\xe2\x80\x1a so".to_vec()), "\u{fffd} so".as_bytes());
        assert_eq!(replace_lost(b"what? \xc3?".to_vec()), "what? \u{fffd}".as_bytes());
    }

    proptest! {
        #[test]
        fn utf_8_is_read_as_the_library_reads_it(text in ".{0,20}", noise in proptest::collection::vec(any::<u8>(), 0..4)) {
            prop_assert_eq!(decode(text.as_bytes()), Some(text.clone()));
            let mut bytes = text.into_bytes();
            bytes.extend(noise);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                prop_assert_eq!(decode(&bytes), Some(text.to_owned()));
            }
        }
    }
}
