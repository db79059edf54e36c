//! Tokenizers, and the files that tokens are kept in.

mod bpe;
mod classified;
mod formats;
mod order;
mod pack;
mod payload;
mod pretoken;
mod ranks;
mod shards;
mod tokenizer;
mod train;
mod vocabulary;

pub use bpe::nfc;
pub use classified::Classified;
pub use formats::{Format, Segment, ShardSummary};
pub use order::{TokenDocument, in_order};
pub use pack::{How, Pack};
pub use payload::Width;
pub use pretoken::Pattern;
pub use shards::{Ids, Manifest, ShardDir, ShardSpec, ShardWriter, Verified, text_digest};
pub use tokenizer::{Encoder, Tokenizer};
pub use train::{Counts, Trained, TrainedFile, Trainer, byte_chars};
pub use vocabulary::Vocabulary;
