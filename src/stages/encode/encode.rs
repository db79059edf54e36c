//! Encodes text as token ids, for the writers of token shards.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::tokens::{Encoder, Tokenizer, Vocabulary};

/// Settings of `encode`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encode {
    /// A Hugging Face `tokenizer.json`, or a tiktoken rank file. Byte-level BPE with the patterns of GPT-2, cl100k,
    /// o200k, Llama 3, Qwen2/3, DeepSeek-V3 and StarCoder is encoded by hand, everything else by the library `tokenizers`;
    /// the plan says which.
    pub tokenizer: PathBuf,
    /// Where the end-of-document token goes.
    #[serde(default)]
    pub eos: Eos,
    /// The end-of-document token; the tokenizer's usual one if left out.
    #[serde(default)]
    pub eos_token: Option<String>,
    /// A token put before each document instead of the end-of-document token, as in `<|begin_of_text|>`.
    #[serde(default)]
    pub bos_token: Option<String>,
    /// Most tokens of a document, the tokens around it included.
    #[serde(default)]
    #[schemars(range(min = 3))]
    pub max_tokens: Option<u64>,
    /// What becomes of documents with more.
    #[serde(default)]
    pub long: Long,
    /// Special tokens in a text are special tokens; ordinary text otherwise, so that no web page ends a document.
    #[serde(default)]
    pub parse_special: bool,
    /// Share of the documents (by hash of id) that is encoded by the library `tokenizers` as well, of long ones the first
    /// MiB; one that differs fails the run.
    #[serde(default)]
    pub verify: Fraction,
    /// Fill-in-the-middle (Bavarian et al. 2022, arXiv 2207.14255) for a share of the documents: a text is cut at two
    /// places, and its middle goes to the end. Megatron can do this while it loads; the others cannot.
    #[serde(default)]
    pub fim: Option<Fim>,
}

/// Fill-in-the-middle.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fim {
    /// Share of the documents, by hash of id.
    pub rate: Fraction,
    /// Share of these whose suffix comes before the prefix (SPM); the others have the prefix first (PSM).
    #[serde(default = "half")]
    pub spm: Fraction,
    /// Seed of the choice and of the cuts.
    #[serde(default)]
    pub seed: u64,
    /// The tokens before prefix, middle and suffix; the usual ones of the vocabulary if left out.
    #[serde(default)]
    pub tokens: Option<[String; 3]>,
}

fn half() -> Fraction {
    Fraction(0.5)
}

/// What published vocabularies call the tokens before prefix, middle and suffix.
const FIM_TOKENS: [[&str; 3]; 4] = [
    ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"],
    ["<fim_prefix>", "<fim_middle>", "<fim_suffix>"],
    ["<fim-prefix>", "<fim-middle>", "<fim-suffix>"],
    ["<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜fim▁hole｜>"],
];

/// Fill-in-the-middle with its tokens found.
#[derive(Debug, Clone, Copy)]
struct Middle {
    rate: f64,
    spm: f64,
    seed: u64,
    prefix: u32,
    middle: u32,
    suffix: u32,
}

impl Middle {
    fn of(fim: &Fim, tokenizer: &Tokenizer) -> Result<Self> {
        let ids = |names: [&str; 3]| {
            Some(names.map(|name| tokenizer.token_id(name))).filter(|n| n.iter().all(Option::is_some))
        };
        let found = match &fim.tokens {
            Some([prefix, middle, suffix]) => ids([prefix, middle, suffix]),
            None => FIM_TOKENS.iter().find_map(|names| ids(*names)),
        };
        let Some([Some(prefix), Some(middle), Some(suffix)]) = found else {
            return Err(Error::pipeline("the tokenizer has not the tokens that `fim` needs").hint(
                "name those before prefix, middle and suffix: `fim: { rate: …, tokens: [\"…\", \"…\", \"…\"] }`",
            ));
        };
        Ok(Self { rate: fim.rate.0, spm: fim.spm.0, seed: fim.seed, prefix, middle, suffix })
    }

    /// The parts of `doc`'s text and the tokens before them, in the order they are written; `None` if it stays as it is.
    fn cut<'d>(&self, doc: &'d Document) -> Option<Vec<(Option<u32>, &'d str)>> {
        let random =
            |what: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&doc.id.0.to_le_bytes(), self.seed ^ (what << 56));
        let share = |what: u64| random(what) as f64 / u64::MAX as f64;
        if share(1) >= self.rate {
            return None;
        }
        let text = doc.text.as_str();
        let place = |what: u64| text.floor_char_boundary((random(what) % (text.len() as u64 + 1)) as usize);
        let (a, b) = (place(3), place(4));
        let (prefix, rest) = text.split_at(a.min(b));
        let (middle, suffix) = rest.split_at(a.max(b) - a.min(b));
        Some(if share(2) < self.spm {
            vec![(Some(self.prefix), ""), (Some(self.suffix), suffix), (Some(self.middle), prefix), (None, middle)]
        } else {
            vec![(Some(self.prefix), prefix), (Some(self.suffix), suffix), (Some(self.middle), middle)]
        })
    }
}

/// What becomes of documents with too many tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Long {
    /// They are dropped.
    #[default]
    Drop,
    /// They are cut to pieces, each written as a document of its own.
    Split,
    /// They lose their end.
    Truncate,
}

/// Where the end-of-document token goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Eos {
    /// Nowhere.
    None,
    /// Before each document.
    Prefix,
    /// After each document.
    #[default]
    Suffix,
    /// Before and after.
    Both,
}

impl Settings for Encode {
    const ABOUT: About = About {
        shorthand: Some("tokenizer"),
        reasons: &[
            ("no_tokens", "the text is empty"),
            ("too_many_tokens", "it has more tokens than `max_tokens`"),
            ("not_encodable", "the tokenizer refuses the text"),
        ],
        fields: &[
            ("tokens", "the token ids"),
            ("token_count", "how many they are"),
            ("token_pieces", "lengths of the pieces, with `long: split`"),
        ],
        examples: &[
            Example {
                it: "encodes with the vocabulary it is given",
                settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json", "eos": "none", "verify": 1}"#,
                given: "Hello world",
                expect: Expect::Field("tokens", "[15496, 995]"),
            },
            Example {
                it: "takes special tokens in a text for ordinary text",
                settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json", "eos": "prefix"}"#,
                given: "<|endoftext|>",
                expect: Expect::Field("tokens", "[50256, 27, 91, 437, 1659, 5239, 91, 29]"),
            },
            Example {
                it: "can be told to parse them",
                settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json", "parse_special": true}"#,
                given: "Hello<|endoftext|> world",
                expect: Expect::Field("tokens", "[15496, 50256, 995, 50256]"),
            },
            Example {
                it: "splits long documents",
                settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json", "max_tokens": 3, "long": "split"}"#,
                given: "Hello world, hello",
                expect: Expect::Field("tokens", "[15496, 995, 50256, 11, 23748, 50256]"),
            },
            Example {
                it: "truncates them",
                settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json", "max_tokens": 3, "long": "truncate"}"#,
                given: "Hello world, hello",
                expect: Expect::Field("tokens", "[15496, 995, 50256]"),
            },
            Example {
                it: "or drops them",
                settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json", "max_tokens": 3}"#,
                given: "Hello world, hello",
                expect: Expect::Dropped("too_many_tokens"),
            },
        ],
        ..About::new("encode", Family::Encode, "encodes text as token ids")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let file = cx.resource(&self.tokenizer)?;
        let tokenizer = Tokenizer::load(&self.tokenizer, self.parse_special)?;
        cx.notes(tokenizer.describe());
        let named = |token: &str, setting: &str| {
            tokenizer.token_id(token).ok_or_else(|| {
                Error::pipeline(format!("the tokenizer has no token `{token}`"))
                    .hint(format!("name one of its special tokens as `{setting}`"))
            })
        };
        let eos = match (self.eos, &self.eos_token) {
            (Eos::None, _) => None,
            (_, Some(token)) => Some(named(token, "eos_token")?),
            (Eos::Prefix, None) if self.bos_token.is_some() => None,
            (_, None) => Some(tokenizer.eos_id().ok_or_else(|| {
                Error::pipeline("the tokenizer has no end-of-document token of a usual name")
                    .hint("name it: `eos_token: …`, or write `eos: none`")
            })?),
        };
        let bos = self.bos_token.as_deref().map(|token| named(token, "bos_token")).transpose()?;
        let around = Around {
            before: bos.or(eos.filter(|_| matches!(self.eos, Eos::Prefix | Eos::Both))),
            after: eos.filter(|_| matches!(self.eos, Eos::Suffix | Eos::Both)),
        };
        if self.max_tokens.is_some_and(|max| max < 3) {
            return Err(Error::pipeline("`encode`: `max_tokens` leaves no room for text").hint("give 3 or more"));
        }
        let name = self.tokenizer.file_name().unwrap_or(self.tokenizer.as_os_str());
        cx.writes_tokens_of(Vocabulary {
            name: name.to_string_lossy().into_owned(),
            xxh3: format!("{:032x}", file.digest),
            size: tokenizer.vocab_size(),
            eos: eos.or_else(|| tokenizer.eos_id()),
            before: around.before,
            after: around.after,
            path: self.tokenizer.clone(),
        });
        let (tokens, count) = (cx.writes("tokens")?, cx.writes("token_count")?);
        let pieces = if self.long == Long::Split { Some(cx.writes("token_pieces")?) } else { None };
        let middle = self.fim.as_ref().map(|fim| Middle::of(fim, &tokenizer)).transpose()?;
        let oracle =
            if self.verify.0 > 0.0 { Some(Tokenizer::oracle(&self.tokenizer, self.parse_special)?) } else { None };
        Ok(Stage::Transform(Box::new(Running {
            encoder: tokenizer.encoder(),
            oracle: oracle.map(|o| o.encoder()),
            verify: self.verify.0,
            fault: None,
            middle,
            around,
            max: self.max_tokens,
            long: self.long,
            tokens,
            count,
            pieces,
        })))
    }
}

/// Tokens put around each document.
#[derive(Debug, Clone, Copy)]
struct Around {
    before: Option<u32>,
    after: Option<u32>,
}

impl Around {
    fn count(self) -> usize {
        usize::from(self.before.is_some()) + usize::from(self.after.is_some())
    }

    /// Cuts `text` into pieces of `room` ids, and puts the tokens around each. Also gives the pieces' lengths.
    fn put(self, mut text: Vec<u32>, room: usize) -> (Vec<u32>, Vec<u32>) {
        if self.before.is_none() && (1..=room).contains(&text.len()) {
            // Almost always: one piece, and nothing need be moved.
            text.extend(self.after);
            let length = text.len() as u32;
            return (text, vec![length]);
        }
        let (mut ids, mut pieces) = (Vec::with_capacity(text.len() + self.count()), Vec::new());
        for piece in text.chunks(room) {
            let before = ids.len();
            ids.extend(self.before);
            ids.extend_from_slice(piece);
            ids.extend(self.after);
            pieces.push((ids.len() - before) as u32);
        }
        (ids, pieces)
    }
}

struct Running {
    encoder: Encoder,
    oracle: Option<Encoder>,
    verify: f64,
    fault: Option<Error>,
    middle: Option<Middle>,
    around: Around,
    max: Option<u64>,
    long: Long,
    tokens: Field<Vec<u32>>,
    count: Field<i64>,
    pieces: Option<Field<Vec<u32>>>,
}

impl Clone for Running {
    fn clone(&self) -> Self {
        Self { encoder: self.encoder.clone(), oracle: self.oracle.clone(), fault: None, ..*self }
    }
}

impl Running {
    /// Encodes a sample of the documents by the library as well.
    fn compare(&mut self, doc: &Document, text: &str, ids: &[u32]) {
        let Some(oracle) = self.oracle.as_mut() else { return };
        if (doc.id.0 as u64) as f64 / u64::MAX as f64 >= self.verify {
            return;
        }
        // The library needs hundreds of bytes of memory for each of a text.
        const COMPARED: usize = 1 << 20;
        let mut beginning = Vec::new();
        let (text, ids) = match text.get(..text.floor_char_boundary(COMPARED)) {
            Some(first) if first.len() < text.len() && self.encoder.encode_into(first, &mut beginning) => {
                (first, beginning.as_slice())
            }
            _ => (text, ids),
        };
        let mut theirs = Vec::new();
        // The library's regular expressions give up on runs of a million spaces and the like: then it has no opinion.
        if oracle.encode_into(text, &mut theirs) && theirs != ids {
            let at = ids.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(ids.len().min(theirs.len()));
            self.fault.get_or_insert(
                Error::world(format!(
                    "`verify`: the document {} at {} of `{}` is encoded otherwise by the library, from its token {at} on",
                    doc.id, doc.origin.at, doc.origin.file
                ))
                .hint("please report this with the document and the tokenizer"),
            );
        }
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if doc.text.is_empty() {
            return Verdict::drop("no_tokens");
        }
        let mut text = Vec::with_capacity(doc.text.len() / 3 + 2);
        let parts = self.middle.and_then(|middle| middle.cut(doc)).unwrap_or_else(|| vec![(None, doc.text.as_str())]);
        for (before, part) in parts {
            text.extend(before);
            let start = text.len();
            if !self.encoder.encode_into(part, &mut text) {
                return Verdict::drop("not_encodable");
            }
            self.compare(doc, part, text.get(start..).unwrap_or_default());
        }
        let count = text.len() + self.around.count();
        let max = self.max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let room = max.saturating_sub(self.around.count()).max(1);
        if count > max && self.long == Long::Drop {
            return Verdict::drop_by("too_many_tokens", count as f64, max as f64);
        }
        if self.long == Long::Truncate {
            text.truncate(room);
        }
        let (ids, pieces) = self.around.put(text, room);
        doc.set(self.count, ids.len() as i64);
        doc.set(self.tokens, ids);
        if let Some(field) = self.pieces {
            doc.set(field, pieces);
        }
        Verdict::Keep
    }

    fn fault(&mut self) -> Option<Error> {
        self.fault.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{FieldTable, Origin};
    use crate::stage::Scope;

    #[test]
    fn the_library_is_held_against_the_first_mib_of_long_texts() {
        let gpt2 = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers/gpt2.json");
        let gpt2 = std::path::Path::new(gpt2);
        // They differ in special tokens alone, which one takes for such.
        let mut running = Running {
            encoder: Tokenizer::load(gpt2, false).unwrap().encoder(),
            oracle: Some(Tokenizer::oracle(gpt2, true).unwrap().encoder()),
            verify: 1.0,
            fault: None,
            middle: None,
            around: Around { before: None, after: None },
            max: None,
            long: Long::default(),
            tokens: FieldTable::default().field("tokens").unwrap(),
            count: FieldTable::default().field("count").unwrap(),
            pieces: None,
        };
        let mut faulty = |text: String| {
            let doc = Document::new(Origin { source: "a".into(), file: "a".into(), at: 0 }, text.clone());
            let mut ids = Vec::new();
            running.encoder.clone().encode_into(&text, &mut ids);
            running.compare(&doc, &text, &ids);
            running.fault().is_some()
        };
        let (special, long) = ("<|endoftext|>", "word ".repeat(1 << 18));
        assert!(faulty(special.into()));
        assert!(faulty(format!("{special}{long}")));
        assert!(!faulty(format!("{long}{special}")));
        assert!(!faulty(long));
    }

    #[test]
    fn a_middle_that_was_moved_can_be_put_back() {
        let gpt2 = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers/gpt2.json");
        let tokenizer = Tokenizer::load(std::path::Path::new(gpt2), false).unwrap();
        // GPT-2 has no tokens for it: control characters that the texts have not serve.
        let names = ["ķ", "ĸ", "Ĺ"];
        let ids = names.map(|n| tokenizer.token_id(n).unwrap());
        let settings = serde_json::json!({ "tokenizer": gpt2, "eos": "none", "verify": 1.0,
            "fim": { "rate": 0.5, "spm": 0.5, "seed": 3, "tokens": names } });
        let settings: Encode = serde_json::from_value(settings).unwrap();
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("encode", "code", &mut table, &mut scope);
        let Stage::Transform(mut stage) = settings.build(&mut cx).unwrap() else { panic!() };
        let tokens = table.field::<Vec<u32>>("tokens").unwrap();
        let (mut plain, mut psm, mut spm) = (0, 0, 0);
        for at in 0..400 {
            let origin = Origin { source: "code".into(), file: "a".into(), at };
            let text = format!("def größe_{at}(x):\n    return x * {at} # 長さ\n");
            let mut doc = Document::new(origin, text.clone());
            assert!(stage.apply(&mut doc).keeps() && stage.fault().is_none());
            let found = doc.get(tokens).unwrap();
            let place = |id: u32| found.iter().position(|f| *f == id);
            let (Some(prefix), Some(middle), Some(suffix)) = (place(ids[0]), place(ids[1]), place(ids[2])) else {
                plain += 1;
                assert_eq!(tokenizer.decode(found), text);
                continue;
            };
            assert_eq!(prefix, 0);
            let decode = |from: usize, to: usize| tokenizer.decode(&found[from..to]);
            let (last, after) = (decode(middle + 1, found.len()), decode(suffix + 1, middle));
            if suffix == 1 && text == format!("{last}{after}") {
                spm += 1;
            } else {
                psm += 1;
                assert_eq!(format!("{}{last}{after}", decode(1, suffix)), text);
            }
        }
        assert!((150..250).contains(&plain) && psm > 60 && spm > 60, "{plain} {psm} {spm}");
    }
}
