//! Strings of JSON (RFC 8259, section 7), written as `serde_json` writes them: eight bytes at a time where none needs escaping.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Appends `text` as a JSON string with its quotes.
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + bytes.len() / 16 + 10);
    out.push(b'"');
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
    out.push(b'"');
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
        fn any_text_is_written_as_the_library_writes_it(text in prop_oneof![any::<String>(), "[a\"\\\\\n\u{1}\u{1f} !é]{0,60}"]) {
            assert_as_the_library(&text);
        }
    }
}
