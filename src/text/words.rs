//! Words.

use unicode_segmentation::UnicodeSegmentation;

/// Unicode words (UAX #29 segments with a letter or digit), appended to `out` as byte spans.
pub fn unicode(text: &str, out: &mut Vec<(u32, u32)>) {
    out.extend(text.unicode_word_indices().map(|(at, word)| (at as u32, (at + word.len()) as u32)));
}
