//! Hugging Face `tokenizer.json` files. Special tokens in a text are ordinary text: a web page that says
//! `<|endoftext|>` must not end a document.
//!
//! Vocabularies that [`super::bpe`] knows are encoded there; all others by the library, which is slower and right.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bpe::{Known, Scratch, TokenizerFile};
use crate::error::{Error, Result};

/// A tokenizer; cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    path: PathBuf,
    way: Way,
    vocab_size: u32,
}

enum Way {
    Own(Box<Known>),
    Library(Box<tokenizers::Tokenizer>, String),
}

impl Tokenizer {
    /// Loads a `tokenizer.json`.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let known = serde_json::from_slice::<TokenizerFile<'_>>(&bytes).map_err(|e| e.to_string()).and_then(Known::of);
        match known {
            Ok(known) => {
                let most = known.ids.values().copied().max().unwrap_or(0);
                Self::new(path, Way::Own(Box::new(known)), most)
            }
            Err(why) => Self::with_library(path, &bytes, why),
        }
    }

    /// Loads a `tokenizer.json` to be encoded by the library, whatever it holds: the oracle.
    pub fn oracle(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Self::with_library(path, &bytes, "it was asked for".into())
    }

    fn with_library(path: &Path, bytes: &[u8], why: String) -> Result<Self> {
        let mut library = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| {
            Error::pipeline(format!("`{}` is no tokenizer that can be loaded: {e}", path.display()))
                .hint("give a Hugging Face `tokenizer.json`")
        })?;
        // Truncation and padding belong to inference.
        library.with_padding(None);
        library.with_truncation(None).map_err(|e| Error::pipeline(e.to_string()))?;
        library.set_encode_special_tokens(true);
        let most = library.get_vocab(true).into_values().max().unwrap_or(0);
        Self::new(path, Way::Library(Box::new(library), why), most)
    }

    fn new(path: &Path, way: Way, most: u32) -> Result<Self> {
        if most == u32::MAX {
            return Err(Error::pipeline(format!("`{}` has ids that do not fit 32 bits", path.display())));
        }
        Ok(Self(Arc::new(Inner { path: path.to_owned(), way, vocab_size: most + 1 })))
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

    /// An encoder for one worker.
    pub fn encoder(&self) -> Encoder {
        Encoder { tokenizer: self.clone(), scratch: None }
    }
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
                known.bpe.encode(text, self.scratch.get_or_insert_default(), ids);
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
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const SPLITS: [Option<&str>; 3] = [
        None,
        Some(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        Some(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
    ];

    /// GPT-2's vocabulary with each pattern, with and without `ignore_merges`: ours and the library's.
    static BOTH: LazyLock<Vec<(Tokenizer, Tokenizer)>> = LazyLock::new(|| {
        let gpt2 = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers/gpt2.json")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for split in SPLITS {
            for ignore_merges in [false, true] {
                let mut json: serde_json::Value = serde_json::from_slice(&gpt2).unwrap();
                if let Some(regex) = split {
                    json["pre_tokenizer"] = serde_json::json!({ "type": "Sequence", "pretokenizers": [
                        { "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false },
                        { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false },
                    ] });
                }
                json["model"]["ignore_merges"] = ignore_merges.into();
                let path = dir.path().join("tokenizer.json");
                std::fs::write(&path, json.to_string()).unwrap();
                let (own, oracle) = (Tokenizer::load(&path).unwrap(), Tokenizer::oracle(&path).unwrap());
                assert_eq!(own.falls_back_because(), None);
                assert_eq!(own.vocab_size(), oracle.vocab_size());
                assert_eq!(own.eos_id(), oracle.eos_id());
                all.push((own, oracle));
            }
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
            "🇩🇪🇫🇷 a\u{a0}b\u{2003}\u{2003}c",
        ] {
            assert_equal(text);
        }
        for unit in ["a", "ab", "=", " ", "\n", "0", "é", "一", "ha "] {
            assert_equal(&unit.repeat(3000));
        }
    }

    #[test]
    fn what_is_not_known_falls_back_and_says_why() {
        let gpt2 = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers/gpt2.json")).unwrap();
        let mut json: serde_json::Value = serde_json::from_slice(&gpt2).unwrap();
        json["normalizer"] = serde_json::json!({ "type": "NFC" });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        std::fs::write(&path, json.to_string()).unwrap();
        assert_eq!(Tokenizer::load(&path).unwrap().falls_back_because(), Some("it has a normalizer"));
        std::fs::write(&path, "{}").unwrap();
        assert!(Tokenizer::load(&path).is_err());
    }
}
