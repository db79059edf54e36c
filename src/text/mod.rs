//! Functions on `&str`. Nothing here knows a document.

pub mod address;
pub mod boilerplate;
pub mod ccnet;
pub mod chars;
pub mod charset;
pub mod classes;
pub mod comments;
pub mod cut;
pub mod date;
pub mod encoded;
pub mod entities;
pub mod fasttext;
pub mod gutenberg;
pub mod html;
pub mod imports;
pub mod json;
pub mod kenlm;
pub mod license;
pub mod lines;
pub mod mojibake;
pub mod ngrams;
pub mod normalize;
pub mod pii;
#[rustfmt::skip]
pub mod programming;
pub mod redact;
pub mod redpajama;
pub mod secrets;
pub mod segments;
pub mod sentences;
pub mod simplify;
pub mod url;
pub mod vocabulary;
pub mod wikitext;
pub mod wordlist;
pub mod words;
