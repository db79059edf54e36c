//! IP addresses. By default those that are globally routable, by IANA's registries of special addresses (RFC 6890) as Python's
//! `ipaddress.is_global` reads them: the others tell nothing of anyone.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Found, Kind, before, byte, digits_from, follows};

/// Which addresses are private data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Globally routable ones.
    Public,
    /// All.
    All,
}

/// Words that make of four numbers a version, or the number of a section.
const VERSION_WORDS: [&str; 14] = [
    "version", "versions", "ver", "v", "release", "rel", "build", "rev", "revision", "firmware", "section", "chapter",
    "sec", "kernel",
];

/// Where the IPv4 address that begins with the digits at `start` ends.
pub fn v4(bytes: &[u8], start: usize, scope: Scope) -> Option<usize> {
    let mut octets = [0u8; 4];
    let mut at = start;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if byte(bytes, at) != b'.' {
                return None;
            }
            at += 1;
        }
        let end = digits_from(bytes, at).min(at + 4);
        let digits = bytes.get(at..end)?;
        // A leading zero is octal to some and a date to others; no address is written so.
        if digits.is_empty() || digits.len() > 3 || (digits.len() > 1 && digits.first() == Some(&b'0')) {
            return None;
        }
        let value = digits.iter().fold(0u16, |n, d| n * 10 + u16::from(d - b'0'));
        *octet = u8::try_from(value).ok()?;
        at = end;
    }
    let versioned = octets.iter().all(|o| *o < 10);
    let stands =
        !starts_in_word(bytes, start) && !goes_on(bytes, at) && !versioned && !follows(bytes, start, &VERSION_WORDS);
    (stands && (scope == Scope::All || v4_is_global(Ipv4Addr::from(octets)))).then_some(at)
}

/// Whether what stands before makes of the number a part of something else: `v1.2.3.4`, `0.1.2.3.4`, `Chrome/91.0.4472.124`.
fn starts_in_word(bytes: &[u8], start: usize) -> bool {
    let second = |of: usize| of.checked_sub(1).map_or(b' ', |at| before(bytes, at));
    match before(bytes, start) {
        b if b.is_ascii_alphanumeric() || b == b'_' => true,
        b'.' => second(start).is_ascii_alphanumeric(),
        b'-' | b'/' => second(start).is_ascii_alphabetic(),
        _ => false,
    }
}

/// Whether what follows makes of the number a part of something longer: `1.2.3.4.5`, `1.2.3.4-beta`.
fn goes_on(bytes: &[u8], end: usize) -> bool {
    let (next, after) = (byte(bytes, end), byte(bytes, end + 1));
    match next {
        b if b.is_ascii_alphanumeric() || b == b'_' => true,
        b'.' => after.is_ascii_digit(),
        b'-' | b'+' | b'~' => after.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Whether `text` is a globally routable IPv4 address to Python's `ipaddress`: without leading zeros; addresses of groups are.
pub fn is_public_v4(text: &str) -> bool {
    text.parse().is_ok_and(|ip: Ipv4Addr| v4_is_global(ip) || ip.is_multicast())
}

fn v4_is_global(ip: Ipv4Addr) -> bool {
    let [a, b, c, d] = ip.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && c == 0 && d != 9 && d != 10)
        || (a == 192 && b == 0 && c == 2)
        || (a == 192 && b == 168)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 240)
        && !(224..240).contains(&a)
}

fn v6_is_global(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    // Of what is not special only 2000::/3 has been given out.
    (a & 0xe000) == 0x2000
        && !(a == 0x2001 && b == 0xdb8)
        && !(a == 0x2001 && b < 0x200 && !(b == 1 || (0x20..0x40).contains(&b)))
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

/// Longest an IPv6 address can be written.
const LONGEST_V6: usize = 45;

/// Appends every IPv6 address in `text` to `found`.
pub fn find_v6(text: &str, scope: Scope, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let part = |b: u8| b.is_ascii_hexdigit() || b == b':';
    let mut free = 0;
    for colon in memchr::memchr_iter(b':', bytes) {
        if colon < free || !part(byte(bytes, colon + 1)) {
            continue;
        }
        // The whole of what an address is written with, from this its first colon.
        let head = bytes.get(free.max(colon.saturating_sub(5))..colon).unwrap_or_default();
        let start = colon - head.iter().rev().take_while(|b| b.is_ascii_hexdigit()).count();
        let tail = bytes.get(colon..bytes.len().min(colon + LONGEST_V6 + 1)).unwrap_or_default();
        let length = tail.iter().take_while(|b| part(**b) || **b == b'.').count();
        let mut end = colon + length;
        free = end;
        while end > start && matches!(before(bytes, end), b'.') {
            end -= 1;
        }
        let last_colon = before(bytes, end) == b':' && before(bytes, end - 1) != b':';
        end -= usize::from(last_colon);
        let stands = !matches!(before(bytes, start), b if b.is_ascii_alphanumeric() || b == b'_' || b == b':' || b == b'.')
            && !matches!(byte(bytes, end), b if b.is_ascii_alphanumeric() || b == b'_' || b == b'@');
        let Some(ip) = text.get(start..end).filter(|_| stands).and_then(|t| t.parse::<Ipv6Addr>().ok()) else {
            continue;
        };
        if scope == Scope::All && !ip.is_unspecified() && !ip.is_loopback() || v6_is_global(ip) {
            found.push(Found { kind: Kind::Ipv6, start, end });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked of Python 3.11's and 3.13's `ipaddress`, which agree on these.
    #[test]
    fn special_addresses_are_not_global() {
        for (ip, global) in [
            ("0.1.2.3", false),
            ("9.9.9.9", true),
            ("10.1.1.1", false),
            ("100.63.255.255", true),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("172.15.0.1", true),
            ("172.31.0.1", false),
            ("192.0.1.1", true),
            ("192.0.2.1", false),
            ("198.17.255.255", true),
            ("198.18.0.1", false),
            ("203.0.113.9", false),
            ("203.0.114.9", true),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
        ] {
            assert_eq!(v4_is_global(ip.parse().unwrap()), global, "{ip}");
        }
        for (ip, global) in [
            ("2001:db8::1", false),
            ("2001:4860:4860::8888", true),
            ("fe80::1", false),
            ("fc00::1", false),
            ("::1", false),
            ("2a00::1", true),
        ] {
            assert_eq!(v6_is_global(ip.parse().unwrap()), global, "{ip}");
        }
    }
}
