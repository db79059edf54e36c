//! Finds listed words however they are disguised: capitals, accents, look-alike digits (`h3ll0`), letters spaced apart
//! (`h e l l o`), full-width forms.
//!
//! A text is folded once into words with one space between; list entries, folded alike, are found in it by one Aho-Corasick
//! automaton. Entries in scripts that are written without spaces are found anywhere.

use aho_corasick::{AhoCorasick, MatchKind};
use unicode_normalization::UnicodeNormalization;

/// Which disguises are seen through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folding {
    /// Accents, full-width forms and ligatures.
    pub accents: bool,
    /// Digits and signs for letters.
    pub leet: bool,
    /// Letters spaced apart.
    pub spaced: bool,
}

/// A list of words and phrases to find.
#[derive(Debug, Clone)]
pub struct WordList {
    entries: AhoCorasick,
    folding: Folding,
}

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Occurrences of entries, the longest at each place.
    pub hits: usize,
    /// Words of the text.
    pub words: usize,
}

impl WordList {
    /// A list of `entries`; `None` if there are more than an automaton can hold.
    pub fn new<'e>(entries: impl Iterator<Item = &'e str>, folding: Folding) -> Option<Self> {
        let mut patterns: Vec<String> = entries.filter_map(|entry| pattern(entry, folding)).collect();
        patterns.sort_unstable();
        patterns.dedup();
        let entries = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok()?;
        Some(Self { entries, folding })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.patterns_len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts entries in `text`; `folded` is scratch memory.
    pub fn count(&self, text: &str, folded: &mut String) -> Hits {
        folded.clear();
        let words = fold(text, self.folding, folded);
        let (mut hits, mut at) = (0, 0);
        // Words share the space between them: the search goes on from a find's last byte.
        while let Some(found) = self.entries.find(aho_corasick::Input::new(folded.as_str()).span(at..folded.len())) {
            hits += 1;
            at = if found.len() > 1 && folded.as_bytes().get(found.end() - 1) == Some(&b' ') {
                found.end() - 1
            } else {
                found.end()
            };
        }
        Hits { hits, words }
    }
}

/// ` entry `, folded; without the spaces if it is written in a script without them.
fn pattern(entry: &str, folding: Folding) -> Option<String> {
    let mut folded = String::new();
    // An entry is a word as it is: that it is spelled with digits is no disguise.
    let words = fold(entry, Folding { leet: false, spaced: false, ..folding }, &mut folded);
    if words == 0 {
        return None;
    }
    Some(if folded.chars().any(unspaced) { folded.trim().to_owned() } else { folded })
}

/// Whether a character's script is written without spaces.
fn unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// The letter a digit or sign stands for.
fn letter_for(c: char) -> Option<char> {
    Some(match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        _ => return None,
    })
}

/// Appends the words of `text` to `out`, each folded and with a space before and after it, spaces shared; their number.
fn fold(text: &str, folding: Folding, out: &mut String) -> usize {
    let mut folder =
        Folder { folding, out, words: 0, run: 0, run_start: 0, word_start: 0, signs: false, letters: false };
    folder.out.push(' ');
    folder.start_word();
    if !folding.accents || text.is_ascii() {
        text.chars().for_each(|c| folder.push(c));
    } else {
        text.nfkd().for_each(|c| folder.push(c));
    }
    folder.end_word();
    folder.end_run();
    folder.words
}

struct Folder<'o> {
    folding: Folding,
    out: &'o mut String,
    words: usize,
    /// How many words of one letter came last, and where the first begins.
    run: usize,
    run_start: usize,
    word_start: usize,
    /// Whether the word holds signs that stand for letters, and letters.
    signs: bool,
    letters: bool,
}

impl Folder<'_> {
    fn start_word(&mut self) {
        self.word_start = self.out.len();
        (self.signs, self.letters) = (false, false);
    }

    fn push(&mut self, c: char) {
        if c.is_alphanumeric() {
            self.letters |= !c.is_ascii_digit();
            self.signs |= c.is_ascii_digit();
            if c.is_ascii() {
                self.out.push(c.to_ascii_lowercase());
            } else {
                self.out.extend(c.to_lowercase());
            }
        } else if matches!(c, '\u{300}'..='\u{36f}' | '\'' | '\u{2019}' | '\u{200b}'..='\u{200d}' | '\u{ad}') {
            // Accents (decomposed), apostrophes and what nobody sees are no ends of words.
        } else if matches!(c, '\u{3099}' | '\u{309a}') {
            // Japanese voicing marks make other letters, not accents of the same.
            self.out.push(c);
        } else if self.folding.leet && letter_for(c).is_some() {
            self.signs = true;
            self.out.push(c);
        } else {
            self.end_word();
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.out.get(self.word_start..) else { return };
        if word.is_empty() {
            return;
        }
        if self.signs && self.folding.leet {
            // Signs around a word are marks: `wow!`; inside of one they are letters. Digits alone are a number.
            let inner = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '@' && c != '$');
            let letters = self.letters && inner.len() > 1;
            let plain: String = if letters {
                inner.chars().map(|c| letter_for(c).unwrap_or(c)).collect()
            } else {
                inner.chars().filter(|c| c.is_alphanumeric()).collect()
            };
            self.out.truncate(self.word_start);
            self.out.push_str(&plain);
        }
        let word = self.out.get(self.word_start..).unwrap_or_default();
        if word.is_empty() {
            return;
        }
        let single = word.chars().nth(1).is_none() && word.chars().all(char::is_alphabetic);
        self.words += 1;
        let start = self.word_start;
        if single {
            if self.run == 0 {
                self.run_start = start;
            }
            self.run += 1;
            self.out.push(' ');
        } else {
            let word = word.to_owned();
            self.out.truncate(start);
            self.end_run();
            self.out.push_str(&word);
            self.out.push(' ');
        }
        self.start_word();
    }

    /// After three or more single letters their word follows: `h e l l o` is also `hello`.
    fn end_run(&mut self) {
        if self.run >= 3 && self.folding.spaced {
            let joined: String =
                self.out.get(self.run_start..).unwrap_or_default().chars().filter(|c| *c != ' ').collect();
            self.out.push_str(&joined);
            self.out.push(' ');
        }
        self.run = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Folding = Folding { accents: true, leet: true, spaced: true };

    fn hits(list: &[&str], folding: Folding, text: &str) -> usize {
        WordList::new(list.iter().copied(), folding).unwrap().count(text, &mut String::new()).hits
    }

    #[test]
    fn disguises_are_seen_through() {
        let list = ["badword", "very bad", "café", "悪い"];
        for text in [
            "badword",
            "BadWord!",
            "b4dw0rd",
            "b@dw0rd.",
            "b a d w o r d",
            "the B.A.D.W.O.R.D here",
            "ｂａｄｗｏｒｄ",
            "bádword",
            "very   bad",
            "Cafe",
            "とても悪いです",
        ] {
            assert_eq!(hits(&list, ALL, text), 1, "{text}");
        }
        for text in ["badwords", "notbadword", "bad word", "4 0 1", "very. Not bad", "b a d"] {
            assert_eq!(hits(&list, ALL, text), 0, "{text}");
        }
        assert_eq!(hits(&list, ALL, "badword badword very bad badword"), 4);
        let plain = Folding { accents: false, leet: false, spaced: false };
        assert_eq!(hits(&list, plain, "b4dw0rd bádword b a d w o r d Badword"), 1);
    }

    #[test]
    fn words_are_counted() {
        let list = WordList::new(["x y"].into_iter(), ALL).unwrap();
        assert_eq!(list.count("One, two; it's three! x y 12", &mut String::new()), Hits { hits: 1, words: 7 });
        assert_eq!(list.count("", &mut String::new()), Hits::default());
        assert!(WordList::new(["", " - "].into_iter(), ALL).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn anything_can_be_folded(text in "(\\PC|[a-c@!0 ]){0,80}") {
            hits(&["abc", "悪"], ALL, &text);
        }
    }
}
