//! Bytes in and out.

pub mod atomic;
pub mod behind;
pub mod codec;
pub mod columns;
pub mod epub;
pub mod evaluation;
pub mod glob;
pub mod http;
pub mod lines;
pub mod mapped;
pub mod mediawiki;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod program;
pub mod table;
pub mod token_table;
pub mod warc;
pub mod yaml;
