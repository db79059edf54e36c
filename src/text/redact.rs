//! Replacing pieces of a text by others that depend on what was replaced, and on nothing else.

use std::ops::Range;

/// `text` with each of `spans` (in order, without overlaps) replaced by what `replacement` says of it.
pub fn replaced<'r>(
    text: &str,
    spans: impl Iterator<Item = Range<usize>>,
    mut replacement: impl FnMut(usize, &str) -> &'r str,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (index, span) in spans.enumerate() {
        out.push_str(text.get(end..span.start).unwrap_or_default());
        end = span.end;
        out.push_str(replacement(index, text.get(span).unwrap_or_default()));
    }
    out.push_str(text.get(end..).unwrap_or_default());
    out
}

/// The one of `all` that `text` is replaced by: always the same for the same text, whatever stood before it or was read before.
pub fn pick<'a>(text: &str, all: &'a [String], seed: u64) -> &'a str {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), seed);
    all.get((hash % all.len().max(1) as u64) as usize).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_replaced_by_what_they_are() {
        let all = ["<1>".to_owned(), "<2>".to_owned()];
        let one = |text: &str| pick(text, &all, 7).to_owned();
        assert_eq!(one("a"), one("a"));
        assert!((0..20).map(|i| one(&i.to_string())).any(|r| r != one("0")));
        assert_eq!(
            replaced("a-b-c", [0..1, 4..5].into_iter(), |i, was| if i == 0 {
                "<"
            } else {
                assert_eq!(was, "c");
                ">"
            }),
            "<-b->"
        );
        assert_eq!(pick("a", &[], 0), "");
    }
}
