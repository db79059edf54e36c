//! Cuts out what stood before: substrings of a given length or more that occur twice in the corpus (Lee et al. 2021,
//! *Deduplicating Training Data Makes Language Models Better*, <https://arxiv.org/abs/2107.06499>), all of them, exactly.
//!
//! The paper sorts every suffix of the corpus: ten to fifteen times its size on disk, and all of it in one process. A
//! repeat of `min_length` symbols or more is the same as a window of `min_length` symbols that occurs twice, and equal
//! windows have equal anchors ([`crate::sketch::anchors`]). The first look therefore groups *runs* of windows by their
//! anchor: a run whose whole text stood before is repeated as it is, and one whose anchor is unique holds no repeat. What
//! is left are the edges of repeats; the second look compares their windows one by one, by hashes of 128 bits.
//!
//! A window is repeated if it occurs earlier: in an earlier document of the corpus, or further up in the same one. With
//! `keep: none`, as `deduplicate-text-datasets` removes them, a window is repeated if it occurs elsewhere at all.

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::substring_runs::Runs;
use super::substring_stretches::{Buffers, ByRow, Fate, PARTITIONS, Stretch, by_row, cut, marked, number, write_link};
use crate::doc::{DocRef, Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::sketch::anchors::Symbol;
use crate::sketch::hash;
use crate::stage::clusters::Ordinals;
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage,
};

/// Settings of `substrings`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Substrings {
    /// The shortest repeat that is cut out, in units. 200 bytes are about the 50 tokens of the paper.
    #[schemars(range(min = 4, max = 65536))]
    pub min_length: usize,
    /// What lengths are measured in, and texts compared by.
    pub unit: Unit,
    /// What becomes of the first occurrence of a repeat.
    pub keep: Keep,
    /// A document that loses more than this share of its bytes goes altogether; `null` keeps what is left, even nothing.
    pub max_removed_fraction: Option<Fraction>,
}

/// What texts are compared by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes of UTF-8; cuts fall between characters.
    #[default]
    Bytes,
    /// Words (Unicode words, in their case), whatever stands between them; what follows the last word goes with it.
    Words,
}

/// What becomes of the first occurrence of a repeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// It stays.
    #[default]
    First,
    /// It goes too.
    None,
}

impl Default for Substrings {
    fn default() -> Self {
        Self { min_length: 200, unit: Unit::Bytes, keep: Keep::First, max_removed_fraction: Some(Fraction(0.8)) }
    }
}

impl Settings for Substrings {
    const ABOUT: About = About {
        shorthand: Some("min_length"),
        reasons: &[("mostly_repeated", "more of it than `max_removed_fraction` is cut out")],
        fields: &[
            ("substrings.repeated_bytes", "bytes that would be cut out (`mode: annotate`)"),
            ("substrings.repeated_fraction", "their share of the text, 0..1 (`mode: annotate`)"),
        ],
        ..About::new("substrings", Family::Dedup, "cuts out long substrings that occur before in the corpus")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if !(4..=65536).contains(&self.min_length) {
            return Err(Error::pipeline("`substrings`: `min_length` goes from 4 to 65,536"));
        }
        let measures = if cx.annotate {
            let label = cx.label.to_owned();
            let bytes = cx.writes(&format!("{label}.repeated_bytes"))?;
            Some((bytes, cx.writes(&format!("{label}.repeated_fraction"))?))
        } else {
            None
        };
        let spans = cx.inner("spans")?;
        let settings = Arc::new(self);
        let runs = Runs { settings: settings.clone(), spans };
        let windows = Windows { settings, spans, measures };
        Ok(Stage::Chain(vec![Arc::new(runs), Arc::new(windows)]))
    }
}

/// The second look: windows at the edges of repeats, one by one.
struct Windows {
    settings: Arc<Substrings>,
    spans: Field<Vec<u32>>,
    measures: Option<(Field<i64>, Field<f64>)>,
}

/// Records are the window's hash and where it begins.
const WINDOW: usize = 16 + 4;

impl Global for Windows {
    fn record_bytes(&self) -> usize {
        WINDOW
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(WindowFinder {
            unit: self.settings.unit,
            window: self.settings.min_length,
            spans: self.spans,
            buffers: Buffers::default(),
        }))
    }

    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let ordinals = Ordinals::of(records.corpus());
        let mut last = [0; 16];
        let mut first: Option<(DocRef, u32)> = None;
        let mut occurrences = 0u64;
        let none = self.settings.keep == Keep::None;
        let over = |first: Option<(DocRef, u32)>, occurrences: u64, links: &mut Vec<u8>| {
            if let Some((at, start)) = first.filter(|_| none && occurrences > 1) {
                write_link(&ordinals, (at, start, 1), Fate::Cut, links);
            }
        };
        while let Some((record, at)) = records.next()? {
            let Some((key, start)) = record.split_first_chunk::<16>() else { continue };
            let place = (at, number(Some(start)));
            if *key != last {
                over(first.take(), occurrences, links);
                (last, occurrences) = (*key, 0);
            }
            occurrences += 1;
            match &mut first {
                None => first = Some(place),
                Some(first) => {
                    let (at, start) = if place < *first { std::mem::replace(first, place) } else { place };
                    write_link(&ordinals, (at, start, 1), Fate::Cut, links);
                }
            }
        }
        over(first, occurrences, links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let (splits, documents) = cut(links, corpus)?;
        let notes = vec![format!("repeats begin or end within {documents} documents")];
        Ok(Findings { shared: Vec::new(), splits, notes })
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        Ok(Arc::new(Cutter {
            rows: by_row(split)?,
            settings: self.settings.clone(),
            spans: self.spans,
            measures: self.measures,
        }))
    }

    fn keeps_text(&self) -> bool {
        false
    }
}

struct WindowFinder {
    unit: Unit,
    window: usize,
    spans: Field<Vec<u32>>,
    buffers: Buffers,
}

impl Mapper for WindowFinder {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        if !marked(doc, self.spans).any(|s| s.fate != Fate::Cut) {
            return;
        }
        match self.unit {
            Unit::Bytes => self.windows(doc, doc.text.as_str().as_bytes(), out),
            Unit::Words => {
                self.buffers.words(doc);
                let words = std::mem::take(&mut self.buffers.words);
                self.windows(doc, &words, out);
                self.buffers.words = words;
            }
        }
    }
}

impl WindowFinder {
    fn windows<S: Symbol>(&mut self, doc: &Document, symbols: &[S], out: &mut dyn Records) {
        for stretch in marked(doc, self.spans).filter(|s| s.fate != Fate::Cut) {
            let (start, end) = (stretch.start as usize, stretch.end() as usize + self.window - 1);
            for (offset, window) in symbols.get(start..end).unwrap_or_default().windows(self.window).enumerate() {
                let hash = hash::wide(S::bytes(window, &mut self.buffers.bytes), 0);
                let mut record = [0; WINDOW];
                record[..16].copy_from_slice(&hash.to_be_bytes());
                record[16..].copy_from_slice(&((start + offset) as u32).to_be_bytes());
                out.emit((hash >> 122) as u32, &record);
            }
        }
    }
}

/// Cuts the repeats out of one split's documents.
struct Cutter {
    rows: ByRow,
    settings: Arc<Substrings>,
    spans: Field<Vec<u32>>,
    measures: Option<(Field<i64>, Field<f64>)>,
}

impl Apply for Cutter {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let repeats = self.repeats(row, doc);
        doc.fields.take(self.spans.slot());
        let removed: usize = repeats.iter().map(Range::len).sum();
        let fraction = removed as f64 / doc.text.len().max(1) as f64;
        if let Some((bytes, share)) = self.measures {
            doc.set(bytes, removed as i64);
            doc.set(share, fraction);
        }
        match self.settings.max_removed_fraction {
            Some(Fraction(most)) if fraction > most => return Verdict::drop_by("mostly_repeated", fraction, most),
            _ => {}
        }
        if self.measures.is_none() && removed > 0 {
            doc.text.edit(|text| *text = without(text, &repeats));
        }
        Verdict::Keep
    }
}

impl Cutter {
    /// The pieces of the text that are repeated, in order and apart, on boundaries of characters.
    fn repeats(&self, row: u32, doc: &Document) -> Vec<Range<usize>> {
        let found = self.rows.get(&row).map(Vec::as_slice).unwrap_or_default();
        let mut stretches: Vec<Stretch> = marked(doc, self.spans).filter(|s| s.fate != Fate::Look).collect();
        stretches.extend_from_slice(found);
        stretches.sort_unstable();
        let mut pieces: Vec<Range<usize>> = Vec::new();
        for stretch in stretches {
            let piece = stretch.start as usize..stretch.end() as usize + self.settings.min_length - 1;
            match pieces.last_mut() {
                Some(last) if last.end >= piece.start => last.end = last.end.max(piece.end),
                _ => pieces.push(piece),
            }
        }
        match self.settings.unit {
            Unit::Bytes => pieces.into_iter().map(|piece| within_characters(doc.text.as_str(), piece)).collect(),
            Unit::Words => {
                let words = doc.text.words();
                let begins = |word: usize| words.get(word).map_or(doc.text.len(), |span| span.0 as usize);
                pieces.into_iter().map(|piece| begins(piece.start)..begins(piece.end)).collect()
            }
        }
    }
}

/// The largest piece of whole characters within.
fn within_characters(text: &str, piece: Range<usize>) -> Range<usize> {
    let start = text.ceil_char_boundary(piece.start);
    start..text.floor_char_boundary(piece.end).max(start)
}

fn without(text: &str, repeats: &[Range<usize>]) -> String {
    let mut left = String::with_capacity(text.len());
    let mut at = 0;
    for repeat in repeats {
        left.push_str(text.get(at..repeat.start).unwrap_or_default());
        at = repeat.end;
    }
    left.push_str(text.get(at..).unwrap_or_default());
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, docs};
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Every window of every text, compared with every other.
    fn brute_force(texts: &[String], length: usize, keep: Keep) -> Vec<String> {
        let mut times: HashMap<&[u8], u32> = HashMap::new();
        for text in texts {
            text.as_bytes().windows(length).for_each(|w| *times.entry(w).or_default() += 1);
        }
        let mut seen: HashMap<&[u8], ()> = HashMap::new();
        let mut left = Vec::new();
        for text in texts {
            let mut repeated = vec![false; text.len()];
            for (start, window) in text.as_bytes().windows(length).enumerate() {
                let before = seen.insert(window, ()).is_some();
                if before || (keep == Keep::None && times[window] > 1) {
                    repeated[start..start + length].fill(true);
                }
            }
            let whole = text.char_indices().filter(|(at, c)| !repeated[*at..at + c.len_utf8()].iter().all(|r| *r));
            left.push(whole.map(|(_, c)| c).collect());
        }
        left
    }

    fn cut_out(texts: &[String], settings: &str, cuts: &[usize]) -> Vec<String> {
        let outcome = build::<Substrings>(settings, false, |_| ()).unwrap().run(docs(texts), cuts).unwrap();
        outcome.docs.into_iter().map(|d| d.text.into_string()).collect()
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        let piece = prop_oneof![
            "[ab]{0,30}",
            "a{0,40}",
            "(ab|abc|é){0,20}",
            "[a-d]{0,30}",
            "(once upon a time|there was a|king|queen| ){0,6}",
            "[日本語é ]{0,12}",
        ];
        let text = prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat());
        prop::collection::vec(text, 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn what_is_left_is_what_comparing_every_window_leaves(
            texts in texts(), length in 4usize..24, none in any::<bool>(), cuts in prop::collection::vec(0usize..4, 0..4)
        ) {
            let (keep, word) = if none { (Keep::None, "none") } else { (Keep::First, "first") };
            let settings = format!(r#"{{"min_length": {length}, "keep": "{word}", "max_removed_fraction": null}}"#);
            prop_assert_eq!(cut_out(&texts, &settings, &cuts), brute_force(&texts, length, keep));
        }

        #[test]
        fn words_are_cut_as_letters_are(texts in prop::collection::vec("[abc]{0,40}", 0..6), cuts in prop::collection::vec(0usize..4, 0..4)) {
            let spaced: Vec<String> = texts.iter().map(|t| t.chars().flat_map(|c| [c, ' ']).collect()).collect();
            let left = cut_out(&spaced, r#"{"min_length": 5, "unit": "words", "max_removed_fraction": null}"#, &cuts);
            let left: Vec<String> = left.into_iter().map(|t| t.replace(' ', "")).collect();
            prop_assert_eq!(left, brute_force(&texts, 5, Keep::First));
        }
    }

    #[test]
    fn a_document_that_loses_too_much_goes() {
        let text = |n: usize| (0..60).map(|i| format!("word{} ", (n * 31 + i * i) % 997)).collect::<String>();
        let all = [text(1), text(1), format!("{}{}", text(1), text(2)), text(3)];
        let built = build::<Substrings>("{}", false, |_| ()).unwrap();
        let outcome = built.run(docs(&all), &[1]).unwrap();
        assert_eq!(outcome.keeps(), [true, false, true, true]);
        assert_eq!(outcome.verdicts[1], Verdict::drop_by("mostly_repeated", 1.0, 0.8));
        assert_eq!(outcome.docs[2].text.as_str(), text(2));
        let annotated = build::<Substrings>("{}", true, |_| ()).unwrap();
        let outcome = annotated.run(docs(&all), &[]).unwrap();
        let share = annotated.fields.find::<f64>("substrings.repeated_fraction").unwrap();
        let shares: Vec<f64> = outcome.docs.iter().map(|d| d.get(share).unwrap()).collect();
        assert_eq!((shares[0], shares[1], shares[3]), (0.0, 1.0, 0.0));
        assert!((0.4..0.6).contains(&shares[2]));
        assert_eq!(outcome.docs[2].text.as_str(), all[2]);
    }

    #[test]
    fn a_text_of_one_letter_emits_little() {
        struct Count(usize);
        impl Records for Count {
            fn emit(&mut self, _: u32, _: &[u8]) {
                self.0 += 1;
            }
        }
        let built = build::<Substrings>("{}", false, |_| ()).unwrap();
        for text in ["a".repeat(1 << 20), "ab cd. ".repeat(1 << 17), "\u{301}".repeat(1 << 19)] {
            let mut count = Count(0);
            built.before[0].mapper(&built.fields).unwrap().map(&docs(&[text])[0], &mut count);
            assert!(count.0 < 1000, "{} records", count.0);
        }
    }

    #[test]
    fn damaged_findings_are_an_error() {
        assert!(by_row(&[3, 200]).is_err());
        assert!(build::<Substrings>(r#"{"min_length": 3}"#, false, |_| ()).is_err());
    }
}
