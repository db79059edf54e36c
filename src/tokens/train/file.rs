//! A trained vocabulary as a `tokenizer.json`: member for member what the library would save.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::super::pretoken::{DEEPSEEK, Pattern};
use super::Trained;

/// What goes into a `tokenizer.json` beside the vocabulary.
#[derive(Debug, Clone)]
pub struct TrainedFile<'t> {
    /// Vocabulary and merges.
    pub trained: &'t Trained,
    /// How texts are cut.
    pub pattern: Pattern,
    /// Whether texts are brought to NFC first.
    pub nfc: bool,
    /// Special tokens.
    pub special: &'t [String],
}

impl TrainedFile<'_> {
    /// The file.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    fn added(&self) -> Vec<Value> {
        let id = |token: &String| self.trained.tokens.iter().position(|t| t == token);
        let mut seen = std::collections::BTreeSet::new();
        let unique = self.special.iter().filter(|token| seen.insert(token.as_str()));
        let json = |token| {
            json!({ "id": id(token), "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        };
        unique.map(json).collect()
    }
}

/// In the order in which the library writes them, for those who read the file.
impl Serialize for TrainedFile<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true });
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("version", "1.0")?;
        map.serialize_entry("truncation", &Value::Null)?;
        map.serialize_entry("padding", &Value::Null)?;
        map.serialize_entry("added_tokens", &self.added())?;
        map.serialize_entry("normalizer", &self.nfc.then(|| json!({ "type": "NFC" })))?;
        map.serialize_entry("pre_tokenizer", &pre_tokenizer(self.pattern))?;
        map.serialize_entry("post_processor", &Value::Null)?;
        map.serialize_entry("decoder", &bytes)?;
        map.serialize_entry("model", &Model(self.trained))?;
        map.end()
    }
}

/// The pretokenizer of a pattern as a `tokenizer.json` has it.
pub fn pre_tokenizer(pattern: Pattern) -> Value {
    let bytes = |regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex });
    let split = |regex: &str| json!({ "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false });
    let sequence = |parts: Vec<Value>| json!({ "type": "Sequence", "pretokenizers": parts });
    match pattern {
        Pattern::Gpt2 => bytes(true),
        Pattern::StarCoder => sequence(vec![json!({ "type": "Digits", "individual_digits": true }), bytes(true)]),
        Pattern::DeepSeek => sequence(DEEPSEEK.iter().map(|r| split(r)).chain([bytes(false)]).collect()),
        Pattern::Cl100k { .. } | Pattern::O200k | Pattern::Tekken => {
            sequence(vec![split(pattern.regex().unwrap_or_default()), bytes(false)])
        }
    }
}

struct Model<'t>(&'t Trained);

impl Serialize for Model<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("type", "BPE")?;
        for unset in ["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"] {
            map.serialize_entry(unset, &Value::Null)?;
        }
        for off in ["fuse_unk", "byte_fallback", "ignore_merges"] {
            map.serialize_entry(off, &false)?;
        }
        map.serialize_entry("vocab", &Tokens(&self.0.tokens))?;
        let token = |id: u32| self.0.tokens.get(id as usize).map_or("", String::as_str);
        let merges: Vec<[&str; 2]> = self.0.merges.iter().map(|(left, right)| [token(*left), token(*right)]).collect();
        map.serialize_entry("merges", &merges)?;
        map.end()
    }
}

struct Tokens<'t>(&'t [String]);

impl Serialize for Tokens<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().zip(0u32..))
    }
}
