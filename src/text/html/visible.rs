//! How much text a page shows, without parsing it: what stands outside of tags, comments, scripts and styles.

/// Characters of `html` that are shown, spaces included; an entity is one.
pub fn visible_chars(html: &str) -> usize {
    let bytes = html.as_bytes();
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let text = memchr::memchr(b'<', rest).unwrap_or(rest.len());
        count += chars(html.get(at..at + text).unwrap_or_default());
        at += text;
        let tag = bytes.get(at..).unwrap_or_default();
        if tag.is_empty() {
            break;
        }
        let length = tag_length(tag);
        // A `<` that begins no tag is text.
        count += usize::from(length == 1);
        at += length;
    }
    count
}

fn chars(text: &str) -> usize {
    let all = if text.is_ascii() { text.len() } else { text.chars().count() };
    // `&amp;` is one character.
    let entities = memchr::memchr_iter(b'&', text.as_bytes()).filter_map(|at| {
        let rest = text.as_bytes().get(at..at + 10.min(text.len() - at))?;
        let end = memchr::memchr(b';', rest)?;
        rest.get(1..end)?.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'#').then_some(end)
    });
    all.saturating_sub(entities.sum())
}

/// Length of the tag, comment, or hidden element that begins `tag`; 1 if it is only a `<`.
fn tag_length(tag: &[u8]) -> usize {
    let end = |from: usize, close: &[u8]| {
        tag.get(from..).and_then(|r| memchr::memmem::find(r, close)).map_or(tag.len(), |at| from + at + close.len())
    };
    if tag.starts_with(b"<!--") {
        return end(4, b"-->");
    }
    if !tag.get(1).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'!' | b'?')) {
        return 1;
    }
    let open = memchr::memchr(b'>', tag).map_or(tag.len(), |at| at + 1);
    for (name, close) in [(&b"<script"[..], &b"</script"[..]), (b"<style", b"</style")] {
        let named = tag.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
        if named && !tag.get(name.len()).is_some_and(u8::is_ascii_alphanumeric) {
            let body = tag.get(open..).unwrap_or_default();
            let closing = memchr::memchr_iter(b'<', body)
                .find(|at| body.get(*at..at + close.len()).is_some_and(|t| t.eq_ignore_ascii_case(close)));
            return closing.map_or(tag.len(), |at| open + at);
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_counted() {
        assert_eq!(
            visible_chars("<p class=\"x\">Hi &amp; <b>by</b></p><!-- no --><script>no()</script><STYLE>no</STYLE>!"),
            "Hi & by!".len()
        );
        assert_eq!(visible_chars("1 < 2 <br> é"), "1 < 2  é".chars().count());
        assert_eq!(visible_chars("<script>never closed"), 0);
    }
}
