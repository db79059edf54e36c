//! International bank account numbers (ISO 13616): a country's length, and a remainder of 1 modulo 97.

use super::{before, byte};

/// Length of each country's IBAN, by the SWIFT registry (release 99, 2025).
#[rustfmt::skip]
const LENGTHS: [(&[u8; 2], u8); 89] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22), (b"BH", 22),
    (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27),
    (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18), (b"FR", 27),
    (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28),
    (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26), (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28),
    (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22),
    (b"MK", 19), (b"MN", 20), (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23),
    (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"RU", 33), (b"SA", 24),
    (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"SO", 23), (b"ST", 25), (b"SV", 28),
    (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20), (b"YE", 30),
];

/// The IBAN whose check digits begin at `digits`: where it begins and ends. Either in one piece or in groups of four.
pub fn at(bytes: &[u8], digits: usize) -> Option<(usize, usize)> {
    let start = digits.checked_sub(2)?;
    let country: [u8; 2] = bytes.get(start..digits)?.try_into().ok()?;
    let country = country.map(|b| b.to_ascii_uppercase());
    let length = LENGTHS.iter().find(|(c, _)| **c == country)?.1;
    if matches!(before(bytes, start), b if b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return None;
    }
    let separator = Some(byte(bytes, start + 4)).filter(|b| matches!(b, b' ' | b'-'));
    let (mut at, mut seen, mut rest, mut head) = (start, 0u8, 0u32, 0u32);
    while seen < length {
        if seen > 0 && seen % 4 == 0 && separator.is_some_and(|s| byte(bytes, at) == s) {
            at += 1;
        }
        let b = byte(bytes, at).to_ascii_uppercase();
        if !b.is_ascii_alphanumeric() {
            return None;
        }
        // The country and the check digits count last.
        let sum = if seen < 4 { &mut head } else { &mut rest };
        *sum = shifted(*sum, b);
        seen += 1;
        at += 1;
    }
    let ends = match byte(bytes, at) {
        b if b.is_ascii_alphanumeric() || b == b'_' => false,
        b'-' | b'.' | b',' | b'/' => !byte(bytes, at + 1).is_ascii_digit(),
        _ => true,
    };
    // Four more digits: two letters are two each, and two check digits.
    let remainder = (rest * (1_000_000 % 97) + head) % 97;
    (ends && remainder == 1).then_some((start, at))
}

/// `sum` with the letter or digit `b` appended, modulo 97: A is 10, Z is 35.
fn shifted(sum: u32, b: u8) -> u32 {
    match b {
        b'0'..=b'9' => (sum * 10 + u32::from(b - b'0')) % 97,
        _ => (sum * 100 + u32::from(b - b'A') + 10) % 97,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_sorted() {
        assert!(LENGTHS.is_sorted());
    }
}
