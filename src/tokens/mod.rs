//! Tokenizers, and the files that tokens are kept in.

mod bpe;
mod formats;
mod order;
mod pack;
mod payload;
mod pretoken;
mod ranks;
mod shards;
mod tokenizer;
mod vocabulary;

pub use formats::{Format, Segment, ShardSummary};
pub use order::{TokenDocument, in_order};
pub use pack::{How, Pack};
pub use payload::Width;
pub use shards::{Ids, Manifest, ShardDir, ShardSpec, ShardWriter};
pub use tokenizer::{Encoder, Tokenizer};
pub use vocabulary::Vocabulary;
