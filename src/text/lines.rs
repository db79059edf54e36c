//! Lines.

/// Lines as Python's `str.splitlines` cuts them, without their ends, appended to `out` as byte spans.
pub fn spans(text: &str, out: &mut Vec<(u32, u32)>) {
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends =
            matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
        if ends {
            out.push((start as u32, at as u32));
            start = at + c.len_utf8();
            if c == '\r' && chars.next_if(|next| next.1 == '\n').is_some() {
                start += 1;
            }
        }
    }
    if start < text.len() {
        out.push((start as u32, text.len() as u32));
    }
}
