//! Trains a byte-level BPE vocabulary (Sennrich et al. 2016; Radford et al. 2019) on the documents that come by, and
//! reports how well it fits each source and language.
//!
//! The merges are those of the library `tokenizers` on the same counts. Documents are cut where the vocabulary's pattern
//! cuts them; each morsel's pretokens are counted, the counts are added up partition by partition on disk, and only the
//! different pretokens come into memory, once, to be merged. Encoding with what was trained is another pipeline: a
//! plan knows its vocabulary before it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::io::atomic::write_whole;
use crate::sketch::hash;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage, pieces,
};
use crate::tokens::{Counts, Pattern, Tokenizer, TrainedFile, Trainer, byte_chars, nfc};

/// Settings of `train_bpe`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainBpe {
    /// The folder that `tokenizer.json` and `report.json` are written to. Must be empty or this run's own.
    pub dir: PathBuf,
    /// Tokens in all: special tokens, 256 bytes, merges.
    #[serde(default = "vocab_size")]
    pub vocab_size: u32,
    /// Where texts are cut before merging.
    #[serde(default)]
    pub pattern: Cut,
    /// Texts are brought to NFC first, here and whenever the vocabulary encodes.
    #[serde(default)]
    pub nfc: bool,
    /// Special tokens; they get the first ids.
    #[serde(default = "special_tokens")]
    pub special_tokens: Vec<String>,
    /// How often a pair must be seen to be merged.
    #[serde(default = "min_frequency")]
    pub min_frequency: u64,
    /// Tokens stay below so many bytes; a merge of two bytes is always allowed.
    #[serde(default)]
    #[schemars(range(min = 2))]
    pub max_token_length: Option<usize>,
    /// Which bytes are tokens.
    #[serde(default)]
    pub alphabet: Alphabet,
    /// With `alphabet: seen`, most bytes that are tokens: those seen most often.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub limit_alphabet: Option<usize>,
    /// Pretokens seen less often are not learnt from: what bounds memory on very large corpora. 1 learns from all.
    #[serde(default = "min_count")]
    pub min_count: u64,
}

fn vocab_size() -> u32 {
    32_000
}

fn special_tokens() -> Vec<String> {
    vec!["<|endoftext|>".into()]
}

fn min_frequency() -> u64 {
    2
}

fn min_count() -> u64 {
    1
}

/// Where texts are cut before merging: the patterns of published vocabularies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// GPT-2's.
    Gpt2,
    /// GPT-4's and Llama 3's: digits in groups of three.
    #[default]
    Cl100k,
    /// GPT-4o's: words begin where lower case turns to upper case.
    O200k,
    /// Qwen2's and Qwen3's: every digit alone.
    Qwen2,
    /// DeepSeek-V3's: Chinese and Japanese apart from the rest.
    Deepseek,
    /// StarCoder's: every digit alone, the rest as GPT-2.
    Starcoder,
}

impl Cut {
    fn pattern(self) -> Pattern {
        match self {
            Self::Gpt2 => Pattern::Gpt2,
            Self::Cl100k => Pattern::Cl100k { digits: 3 },
            Self::O200k => Pattern::O200k,
            Self::Qwen2 => Pattern::Cl100k { digits: 1 },
            Self::Deepseek => Pattern::DeepSeek,
            Self::Starcoder => Pattern::StarCoder,
        }
    }
}

/// Which bytes are tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// All 256: any text can be encoded.
    #[default]
    Bytes,
    /// Those that were seen: what has others loses them when it is encoded.
    Seen,
}

impl Settings for TrainBpe {
    const ABOUT: About = About {
        shorthand: Some("dir"),
        ends: true,
        ..About::new("train_bpe", Family::Encode, "trains a byte-level BPE vocabulary and reports its fertility")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        self.check()?;
        if cx.annotate {
            return Err(Error::pipeline("`train_bpe` judges no document: it has no `mode: annotate`"));
        }
        let language = cx.reads_if_written("language")?;
        Ok(Stage::Global(Arc::new(Running { settings: self, language, memory: cx.memory })))
    }
}

impl TrainBpe {
    fn check(&self) -> Result<()> {
        let wrong = |message: String, hint: &str| Err(Error::pipeline(format!("`train_bpe`: {message}")).hint(hint));
        let mut names = self.special_tokens.clone();
        names.sort_unstable();
        if names.first().is_some_and(String::is_empty) || names.windows(2).any(|two| two.first() == two.last()) {
            return wrong("special tokens must differ, and none is empty".into(), "take out the one that is twice");
        }
        let least = self.special_tokens.len() + if self.alphabet == Alphabet::Bytes { 256 } else { 1 };
        if (self.vocab_size as usize) < least {
            let message = format!("a `vocab_size` of {} has no room for merges", self.vocab_size);
            return wrong(message, &format!("special tokens and bytes alone are {least}"));
        }
        if self.vocab_size >= i32::MAX as u32 {
            return wrong("ids must stay below 2^31".into(), "vocabularies have 32,000 to 256,000 tokens");
        }
        if self.limit_alphabet.is_some() && self.alphabet == Alphabet::Bytes {
            return wrong(
                "`limit_alphabet` takes bytes away that `alphabet: bytes` wants".into(),
                "write `alphabet: seen` too",
            );
        }
        Ok(())
    }

    fn trainer(&self) -> Trainer {
        Trainer {
            vocab_size: self.vocab_size as usize,
            min_frequency: self.min_frequency,
            special: self.special_tokens.clone(),
            alphabet: if self.alphabet == Alphabet::Bytes { byte_chars().to_vec() } else { Vec::new() },
            limit_alphabet: self.limit_alphabet,
            max_token_length: self.max_token_length,
        }
    }
}

struct Running {
    settings: TrainBpe,
    language: Option<Field<String>>,
    memory: u64,
}

/// Pretokens are spread over so many partitions by their hash; one more has what is known of the groups.
const PARTITIONS: u32 = 64;

impl Global for Running {
    fn record_bytes(&self) -> usize {
        pieces::RECORD
    }

    fn partitions(&self) -> u32 {
        PARTITIONS + 1
    }

    fn gathers(&self) -> bool {
        true
    }

    fn drops_by_row(&self) -> bool {
        true
    }

    fn dropped_rows(&self, _: &[u8], _: &[u8]) -> Result<Option<Vec<u32>>> {
        Ok(Some(Vec::new()))
    }

    fn files(&self) -> Vec<PathBuf> {
        ["tokenizer.json", "report.json"].map(|name| self.settings.dir.join(name)).to_vec()
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        let (pattern, nfc) = (self.settings.pattern.pattern(), self.settings.nfc);
        Ok(Box::new(Counter { pattern, nfc, language: self.language, counts: Counts::default(), groups: Vec::new() }))
    }

    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        pieces::reduce(records, links)
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut groups = groups(links)?;
        let words = self.words(links)?;
        let trained = self
            .settings
            .trainer()
            .train(|| words.iter().map(|(piece, _, count)| (piece.iter().map(|b| byte_chars()[*b as usize]), count)));
        let different = words.len();
        drop(words);
        let special = &self.settings.special_tokens;
        let file = TrainedFile {
            trained: &trained,
            pattern: self.settings.pattern.pattern(),
            nfc: self.settings.nfc,
            special,
        };
        let json = file.to_json().map_err(|e| Error::bug("a vocabulary does not serialize").because(e))?;
        let path = self.settings.dir.join("tokenizer.json");
        write_whole(&path, json.as_bytes())?;
        self.encode(links, &Tokenizer::load(&path, false)?, &mut groups)?;
        let report = Report::new(&self.settings, trained.tokens.len(), trained.merges.len(), different, groups);
        let json =
            serde_json::to_string_pretty(&report).map_err(|e| Error::bug("a report does not serialize").because(e))?;
        write_whole(&self.settings.dir.join("report.json"), format!("{json}\n").as_bytes())?;
        let notes = report.notes(&self.settings, trained.last_count);
        Ok(Findings { shared: Vec::new(), splits: vec![Vec::new(); corpus.rows.len()], notes })
    }

    fn apply(&self, _: &[u8], _: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        Ok(Arc::new(Pass))
    }
}

impl Running {
    /// The different pretokens with their counts in all groups together.
    fn words(&self, links: &mut dyn Links) -> Result<Counts> {
        let (mut words, mut bytes) = (Counts::default(), 0);
        for part in 0..PARTITIONS {
            pieces::read(&mut *links.open(part)?, |piece, counts| {
                let count = counts.iter().map(|(_, count)| count).sum();
                if count >= self.settings.min_count {
                    words.add(piece, 0, count);
                    // Beside the table, the trainer has an id and up to two places for each byte.
                    bytes += 13 * piece.len() as u64 + 64;
                }
                if bytes > self.memory {
                    return Err(Error::world(format!(
                        "`train_bpe`: the different pretokens need more than {} MiB of memory",
                        self.memory >> 20
                    ))
                    .hint("raise `limits.memory` (a quarter of it is for this), or learn from those seen at least twice: `min_count: 2`"));
                }
                Ok(())
            })?;
        }
        Ok(words)
    }

    /// Counts each group's tokens.
    fn encode(&self, links: &mut dyn Links, tokenizer: &Tokenizer, groups: &mut BTreeMap<u32, Group>) -> Result<()> {
        let (mut encoder, mut ids) = (tokenizer.encoder(), Vec::new());
        for part in 0..PARTITIONS {
            pieces::read(&mut *links.open(part)?, |piece, counts| {
                ids.clear();
                encoder.encode_into(&String::from_utf8_lossy(piece), &mut ids);
                for (id, count) in counts {
                    if let Some(group) = groups.get_mut(id) {
                        group.tokens += count * ids.len() as u64;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

struct Pass;

impl Apply for Pass {
    fn apply(&self, _: u32, _: &mut Document) -> Verdict {
        Verdict::Keep
    }
}

/// One worker's counting, emptied after each morsel.
struct Counter {
    pattern: Pattern,
    nfc: bool,
    language: Option<Field<String>>,
    counts: Counts,
    groups: Vec<Group>,
}

/// What is known of the documents of one source and language.
#[derive(Debug, Clone, Default, Serialize)]
struct Group {
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    documents: u64,
    bytes: u64,
    words: u64,
    tokens: u64,
    tokens_per_word: f64,
    bytes_per_token: f64,
}

impl Mapper for Counter {
    fn map(&mut self, doc: &Document, _: &mut dyn Records) {
        let language = self.language.and_then(|field| doc.get(field));
        let found =
            self.groups.iter().position(|g| *g.source == *doc.origin.source && g.language.as_deref() == language);
        let at = found.unwrap_or_else(|| {
            let (source, language) = (doc.origin.source.to_string(), language.map(str::to_owned));
            self.groups.push(Group { source, language, ..Group::default() });
            self.groups.len() - 1
        });
        let copies = u64::from(doc.copies);
        if let Some(group) = self.groups.get_mut(at) {
            group.documents += copies;
            group.bytes += copies * doc.text.len() as u64;
            group.words += copies * doc.text.words().len() as u64;
        }
        let text = doc.text.as_str();
        let text = if self.nfc { nfc(text) } else { text.into() };
        self.counts.add_text(&text, self.pattern, at as u32, copies);
    }

    fn flush(&mut self, out: &mut dyn Records) {
        let names: Vec<String> = self
            .groups
            .iter()
            .map(|g| format!("{}\0{}", g.source, g.language.as_ref().map_or(String::new(), |l| format!("={l}"))))
            .collect();
        let ids: Vec<u32> = names.iter().map(|name| xxhash_rust::xxh3::xxh3_64(name.as_bytes()) as u32).collect();
        for (piece, group, count) in self.counts.iter() {
            let partition = (hash::wide(piece, 0) >> 122) as u32;
            pieces::emit(partition, piece, ids.get(group as usize).copied().unwrap_or(0), count, out);
        }
        for ((group, name), id) in self.groups.iter().zip(&names).zip(ids) {
            for (what, count) in [("documents", group.documents), ("bytes", group.bytes), ("words", group.words)] {
                pieces::emit(PARTITIONS, format!("{what}\0{name}").as_bytes(), id, count, out);
            }
        }
        self.counts.clear();
        self.groups.clear();
    }
}

/// The groups with what was counted of them, by id.
fn groups(links: &mut dyn Links) -> Result<BTreeMap<u32, Group>> {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    pieces::read(&mut *links.open(PARTITIONS)?, |piece, counts| {
        let text = String::from_utf8_lossy(piece);
        let mut names = text.split('\0');
        let (what, source, language) = (names.next(), names.next(), names.next());
        for (id, count) in counts {
            let group = groups.entry(*id).or_default();
            group.source = source.unwrap_or_default().to_owned();
            group.language = language.and_then(|l| l.strip_prefix('=')).map(str::to_owned);
            match what {
                Some("documents") => group.documents += count,
                Some("bytes") => group.bytes += count,
                _ => group.words += count,
            }
        }
        Ok(())
    })?;
    Ok(groups)
}

/// `report.json`: how the vocabulary came about, and how well it fits.
#[derive(Debug, Serialize)]
struct Report<'s> {
    settings: &'s TrainBpe,
    tokens: usize,
    merges: usize,
    /// Different pretokens that were learnt from.
    pretokens: usize,
    /// Everything together.
    all: Group,
    /// By source and language.
    groups: Vec<Group>,
}

impl<'s> Report<'s> {
    fn new(
        settings: &'s TrainBpe,
        tokens: usize,
        merges: usize,
        pretokens: usize,
        groups: BTreeMap<u32, Group>,
    ) -> Self {
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by(|a, b| (&a.source, &a.language).cmp(&(&b.source, &b.language)));
        let mut all = Group { source: "all".into(), ..Group::default() };
        for group in &groups {
            all.documents += group.documents;
            all.bytes += group.bytes;
            all.words += group.words;
            all.tokens += group.tokens;
        }
        for group in groups.iter_mut().chain([&mut all]) {
            let ratio = |a: u64, b: u64| if b == 0 { 0.0 } else { (a as f64 / b as f64 * 1e4).round() / 1e4 };
            group.tokens_per_word = ratio(group.tokens, group.words);
            group.bytes_per_token = ratio(group.bytes, group.tokens);
        }
        Self { settings, tokens, merges, pretokens, all, groups }
    }

    fn notes(&self, settings: &TrainBpe, last: u64) -> Vec<String> {
        /// More are in `report.json`.
        const GROUPS: usize = 12;
        let mut notes = vec![format!(
            "{} tokens of {} different pretokens; the last merge was seen {last} times",
            self.tokens, self.pretokens
        )];
        if self.tokens < settings.vocab_size as usize {
            notes.push(format!(
                "the vocabulary is smaller than `vocab_size` {}: no pair is left that is seen {} times",
                settings.vocab_size,
                settings.min_frequency.max(1)
            ));
        }
        let mut largest: Vec<&Group> = self.groups.iter().collect();
        largest.sort_by_key(|g| std::cmp::Reverse(g.bytes));
        largest.truncate(GROUPS);
        for group in largest {
            let name = group.language.as_ref().map_or(String::new(), |l| format!(" in {l}"));
            notes.push(format!(
                "`{}`{name}: {:.2} tokens a word, {:.2} bytes a token, of {} documents",
                group.source, group.tokens_per_word, group.bytes_per_token, group.documents
            ));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, doc};
    use tokenizers::models::bpe::BpeTrainer;

    const CUTS: [&str; 6] = ["gpt2", "cl100k", "o200k", "qwen2", "deepseek", "starcoder"];

    fn corpus() -> Vec<Document> {
        let book = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/books/moby-dick.txt")).unwrap();
        let book = String::from_utf8_lossy(&book);
        let mut docs: Vec<Document> =
            book.get(..60_000).unwrap().split("\r\n\r\n").zip(0..).map(|(t, at)| doc("book", at, t)).collect();
        for at in 0..40 {
            let text = format!(
                "größe_{at} = {{'長さ': {}}}  # Länge cafe\u{301}\n\n\tfür {}東京",
                at * 7919,
                "x".repeat(at * 9)
            );
            docs.push(doc("code", at as u64, &text));
        }
        docs
    }

    fn settings(dir: &std::path::Path, cut: &str) -> serde_json::Value {
        serde_json::json!({ "dir": dir, "vocab_size": 700, "pattern": cut, "nfc": cut == "qwen2",
            "special_tokens": ["<|endoftext|>", "<pad>"], "min_frequency": 2 })
    }

    /// The file that the library saves after training on the same texts.
    fn library(ours: &[u8], docs: &[Document]) -> serde_json::Value {
        let it = tokenizers::Tokenizer::from_bytes(ours).unwrap();
        let mut fresh = tokenizers::Tokenizer::new(tokenizers::models::bpe::BPE::default());
        fresh.with_normalizer(it.get_normalizer().cloned()).unwrap();
        fresh.with_pre_tokenizer(it.get_pre_tokenizer().cloned());
        fresh.with_decoder(it.get_decoder().cloned());
        let special = |token: &str| tokenizers::AddedToken::from(token, true);
        let trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(700)
            .min_frequency(2)
            .special_tokens(vec![special("<|endoftext|>"), special("<pad>")])
            .initial_alphabet(byte_chars().iter().copied().collect())
            .build();
        let mut trainer = tokenizers::models::TrainerWrapper::BpeTrainer(trainer);
        let texts: Vec<&str> = docs.iter().map(|d| d.text.as_str()).collect();
        fresh.train(&mut trainer, texts.into_iter()).unwrap();
        serde_json::from_str(&fresh.to_string(false).unwrap()).unwrap()
    }

    #[test]
    fn the_file_is_the_librarys_with_every_pattern_and_any_cutting() {
        let docs = corpus();
        for cut in CUTS {
            let dir = tempfile::tempdir().unwrap();
            let run = |cuts: &[usize]| {
                let stage = build::<TrainBpe>(&settings(dir.path(), cut).to_string(), false, |_| {}).unwrap();
                let outcome = stage.run(docs.clone(), cuts).unwrap();
                assert!(outcome.keeps().iter().all(|kept| *kept));
                (std::fs::read(dir.path().join("tokenizer.json")).unwrap(), outcome.notes)
            };
            let (whole, notes) = run(&[]);
            assert_eq!(whole, run(&[3, 50, 7]).0);
            let ours: serde_json::Value = serde_json::from_slice(&whole).unwrap();
            assert_eq!(ours, library(&whole, &docs), "{cut}");
            let tokenizer = Tokenizer::load(&dir.path().join("tokenizer.json"), false).unwrap();
            assert_eq!((tokenizer.falls_back_because(), tokenizer.vocab_size()), (None, 700));
            // What is reported is what the vocabulary makes of the documents.
            let report = std::fs::read(dir.path().join("report.json")).unwrap();
            let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
            let (mut encoder, mut ids) = (tokenizer.encoder(), Vec::new());
            docs.iter().for_each(|d| assert!(encoder.encode_into(d.text.as_str(), &mut ids)));
            assert_eq!(report["all"]["tokens"], ids.len());
            assert_eq!(report["all"]["bytes"], docs.iter().map(|d| d.text.len()).sum::<usize>());
            assert_eq!(report["groups"][1]["documents"], 40);
            assert!(notes.iter().any(|n| n.starts_with("`book`: ") && n.contains("tokens a word")), "{notes:?}");
        }
    }

    #[test]
    fn languages_are_reported_apart_and_copies_count() {
        let dir = tempfile::tempdir().unwrap();
        let settings = serde_json::json!({ "dir": dir.path(), "vocab_size": 300 }).to_string();
        let built = build::<TrainBpe>(&settings, false, |cx| {
            cx.writes::<String>("language").unwrap();
        })
        .unwrap();
        let language = built.fields.find::<String>("language").unwrap();
        let mut docs = vec![doc("web", 0, "ein Haus"), doc("web", 1, "a house"), doc("web", 2, "?")];
        docs[0].set(language, "de".to_owned());
        docs[0].copies = 3;
        docs[1].set(language, "en".to_owned());
        let notes = built.run(docs, &[1]).unwrap().notes;
        assert!(notes.iter().any(|n| n.starts_with("`web` in de: ") && n.ends_with("of 3 documents")), "{notes:?}");
        assert!(notes.iter().any(|n| n.starts_with("`web` in en: ")) && notes.iter().any(|n| n.starts_with("`web`: ")));
        assert!(notes.iter().any(|n| n.contains("smaller than `vocab_size`")), "{notes:?}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            r#"{"dir": "x", "vocab_size": 256}"#,
            r#"{"dir": "x", "special_tokens": ["a", "a"]}"#,
            r#"{"dir": "x", "special_tokens": [""]}"#,
            r#"{"dir": "x", "limit_alphabet": 9}"#,
            r#"{"dir": "x", "pattern": "gpt9"}"#,
        ] {
            assert!(build::<TrainBpe>(wrong, false, |_| {}).is_err(), "{wrong}");
        }
        assert!(build::<TrainBpe>(r#"{"dir": "x"}"#, true, |_| {}).is_err());
        // Memory is bounded by an error that says what to do.
        let dir = tempfile::tempdir().unwrap();
        let docs: Vec<Document> = (0..500).map(|at| doc("web", at, &format!("{:x}", at * 7_368_787))).collect();
        let small = |min_count: u64| {
            let settings = serde_json::json!({ "dir": dir.path(), "min_count": min_count }).to_string();
            build::<TrainBpe>(&settings, false, |cx| cx.memory = 20_000).unwrap().run(docs.clone(), &[])
        };
        assert!(small(1).unwrap_err().hint.unwrap().contains("min_count: 2"));
        assert!(small(300).is_ok());
    }
}
