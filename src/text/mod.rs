//! Functions on `&str`. Nothing here knows a document.

pub mod lines;
pub mod words;
