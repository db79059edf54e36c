//! The regular expressions that published corpora were redacted with: for comparison, and to repeat them. They know no check digit, no
//! domain and no neighborhood; what they find that is none, and what they take with it, is theirs.

use regex::Regex;

use super::{Found, Kind, ip};
use crate::error::{Error, Result};

/// Whose expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// datatrove 0.10's `PIIFormatter` (FineWeb): e-mail addresses, and IPv4 addresses that are globally routable.
    Datatrove,
    /// Dolma 1.2's tagger `pii_regex_with_counts_fast_v2`: e-mail addresses with the marks and the whitespace around them,
    /// ten-digit telephone numbers with the whitespace before them, IPv4 addresses.
    Dolma,
}

const DATATROVE_EMAIL: &str = r"\b[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?|\[(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?|[A-Za-z0-9-]*[A-Za-z0-9]:)])";
const IP: &str = r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)";
// Python's whitespace is Unicode's and four separators more.
const DOLMA_EMAIL: &str =
    r"[.\s\x1c-\x1f@,?!;:)(]*([^\s\x1c-\x1f@]+@[^\s\x1c-\x1f@,?!;:)(]+?)[.\s\x1c-\x1f@,?!;:)(]?[\s\x1c-\x1f]";
const DOLMA_PHONE: &str = r"[\s\x1c-\x1f]+\(?(\d{3})\)?[-. ]*(\d{3})[-. ]?(\d{4})";

/// Above so many question marks Dolma looks for nothing, for its expression for addresses takes quadratic time on them.
const MOST_QUESTION_MARKS: usize = 10_000;

/// The expressions, compiled.
#[derive(Debug, Clone)]
pub struct Expressions {
    way: Published,
    email: Option<Regex>,
    phone: Option<Regex>,
    ip: Option<Regex>,
    public: bool,
}

impl Expressions {
    /// Those of `way` that find `kinds`; of datatrove's, IP addresses as far as `scope` says.
    pub fn new(way: Published, kinds: &[Kind], scope: ip::Scope) -> Result<Self> {
        let compile = |kind: Kind, expression: &str| -> Result<Option<Regex>> {
            if !kinds.contains(&kind) {
                return Ok(None);
            }
            let regex = Regex::new(expression).map_err(|e| Error::bug("an expression does not compile").because(e))?;
            Ok(Some(regex))
        };
        let dolma = way == Published::Dolma;
        Ok(Self {
            way,
            email: compile(Kind::Email, if dolma { DOLMA_EMAIL } else { DATATROVE_EMAIL })?,
            phone: if dolma { compile(Kind::Phone, DOLMA_PHONE)? } else { None },
            ip: compile(Kind::Ipv4, IP)?,
            public: !dolma && scope == ip::Scope::Public,
        })
    }

    /// Finds in `text`, in order and without overlaps, written to `found`; how many there are with the overlapping ones.
    pub fn find(&self, text: &str, found: &mut Vec<Found>) -> usize {
        found.clear();
        match self.way {
            Published::Datatrove => self.datatrove(text, found),
            Published::Dolma => self.dolma(text, found),
        }
        let all = found.len();
        // What begins first stays; of those that begin together, the kind that was asked for first.
        found.sort_by_key(|f| f.start);
        let mut end = 0;
        found.retain(|f| {
            let stays = f.start >= end;
            end = if stays { f.end } else { end };
            stays
        });
        all
    }

    fn datatrove(&self, text: &str, found: &mut Vec<Found>) {
        if let Some(email) = self.email.as_ref().filter(|_| text.contains('@')) {
            found.extend(email.find_iter(text).map(|m| Found { kind: Kind::Email, start: m.start(), end: m.end() }));
        }
        let ips = self.ip.iter().flat_map(|ip| ip.find_iter(text));
        let ips = ips.filter(|m| !self.public || ip::is_public_v4(m.as_str()));
        found.extend(ips.map(|m| Found { kind: Kind::Ipv4, start: m.start(), end: m.end() }));
    }

    fn dolma(&self, text: &str, found: &mut Vec<Found>) {
        if memchr::memchr_iter(b'?', text.as_bytes()).count() > MOST_QUESTION_MARKS {
            return;
        }
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let bytes = line.as_bytes();
            if let Some(email) = self.email.as_ref().filter(|_| bytes.contains(&b'@')) {
                let plausible = |c: &regex::Captures<'_>| {
                    let address = c.get(1).map_or("", |m| m.as_str());
                    address.split_once('@').is_some_and(|(who, domain)| who != "(" && domain.contains('.'))
                };
                let emails = email.captures_iter(line).filter(plausible).filter_map(|c| c.get(0));
                found.extend(emails.map(|m| Found { kind: Kind::Email, start: at + m.start(), end: at + m.end() }));
            }
            for (expression, kind) in [(&self.phone, Kind::Phone), (&self.ip, Kind::Ipv4)] {
                let finds = expression.iter().flat_map(|e| e.find_iter(line));
                found.extend(finds.map(|m| Found { kind, start: at + m.start(), end: at + m.end() }));
            }
            at += line.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(way: Published, text: &str) -> (usize, Vec<&str>) {
        let mut found = Vec::new();
        let all = Expressions::new(way, &Kind::ALL, ip::Scope::Public).unwrap().find(text, &mut found);
        (all, found.iter().map(|f| &text[f.start..f.end]).collect())
    }

    #[test]
    fn finds_are_theirs_with_their_faults() {
        let text = "Mail (jo@corp.org), v84.17.50.173 999.1.1.1\nCall 212-736-5000 or 192.168.0.1 now\n";
        assert_eq!(find(Published::Datatrove, text), (3, vec!["jo@corp.org", "84.17.50.173", "99.1.1.1"]));
        assert_eq!(find(Published::Datatrove, "224.0.0.251 and 01.2.3.4"), (1, vec!["224.0.0.251"]));
        let dolma = vec![" 212-736-5000", "192.168.0.1"];
        assert_eq!(find(Published::Dolma, &text[44..]), (2, dolma));
        assert_eq!(find(Published::Dolma, "to jo@corp.org, and ann@corp"), (1, vec![" jo@corp.org, "]));
        // Without whitespace after it an address is none.
        assert_eq!(find(Published::Dolma, "jo@corp.org"), (0, vec![]));
        assert_eq!(find(Published::Dolma, &format!("{} 1.2.3.4 ", "?".repeat(10_001))), (0, vec![]));
    }
}
