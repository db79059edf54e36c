//! Functions on `&str`. Nothing here knows a document.

pub mod charset;
pub mod entities;
pub mod fasttext;
pub mod gutenberg;
pub mod html;
pub mod lines;
pub mod normalize;
#[rustfmt::skip]
pub mod programming;
pub mod wikitext;
pub mod words;
