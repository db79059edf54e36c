//! Removes what has been seen before as far as a Bloom filter can tell: paragraphs, lines or documents, whole or by the
//! share of their n-grams (as in BFF, Ai2 2024, which DCLM used).
//!
//! Beside `lines` and `paragraphs` it compares by n-grams, so that an edited copy is found, and nothing need be sorted: a
//! reduce gets its share of the hashes in corpus order and asks a filter of its own, so that the answer is the one that a
//! single filter gives to a single reader of the whole corpus, whatever the workers and the splits. The filter of a
//! partition is sized for the hashes that come to it: at most a share `false_positives` of what is new is taken for seen.

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{DocRef, Document, FieldTable, Span, Text, Verdict};
use crate::error::{Error, Result};
use crate::sketch::bloom::Bloom as Filter;
use crate::sketch::hash;
use crate::sketch::shingle::{Roller, lower_word};
use crate::stage::hits::{self, SplitHits};
use crate::stage::repeats::{Action, Ending, Judge, Unit};
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage, varint,
};
use crate::text::segments;

/// Settings of `bloom`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bloom {
    /// What is judged: each `paragraph`, each `line`, or the `document`.
    pub of: Piece,
    /// Words of an n-gram. `null` compares pieces whole; pieces that have no n-gram are compared so anyway.
    #[schemars(range(min = 1, max = 64))]
    pub ngrams: Option<usize>,
    /// Share of a piece's different n-grams that were seen before, from which it counts as seen.
    pub min_seen_fraction: Fraction,
    /// Largest share of new n-grams (or pieces) that the filters take for seen ones, above 0 and below 1. Each tenth costs
    /// 4.8 bits for each n-gram of the corpus.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub false_positives: f64,
    /// Whether what was seen is `cut` out, or texts stay whole and documents that were mostly seen `drop`.
    pub action: Action,
    /// The largest share of a document's characters that may have been seen; `null` for any.
    pub max_removed_fraction: Option<Fraction>,
    /// Fewest words left in a document that lost any; `null` for any number.
    pub min_words: Option<u64>,
}

/// What is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Each run of lines without a blank one.
    #[default]
    Paragraph,
    /// Each line.
    Line,
    /// The text as a whole.
    Document,
}

impl Default for Bloom {
    fn default() -> Self {
        Self {
            of: Piece::Paragraph,
            ngrams: Some(13),
            min_seen_fraction: Fraction(0.8),
            false_positives: 1e-4,
            action: Action::Cut,
            max_removed_fraction: None,
            min_words: None,
        }
    }
}

impl Settings for Bloom {
    const ABOUT: About = About {
        shorthand: Some("of"),
        reasons: &[
            ("mostly_repeated", "what was seen before has a larger share of it than `max_removed_fraction`"),
            ("too_few_words_left", "fewer than `min_words` words are left of it"),
            ("nothing_left", "all of it was seen before"),
        ],
        fields: &[
            ("bloom.repeats", "pieces that would be cut (`mode: annotate`)"),
            ("bloom.removed_fraction", "their share of the characters of all pieces, 0..1 (`mode: annotate`)"),
        ],
        ..About::new(
            "bloom",
            Family::Dedup,
            "removes paragraphs, lines or documents seen before, by n-grams and approximately",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if !(self.false_positives > 0.0 && self.false_positives < 1.0) || self.ngrams == Some(0) {
            return Err(Error::pipeline("`bloom`: `false_positives` is between 0 and 1, and `ngrams` at least 1")
                .hint("write `false_positives: 0.0001`; `ngrams: null` compares pieces whole"));
        }
        let ending = Ending {
            action: self.action,
            max_removed_fraction: self.max_removed_fraction,
            min_words: self.min_words,
            min_segments: None,
        };
        let judge = ending.build(cx)?;
        Ok(Stage::Global(Arc::new(Running { settings: self, judge, memory: cx.memory })))
    }
}

#[derive(Clone)]
struct Running {
    settings: Bloom,
    judge: Judge,
    /// What the filter of one partition may take.
    memory: u64,
}

/// A record is the hash of an n-gram, whose top six bits are the partition, and the piece that it stands in.
const PARTITIONS: u32 = 64;
const HASH: usize = 8;

impl Global for Running {
    fn record_bytes(&self) -> usize {
        HASH + 4
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn in_corpus_order(&self) -> bool {
        true
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Pieces::new(&self.settings)))
    }

    /// Writes how many hashes there were and how large the filter was; then the hits.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let (mut count, share) = (0, self.settings.false_positives);
        while records.next()?.is_some() {
            count += 1;
        }
        records.rewind()?;
        let bytes = Filter::bytes(count, share);
        if bytes > self.memory {
            let message =
                format!("a Bloom filter of {count} n-grams takes {} MiB of {}", bytes >> 20, self.memory >> 20);
            return Err(Error::world(message).hint("raise `limits.memory`, or let `false_positives` be larger"));
        }
        varint::write(count, links);
        varint::write(if count > 0 { bytes } else { 0 }, links);
        let mut filter = Filter::new(count, share);
        let mut out = hits::Writer::default();
        let (mut document, mut seen) = (DocRef { split: 0, row: 0 }, Vec::new());
        while let Some((record, at)) = records.next()? {
            if at != document {
                out.write(document, &mut seen, links);
                document = at;
            }
            let (hash, piece) = record.split_at(HASH.min(record.len()));
            if filter.insert(u64::from_be_bytes(hash.try_into().unwrap_or_default())) {
                seen.push(u32::from_be_bytes(piece.try_into().unwrap_or_default()));
            }
        }
        out.write(document, &mut seen, links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let (mut count, mut bytes) = (0, 0);
        let (mut findings, found) = hits::merge_after(links, corpus, &mut |from| {
            count += varint::expect(from)?;
            bytes += varint::expect(from)?;
            Ok(())
        })?;
        findings.notes.push(format!(
            "{} of {count} n-grams and pieces were seen before, in {} of {} documents; the filters took {:.1} MB in all, and \
             at most a share of {} of what was new for seen",
            found.hits,
            found.documents,
            corpus.total(),
            bytes as f64 / 1e6,
            self.settings.false_positives
        ));
        Ok(findings)
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        Ok(Arc::new(Seen { running: self.clone(), hits: SplitHits::open(split)? }))
    }

    fn keeps_text(&self) -> bool {
        self.judge.keeps_text()
    }
}

/// Cuts texts into pieces, and those into different n-grams. One for each worker.
struct Pieces {
    unit: Unit,
    roller: Option<Roller>,
    pieces: Vec<Span>,
    shares: Vec<Range<usize>>,
    words: Vec<u64>,
    grams: Vec<u64>,
    buffer: Vec<u8>,
}

impl Pieces {
    fn new(settings: &Bloom) -> Self {
        let unit = match settings.of {
            Piece::Paragraph => Unit::Paragraph,
            Piece::Line => Unit::Line,
            Piece::Document => Unit::Document,
        };
        Self {
            unit,
            roller: settings.ngrams.map(Roller::new),
            pieces: Vec::new(),
            shares: Vec::new(),
            words: Vec::new(),
            grams: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Calls `each` with every piece's ordinal and the hashes of its different n-grams: one, of all its words, if it has
    /// none; none if it has no words.
    fn each(&mut self, text: &Text, mut each: impl FnMut(usize, &[u64])) {
        self.pieces.clear();
        self.unit.segments(text, &mut self.pieces);
        segments::shares(text.words(), &self.pieces, &mut self.shares);
        for (piece, share) in self.shares.iter().enumerate() {
            self.words.clear();
            self.grams.clear();
            let words = text.words().get(share.clone()).unwrap_or_default();
            self.words.extend(words.iter().map(|word| lower_word(text.at(*word), &mut self.buffer)));
            if let Some(roller) = &mut self.roller {
                roller.clear();
                self.grams.extend(self.words.iter().filter_map(|word| roller.push(*word)));
            }
            if self.grams.is_empty() && !self.words.is_empty() {
                // Not the hash of any n-gram.
                let whole = self.words.iter().fold(self.words.len() as u64, |sum, word| hash::mix(sum ^ word));
                self.grams.push(hash::mix(!whole));
            }
            self.grams.sort_unstable();
            self.grams.dedup();
            each(piece, &self.grams);
        }
    }
}

impl Mapper for Pieces {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        self.each(&doc.text, |piece, grams| {
            for gram in grams {
                let mut record = [0; HASH + 4];
                record[..HASH].copy_from_slice(&gram.to_be_bytes());
                record[HASH..].copy_from_slice(&(piece as u32).to_be_bytes());
                out.emit((gram >> 58) as u32, &record);
            }
        });
    }
}

struct Seen {
    running: Running,
    hits: SplitHits,
}

impl Apply for Seen {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let Running { settings, judge, .. } = &self.running;
        let hits = self.hits.of(row);
        if hits.is_empty() {
            return judge.judge(doc, &[], &[]);
        }
        let mut pieces = Pieces::new(settings);
        let mut hits = hits.into_iter().peekable();
        let mut cut = Vec::new();
        pieces.each(&doc.text, |piece, grams| {
            let seen = hits.next_if(|(at, _)| *at as usize == piece).map_or(0, |(_, seen)| seen);
            cut.push(seen > 0 && seen as f64 >= settings.min_seen_fraction.0 * grams.len() as f64);
        });
        judge.judge(doc, &pieces.pieces, &cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, docs};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn run(settings: &str, texts: &[&str], cuts: &[usize]) -> Vec<String> {
        build::<Bloom>(settings, false, |_| ()).unwrap().run(docs(texts), cuts).unwrap().texts()
    }

    #[test]
    fn an_edited_paragraph_is_seen_by_its_n_grams() {
        let once = "one two three four five six seven eight nine ten";
        let edited = "ONE two, three four five six seven eight; nine eleven";
        let other = "one two three and then all of it is new to us";
        let texts = [format!("{once}\n\nfirst"), format!("second\n\n{edited}"), format!("third\n\n{other}")];
        let texts = texts.each_ref().map(String::as_str);
        for cuts in [vec![], vec![1], vec![1, 1]] {
            let left = run(r#"{"ngrams": 3}"#, &texts, &cuts);
            assert_eq!(left, [texts[0], "second", texts[2]], "{cuts:?}");
            assert_eq!(run(r#"{"ngrams": 3, "min_seen_fraction": 0.9}"#, &texts, &cuts), texts);
            assert_eq!(run(r#"{"ngrams": null}"#, &texts, &cuts), texts);
        }
    }

    #[test]
    fn whole_pieces_lines_and_documents() {
        assert_eq!(run(r#"{"ngrams": null, "of": "line"}"#, &["a b\nc", "C!\nd\na b"], &[]), ["a b\nc", "d"]);
        assert_eq!(run(r#"{"of": "document"}"#, &["a b\n\nc", "a b", "A B, C"], &[2]), ["a b\n\nc", "a b"]);
        let built = build::<Bloom>("{}", true, |_| ()).unwrap();
        let seen = built.run(docs(&["x y", "x y\n\nnew!", "…"]), &[1]).unwrap();
        let repeats = built.fields.find::<i64>("bloom.repeats").unwrap();
        assert_eq!(seen.docs.iter().map(|d| d.get(repeats)).collect::<Vec<_>>(), [Some(0), Some(1), Some(0)]);
        assert_eq!(seen.docs[1].text.as_str(), "x y\n\nnew!");
        assert!(
            seen.notes[0].starts_with("1 of 3 n-grams and pieces were seen before, in 1 of 3 documents"),
            "{:?}",
            seen.notes
        );
        for wrong in
            [r#"{"false_positives": 0}"#, r#"{"false_positives": 1.0}"#, r#"{"ngrams": 0}"#, r#"{"action": "drop"}"#]
        {
            assert!(build::<Bloom>(wrong, false, |_| ()).is_err(), "{wrong}");
        }
    }

    proptest! {
        /// With room enough the filter is a set: what is cut is what a single reader with a set would cut.
        #[test]
        fn any_splits_end_as_one_reader_with_a_set_would(
            texts in prop::collection::vec("[abc]( [abcd]){0,5}(\n\n[abc]( [abcd]){0,5}){0,3}", 0..8),
            cuts in prop::collection::vec(0usize..4, 0..4), n in 1usize..4
        ) {
            let settings = format!(r#"{{"ngrams": {n}, "false_positives": 1e-9}}"#);
            let outcome = build::<Bloom>(&settings, false, |_| ()).unwrap().run(docs(&texts), &cuts).unwrap();
            let mut seen: BTreeSet<Vec<&str>> = BTreeSet::new();
            for ((text, doc), verdict) in texts.iter().zip(&outcome.docs).zip(&outcome.verdicts) {
                let mut left = Vec::new();
                for piece in text.split("\n\n") {
                    let words: Vec<&str> = piece.split(' ').collect();
                    let grams: BTreeSet<Vec<&str>> = if words.len() < n {
                        BTreeSet::from([std::iter::once("").chain(words).collect()])
                    } else {
                        words.windows(n).map(<[&str]>::to_vec).collect()
                    };
                    let known = grams.iter().filter(|g| seen.contains(*g)).count();
                    if known == 0 || (known as f64) < 0.8 * grams.len() as f64 {
                        left.push(piece);
                    }
                    seen.extend(grams);
                }
                prop_assert_eq!(verdict.keeps(), !left.is_empty());
                if verdict.keeps() {
                    prop_assert_eq!(doc.text.as_str(), left.join("\n\n"));
                }
            }
        }
    }

    #[test]
    fn a_coarse_filter_errs_as_often_as_it_says_and_always_the_same_way() {
        let texts: Vec<String> = (0..20_000).map(|i| format!("number {i}")).collect();
        let built = build::<Bloom>(r#"{"false_positives": 0.05}"#, false, |_| ()).unwrap();
        let whole = built.run(docs(&texts), &[]).unwrap().keeps();
        assert_eq!(whole, built.run(docs(&texts), &[1, 7000, 100]).unwrap().keeps());
        let lost = whole.iter().filter(|keeps| !**keeps).count();
        // The filter fills as it goes: fewer in all than the share at its end.
        assert!(lost > 20 && lost < 1000, "{lost}");
    }
}
