//! Mojibake: UTF-8 that was read in another encoding, and its way back.
//!
//! The method is ftfy's (Speer 2019, zenodo 2591652), whose decisions this repeats: where a line has sequences that
//! hardly anybody writes, the first one-byte encoding that its characters all have, and in which its bytes are UTF-8, is
//! taken for the mistake. Where no encoding fits a whole line, the runs in it that look like UTF-8 are mended alone. A
//! line is mended until it no longer changes, because mistakes are made twice.

mod badness;
mod bytes;
mod charmap;

use std::borrow::Cow;
use std::sync::Arc;

use regex::Regex;

use charmap::{Charmap, Name};

/// Characters that are looked at together at most; longer lines are mended in pieces, as ftfy does.
const MAX_CHARS: usize = 1_000_000;

/// Mistakes upon mistakes that are mended at most: each makes the text about twice as long, so that more never occur.
const MAX_ROUNDS: usize = 40;

/// Mends mojibake. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Mender(Arc<Tables>);

#[derive(Debug)]
struct Tables {
    bad: Regex,
    charmaps: Vec<Charmap>,
    /// What a character may be in UTF-8 that was misread, by character.
    roles: Vec<(char, Role)>,
}

/// What the byte behind a character may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Role {
    /// Bytes of the sequence that it begins; 0 if none.
    leads: u8,
    /// Whether it can go on a sequence.
    follows: bool,
    /// Whether it hardly stands for itself beside mojibake, as dashes and quotes do.
    strictly: bool,
}

impl Mender {
    /// The tables.
    pub fn new() -> Result<Self, regex::Error> {
        let charmaps: Vec<Charmap> = Name::ALL.into_iter().map(Charmap::of).collect();
        Ok(Self(Arc::new(Tables { bad: badness::detector()?, roles: roles(&charmaps), charmaps })))
    }

    /// `text` with its mojibake mended, line by line; borrowed if there was none.
    pub fn mend<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut out: Option<String> = None;
        let mut done = 0;
        for piece in pieces(text) {
            if let Some(mended) = self.0.line(piece) {
                out.get_or_insert_with(|| text.get(..done).unwrap_or_default().to_owned()).push_str(&mended);
            } else if let Some(out) = &mut out {
                out.push_str(piece);
            }
            done += piece.len();
        }
        out.map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

/// Lines with their ends, cut where they are too long.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            let cut = if rest.len() <= MAX_CHARS { None } else { rest.char_indices().nth(MAX_CHARS).map(|(at, _)| at) };
            let (piece, more) = rest.split_at(cut.unwrap_or(rest.len()));
            rest = more;
            (!piece.is_empty()).then_some(piece)
        })
    })
}

impl Tables {
    fn line(&self, line: &str) -> Option<String> {
        if line.is_ascii() || !self.bad.is_match(line) {
            return None;
        }
        let mut now = self.step(line)?;
        for _ in 1..MAX_ROUNDS {
            match self.step(&now) {
                Some(next) => now = next,
                None => break,
            }
        }
        Some(now)
    }

    /// One mistake undone; `None` if there is none to undo.
    fn step(&self, text: &str) -> Option<String> {
        if text.is_ascii() || !self.bad.is_match(text) {
            return None;
        }
        let mut encoded = Vec::new();
        for charmap in &self.charmaps {
            if !charmap.encode(text, &mut encoded) {
                continue;
            }
            // In MacRoman, a dash and a space look like a no-break space that became a space.
            if charmap.name != Name::MacRoman {
                encoded = bytes::restore_no_break_spaces(encoded);
            }
            if charmap.name.is_windows() {
                encoded = bytes::replace_lost(encoded);
            }
            if let Some(fixed) = bytes::decode(&encoded) {
                return (fixed != text).then_some(fixed);
            }
        }
        self.runs(text).or_else(|| self.controls(text))
    }

    /// Mends each run that looks like misread UTF-8 by itself.
    fn runs(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut copied = 0;
        let mut before = Role::default();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            let end = if before.strictly { at } else { self.run_end(text, at) };
            before = self.role(c);
            if end == at {
                continue;
            }
            let run = text.get(at..end).unwrap_or_default();
            if run.len() < text.len()
                && let Some(mended) = self.line(run)
            {
                out.push_str(text.get(copied..at).unwrap_or_default());
                out.push_str(&mended);
                copied = end;
            }
            while chars.offset() < end {
                let Some((_, c)) = chars.next() else { break };
                before = self.role(c);
            }
        }
        if copied == 0 {
            return None;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        (out != text).then_some(out)
    }

    /// Where the run of misread UTF-8 sequences ends that begins at `start`; `start` if none does.
    fn run_end(&self, text: &str, start: usize) -> usize {
        let mut end = start;
        loop {
            let mut chars = text.get(end..).unwrap_or_default().chars();
            let leads = chars.next().map_or(0, |c| self.role(c).leads);
            if leads == 0 || !(1..leads).all(|_| chars.next().is_some_and(|c| self.role(c).follows)) {
                return end;
            }
            end = text.len() - chars.as_str().len();
        }
    }

    fn role(&self, c: char) -> Role {
        if c.is_ascii() {
            // A space may have been a no-break space.
            return Role { follows: c == ' ', ..Role::default() };
        }
        let at = self.roles.binary_search_by_key(&c, |(known, _)| *known).ok();
        at.and_then(|at| self.roles.get(at)).map_or(Role::default(), |(_, role)| *role)
    }

    /// Control characters of Latin-1 as the characters that Windows-1252 has in their places, where it has any.
    fn controls(&self, text: &str) -> Option<String> {
        let windows = self.charmaps.iter().find(|m| m.name == Name::Windows1252)?;
        let fix = |c: char| if ('\u{80}'..='\u{9f}').contains(&c) { windows.decode(c as u32 as u8) } else { c };
        text.chars().any(|c| fix(c) != c).then(|| text.chars().map(fix).collect())
    }
}

/// The role of every character that misread UTF-8 can have.
fn roles(charmaps: &[Charmap]) -> Vec<(char, Role)> {
    let mut roles: std::collections::BTreeMap<char, Role> = std::collections::BTreeMap::new();
    let alike = |m: &&Charmap| m.name == Name::Latin1 || m.name.is_windows();
    for charmap in charmaps.iter().filter(alike) {
        for (from, to, leads) in [(0xc2, 0xdf, 2), (0xe0, 0xef, 3), (0xf0, 0xf0, 4), (0xf3, 0xf3, 4)] {
            charmap.chars(from, to).for_each(|c| roles.entry(c).or_default().leads = leads);
        }
        for c in charmap.chars(0x80, 0xbf) {
            let role = roles.entry(c).or_default();
            role.follows = true;
            role.strictly = !matches!(c, '–' | '—' | '―' | '‘' | '’' | '‚' | '“' | '”' | '„' | '•' | '…');
        }
    }
    roles.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mend(text: &str) -> String {
        Mender::new().unwrap().mend(text).into_owned()
    }

    #[test]
    fn mistakes_are_undone_alone_nested_and_among_other_text() {
        assert_eq!(mend("sÃ³ and âœ”\nplain"), "só and ✔\nplain");
        assert_eq!(mend("ÃƒÂ©tÃƒÂ©"), "été");
        assert_eq!(mend("“quoted” and â€œmisreadâ€\u{9d} — 日本"), "“quoted” and “misread” — 日本");
        assert_eq!(mend("voilÃ  le travail"), "voilà le travail");
        assert_eq!(mend("\u{85}so"), "…so");
        assert_eq!(mend("a ¬´b¬ª, c"), "a «b», c");
    }

    #[test]
    fn text_that_is_right_stays() {
        for text in ["naïve café, “so” — it’s 10°C", "Łódź 日本語 Ελλάδα Москва", "plain", "Â", "¡Ñandú!"]
        {
            assert!(matches!(Mender::new().unwrap().mend(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn long_lines_are_mended_in_linear_time() {
        let mender = Mender::new().unwrap();
        let long = "â€œ日 ".repeat(300_000);
        assert_eq!(mender.mend(&long), "“日 ".repeat(300_000));
        let nested = "ÃƒÆ’Ã‚Â© 日".repeat(10_000);
        assert_eq!(mender.mend(&nested).chars().filter(|c| *c == 'é').count(), 10_000);
        let clues = "â".repeat(3_000_000);
        assert_eq!(mender.mend(&clues).len(), clues.len());
    }

    proptest! {
        #[test]
        fn mending_twice_is_mending_once(text in "([a-z ]|[À-ÿ]|[\u{80}-\u{bf}]|[€‚„…†ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œž]){0,24}") {
            let mender = Mender::new().unwrap();
            let once = mender.mend(&text).into_owned();
            prop_assert_eq!(mender.mend(&once), once.as_str());
        }
    }
}
