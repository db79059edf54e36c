//! The pieces of a text that say something: lines and paragraphs, without the white space between them.

use std::ops::Range;

type Span = (u32, u32);

/// The lines that are not blank, of `lines` (spans as [`super::lines::spans`] finds them).
pub fn lines(text: &str, lines: &[Span], out: &mut Vec<Span>) {
    out.extend(lines.iter().filter(|line| !is_blank(text, **line)));
}

/// The paragraphs: runs of `lines` without a blank one between them.
pub fn paragraphs(text: &str, lines: &[Span], out: &mut Vec<Span>) {
    let mut open: Option<Span> = None;
    for &line in lines {
        if is_blank(text, line) {
            out.extend(open.take());
        } else {
            open = Some((open.map_or(line.0, |o| o.0), line.1));
        }
    }
    out.extend(open);
}

/// The sentences (UAX #29), without the white space around them.
pub fn sentences(text: &str, out: &mut Vec<Span>) {
    let mut from = 0;
    super::sentences::unicode(text, |end| {
        let sentence = text.get(from..end).unwrap_or_default();
        let inside = sentence.trim();
        if !inside.is_empty() {
            let start = from + sentence.len() - sentence.trim_start().len();
            out.push((start as u32, (start + inside.len()) as u32));
        }
        from = end;
    });
}

/// The text without the segments of which `keeps` does not hold, as [`without`] leaves it; `None` if all of them stay.
pub fn keep(text: &str, segments: &[Span], mut keeps: impl FnMut(&str) -> bool) -> Option<String> {
    let piece = |span: &Span| text.get(span.0 as usize..span.1 as usize).unwrap_or_default();
    let cut: Vec<bool> = segments.iter().map(|span| !keeps(piece(span))).collect();
    cut.contains(&true).then(|| without(text, segments, &cut))
}

fn is_blank(text: &str, span: Span) -> bool {
    text.get(span.0 as usize..span.1 as usize).is_none_or(|line| line.chars().all(char::is_whitespace))
}

/// Which of `words` each of `segments` has, one range for each; both ascend.
pub fn shares(words: &[Span], segments: &[Span], out: &mut Vec<Range<usize>>) {
    out.clear();
    let mut from = 0;
    for segment in segments {
        let rest = words.get(from..).unwrap_or_default();
        let before = rest.iter().take_while(|word| word.0 < segment.0).count();
        let inside = rest.iter().skip(before).take_while(|word| word.0 < segment.1).count();
        out.push(from + before..from + before + inside);
        from += before + inside;
    }
}

/// The text without the segments that `cut` marks. What stood between two segments that stay (the longest separator of
/// those between them, so that a paragraph's end remains one) stands between them still.
pub fn without(text: &str, segments: &[Span], cut: &[bool]) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut end, mut gap, mut any) = (0, (0, 0), false);
    for (at, &(start, stop)) in segments.iter().enumerate() {
        if start - end > gap.1 - gap.0 || at == 0 {
            gap = (end, start);
        }
        end = stop;
        if cut.get(at).copied().unwrap_or(false) {
            continue;
        }
        // What stands before the first segment goes with it.
        if any || at == 0 {
            out.push_str(text.get(gap.0 as usize..gap.1 as usize).unwrap_or_default());
        }
        out.push_str(text.get(start as usize..stop as usize).unwrap_or_default());
        (gap, any) = ((stop, stop), true);
    }
    if any {
        out.push_str(text.get(end as usize..).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, cut: fn(&str, &[Span], &mut Vec<Span>)) -> Vec<Span> {
        let (mut all, mut out) = (Vec::new(), Vec::new());
        super::super::lines::spans(text, &mut all);
        cut(text, &all, &mut out);
        out
    }

    fn texts(text: &str, spans: &[Span]) -> Vec<String> {
        spans.iter().map(|s| text[s.0 as usize..s.1 as usize].to_owned()).collect()
    }

    #[test]
    fn blank_lines_separate_paragraphs() {
        let text = "\n a\nb\r\n \t\n\nc\n";
        assert_eq!(texts(text, &of(text, lines)), [" a", "b", "c"]);
        assert_eq!(texts(text, &of(text, paragraphs)), [" a\nb", "c"]);
        assert!(of(" \n\n", paragraphs).is_empty());
    }

    #[test]
    fn sentences_end_at_marks_and_lines_in_linear_time() {
        let mut out = Vec::new();
        let text = " One. Two\ttoo?  Three\nfour… ";
        sentences(text, &mut out);
        assert_eq!(texts(text, &out), ["One.", "Two\ttoo?", "Three", "four…"]);
        for text in [
            "a".repeat(1 << 20),
            ". ".repeat(1 << 19),
            " ".repeat(1 << 20),
            format!(".{}", "1 ".repeat(1 << 19)),
            "a. b ".repeat(1 << 17),
        ] {
            out.clear();
            sentences(&text, &mut out);
            assert!(out.len() <= text.len());
        }
    }

    #[test]
    fn words_belong_to_the_segment_they_begin_in() {
        let mut out = Vec::new();
        shares(&[(0, 1), (2, 3), (4, 5), (8, 9)], &[(2, 5), (5, 6), (6, 9)], &mut out);
        assert_eq!(out, [1..3, 3..3, 3..4]);
    }

    #[test]
    fn what_stays_is_still_apart() {
        let cut = |text: &str, cut: &[bool]| without(text, &of(text, lines), cut);
        let text = "a\n\nb\nc\n";
        assert_eq!(cut(text, &[false, false, false]), text);
        assert_eq!(cut(text, &[false, true, false]), "a\n\nc\n");
        assert_eq!(cut(text, &[true, false, false]), "b\nc\n");
        assert_eq!(cut(text, &[false, false, true]), "a\n\nb\n");
        assert_eq!(cut(text, &[true, true, true]), "");
        let kept = |keeps: fn(&str) -> bool| keep(text, &of(text, lines), keeps);
        assert_eq!(kept(|line| line != "b").as_deref(), Some("a\n\nc\n"));
        assert_eq!((kept(|_| true), kept(|_| false).as_deref()), (None, Some("")));
    }

    proptest! {
        #[test]
        fn cutting_leaves_the_other_lines(text in "[ab \\n\u{2028}]{0,40}", cut in prop::collection::vec(any::<bool>(), 40)) {
            let spans = of(&text, lines);
            prop_assert_eq!(without(&text, &spans, &[]), if spans.is_empty() { "" } else { text.as_str() });
            let left = without(&text, &spans, &cut);
            let want: Vec<_> = texts(&text, &spans).into_iter().zip(&cut).filter(|(_, c)| !**c).map(|(l, _)| l).collect();
            prop_assert_eq!(texts(&left, &of(&left, lines)), want);
        }
    }
}
