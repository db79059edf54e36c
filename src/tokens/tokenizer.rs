//! Tokenizers: Hugging Face `tokenizer.json` files and tiktoken rank files. Special tokens in a text are ordinary text
//! unless they are asked for: a web page that says `<|endoftext|>` must not end a document.
//!
//! Vocabularies that [`super::bpe`] knows are encoded there; all others by the library, which is slower and right.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::bpe::{Known, Scratch, TokenizerFile};
use super::ranks::Ranks;
use crate::error::{Error, Result};

/// A tokenizer; cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    path: PathBuf,
    way: Way,
    vocab_size: u32,
    /// The bytes of each id, once something is decoded.
    bytes: OnceLock<Vec<Box<[u8]>>>,
}

enum Way {
    Own(Box<Known>),
    Library(Box<tokenizers::Tokenizer>, String),
}

/// Tokenizers in use, by path and digest of their file and by whether special tokens are tokens: what several stages ask for
/// is loaded once.
static LOADED: Mutex<Vec<(Key, Weak<Inner>)>> = Mutex::new(Vec::new());

type Key = (PathBuf, u128, bool);

impl Tokenizer {
    /// Loads a `tokenizer.json` or a rank file. With `special`, special tokens in a text are tokens.
    pub fn load(path: &Path, special: bool) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let key = (path.to_owned(), xxhash_rust::xxh3::xxh3_128(&bytes), special);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|(_, inner)| inner.strong_count() > 0);
        if let Some(inner) = loaded.iter().find_map(|(of, inner)| inner.upgrade().filter(|_| *of == key)) {
            return Ok(Self(inner));
        }
        let tokenizer = Self::parse(path, &bytes, special)?;
        loaded.push((key, Arc::downgrade(&tokenizer.0)));
        Ok(tokenizer)
    }

    fn parse(path: &Path, bytes: &[u8], special: bool) -> Result<Self> {
        let known = if Ranks::looks_like(bytes) {
            let ranks = Ranks::parse(bytes).map_err(|why| unreadable(path, &why))?;
            Known::of_ranks(&ranks, special).map_err(|why| unreadable(path, &why)).map(Ok)?
        } else {
            let file = serde_json::from_slice::<TokenizerFile<'_>>(bytes).map_err(|e| e.to_string());
            file.and_then(|file| Known::of(file, special))
        };
        match known {
            Ok(known) => {
                let most = known.ids.values().copied().max().unwrap_or(0);
                Self::new(path, Way::Own(Box::new(known)), most)
            }
            Err(why) => Self::with_library(path, bytes, special, why),
        }
    }

    /// Loads a tokenizer to be encoded by the library, whatever it holds: the oracle.
    pub fn oracle(path: &Path, special: bool) -> Result<Self> {
        let mut bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        if Ranks::looks_like(&bytes) {
            let ranks = Ranks::parse(&bytes).map_err(|why| unreadable(path, &why))?;
            bytes = ranks.to_json().to_string().into_bytes();
        }
        Self::with_library(path, &bytes, special, "it was asked for".into())
    }

    fn with_library(path: &Path, bytes: &[u8], special: bool, why: String) -> Result<Self> {
        let mut library = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| unreadable(path, &e.to_string()))?;
        // Truncation and padding belong to inference.
        library.with_padding(None);
        library.with_truncation(None).map_err(|e| Error::pipeline(e.to_string()))?;
        library.set_encode_special_tokens(!special);
        let most = library.get_vocab(true).into_values().max().unwrap_or(0);
        Self::new(path, Way::Library(Box::new(library), why), most)
    }

    fn new(path: &Path, way: Way, most: u32) -> Result<Self> {
        // Consumers keep ids in signed 32 bits.
        if most >= i32::MAX as u32 {
            return Err(Error::pipeline(format!("`{}` has ids of 2^31 and above", path.display()))
                .hint("no training framework reads such ids; give the tokenizer that the model is trained with"));
        }
        Ok(Self(Arc::new(Inner { path: path.to_owned(), way, vocab_size: most + 1, bytes: OnceLock::new() })))
    }

    /// How it encodes, for people: by hand, or by the library and why.
    pub fn describe(&self) -> String {
        let ids = self.0.vocab_size;
        match &self.0.way {
            Way::Own(known) => {
                format!("byte-level BPE with the pattern of {}, {ids} ids, encoded by hand", known.bpe.pattern().name())
            }
            Way::Library(_, why) => {
                let family = self.family();
                format!("{family}, {ids} ids, encoded by the library `tokenizers`, many times slower: {why}")
            }
        }
    }

    /// What kind of tokenizer it is.
    pub fn family(&self) -> &'static str {
        use tokenizers::ModelWrapper;
        match &self.0.way {
            Way::Own(_) => "byte-level BPE",
            Way::Library(library, _) => match library.get_model() {
                ModelWrapper::BPE(bpe) if bpe.byte_fallback => "SentencePiece-style BPE",
                ModelWrapper::BPE(_) => "BPE",
                ModelWrapper::Unigram(_) => "Unigram",
                ModelWrapper::WordPiece(_) => "WordPiece",
                ModelWrapper::WordLevel(_) => "WordLevel",
            },
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Why the library encodes; `None` if the fast path does.
    pub fn falls_back_because(&self) -> Option<&str> {
        match &self.0.way {
            Way::Own(_) => None,
            Way::Library(_, why) => Some(why),
        }
    }

    /// One more than the greatest id.
    pub fn vocab_size(&self) -> u32 {
        self.0.vocab_size
    }

    /// The id of a token.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        match &self.0.way {
            Way::Own(known) => known.ids.get(token).copied(),
            Way::Library(library, _) => library.token_to_id(token),
        }
    }

    /// The end-of-document token by the names it usually has.
    pub fn eos_id(&self) -> Option<u32> {
        ["<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>"].iter().find_map(|t| self.token_id(t))
    }

    /// The text of `ids`, special tokens included; bytes that are no text become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        match &self.0.way {
            Way::Own(known) => {
                let bytes = self.0.bytes.get_or_init(|| known.bytes_by_id(self.0.vocab_size));
                let mut all = Vec::with_capacity(ids.len() * 5);
                ids.iter().filter_map(|id| bytes.get(*id as usize)).for_each(|b| all.extend_from_slice(b));
                String::from_utf8(all).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
            }
            Way::Library(library, _) => library.decode(ids, false).unwrap_or_default(),
        }
    }

    /// An encoder for one worker.
    pub fn encoder(&self) -> Encoder {
        Encoder { tokenizer: self.clone(), scratch: None }
    }
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::pipeline(format!("`{}` is no tokenizer that can be loaded: {why}", path.display())).hint(
        "give a Hugging Face `tokenizer.json` or a tiktoken rank file; `AutoTokenizer.from_pretrained(…).save_pretrained(…)` writes the first",
    )
}

/// Encodes on one worker. A clone begins with an empty cache.
pub struct Encoder {
    tokenizer: Tokenizer,
    scratch: Option<Box<Scratch>>,
}

impl Clone for Encoder {
    fn clone(&self) -> Self {
        self.tokenizer.encoder()
    }
}

impl Encoder {
    /// Appends the ids of `text`. `false` if the tokenizer cannot encode it.
    pub fn encode_into(&mut self, text: &str, ids: &mut Vec<u32>) -> bool {
        match &self.tokenizer.0.way {
            Way::Own(known) => {
                known.encode(text, self.scratch.get_or_insert_default(), ids);
                true
            }
            Way::Library(library, _) => match library.encode_fast(text, false) {
                Ok(encoding) => {
                    ids.extend_from_slice(encoding.get_ids());
                    true
                }
                Err(_) => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pretoken::{DEEPSEEK, Pattern};
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// Pretokenizers put before GPT-2's vocabulary.
    fn pretokenizers() -> Vec<serde_json::Value> {
        let bytes = |regex: bool| serde_json::json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": regex });
        let split = |regex: &str| serde_json::json!({ "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false });
        let sequence =
            |parts: Vec<serde_json::Value>| serde_json::json!({ "type": "Sequence", "pretokenizers": parts });
        let single = [Pattern::Cl100k { digits: 3 }, Pattern::Cl100k { digits: 1 }, Pattern::O200k, Pattern::Tekken];
        let mut all = vec![bytes(true)];
        all.extend(single.iter().map(|p| sequence(vec![split(p.regex().unwrap()), bytes(false)])));
        all.push(sequence(DEEPSEEK.iter().map(|r| split(r)).chain([bytes(false)]).collect()));
        all.push(sequence(vec![serde_json::json!({ "type": "Digits", "individual_digits": true }), bytes(true)]));
        all
    }

    /// GPT-2's vocabulary with each pattern, with and without `ignore_merges`: ours and the library's.
    static BOTH: LazyLock<Vec<(Tokenizer, Tokenizer)>> = LazyLock::new(|| {
        let gpt2 = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers/gpt2.json")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for (number, pretokenizer) in pretokenizers().into_iter().enumerate() {
            let mut json: serde_json::Value = serde_json::from_slice(&gpt2).unwrap();
            json["pre_tokenizer"] = pretokenizer;
            // Every other one takes whole tokens, normalizes, and has added tokens that are no special ones.
            let special = number % 2 == 1;
            if special {
                json["model"]["ignore_merges"] = true.into();
                json["normalizer"] = serde_json::json!({ "type": "NFC" });
                for (id, (token, normalized)) in
                    [("<tool>", false), ("<tools>", false), ("dondon", true)].into_iter().enumerate()
                {
                    json["added_tokens"].as_array_mut().unwrap().push(serde_json::json!({ "id": 50_257 + id,
                        "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                        "normalized": normalized, "special": false }));
                }
            }
            let path = dir.path().join("tokenizer.json");
            std::fs::write(&path, json.to_string()).unwrap();
            let (own, oracle) = (Tokenizer::load(&path, special).unwrap(), Tokenizer::oracle(&path, special).unwrap());
            assert_eq!(own.falls_back_because(), None);
            assert_eq!(own.vocab_size(), oracle.vocab_size());
            assert_eq!(own.eos_id(), oracle.eos_id());
            all.push((own, oracle));
        }
        all
    });

    fn assert_equal(text: &str) {
        for (own, oracle) in BOTH.iter() {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let mut encoder = own.encoder();
            assert!(encoder.encode_into(text, &mut ours) && oracle.encoder().encode_into(text, &mut theirs));
            assert_eq!(ours, theirs, "{text:?}");
            // And again, from the cache.
            let mut again = Vec::new();
            encoder.encode_into(text, &mut again);
            assert_eq!(ours, again);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]
        #[test]
        fn any_text_has_the_librarys_ids(text in prop_oneof![
            "\\PC{0,80}",
            "([A-Zʰァ-ヶー一-龥e\u{301}\u{903}]{1,4}|[a-zà]{1,3}|[0-9٣]{1,4}|['’][sStTlL]{1,2}|[ /\r\n]{1,2}|[!-/]{1,2}|<tools?>|<.endoftext.>|[\u{200b}\u{e000}\u{7}]{1,2}|dondon){0,25}",
            "[ \t\r\n\u{a0}\u{2003}\u{3000}a'sſSTdDlLvVrReEmM0-9½٣.,!?—]{0,60}",
            "([a-z]{1,9}|[ \n]{1,3}|[一-龥]{1,12}|[а-я]{1,9}|[0-9]{1,7}|[\u{1f300}-\u{1faff}]|['\"(){};=]{1,3}){0,30}",
            proptest::collection::vec(any::<char>(), 0..60).prop_map(|c| c.into_iter().collect::<String>()),
        ]) {
            assert_equal(&text);
        }
    }

    #[test]
    fn awkward_texts_have_the_librarys_ids() {
        for text in [
            "",
            " ",
            "  ",
            "\n",
            "a  b",
            "a \n b",
            "  \n\n  x",
            "\r\n\r\n",
            "it's IT'S it'ſ 'll 'LL 've 're 'd '",
            "x'",
            "<|endoftext|>",
            "don't<|endoftext|>you",
            "1234567890 12 ½ ٣٤٥",
            "e\u{301} \u{0} \u{fffd}",
            "日本語の文章、です。",
            "\u{200b}\u{feff}",
            "👩‍👩‍👧‍👦🏳️‍🌈",
            "===== ----- ......",
            "ab\tcd\t\tef",
            "camelCaseHTTPServer's ÉCOLE's ǅ ʰA Aʰ AʰB aa\u{301}A\u{301}b /path//to/\n/x",
            "東京タワー・2024年 ー abc漢字def",
            "<tool><tools> <|endoftext|>don't e\u{301}dondon",
            "🇩🇪🇫🇷 a\u{a0}b\u{2003}\u{2003}c",
        ] {
            assert_equal(text);
        }
        for unit in ["a", "ab", "=", " ", "\n", "0", "é", "一", "ha "] {
            assert_equal(&unit.repeat(3000));
        }
    }

    #[test]
    fn long_texts_without_spaces_have_the_librarys_ids() {
        let mut words = crate::sketch::hash::Words::new(7);
        for alphabet in
            ["abcdefghijklmnopqrstuvwxyz", "etaoin", "0123456789", "абвгдежзик", "=-", "aA", "一二三の東京", "=aé一"]
        {
            let alphabet: Vec<char> = alphabet.chars().collect();
            let text: String = (0..4000).map(|_| alphabet[words.word() as usize % alphabet.len()]).collect();
            assert_equal(&text);
        }
        let prose = include_str!("../../README.md");
        assert_equal(&prose.chars().filter(|c| c.is_ascii_alphabetic()).collect::<String>());
    }

    #[test]
    fn what_is_not_known_falls_back_and_says_why() {
        let gpt2 = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers/gpt2.json")).unwrap();
        let mut json: serde_json::Value = serde_json::from_slice(&gpt2).unwrap();
        json["normalizer"] = serde_json::json!({ "type": "NFKC" });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        std::fs::write(&path, json.to_string()).unwrap();
        let loaded = Tokenizer::load(&path, false).unwrap();
        assert_eq!(loaded.falls_back_because(), Some("its normalizer is `NFKC`"));
        assert!(loaded.describe().contains("encoded by the library"));
        let whole = json.to_string();
        json["normalizer"] = serde_json::Value::Null;
        json["model"]["vocab"]["Ġworld"] = 3_000_000_000u32.into();
        let beyond = json.to_string();
        for (damaged, why) in
            [("{}", "can be loaded"), (&whole[..90_000], "can be loaded"), (&beyond, "2^31 and above")]
        {
            std::fs::write(&path, damaged).unwrap();
            let error = Tokenizer::load(&path, false).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
        std::fs::write(&path, "aGVsbG8= 0\nIQ== 1\n").unwrap();
        assert!(Tokenizer::load(&path, false).err().unwrap().to_string().contains("has 2 tokens"));
    }

    /// Recorded with `fixtures/goldens/tiny_tokenizers.py`.
    #[test]
    fn other_families_are_recognized_and_have_the_librarys_ids() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/goldens/tiny_tokenizers");
        let goldens: serde_json::Value =
            serde_json::from_slice(&std::fs::read(format!("{dir}/ids.json")).unwrap()).unwrap();
        for (name, family) in [("llama", "SentencePiece-style BPE"), ("t5", "Unigram"), ("bert", "WordPiece")] {
            let tokenizer = Tokenizer::load(Path::new(&format!("{dir}/{name}.json")), false).unwrap();
            assert_eq!(tokenizer.family(), family);
            let told = tokenizer.describe();
            assert!(told.starts_with(family) && told.contains("encoded by the library"), "{told}");
            for golden in goldens[name].as_array().unwrap() {
                let (text, mut ids) = (golden["text"].as_str().unwrap(), Vec::new());
                assert!(tokenizer.encoder().encode_into(text, &mut ids));
                assert_eq!(serde_json::json!(ids), golden["ids"], "{name}: {text:?}");
            }
        }
    }

    #[test]
    fn a_rank_file_encodes_as_the_vocabulary_it_is() {
        // GPT-2's ranks are its merges: a byte-level vocabulary written as a rank file is that vocabulary.
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers/gpt2.json"));
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut lines = Vec::new();
        for (token, id) in json["model"]["vocab"].as_object().unwrap() {
            if let Some(bytes) = super::super::bpe::bytes_of(token).filter(|_| id.as_u64() < Some(50_256)) {
                use base64::Engine as _;
                lines.push(format!("{} {id}", base64::engine::general_purpose::STANDARD.encode(bytes)));
            }
        }
        assert_eq!(lines.len(), 50_256);
        let dir = tempfile::tempdir().unwrap();
        let ranks = dir.path().join("r50k_base.tiktoken");
        std::fs::write(&ranks, lines.join("\n")).unwrap();
        let (own, oracle) = (Tokenizer::load(&ranks, false).unwrap(), Tokenizer::oracle(&ranks, false).unwrap());
        let gpt2 = Tokenizer::load(path, false).unwrap();
        assert_eq!((own.vocab_size(), own.eos_id()), (gpt2.vocab_size(), gpt2.eos_id()));
        for text in ["Hello world, it's   fine\n\n日本語 1234567 <|endoftext|>", &"a".repeat(5000), "\u{0}\u{fffd}ÿ"]
        {
            let mut all = [const { Vec::new() }; 3];
            for (ids, tokenizer) in all.iter_mut().zip([&own, &oracle, &gpt2]) {
                assert!(tokenizer.encoder().encode_into(text, ids));
            }
            assert_eq!(all[0], all[1]);
            assert_eq!(all[0], all[2]);
        }
        // As many tokens as p50k has, which leaves a gap for its special token.
        use base64::Engine as _;
        lines.extend((0..24u8).map(|n| {
            let token = base64::engine::general_purpose::STANDARD.encode([0xf5, n]);
            format!("{token} {}", 50_257 + u32::from(n))
        }));
        std::fs::write(&ranks, lines.join("\n")).unwrap();
        for tokenizer in [Tokenizer::load(&ranks, true).unwrap(), Tokenizer::oracle(&ranks, true).unwrap()] {
            let mut ids = Vec::new();
            assert!(tokenizer.encoder().encode_into("a<|endoftext|>", &mut ids));
            assert_eq!(ids, [64, 50_256]);
        }
    }

    #[test]
    fn digits_are_the_same_to_all() {
        // StarCoder's digits come from the standard library's tables, all others from those of the expressions.
        for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| c.is_numeric()) {
            let text = format!("a{c}{c}a");
            assert_eq!(Pattern::StarCoder.end(&text, 1), 1 + c.len_utf8(), "{c:?}");
        }
    }
}
