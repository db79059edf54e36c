//! E-mail addresses: what stands around an `@`.
//!
//! RFC 5321's unquoted form, with letters of the alphabets up to Armenian beside ASCII (RFC 6531), under a top-level domain
//! that exists: `icon@2x.png` and `A@B.T` are no addresses. Of the marks that the RFC allows only `.%'+-_~` are taken for a
//! part of the address: before an address `/`, `=`, `&` and the like are nearly always a URL's, `email=jo@corp.org`. Left alone are the domains that RFC 2606 reserves for examples,
//! and `git@host:path`, which is how repositories are named.

use foldhash::HashSet;

use super::{Found, Kind, byte};

/// Longest part before the `@` (RFC 5321, 4.5.3.1.1) and domain (4.5.3.1.2), in bytes.
const LOCAL: usize = 64;
const DOMAIN: usize = 255;

/// The top-level domains that exist.
#[derive(Debug, Clone)]
pub struct TopLevel(std::sync::Arc<HashSet<&'static str>>);

impl TopLevel {
    pub fn new() -> Self {
        let lines = include_str!("tlds.txt").lines().filter(|l| !l.starts_with('#'));
        Self(std::sync::Arc::new(lines.collect()))
    }

    fn has(&self, label: &str) -> bool {
        if label.len() > 24 || !label.is_ascii() {
            return false;
        }
        let mut lower = [0u8; 24];
        for (to, from) in lower.iter_mut().zip(label.bytes()) {
            *to = from.to_ascii_lowercase();
        }
        lower.get(..label.len()).and_then(|l| std::str::from_utf8(l).ok()).is_some_and(|l| self.0.contains(l))
    }
}

/// Appends every address in `text` to `found`.
pub fn find(text: &str, domains: &TopLevel, found: &mut Vec<Found>) {
    let mut free = 0;
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        let Some(start) = local_start(text, free, at) else { continue };
        let Some(end) = domain_end(text, at + 1, domains) else { continue };
        let (local, domain) = (text.get(start..at).unwrap_or_default(), text.get(at + 1..end).unwrap_or_default());
        free = end;
        if reserved(domain) || (local == "git" && byte(text.as_bytes(), end) == b':') {
            continue;
        }
        found.push(Found { kind: Kind::Email, start, end });
    }
}

/// Whether `c` is a letter or digit that addresses are written with: of any alphabet up to Armenian, but of no script that is
/// written without spaces, where an address would swallow the sentence before it.
fn letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || (('\u{c0}'..'\u{590}').contains(&c) && c.is_alphanumeric())
}

/// Where the part before the `@` at `at` begins, not before `free`.
fn local_start(text: &str, free: usize, at: usize) -> Option<usize> {
    let head = text.get(free..at)?;
    let (mut start, mut dot) = (at, false);
    for (index, c) in head.char_indices().rev() {
        let here = free + index;
        if c == '.' {
            // Dots neither begin nor end it, nor follow each other.
            if start == at || dot {
                break;
            }
            dot = true;
        } else if letter(c) || "%'+-_~".contains(c) {
            dot = false;
        } else {
            break;
        }
        if at - here > LOCAL {
            return None;
        }
        start = here;
    }
    // It begins with a letter or digit: quotes, slashes and the like before it belong to the sentence.
    let local = text.get(start..at)?;
    let skipped = local.find(letter)?;
    Some(start + skipped)
}

/// Where the domain that begins at `start` ends: after the last label that is a top-level domain.
fn domain_end(text: &str, start: usize, domains: &TopLevel) -> Option<usize> {
    let mut limit = text.len().min(start + DOMAIN);
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let tail = text.get(start..limit)?;
    let (mut end, mut label, mut labels) = (None, 0, 0);
    loop {
        let rest = tail.get(label..)?;
        let length = rest.find(|c| !(letter(c) || c == '-')).unwrap_or(rest.len());
        let this = rest.get(..length)?;
        if this.is_empty() || this.starts_with('-') {
            return end;
        }
        // `host.com-based`: the domain ends before the hyphen.
        let word = this.find('-').and_then(|at| this.get(..at)).unwrap_or(this);
        if labels > 0 {
            if domains.has(this) {
                end = Some(start + label + length);
                // No domain goes on behind one that is reserved: what a replacement says ends with it.
                if reserved(tail.get(..label + length)?) {
                    return end;
                }
            } else if domains.has(word) {
                return Some(start + label + word.len());
            }
        }
        labels += 1;
        label += length + 1;
        if rest.as_bytes().get(length) != Some(&b'.') {
            return end;
        }
    }
}

/// Whether RFC 2606 keeps the domain for examples.
fn reserved(domain: &str) -> bool {
    let mut labels = domain.rsplit('.');
    let (top, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    second.eq_ignore_ascii_case("example") && ["com", "net", "org"].iter().any(|t| top.eq_ignore_ascii_case(t))
}
