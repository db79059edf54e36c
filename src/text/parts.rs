//! The lines or paragraphs of a text, with what lies between them, for stages that keep some and drop others.

/// A piece of a text, and what separates it from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'t> {
    /// The piece: not blank, no newline at its end.
    pub text: &'t str,
    /// Newlines and blank lines up to the next piece.
    pub gap: &'t str,
}

/// The lines that are not blank.
pub fn lines(text: &str) -> impl Iterator<Item = Part<'_>> {
    pieces(text, |_| true)
}

/// Paragraphs: lines up to a blank one.
pub fn paragraphs(text: &str) -> impl Iterator<Item = Part<'_>> {
    pieces(text, |next| next.trim().is_empty())
}

/// Pieces that end before a line of which `ends` holds. Blank lines before the first are left out.
fn pieces(text: &str, ends: impl Fn(&str) -> bool) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.get(blank(rest)..).unwrap_or_default();
        if rest.is_empty() {
            return None;
        }
        let mut length = line(rest);
        loop {
            let next = rest.get(length..).unwrap_or_default();
            let after = next.get(..line(next)).unwrap_or_default();
            if next.is_empty() || ends(after) {
                break;
            }
            length += after.len();
        }
        let (piece, after) = rest.split_at_checked(length)?;
        let text = piece.trim_end_matches(['\n', '\r']);
        let gap = piece.len() - text.len() + blank(after);
        let (_, gap_on) = rest.split_at_checked(text.len())?;
        let (gap, next) = gap_on.split_at_checked(gap)?;
        rest = next;
        Some(Part { text, gap })
    })
}

/// Length of the first line with its newline.
fn line(text: &str) -> usize {
    memchr::memchr(b'\n', text.as_bytes()).map_or(text.len(), |end| end + 1)
}

/// Length of the blank lines at the start.
fn blank(text: &str) -> usize {
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let first = rest.get(..line(rest)).unwrap_or_default();
        if first.is_empty() || !first.trim().is_empty() {
            return length;
        }
        length += first.len();
    }
}

/// `parts` for which `keeps` holds, put together again; the last gap is left out. `None` if all of them are kept.
pub fn keep<'t>(parts: impl Iterator<Item = Part<'t>>, mut keeps: impl FnMut(&'t str) -> bool) -> Option<String> {
    let (mut kept, mut dropped) = (String::new(), false);
    let mut gap = "";
    for part in parts {
        if keeps(part.text) {
            kept.push_str(gap);
            kept.push_str(part.text);
            gap = part.gap;
        } else {
            dropped = true;
        }
    }
    dropped.then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts<'t>(parts: impl Iterator<Item = Part<'t>>) -> Vec<&'t str> {
        parts.map(|p| p.text).collect()
    }

    #[test]
    fn lines_and_paragraphs_are_separated_by_what_is_blank() {
        let text = "\n \none\ntwo \r\n\n \n three\n";
        assert_eq!(texts(lines(text)), ["one", "two ", " three"]);
        assert_eq!(texts(paragraphs(text)), ["one\ntwo ", " three"]);
        assert_eq!(texts(lines(" \n\n")), [""; 0]);
        assert_eq!(keep(lines(text), |l| l != "two "), Some("one\n three".into()));
        assert_eq!(keep(paragraphs(text), |_| true), None);
        assert_eq!(keep(lines("a\n\nb"), |l| l == "z"), Some(String::new()));
    }

    proptest! {
        #[test]
        fn parts_and_gaps_are_the_text(text in "[ab \\r\\n\u{85}é]{0,40}") {
            for parts in [lines(&text).collect::<Vec<_>>(), paragraphs(&text).collect()] {
                let whole: String = parts.iter().flat_map(|p| [p.text, p.gap]).collect();
                prop_assert_eq!(&text[blank(&text)..], whole);
                prop_assert!(parts.iter().all(|p| !p.text.trim().is_empty() && p.gap.trim().is_empty()));
            }
        }
    }
}
