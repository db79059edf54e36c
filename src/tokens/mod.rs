//! Tokenizers, and the files that tokens are kept in.

mod bpe;
mod megatron;
mod payload;
mod pretoken;
mod ranks;
mod tokenizer;

pub use megatron::Megatron;
pub use payload::{DocumentEntry, Index, IndexWriter, Width};
pub use tokenizer::{Encoder, Tokenizer};
