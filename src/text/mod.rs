//! Functions on `&str`. Nothing here knows a document.

pub mod fasttext;
pub mod lines;
pub mod normalize;
pub mod words;
