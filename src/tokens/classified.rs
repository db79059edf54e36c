//! Texts as the input of a classifier: the first so many tokens, with the special tokens that its tokenizer puts around them.

use std::path::Path;

use tokenizers::{TruncationParams, TruncationStrategy};

use crate::error::{Error, Result};

/// A `tokenizer.json` with what belongs to inference.
#[derive(Clone)]
pub struct Classified {
    library: tokenizers::Tokenizer,
    max_tokens: usize,
    pad: u32,
}

impl Classified {
    /// Reads the tokenizer at `path` from `bytes`, for texts of at most `max_tokens` tokens, special ones included.
    pub fn read(path: &Path, bytes: &[u8], max_tokens: usize) -> Result<Self> {
        let wrong = |what: String| {
            Error::pipeline(format!("`{}` is no usable tokenizer: {what}", path.display()))
                .hint("give the `tokenizer.json` of the model")
        };
        let mut library = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| wrong(e.to_string()))?;
        let named = ["[PAD]", "<pad>", "<|pad|>"].iter().find_map(|token| library.token_to_id(token));
        let pad = library.get_padding().map(|padding| padding.pad_id).or(named).unwrap_or(0);
        library.with_padding(None);
        let around = library.get_post_processor().map_or(0, |p| tokenizers::PostProcessor::added_tokens(p, false));
        if max_tokens <= around {
            return Err(Error::pipeline(format!("`max_tokens: {max_tokens}` leaves no room for text"))
                .hint(format!("the tokenizer puts {around} special tokens around a text")));
        }
        let truncation = TruncationParams {
            max_length: max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            ..Default::default()
        };
        library.with_truncation(Some(truncation)).map_err(|e| wrong(e.to_string()))?;
        Ok(Self { library, max_tokens, pad })
    }

    /// The id that fills up shorter texts.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// The ids and segments of `text`. No more of it is looked at than is needed to fill `max_tokens`: a beginning that ends at
    /// whitespace and is more than enough has the same first tokens as the whole.
    pub fn encode(&self, text: &str) -> Result<(Vec<u32>, Vec<u32>)> {
        let mut enough = 1024.max(self.max_tokens.saturating_mul(8));
        loop {
            let whole = enough >= text.len();
            let begun = text.get(..text.floor_char_boundary(enough)).unwrap_or(text);
            let begun = if whole {
                text
            } else {
                begun.rfind(char::is_whitespace).map_or(begun, |at| begun.get(..at).unwrap_or(begun))
            };
            let encoding = self
                .library
                .encode_fast(begun, true)
                .map_err(|e| Error::world(format!("a text cannot be encoded: {e}")))?;
            if whole || !encoding.get_overflowing().is_empty() {
                return Ok((encoding.get_ids().to_vec(), encoding.get_type_ids().to_vec()));
            }
            enough = enough.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tokens_of_a_beginning_are_those_of_the_whole() {
        let path = Path::new("fixtures/goldens/tiny_tokenizers/bert.json");
        let bytes = std::fs::read(path).unwrap();
        for max in [3, 8, 64, 300] {
            let ours = Classified::read(path, &bytes, max).unwrap();
            let book = std::fs::read("fixtures/books/moby-dick.txt").unwrap();
            let book = String::from_utf8_lossy(&book);
            let solid = "x".repeat(100_000);
            for text in ["", " ", "The whale.", &book[..20_000], &solid] {
                let whole = ours.library.encode_fast(text, true).unwrap();
                let (ids, segments) = ours.encode(text).unwrap();
                assert_eq!(ids, whole.get_ids(), "{max}");
                assert!(ids.len() <= max && segments.len() == ids.len());
            }
        }
        let error = Classified::read(path, &bytes, 2).map(drop).unwrap_err();
        assert!(error.message.contains("leaves no room"), "{error}");
        assert!(Classified::read(path, b"{}", 8).is_err());
    }
}
