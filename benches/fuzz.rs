//! Looks for texts that the encoder gives other ids than the library: `cargo bench --bench fuzz -- SECONDS SEED tokenizer.json…`
//! makes texts of pieces that patterns trip over, changes and joins those it has, and cuts what differs down to the least text
//! that still does. Runs on stable; the property tests of `src/tokens/tokenizer.rs` are the short form of it.
#![allow(clippy::unwrap_used, reason = "a driver of tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use tamis::tokens::{Encoder, Tokenizer};

/// Where patterns differ: contractions, digits of other scripts, cases, marks, white space, line ends, CJK, emoji, controls.
const PIECES: &str = "a|Z|é|ſ|ǅ|ʰ|ß|İ|e\u{301}|\u{301}|א|ب|ह|ि|ไ|ท|一|龥|龦|ぁ|ー|゠|ヿ|가|𝒜|🐋|👩‍👩‍👧|🇩🇪|\u{200d}|\u{fe0f}|'|’|'s|'S|'ll|'LL|'re|'ſ|0|9|12|123|1234|½|²|٣|१|Ⅷ| |  |\t|\n|\r|\r\n|\n\n|\u{85}|\u{a0}|\u{2003}|\u{2028}|\u{3000}|\u{b}|\u{200b}|\u{feff}|\u{0}|\u{7}|\u{e000}|\u{fffd}|\u{10ffff}|.|,|!|?|-|_|/|//|(|)|{|}|<|>|#|$|€|+|=|==|~|¿|—|…|the| the|Hello| world|don't|HTTPServer|camelCase|return|    return|ing|tion|größe|東京|日本語|привет|مرحبا|สวัสดี|नमस्ते";

/// What long words are made of.
const LETTERS: &str = "a|e|th|the|ing|tion|corpus|token|house|é|größe|привет|東|日本語|नमस्ते|xq";

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most.max(1)
    }
}

/// A text made from nothing, or from one that is there.
fn text(random: &mut Random, pieces: &[&str], known: &[String]) -> String {
    let mut text = match known.get(random.below(known.len() * 2)) {
        Some(known) if known.len() < 4000 => known.clone(),
        _ => String::new(),
    };
    let letters: Vec<&str> = LETTERS.split('|').collect();
    for _ in 0..=random.below(12) {
        let piece = match random.below(9) {
            0 => char::from_u32(random.below(0x11_0000) as u32).unwrap_or('\u{fffd}').to_string(),
            1 => pieces[random.below(pieces.len())].repeat(1 + random.below(40)),
            // Letters without a space are one pretoken in most patterns, here a long one.
            2 if random.below(4) == 0 => (0..random.below(900)).map(|_| letters[random.below(letters.len())]).collect(),
            _ => pieces[random.below(pieces.len())].to_owned(),
        };
        let at = text.floor_char_boundary(random.below(text.len() + 1));
        if random.below(6) == 0 {
            let end = text.ceil_char_boundary((at + random.below(9)).min(text.len()));
            text.replace_range(at..end, &piece);
        } else {
            text.insert_str(at, &piece);
        }
    }
    text
}

fn differs(own: &mut Encoder, oracle: &mut Encoder, text: &str) -> bool {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    own.encode_into(text, &mut ours);
    oracle.encode_into(text, &mut theirs);
    ours != theirs
}

/// The text without every part that it differs without.
fn least(mut text: String, differs: &mut impl FnMut(&str) -> bool) -> String {
    let mut step = text.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < text.len() {
            let (from, to) = (text.floor_char_boundary(at), text.ceil_char_boundary((at + step).min(text.len())));
            let mut shorter = text.clone();
            shorter.replace_range(from..to, "");
            if differs(&shorter) { text = shorter } else { at = to.max(at + 1) }
        }
        step /= 2;
    }
    text
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [seconds, seed, tokenizers @ ..] = arguments.as_slice() else { return };
    let special = ["|", "<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>"];
    let pieces: Vec<&str> = PIECES.split('|').chain(special).collect();
    let mut found = false;
    for path in tokenizers {
        let path = Path::new(path);
        for special in [false, true] {
            let own = Tokenizer::load(path, special).unwrap();
            let (mut encoder, mut oracle) = (own.encoder(), Tokenizer::oracle(path, special).unwrap().encoder());
            let mut random = Random(seed.parse::<u64>().unwrap() | 1);
            let (mut known, mut texts, mut bytes) = (Vec::new(), 0u64, 0);
            let until = Instant::now() + Duration::from_secs_f64(seconds.parse::<f64>().unwrap() / 2.0);
            while Instant::now() < until {
                let text = text(&mut random, &pieces, &known);
                (texts, bytes) = (texts + 1, bytes + text.len());
                if differs(&mut encoder, &mut oracle, &text) {
                    let least = least(text, &mut |text| differs(&mut encoder, &mut oracle, text));
                    println!("{}: ids differ on {least:?}", path.display());
                    found = true;
                    break;
                }
                let slot = random.below(512);
                if slot < known.len() { known[slot] = text } else { known.push(text) }
            }
            println!("{}, special tokens {special}: {texts} texts, {bytes} bytes; {}", path.display(), own.describe());
        }
    }
    assert!(!found, "ids differ from the library's");
}
