//! Hugging Face `tokenizer.json` files. Special tokens in a text are ordinary text: a web page that says
//! `<|endoftext|>` must not end a document.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// A tokenizer; cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    library: tokenizers::Tokenizer,
    vocab_size: u32,
    digest: u128,
}

impl Tokenizer {
    /// Loads a `tokenizer.json`.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let mut library = tokenizers::Tokenizer::from_bytes(&bytes).map_err(|e| {
            Error::pipeline(format!("`{}` is no tokenizer that can be loaded: {e}", path.display()))
                .hint("give a Hugging Face `tokenizer.json`")
        })?;
        // Truncation and padding belong to inference.
        library.with_padding(None);
        library.with_truncation(None).map_err(|e| Error::pipeline(e.to_string()))?;
        library.set_encode_special_tokens(true);
        let most = library.get_vocab(true).into_values().max().unwrap_or(0);
        if most == u32::MAX {
            return Err(Error::pipeline(format!("`{}` has ids that do not fit 32 bits", path.display())));
        }
        Ok(Self(Arc::new(Inner { library, vocab_size: most + 1, digest: xxhash_rust::xxh3::xxh3_128(&bytes) })))
    }

    /// One more than the greatest id.
    pub fn vocab_size(&self) -> u32 {
        self.0.vocab_size
    }

    /// The id of a token.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.0.library.token_to_id(token)
    }

    /// The end-of-document token by the names it usually has.
    pub fn eos_id(&self) -> Option<u32> {
        ["<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>"].iter().find_map(|t| self.token_id(t))
    }

    /// xxh3-128 of the file.
    pub fn digest(&self) -> u128 {
        self.0.digest
    }

    /// An encoder for one worker.
    pub fn encoder(&self) -> Encoder {
        Encoder(self.clone())
    }

    /// The text of ids.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.0.library.decode(ids, false).map_err(|e| Error::world(format!("cannot decode: {e}")))
    }
}

/// Encodes on one worker.
#[derive(Clone)]
pub struct Encoder(Tokenizer);

impl Encoder {
    /// Appends the ids of `text`. `false` if the tokenizer cannot encode it.
    pub fn encode_into(&mut self, text: &str, ids: &mut Vec<u32>) -> bool {
        match self.0.0.library.encode_fast(text, false) {
            Ok(encoding) => {
                ids.extend_from_slice(encoding.get_ids());
                true
            }
            Err(_) => false,
        }
    }
}
