//! tiktoken rank files: lines of a token's bytes in Base64 and its rank, which is its id. Such a file names neither its
//! pattern nor its special tokens; both are known for the published vocabularies, told by how many tokens they have.

use std::collections::HashMap;

use base64::Engine as _;

use super::bpe::char_of;
use super::pretoken::Pattern;

/// The tokens of a rank file.
pub struct Ranks {
    /// Bytes and rank, by rank.
    pub tokens: Vec<(Vec<u8>, u32)>,
    /// How texts are cut.
    pub pattern: Pattern,
    /// Special tokens and their ids.
    pub special: &'static [(&'static str, u32)],
}

/// Number of tokens, pattern and special tokens of what is published: r50k (GPT-2), p50k, cl100k, o200k, Llama 3, Qwen.
type Published = (usize, Pattern, &'static [(&'static str, u32)]);
const PUBLISHED: [Published; 6] = [
    (50_256, Pattern::Gpt2, &[("<|endoftext|>", 50_256)]),
    (50_280, Pattern::Gpt2, &[("<|endoftext|>", 50_256)]),
    (
        100_256,
        Pattern::Cl100k { digits: 3 },
        &[
            ("<|endoftext|>", 100_257),
            ("<|fim_prefix|>", 100_258),
            ("<|fim_middle|>", 100_259),
            ("<|fim_suffix|>", 100_260),
            ("<|endofprompt|>", 100_276),
        ],
    ),
    (199_998, Pattern::O200k, &[("<|endoftext|>", 199_999), ("<|endofprompt|>", 200_018)]),
    (128_000, Pattern::Cl100k { digits: 3 }, &[("<|begin_of_text|>", 128_000), ("<|end_of_text|>", 128_001)]),
    (
        151_643,
        Pattern::Cl100k { digits: 1 },
        &[("<|endoftext|>", 151_643), ("<|im_start|>", 151_644), ("<|im_end|>", 151_645)],
    ),
];

impl Ranks {
    /// Whether a file that begins so may be a rank file: its first line is Base64 and a number.
    pub fn looks_like(bytes: &[u8]) -> bool {
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        line.len() < 200 && token(line).is_some()
    }

    /// Parses; the error says which line is none, or that the vocabulary is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let lines = bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        let mut tokens = Vec::new();
        for (number, line) in lines {
            tokens.push(token(line).ok_or_else(|| format!("line {} is no token with its rank", number + 1))?);
        }
        tokens.sort_by_key(|(_, rank)| *rank);
        let known = PUBLISHED.iter().find(|(count, ..)| *count == tokens.len());
        let Some((_, pattern, special)) = known else {
            return Err(format!(
                "a rank file does not say how texts are cut, and none that is published has {} tokens; convert it to a \
                 `tokenizer.json`",
                tokens.len()
            ));
        };
        Ok(Self { tokens, pattern: *pattern, special })
    }

    /// The same vocabulary as a `tokenizer.json`: each token's merge is the last one that makes it of earlier tokens.
    pub fn to_json(&self) -> serde_json::Value {
        let ranks: HashMap<&[u8], u32> = self.tokens.iter().map(|(bytes, rank)| (bytes.as_slice(), *rank)).collect();
        let text = |bytes: &[u8]| bytes.iter().map(|b| char_of(*b)).collect::<String>();
        let mut merges = Vec::new();
        for (bytes, rank) in self.tokens.iter().filter(|(bytes, _)| bytes.len() > 1) {
            if let [left, right] = last_two(bytes, *rank, &ranks).as_slice() {
                merges.push([text(left), text(right)]);
            }
        }
        let mut vocab: serde_json::Map<String, serde_json::Value> =
            self.tokens.iter().map(|(bytes, rank)| (text(bytes), (*rank).into())).collect();
        // The library numbers added tokens one after another, unless the vocabulary has them: there may be gaps before them.
        vocab.extend(self.special.iter().map(|(token, id)| ((*token).to_owned(), (*id).into())));
        let added = self.special.iter().map(|(token, id)| {
            serde_json::json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        });
        serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added.collect::<Vec<_>>(),
            "normalizer": null,
            "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
                { "type": "Split", "pattern": { "Regex": self.pattern.regex() }, "behavior": "Isolated", "invert": false },
                { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
            ] },
            "post_processor": null,
            "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
            "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
                "vocab": vocab, "merges": merges },
        })
    }
}

fn token(line: &[u8]) -> Option<(Vec<u8>, u32)> {
    let line = std::str::from_utf8(line).ok()?.trim_ascii();
    let (token, rank) = line.split_once(' ')?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(token).ok().filter(|b| !b.is_empty())?;
    Some((bytes, rank.parse().ok()?))
}

/// The parts of `bytes` after all merges of ranks below `rank`.
fn last_two<'b>(bytes: &'b [u8], rank: u32, ranks: &HashMap<&[u8], u32>) -> Vec<&'b [u8]> {
    let mut ends: Vec<usize> = (0..=bytes.len()).collect();
    loop {
        let best = ends
            .windows(3)
            .enumerate()
            .filter_map(|(at, w)| Some((*ranks.get(bytes.get(*w.first()?..*w.get(2)?)?)?, at)))
            .filter(|(found, _)| *found < rank)
            .min();
        let Some((_, at)) = best else { break };
        ends.remove(at + 1);
    }
    ends.windows(2).filter_map(|w| bytes.get(*w.first()?..*w.get(1)?)).collect()
}
