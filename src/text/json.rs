//! Strings of JSON (RFC 8259, section 7), written as `serde_json` writes them, and read where they are as most writers write
//! them: copied from escape to escape.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Appends `text` as a JSON string with its quotes.
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + bytes.len() / 16 + 10);
    out.push(b'"');
    if has_control(bytes, b'\n') {
        push_any(bytes, out);
    } else {
        let mut start = 0;
        for at in memchr::memchr3_iter(b'\n', b'"', b'\\', bytes) {
            out.extend_from_slice(bytes.get(start..at).unwrap_or_default());
            start = at + escape(bytes.get(at), out);
        }
        out.extend_from_slice(bytes.get(start..).unwrap_or_default());
    }
    out.push(b'"');
}

/// Whether there is a control character other than `but`. Without a branch for each byte, this is as fast as memory.
fn has_control(bytes: &[u8], but: u8) -> bool {
    bytes.chunks(256).any(|block| block.iter().fold(false, |found, &b| found | ((b < 0x20) & (b != but))))
}

/// Appends bytes that may hold any control character: eight at a time where none needs escaping.
fn push_any(bytes: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(Ok(block)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let plain = plain(u64::from_le_bytes(block));
        // All eight are copied, which is a single store, and what is not plain is taken back.
        out.extend_from_slice(&block);
        at += plain;
        if plain < 8 {
            out.truncate(out.len() - (8 - plain));
            at += escape(bytes.get(at), out);
        }
    }
    while at < bytes.len() {
        at += escape(bytes.get(at), out);
    }
}

/// Whether a line holds nothing below a space, as JSON without tabs and indentation does. Raw control characters are not
/// allowed in strings, so that [`read_string`] need not look for them.
pub fn is_plain(line: &str) -> bool {
    !has_control(line.as_bytes(), b' ')
}

/// Reads the string whose opening quote ends at `start` of a line that [`is_plain`], and says where its closing quote ends.
/// `None` if it has no end, or an escape that is none or a surrogate, which `serde_json` should judge.
pub fn read_string(line: &str, start: usize) -> Option<(String, usize)> {
    let bytes = line.as_bytes();
    let mut out = String::with_capacity(line.len() - start.min(line.len()));
    let mut from = start;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        out.push_str(line.get(from..at)?);
        if bytes.get(at) == Some(&b'"') {
            return Some((out, at + 1));
        }
        from = at + 2;
        out.push(match bytes.get(at + 1)? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                from = at + 6;
                let digits = line.get(at + 2..from).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?
            }
            &byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            _ => return None,
        });
    }
}

/// How many of the eight bytes, lowest first, need no escaping.
#[inline]
fn plain(block: u64) -> usize {
    let control = block.wrapping_sub(0x20 * ONES) & !block;
    let is = |byte: u64| {
        let differs = block ^ (byte * ONES);
        differs.wrapping_sub(ONES) & !differs
    };
    // Borrows make false marks only above a true one.
    ((control | is(0x22) | is(0x5c)) & HIGH).trailing_zeros() as usize / 8
}

/// Appends one byte, escaped if it must be; always one byte of the text.
fn escape(byte: Option<&u8>, out: &mut Vec<u8>) -> usize {
    let Some(&byte) = byte else { return 1 };
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0..0x20 => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return 1;
        }
        _ => {
            out.push(byte);
            return 1;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_as_the_library(text: &str) {
        let mut out = Vec::new();
        push_string(text, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(text).unwrap());
    }

    #[test]
    fn every_byte_is_written_as_the_library_writes_it() {
        for code in 0..0x800u32 {
            let text: String = char::from_u32(code).into_iter().collect();
            for before in 0..9 {
                assert_as_the_library(&format!("{}{text}{}", "a".repeat(before), "b".repeat(9)));
            }
        }
    }

    proptest! {
        #[test]
        fn any_string_is_read_as_the_library_reads_it(inside in "(\\\\[\"\\\\/bfnrtux]|\\\\u[0-9a-fA-F+]{3,4}|[a é日😀]{0,4}){0,12}\"?x{0,2}\"?") {
            let line = format!("{{{inside}");
            let ours = read_string(&line, 1);
            let alone = format!("\"{inside}");
            let mut library = serde_json::Deserializer::from_str(&alone).into_iter::<String>();
            let theirs = library.next().and_then(Result::ok);
            if let Some((text, end)) = ours {
                prop_assert_eq!(Some(text), theirs);
                prop_assert_eq!(end, library.byte_offset());
            } else if theirs.is_some() {
                // Only pairs of surrogates are left to the library.
                prop_assert!(inside.to_lowercase().contains("\\ud"));
            }
        }

        #[test]
        fn any_text_is_written_as_the_library_writes_it(text in prop_oneof![any::<String>(), "[a\"\\\\\n\u{1}\u{1f} !é]{0,60}"]) {
            assert_as_the_library(&text);
        }
    }
}
