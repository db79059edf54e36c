//! Characters as Python's `str` and `re` class them, which recipes were made with.

use super::{ASCII, DIGIT, LETTER, WORD, chars, is_space};

/// Whether `c` is of any of these classes, which for ASCII are known while compiling.
#[inline]
fn is(c: char, classes: u32) -> bool {
    ASCII.get(c as usize).map_or_else(|| chars().is(c, classes), |has| has & classes != 0)
}

/// `str.isalpha`.
#[inline]
pub fn is_letter(c: char) -> bool {
    is(c, LETTER)
}

/// `\w`: letters, numbers and the underscore.
#[inline]
pub fn is_word(c: char) -> bool {
    is(c, WORD)
}

/// `str.isdecimal`: the digits of any script's decimal numbers.
#[inline]
pub fn is_decimal(c: char) -> bool {
    is(c, DIGIT)
}

/// `str.isdigit`: decimal digits, and digits set high, low or in circles.
pub fn is_digit(c: char) -> bool {
    is_decimal(c)
        || matches!(c,
            '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{1369}'..='\u{1371}' | '\u{19da}' | '\u{2070}'
            | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}' | '\u{2460}'..='\u{2468}'
            | '\u{2474}'..='\u{247c}' | '\u{2488}'..='\u{2490}' | '\u{24ea}' | '\u{24f5}'..='\u{24fd}'
            | '\u{24ff}' | '\u{2776}'..='\u{277e}' | '\u{2780}'..='\u{2788}' | '\u{278a}'..='\u{2792}'
            | '\u{10a40}'..='\u{10a43}' | '\u{10e60}'..='\u{10e68}' | '\u{11052}'..='\u{1105a}'
            | '\u{1f100}'..='\u{1f10a}')
}

/// Ideographs that are numbers.
const NUMBERS: &str = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零𠀁𠁤𠃢𠄡𠤪𠦃𠦌𠦜𠫪𠫽𠬙𢎐𢦘𣬛𦉭";

/// `str.isnumeric`: whatever has a number's value.
pub fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || (!c.is_ascii() && (c.is_numeric() || (c >= '\u{3400}' && NUMBERS.contains(c))))
}

/// `str.split`.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_pythons() {
        assert!(is_space('\u{1f}') && is_space('\u{a0}') && !is_space('\u{200b}'));
        assert!(is_letter('ß') && is_letter('日') && !is_letter('\u{301}') && !is_letter('ि') && !is_letter('Ⓐ'));
        assert!(is_word('½') && is_word('_') && !is_word('्') && !is_word('-'));
        assert!(is_decimal('९') && !is_decimal('²') && is_digit('²') && !is_digit('½'));
        assert!(is_numeric('½') && is_numeric('三') && !is_numeric('山') && !is_decimal('a'));
        assert_eq!(words(" a\u{1f}b  ").collect::<Vec<_>>(), ["a", "b"]);
    }
}
