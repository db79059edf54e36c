//! What of a `tokenizer.json` or of a rank file makes a vocabulary that is encoded by hand; anything else about it is a reason not to.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::joints::Joints;
use super::merge::{Merge, Merges};
use super::{Bpe, Scratch};
use crate::tokens::pretoken::Pattern;
use crate::tokens::ranks::Ranks;

/// What of a `tokenizer.json` matters here.
#[derive(Deserialize)]
pub struct TokenizerFile<'f> {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Option<serde_json::Value>,
    #[serde(default)]
    pre_tokenizer: Option<serde_json::Value>,
    #[serde(borrow)]
    model: &'f RawValue,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

/// Added tokens looked for in a text; the longest of those that begin first wins.
struct Added {
    automaton: aho_corasick::AhoCorasick,
    /// Ids by pattern; `None` for special tokens that are ordinary text.
    ids: Vec<Option<u32>>,
}

impl Added {
    /// `None` if there is nothing to look for.
    fn new(tokens: &[&AddedToken], special: bool) -> Result<Option<Self>, String> {
        let active = |t: &AddedToken| special || !t.special;
        if !tokens.iter().any(|t| active(t)) {
            return Ok(None);
        }
        if let Some(token) = tokens.iter().find(|t| active(t) && (t.single_word || t.lstrip || t.rstrip)) {
            return Err(format!("its added token `{}` strips spaces or wants whole words", token.content));
        }
        let automaton = aho_corasick::AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostLongest)
            .build(tokens.iter().map(|t| t.content.as_str()))
            .map_err(|e| format!("its added tokens are too many: {e}"))?;
        Ok(Some(Self { automaton, ids: tokens.iter().map(|t| active(t).then_some(t.id)).collect() }))
    }

    /// Gives `visit` the text between added tokens, and the tokens.
    fn split<'t>(&self, text: &'t str, visit: &mut dyn FnMut(Result<&'t str, u32>)) {
        let mut from = 0;
        for found in self.automaton.find_iter(text) {
            let Some(Some(id)) = self.ids.get(found.pattern().as_usize()) else { continue };
            if let Some(before) = text.get(from..found.start()).filter(|t| !t.is_empty()) {
                visit(Ok(before));
            }
            visit(Err(*id));
            from = found.end();
        }
        if let Some(rest) = text.get(from..).filter(|t| !t.is_empty()) {
            visit(Ok(rest));
        }
    }
}

#[derive(Deserialize)]
struct Model<'f> {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(borrow)]
    vocab: HashMap<Cow<'f, str>, u32, RandomState>,
    #[serde(borrow)]
    merges: &'f RawValue,
}

/// A word of the file, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Word<'f>(#[serde(borrow)] Cow<'f, str>);

/// The left and the right half of each merge.
type Halves<'f> = Vec<(Cow<'f, str>, Cow<'f, str>)>;

/// Merges are written as lines of two words, or as pairs.
fn halves(raw: &RawValue) -> Result<Halves<'_>, String> {
    if let Ok(pairs) = serde_json::from_str::<Vec<(Word<'_>, Word<'_>)>>(raw.get()) {
        return Ok(pairs.into_iter().map(|(left, right)| (left.0, right.0)).collect());
    }
    let lines: Vec<Word<'_>> =
        serde_json::from_str(raw.get()).map_err(|e| format!("its merges are of another shape: {e}"))?;
    let pair = |line: Word<'_>| {
        let (left, right) = line.0.split_once(' ').ok_or_else(|| format!("the merge `{}` is no pair", line.0))?;
        Ok((left.to_owned().into(), right.to_owned().into()))
    };
    lines.into_iter().map(pair).collect()
}

/// A vocabulary of which everything is known: no library is needed for it.
pub struct Known {
    /// The encoder's tables.
    pub bpe: Bpe,
    /// Every token's id, added tokens included.
    pub ids: HashMap<Box<str>, u32, RandomState>,
    /// Whether texts are brought to NFC first.
    nfc: bool,
    /// Added tokens looked for in the text as it is, and in the normalized text.
    raw: Option<Added>,
    normalized: Option<Added>,
}

impl Known {
    /// The tables of a `tokenizer.json`, or why it is none that is known here. With `special`, special tokens in a text
    /// are tokens.
    pub fn of(file: TokenizerFile<'_>, special: bool) -> Result<Self, String> {
        let nfc = match &file.normalizer {
            None | Some(serde_json::Value::Null) => false,
            Some(normalizer) if is(normalizer, "NFC") => true,
            // DeepSeek's file has a sequence of none.
            Some(normalizer)
                if is(normalizer, "Sequence")
                    && normalizer.get("normalizers").and_then(|n| n.as_array()).is_some_and(Vec::is_empty) =>
            {
                false
            }
            Some(normalizer) => {
                let kind = normalizer.get("type").and_then(|t| t.as_str()).unwrap_or("?");
                return Err(format!("its normalizer is `{kind}`"));
            }
        };
        let pattern = pattern(file.pre_tokenizer.as_ref().unwrap_or(&serde_json::Value::Null))?;
        let model: Model<'_> =
            serde_json::from_str(file.model.get()).map_err(|e| format!("its model is of another shape: {e}"))?;
        if let Some(kind) = model.kind.as_ref().filter(|kind| *kind != "BPE") {
            return Err(format!("its model is {kind}, not byte-level BPE"));
        }
        let empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        if model.dropout.is_some_and(|d| d > 0.0)
            || model.unk_token.is_some()
            || model.byte_fallback
            || !empty(&model.continuing_subword_prefix)
            || !empty(&model.end_of_word_suffix)
        {
            return Err("its BPE has dropout, an unknown token, byte fallback, a prefix or a suffix".into());
        }
        let (normalized, raw): (Vec<_>, Vec<_>) = file.added_tokens.iter().partition(|t| t.normalized);
        let (raw, normalized) = (Added::new(&raw, special)?, Added::new(&normalized, special)?);
        let bpe = Bpe::of_model(pattern, &model)?;
        let mut ids: HashMap<Box<str>, u32, RandomState> =
            model.vocab.into_iter().map(|(token, id)| (token.into(), id)).collect();
        ids.extend(file.added_tokens.into_iter().map(|t| (t.content.into(), t.id)));
        Ok(Self { bpe, ids, nfc, raw, normalized })
    }

    /// The tables of a rank file.
    pub fn of_ranks(ranks: &Ranks, special: bool) -> Result<Self, String> {
        let added: Vec<AddedToken> = ranks
            .special
            .iter()
            .map(|(token, id)| AddedToken {
                id: *id,
                content: (*token).to_owned(),
                special: true,
                normalized: false,
                single_word: false,
                lstrip: false,
                rstrip: false,
            })
            .collect();
        let raw = Added::new(&added.iter().collect::<Vec<_>>(), special)?;
        let bpe = Bpe::of_ranks(ranks)?;
        let text = |bytes: &[u8]| bytes.iter().map(|b| char_of(*b)).collect::<String>().into_boxed_str();
        let mut ids: HashMap<Box<str>, u32, RandomState> =
            ranks.tokens.iter().map(|(bytes, rank)| (text(bytes), *rank)).collect();
        ids.extend(ranks.special.iter().map(|(token, id)| ((*token).into(), *id)));
        Ok(Self { bpe, ids, nfc: false, raw, normalized: None })
    }

    /// Appends the ids of `text`.
    pub fn encode(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        match &self.raw {
            None => self.piece(text, scratch, ids),
            Some(raw) => raw.split(text, &mut |part| match part {
                Ok(text) => self.piece(text, scratch, ids),
                Err(id) => ids.push(id),
            }),
        }
    }

    /// The bytes of every id below `size`; added tokens stand as they are written.
    pub fn bytes_by_id(&self, size: u32) -> Vec<Box<[u8]>> {
        let mut all = vec![Box::<[u8]>::default(); size as usize];
        for (token, id) in &self.ids {
            if let Some(place) = all.get_mut(*id as usize) {
                *place = bytes_of(token).unwrap_or_else(|| token.as_bytes().to_vec()).into();
            }
        }
        all
    }

    fn piece(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let text = if self.nfc { nfc(text) } else { Cow::Borrowed(text) };
        match &self.normalized {
            None => self.bpe.encode(&text, scratch, ids),
            Some(normalized) => normalized.split(&text, &mut |part| match part {
                Ok(text) => self.bpe.encode(text, scratch, ids),
                Err(id) => ids.push(id),
            }),
        }
    }
}

/// `text` in NFC, by the library's tables where it is not certain that nothing changes.
pub fn nfc(text: &str) -> Cow<'_, str> {
    // No character below U+0300, whose first byte is 0xcc, changes in NFC.
    let low = text.bytes().all(|b| b < 0xcc);
    if low || unicode_normalization::is_nfc_quick(text.chars()) == unicode_normalization::IsNormalized::Yes {
        return text.into();
    }
    let mut normalized = tokenizers::NormalizedString::from(text);
    normalized.nfc();
    normalized.get().to_owned().into()
}

fn is(json: &serde_json::Value, kind: &str) -> bool {
    json.get("type").is_some_and(|t| t == kind)
}

/// The pattern of a pretokenizer that is byte-level.
fn pattern(json: &serde_json::Value) -> Result<Pattern, String> {
    let flag = |json: &serde_json::Value, name: &str| json.get(name).and_then(serde_json::Value::as_bool);
    let bytes = |json: &serde_json::Value, regex: bool| {
        is(json, "ByteLevel")
            && flag(json, "add_prefix_space") == Some(false)
            && flag(json, "use_regex").unwrap_or(true) == regex
    };
    let unknown = || "its pretokenizer is none that is known".to_owned();
    if bytes(json, true) {
        return Ok(Pattern::Gpt2);
    }
    let parts = json.get("pretokenizers").and_then(|p| p.as_array()).map(Vec::as_slice).unwrap_or_default();
    let Some((last, splits)) = parts.split_last().filter(|_| is(json, "Sequence")) else { return Err(unknown()) };
    if let [digits] = splits
        && is(digits, "Digits")
        && flag(digits, "individual_digits") == Some(true)
        && bytes(last, true)
    {
        return Ok(Pattern::StarCoder);
    }
    let mut regexes = Vec::new();
    for split in splits {
        // To keep the matches and to remove what is between them is the same where everything matches.
        let how = (split.get("behavior").and_then(|b| b.as_str()), flag(split, "invert"));
        let isolated = how == (Some("Isolated"), Some(false));
        let kept = how == (Some("Removed"), Some(true)) && splits.len() == 1;
        if !is(split, "Split") || !(isolated || kept) || !bytes(last, false) {
            return Err(unknown());
        }
        regexes.push(split.pointer("/pattern/Regex").and_then(|r| r.as_str()).ok_or_else(unknown)?);
    }
    Pattern::of(&regexes).ok_or_else(unknown)
}

/// The byte that a character of a byte-level vocabulary stands for (GPT-2's table).
fn byte_of(c: char) -> Option<u8> {
    match c as u32 {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(code as u8),
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The inverse of [`byte_of`].
pub(in crate::tokens) fn char_of(byte: u8) -> char {
    match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0..=0x20 => char::from_u32(0x100 + u32::from(byte)).unwrap_or(' '),
        0x7f..=0xa0 => char::from_u32(0x121 + u32::from(byte) - 0x7f).unwrap_or(' '),
        0xad => '\u{143}',
    }
}

/// The bytes that a token of a byte-level vocabulary stands for; `None` if it has other characters.
pub(in crate::tokens) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

impl Bpe {
    fn of_model(pattern: Pattern, model: &Model<'_>) -> Result<Self, String> {
        let mut bytes = [u32::MAX; 256];
        for (token, &id) in &model.vocab {
            let mut chars = token.chars();
            if let (Some(c), None) = (chars.next(), chars.next())
                && let Some(slot) = byte_of(c).and_then(|b| bytes.get_mut(b as usize))
            {
                *slot = id;
            }
        }
        let id =
            |token: &str| model.vocab.get(token).copied().ok_or_else(|| format!("the merge's `{token}` is no token"));
        let (mut joined, mut all) = (String::new(), Vec::new());
        for (rank, (left, right)) in halves(model.merges)?.iter().enumerate() {
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            all.push((id(left)?, id(right)?, rank as u32, id(&joined)?));
        }
        // Without `ignore_merges` only tokens beyond ASCII are asked for, to see where characters join: few, in most vocabularies.
        let beyond = |token: &str| token.chars().filter_map(byte_of).any(|byte| !byte.is_ascii());
        let tokens = model.vocab.iter().filter(|(token, _)| model.ignore_merges || beyond(token));
        let tokens = tokens.filter_map(|(token, id)| Some((bytes_of(token)?.into_boxed_slice(), *id))).collect();
        Self::of_merges(pattern, bytes, &all, tokens, model.ignore_merges)
    }

    /// The tables of a rank file: any two tokens that make a third may be merged, at its rank.
    fn of_ranks(ranks: &Ranks) -> Result<Self, String> {
        let tokens: HashMap<Box<[u8]>, u32, RandomState> =
            ranks.tokens.iter().map(|(bytes, rank)| (bytes.clone().into_boxed_slice(), *rank)).collect();
        let mut bytes = [u32::MAX; 256];
        let mut found = Vec::new();
        for (token, rank) in &ranks.tokens {
            if let [byte] = token.as_slice()
                && let Some(slot) = bytes.get_mut(*byte as usize)
            {
                *slot = *rank;
            }
            for (left, right) in (1..token.len()).filter_map(|at| token.split_at_checked(at)) {
                if let (Some(left), Some(right)) = (tokens.get(left), tokens.get(right)) {
                    found.push((*left, *right, *rank, *rank));
                }
            }
        }
        Self::of_merges(ranks.pattern, bytes, &found, tokens, true)
    }

    fn of_merges(
        pattern: Pattern,
        bytes: [u32; 256],
        merges: &[Merge],
        tokens: HashMap<Box<[u8]>, u32, RandomState>,
        whole: bool,
    ) -> Result<Self, String> {
        if bytes.contains(&u32::MAX) {
            return Err("not every byte has a token".into());
        }
        let merges = Merges::new(bytes, merges)?;
        let joints = Joints::of(tokens.keys().map(|token| &**token));
        Ok(Self { pattern, merges, joints, whole: whole.then_some(tokens) })
    }
}
