//! Lines.

/// Bytes that end a line, or begin a character that may.
static MAY_END: [bool; 256] = {
    let mut may = [false; 256];
    let ends = *b"\n\r\x0b\x0c\x1c\x1d\x1e\xc2\xe2";
    let mut at = 0;
    while at < ends.len() {
        may[ends[at] as usize] = true;
        at += 1;
    }
    may
};

/// Lines as Python's `str.splitlines` cuts them, without their ends, appended to `out` as byte spans.
pub fn spans(text: &str, out: &mut Vec<(u32, u32)>) {
    let bytes = text.as_bytes();
    let (mut start, mut at) = (0, 0);
    while let Some(more) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| MAY_END[usize::from(*byte)])) {
        at += more;
        // U+0085, U+2028 and U+2029 are the ends of more than a byte.
        let length = match bytes.get(at..).unwrap_or_default() {
            [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => 2,
            [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
            [0xc2 | 0xe2, ..] => {
                at += 1;
                continue;
            }
            _ => 1,
        };
        out.push((start as u32, at as u32));
        at += length;
        start = at;
    }
    if start < text.len() {
        out.push((start as u32, text.len() as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, character by character.
    fn one_by_one(text: &str) -> Vec<(u32, u32)> {
        let (mut lines, mut start) = (Vec::new(), 0);
        for (at, c) in text.char_indices() {
            let ends =
                matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
            if c == '\n' && text[..at].ends_with('\r') {
                start = at + 1;
            } else if ends {
                lines.push((start as u32, at as u32));
                start = at + c.len_utf8();
            }
        }
        if start < text.len() {
            lines.push((start as u32, text.len() as u32));
        }
        lines
    }

    proptest! {
        #[test]
        fn lines_end_where_python_ends_them(
            text in "[\n\r\u{b}\u{c}\u{1b}-\u{1f}\u{84}-\u{86}\u{2027}-\u{202a}\u{20a8}ab é日]{0,40}",
        ) {
            let mut found = Vec::new();
            spans(&text, &mut found);
            prop_assert_eq!(found, one_by_one(&text));
        }
    }
}
