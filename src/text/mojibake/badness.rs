//! Which sequences of characters hardly anybody writes, and UTF-8 read in a wrong encoding is full of.
//!
//! The classes and the sequences are those that Robyn Speer found for ftfy 6 (Apache-2.0) in millions of tweets and Web
//! pages: about four hundred characters occur in mojibake at all, and what betrays it is which of them meet.

use regex::Regex;

/// Classes of characters, each with the letter that [`SEQUENCES`] names it by.
const CLASSES: [(char, &str); 14] = [
    // In many contexts.
    ('M', "\u{a0}\u{ad}·´–—―…’"),
    // Control characters of no use.
    ('1', "\u{80}-\u{9f}"),
    // Hardly ever meant.
    ('X', "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\u{fffd}ªº"),
    // Of laws.
    ('W', "¶§"),
    // Currencies.
    ('C', "¢£¥₧€"),
    // Where something begins.
    ('S', "¡«¿©΄΅‘‚“„•‹\u{f8ff}"),
    // Where something ends.
    ('E', "®»˝”›™"),
    // In numbers and formulas.
    ('N', "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№"),
    // In faces made of letters.
    ('K', "Ò-ÖÙ-Üò-öø-üŐŌŪŲ°"),
    // Capitals with accents.
    ('U', "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"),
    // Small letters with accents.
    ('L', "ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ"),
    // Capitals of other alphabets, which end words too.
    ('u', "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я"),
    // Small letters of other alphabets.
    ('l', "α-ωάέήίΰа-џ"),
    // Boxes and blocks.
    ('B', "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓"),
];

/// Sequences of sets of characters: classes by their letters, then after `=` single characters and ranges. What begins
/// with `/` is an expression; what spaces and letters are is Python's opinion: separators of records are spaces, `½` is
/// as good as a letter, and a combining mark is not.
const SEQUENCES: &[&[&str]] = &[
    &["1"],
    &["XLUBSECNW", "X"],
    &["X", "LUBSECNW"],
    &["=a-zA-Z", "lu", "X"],
    &["LlBECN", "U"],
    &["BECN", "L"],
    &["LBE", "C"],
    &["/[\\s\\x1c-\\x1f]", "U", "C"],
    &["UB", "NW"],
    &["LUBCE", "S", "N"],
    &["LUCNBW", "E", "S"],
    &["CNB", "S"],
    &["=a-z", "U", "SC"],
    &["B", "K"],
    &["LUCNSEW", "B"],
    &["B", "E"],
    &["LU", "SE", "/[\\p{L}\\p{N}_]"],
    &["=Œœ", "/[^A-Za-z]"],
    &["U", "=°"],
    // Windows-1252: what the sequences above leave, Arabic, South Asian alphabets, the no-break space.
    &["=ÂÃÎÐ", "SE=€œŠš¢£Ÿž\u{a0}\u{ad}®©°·»–—´"],
    &["=×", "=²³"],
    &["=ØÙ", "MCXNS=ŸŠ®°µ»", "=ØÙ", "MCXNS=ŸŠ®°µ»"],
    &["=à", "=²µ¹¼½¾"],
    &["=Ã", "=\u{a0}¡"],
    &["=a-z", "/[\\s\\x1c-\\x1f]?", "=ÃÂ", "= "],
    &["/^", "=ÃÂ", "= "],
    &["E=a-z.,?!", "=Â", "SE= "],
    // MacRoman.
    &["=√", "=±∂†≠®™´≤≥¥µø"],
    &["=≈", "=°¢"],
    &["=‚", "=Ä", "=ìîïòôúùû†°¢π"],
    &["=‚", "=âó", "=àä°ê"],
    // Windows-1251, once and twice.
    &["=в", "=Ђ"],
    &["=ВГРС", "1XSEC=°µ", "=ВГРС"],
    &["=Г", "=ў", "=В", "=Ђ", "=В", "/.", "=A-Za-z "],
    // Windows-1253 and Windows-1257.
    &["=β", "=€", "=™\u{a0}Ά\u{ad}®°"],
    &["=ΒΓΞΟ", "1XSEC=°", "=ΒΓΞΟ"],
    &["=ā", "=€"],
];

/// Finds the first sequence that hardly anybody writes.
pub fn detector() -> Result<Regex, regex::Error> {
    let sequences: Vec<String> = SEQUENCES.iter().map(|s| s.iter().map(|set| expression(set)).collect()).collect();
    Regex::new(&sequences.join("|"))
}

fn expression(set: &str) -> String {
    if let Some(raw) = set.strip_prefix('/') {
        return raw.to_owned();
    }
    let (classes, characters) = set.split_once('=').unwrap_or((set, ""));
    let mut out = String::from("[");
    for letter in classes.chars() {
        out.extend(CLASSES.iter().filter(|(name, _)| *name == letter).map(|(_, set)| *set));
    }
    out.push_str(characters);
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_name_classes_that_there_are() {
        for set in SEQUENCES.iter().copied().flatten().filter(|s| !s.starts_with('/')) {
            let letters = set.split('=').next().unwrap();
            assert!(letters.chars().all(|l| CLASSES.iter().any(|(name, _)| *name == l)), "{set}");
        }
    }

    #[test]
    fn mojibake_is_told_from_what_people_write() {
        let detector = detector().unwrap();
        for bad in ["â€œ", "voilÃ  le travail", "CÃ©dric", "\u{85}", "вЂњ", "√†", "å›½", "ì›¹", "\u{1d}Â£"]
        {
            assert!(detector.is_match(bad), "{bad}");
        }
        for good in
            ["“quoted”", "voilà, l’été", "Łódź", "Москва", "日本語", "10°C ±2", "¡Qué!", "naïve café", "é»\u{301}"]
        {
            assert!(!detector.is_match(good), "{good}");
        }
    }
}
