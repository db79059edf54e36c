//! Stages that judge documents.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[
    Entry::of::<c4_bad_words::C4BadWords>(),
    Entry::of::<c4_paragraphs::C4Paragraphs>(),
    Entry::of::<c4_quality::C4Quality>(),
    Entry::of::<code_quality::CodeQuality>(),
    Entry::of::<command::Command>(),
    Entry::of::<compression_ratio::CompressionRatio>(),
    Entry::of::<entropy::Entropy>(),
    Entry::of::<fasttext::Fasttext>(),
    Entry::of::<fineweb2::Fineweb2>(),
    Entry::of::<fineweb_quality::FinewebQuality>(),
    Entry::of::<gopher_quality::GopherQuality>(),
    Entry::of::<gopher_repetition::GopherRepetition>(),
    Entry::of::<keep_if::KeepIf>(),
    Entry::of::<language::Language>(),
    Entry::of::<length::Length>(),
    Entry::of::<license::License>(),
    Entry::of::<madlad400::Madlad400>(),
    Entry::of::<nemotron_cc::NemotronCc>(),
    Entry::of::<onnx::Onnx>(),
    Entry::of::<perplexity::Perplexity>(),
    Entry::of::<redpajama_signals::RedpajamaSignals>(),
    Entry::of::<refinedweb_lines::RefinedwebLines>(),
    Entry::of::<repository_license::RepositoryLicense>(),
    Entry::of::<stop_words::StopWords>(),
    Entry::of::<symbol_fraction::SymbolFraction>(),
    Entry::of::<unique_words::UniqueWords>(),
    Entry::of::<url_allowlist::UrlAllowlist>(),
    Entry::of::<url_blocklist::UrlBlocklist>(),
    Entry::of::<word_length::WordLength>(),
    Entry::of::<word_list::WordList>(),
];

pub mod c4_bad_words;
pub mod c4_paragraphs;
pub mod c4_quality;
pub mod code_quality;
pub mod command;
pub mod compression_ratio;
pub mod entropy;
pub mod fasttext;
pub mod fineweb2;
pub mod fineweb_quality;
pub mod gopher_quality;
pub mod gopher_repetition;
pub mod keep_if;
pub mod language;
pub mod length;
pub mod license;
pub mod madlad400;
pub mod nemotron_cc;
pub mod onnx;
pub mod perplexity;
pub mod redpajama_signals;
pub mod refinedweb_lines;
pub mod repository_license;
pub mod stop_words;
pub mod symbol_fraction;
pub mod unique_words;
pub mod url_allowlist;
pub mod url_blocklist;
pub mod word_length;
pub mod word_list;
