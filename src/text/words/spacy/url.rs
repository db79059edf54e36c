//! Whether a chunk is a URL or an e-mail address, by spaCy's pattern: scheme, user, host or address, port, path.
//!
//! spaCy's pattern backtracks; but a host cannot hold what ends a scheme or a user, so that there is one way to read from each
//! place where a host may begin, and reading stops before the next such place: linear.

use crate::text::chars::{Chars, DIGIT, SPACY_LOWER, WORD};

/// Whether all of `text`, which has no whitespace, is one.
pub fn is(text: &str, chars: &Chars) -> bool {
    if memchr::memchr(b'.', text.as_bytes()).is_none() {
        return false;
    }
    let after_user = memchr::memchr_iter(b'@', text.as_bytes()).filter(|at| *at > 0).map(|at| at + 1);
    std::iter::once(0).chain(after_scheme(text, chars)).chain(after_user).any(|at| {
        let rest = text.get(at..).unwrap_or_default();
        [host(rest, chars), address(rest, chars)].into_iter().flatten().any(|end| tail(rest, end, chars))
    })
}

/// Where the scheme ends: two or more word characters, `+`, `-` or `.`, and `://`.
fn after_scheme(text: &str, chars: &Chars) -> Option<usize> {
    let end = memchr::memchr(b':', text.as_bytes())?;
    let scheme = text.get(..end)?;
    let fits = |c| matches!(c, '+' | '-' | '.') || chars.is(c, WORD);
    (text.get(end..)?.starts_with("://") && scheme.chars().all(fits) && scheme.chars().nth(1).is_some())
        .then_some(end + 3)
}

/// May begin and end a label of a host name.
fn edge(c: char) -> bool {
    c.is_ascii_alphanumeric() || ('\u{a1}'..='\u{ffff}').contains(&c)
}

/// Where the host name at the start of `text` ends: labels with dots behind them, and a top-level domain of lower-case letters.
fn host(text: &str, chars: &Chars) -> Option<usize> {
    let mut domain = None;
    let mut label = (0, ' ', ' ');
    for (at, c) in text.char_indices() {
        if c == '.' {
            let (length, first, last) = label;
            if !(1..=64).contains(&length) || !edge(first) || !edge(last) {
                break;
            }
            domain = Some(at + 1);
            label = (0, ' ', ' ');
        } else if edge(c) || matches!(c, '_' | '-') {
            label = (label.0 + 1, if label.0 == 0 { c } else { label.1 }, c);
        } else {
            break;
        }
    }
    let domain = domain?;
    let (mut letters, mut end) = (0, domain);
    for c in text.get(domain..)?.chars().take_while(|c| chars.is(*c, SPACY_LOWER)) {
        letters += 1;
        end += c.len_utf8();
        if letters > 63 {
            return None;
        }
    }
    (letters >= 2).then_some(end)
}

/// Where the public IPv4 address at the start of `text` ends. Digits of any script are digits behind the first of a number.
fn address(text: &str, chars: &Chars) -> Option<usize> {
    let mut octets: [&str; 4] = [""; 4];
    let (mut at, mut rest) = (0, text);
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            rest = rest.strip_prefix('.')?;
            at += 1;
        }
        let length: usize = rest.chars().take_while(|c| chars.is(*c, DIGIT)).take(4).map(char::len_utf8).sum();
        (*octet, rest) = rest.split_at_checked(length)?;
        at += length;
    }
    let [first, second, third, fourth] = octets;
    let class = match (first, second) {
        ("10" | "127", _) | ("169", "254") | ("192", "168") => false,
        ("172", second) => {
            let two = second.chars().count() == 2;
            !(two && (second.starts_with('2') || ("16"..="19").contains(&second)) || matches!(second, "30" | "31"))
        }
        _ => true,
    };
    let fits = class && edge_octet(first, 223) && octet(second) && octet(third) && edge_octet(fourth, 254);
    fits.then_some(at)
}

/// Digit characters of a number: the values of the ASCII ones, 10 for others.
fn digits(text: &str) -> Option<([u8; 3], usize)> {
    let mut digits = [0; 3];
    let mut count = 0;
    for c in text.chars() {
        *digits.get_mut(count)? = c.to_digit(10).map_or(10, |d| d as u8);
        count += 1;
    }
    Some((digits, count))
}

/// 0 to 255, leading zeros allowed.
fn octet(text: &str) -> bool {
    match digits(text) {
        Some((_, 1 | 2)) => true,
        Some(([1, ..], 3)) | Some(([2, 0..=4, _], 3)) => true,
        Some(([2, 5, last], 3)) => last <= 5,
        _ => false,
    }
}

/// 1 to `most`, which is 223 or 254, without leading zeros.
fn edge_octet(text: &str, most: u32) -> bool {
    match digits(text) {
        Some(([1..=9, ..], 1 | 2)) | Some(([1, ..], 3)) => true,
        Some(([2, middle, last], 3)) if most == 223 => middle <= 1 || (middle == 2 && last <= 3),
        Some(([2, middle, last], 3)) => middle <= 4 || (middle == 5 && last <= 4),
        _ => false,
    }
}

/// Whether from `at` there is nothing but a port and a path.
fn tail(text: &str, mut at: usize, chars: &Chars) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(port) = rest.strip_prefix(':') {
        let (mut count, mut length) = (0, 0);
        for c in port.chars().take_while(|c| chars.is(*c, DIGIT)).take(6) {
            count += 1;
            length += c.len_utf8();
        }
        if !(2..=5).contains(&count) {
            return false;
        }
        at += 1 + length;
    }
    matches!(text.as_bytes().get(at), None | Some(b'/' | b'?' | b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::chars::chars;

    #[test]
    fn hosts_addresses_users_ports_paths() {
        for url in
            ["example.com", "http://ex.com/a b", "a@b.cd", "ftp://u:p@ex.org:21/x", "8.8.8.8", "8.8.8.8:80/", "x.日本"]
        {
            assert!(is(url, chars()), "{url}");
        }
        for other in [
            "example",
            "example.C",
            "10.0.0.1",
            "192.168.0.1",
            "172.20.1.1",
            "1.2.3",
            "a.b",
            "-a.com",
            "a.com:1",
            "@x.com",
        ] {
            assert!(!is(other, chars()), "{other}");
        }
    }
}
