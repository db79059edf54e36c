//! The words and lines that RedPajama-v2's quality signals are made of, and the signals.

use unicode_normalization::UnicodeNormalization;
use xxhash_rust::xxh3::xxh3_64;

use super::chars::{is_numeric, is_space, is_word, words};
use super::ngrams;
use super::vocabulary::entropy;

/// The names of the signals, without `rps_`, in the order of [`Signals::of`].
pub const SIGNALS: [&str; 27] = [
    "doc_num_sentences",
    "doc_word_count",
    "doc_mean_word_length",
    "doc_symbol_to_word_ratio",
    "doc_frac_lines_end_with_ellipsis",
    "doc_frac_no_alph_words",
    "doc_frac_unique_words",
    "doc_unigram_entropy",
    "doc_frac_all_caps_words",
    "doc_lorem_ipsum",
    "doc_curly_bracket",
    "doc_stop_word_fraction",
    "doc_frac_chars_top_2gram",
    "doc_frac_chars_top_3gram",
    "doc_frac_chars_top_4gram",
    "doc_frac_chars_dupe_5grams",
    "doc_frac_chars_dupe_6grams",
    "doc_frac_chars_dupe_7grams",
    "doc_frac_chars_dupe_8grams",
    "doc_frac_chars_dupe_9grams",
    "doc_frac_chars_dupe_10grams",
    "lines_javascript_counts",
    "lines_ending_with_terminal_punctution_mark",
    "lines_num_words",
    "lines_uppercase_letter_fraction",
    "lines_numerical_chars_fraction",
    "lines_start_with_bulletpoint",
];

/// Computes the signals; reused from text to text.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Hash and characters of each normalized word.
    words: Vec<(u64, u32)>,
    counts: Vec<u32>,
    hashes: Vec<u64>,
    line: String,
    ngrams: ngrams::Scratch,
}

/// Sums over lines.
#[derive(Default)]
struct Lines {
    lines: f64,
    ellipses: f64,
    terminal: f64,
    bullets: f64,
    upper: f64,
    numerical: f64,
    javascript: f64,
    /// Characters of the normalized text.
    normalized: usize,
    lorem_ipsum: f64,
}

/// Sums over raw words.
#[derive(Default)]
struct Raw {
    words: f64,
    alphabetic: f64,
    capitals: f64,
    stops: f64,
}

impl Signals {
    /// The signals of `text`. `is_stop` says which raw words are stop words.
    pub fn of(&mut self, text: &str, is_stop: impl Fn(&str) -> bool) -> [f64; SIGNALS.len()] {
        let lines = self.lines(text);
        let raw = raw_words(text, is_stop);
        let count = self.words.len() as f64;
        let letters: u64 = self.words.iter().map(|w| u64::from(w.1)).sum();
        self.hashes.clear();
        self.hashes.extend(self.words.iter().map(|w| w.0));
        self.hashes.sort_unstable();
        self.counts.clear();
        self.counts.extend(self.hashes.chunk_by(|a, b| a == b).map(|same| same.len() as u32));
        self.counts.sort_unstable();
        let marks = |mark: &str| memchr::memmem::find_iter(text.as_bytes(), mark).count() as f64;
        let chars = text.chars().count() as f64;
        let of = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        let mut signals = [0.0; SIGNALS.len()];
        let plain = [
            sentences(text),
            count,
            of(letters as f64, count),
            of(marks("#") + marks("...") + marks("…"), raw.words),
            of(lines.ellipses, lines.lines),
            if raw.words == 0.0 { 0.0 } else { 1.0 - raw.alphabetic / raw.words },
            of(self.counts.len() as f64, count),
            entropy(&self.counts),
            of(raw.capitals, raw.words),
            of(lines.lorem_ipsum, lines.normalized as f64),
            of(marks("{") + marks("}"), chars),
            of(raw.stops, raw.words),
        ];
        let top = (2..=4).map(|n| ngrams::top(&self.words, n, &mut self.ngrams)).collect::<Vec<_>>();
        let dupe = (5..=10).map(|n| ngrams::duplicated(&self.words, n, &mut self.ngrams)).collect::<Vec<_>>();
        let repeated = top.into_iter().chain(dupe).map(|chars| of(chars as f64, letters as f64));
        let by_line = [
            lines.javascript,
            of(lines.terminal, lines.lines),
            of(count, lines.lines),
            of(lines.upper, lines.lines),
            of(lines.numerical, lines.lines),
            of(lines.bullets, lines.lines),
        ];
        let all = plain.into_iter().chain(repeated).chain(by_line);
        signals.iter_mut().zip(all).for_each(|(signal, number)| *signal = number);
        signals
    }

    /// Walks the lines, with their ends, and collects the normalized words.
    fn lines(&mut self, text: &str) -> Lines {
        let mut sums = Lines::default();
        self.words.clear();
        let mut last_was_lorem = false;
        for line in text.split_inclusive('\n') {
            let end = line.trim_end_matches(is_space);
            sums.lines += 1.0;
            sums.ellipses += f64::from(end.ends_with("...") || end.ends_with('…'));
            sums.terminal += f64::from(end.ends_with(['.', '!', '?', '”']));
            sums.bullets += f64::from(line.trim_start_matches(is_space).starts_with(BULLETS));
            sums.upper += super::boilerplate::share(line, char::is_uppercase);
            normalize(line, &mut self.line);
            let (mut chars, mut numerical, first) = (0u32, 0u32, self.words.len());
            for word in words(&self.line) {
                let length = word.chars().count() as u32;
                self.words.push((xxh3_64(word.as_bytes()), length));
                chars += length;
                numerical += word.chars().filter(|c| is_numeric(*c)).count() as u32;
                sums.javascript += f64::from(word == "javascript");
                // The phrase may run on from word to word in any way that ends so: `xlorem ipsumy`.
                sums.lorem_ipsum += f64::from(last_was_lorem && word.starts_with("ipsum"));
                last_was_lorem = word.ends_with("lorem");
            }
            let spaces = ((self.words.len() - first) as u32).saturating_sub(1);
            if chars > 0 {
                sums.numerical += f64::from(numerical) / f64::from(chars + spaces);
            }
            sums.normalized += chars as usize;
        }
        sums.normalized += self.words.len().saturating_sub(1);
        sums
    }
}

const BULLETS: [char; 10] = ['•', '‣', '▶', '◀', '◦', '■', '□', '▪', '▫', '–'];

/// Lower case, without ASCII punctuation, decomposed.
fn normalize(line: &str, out: &mut String) {
    out.clear();
    if line.is_ascii() { normalize_ascii(line, out) } else { normalize_any(line, out) }
}

fn normalize_ascii(line: &str, out: &mut String) {
    out.extend(line.chars().filter(|c| !c.is_ascii_punctuation()));
    out.make_ascii_lowercase();
}

fn normalize_any(line: &str, out: &mut String) {
    let bare: String = line.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    out.extend(bare.to_lowercase().nfd());
}

/// Stretches between `.`, `!` and `?` that have a word.
fn sentences(text: &str) -> f64 {
    text.split(['.', '!', '?']).filter(|stretch| stretch.contains(is_word)).count() as f64
}

/// Runs of word characters, and runs of what is neither those nor whitespace.
fn raw_words(text: &str, is_stop: impl Fn(&str) -> bool) -> Raw {
    let mut raw = Raw::default();
    let mut rest = text.trim_start_matches(is_space);
    while let Some(first) = rest.chars().next() {
        let kind = is_word(first);
        let end = rest.find(|c| is_space(c) || is_word(c) != kind).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        raw.words += 1.0;
        raw.alphabetic += f64::from(word.bytes().any(|b| b.is_ascii_alphabetic()));
        raw.capitals += f64::from(word.contains(char::is_uppercase) && !word.contains(char::is_lowercase));
        raw.stops += f64::from(is_stop(word));
        rest = after.trim_start_matches(is_space);
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_ascii_path_is_the_general_one(line in "[ -~\\x00-\\x1f\\x7f]{0,40}") {
            let (mut fast, mut slow) = (String::new(), String::new());
            normalize_ascii(&line, &mut fast);
            normalize_any(&line, &mut slow);
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn signals_of_a_text_that_can_be_counted_by_hand() {
        let text = "The cat sat. THE CAT SAT!\n• javascript { 12 }...\n";
        let signals = Signals::default().of(text, |word| word == "The");
        let signal = |name: &str| signals[SIGNALS.iter().position(|s| *s == name).unwrap()];
        assert_eq!(signal("doc_num_sentences"), 3.0);
        assert_eq!(signal("doc_word_count"), 9.0);
        assert_eq!(signal("doc_frac_unique_words"), 6.0 / 9.0);
        assert_eq!(signal("doc_frac_lines_end_with_ellipsis"), 0.5);
        assert_eq!(signal("doc_frac_all_caps_words"), 3.0 / 13.0);
        assert_eq!(signal("doc_stop_word_fraction"), 1.0 / 13.0);
        assert_eq!(signal("lines_javascript_counts"), 1.0);
        assert_eq!(signal("lines_start_with_bulletpoint"), 0.5);
        assert_eq!(signal("lines_ending_with_terminal_punctution_mark"), 1.0);
        assert!(Signals::default().of("", |_| false).iter().all(|s| *s == 0.0));
    }
}
