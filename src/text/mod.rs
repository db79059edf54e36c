//! Functions on `&str`. Nothing here knows a document.

pub mod charset;
pub mod fasttext;
pub mod html;
pub mod lines;
pub mod normalize;
pub mod words;
