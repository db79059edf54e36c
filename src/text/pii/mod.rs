//! Finds what tells on a person: e-mail and IP addresses, phone numbers, IBANs, payment cards, US social security numbers.
//!
//! Scanners are written by hand around bytes that are rare in text (`@`, `::`, digits): each looks at a bounded
//! neighborhood of its anchor, so that the whole is linear, and most of a text is only skimmed for anchors. What is found
//! is checked as far as its own rules go: registered top-level domains, routable addresses, a calling code's valid numbers,
//! check digits. A match is refused where the neighborhood says that it is something else: a version, a date, a longer
//! number.

mod email;
mod iban;
mod ip;
mod numbers;
mod phone;
mod published;

pub use ip::Scope;
pub use phone::{Phones, region_exists};
pub use published::{Expressions, Published};

/// A kind of private data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A telephone number.
    Phone,
    /// An international bank account number.
    Iban,
    /// A payment card's number.
    CreditCard,
    /// A US social security number.
    UsSsn,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Email, Self::Ipv4, Self::Ipv6, Self::Phone, Self::Iban, Self::CreditCard, Self::UsSsn];

    /// The word users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::CreditCard => "credit_card",
            Self::UsSsn => "us_ssn",
        }
    }
}

/// A piece of text that is private, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// One past its last.
    pub end: usize,
}

/// Puts `more` among `found`, in order and without overlaps; whether that changed it. What begins within a find goes with it: a
/// part that stayed would be found the next time.
pub fn join(found: &mut Vec<Found>, more: Vec<Found>) -> bool {
    let before = found.clone();
    found.extend(more);
    found.sort_by_key(|f| (f.start, usize::MAX - f.end, f.kind));
    found.dedup_by(|next, kept| {
        let within = next.start < kept.end;
        kept.end = if within { kept.end.max(next.end) } else { kept.end };
        within
    });
    *found != before
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Finder {
    kinds: [bool; 7],
    scope: Scope,
    phones: Phones,
    domains: email::TopLevel,
}

impl Finder {
    /// Looks for `kinds`; addresses as far as `scope` says; phone numbers written internationally, and nationally as in
    /// `regions` (ISO 3166 codes, see [`region_exists`]).
    pub fn new(kinds: &[Kind], scope: Scope, regions: &[String]) -> Self {
        let wanted = Kind::ALL.map(|kind| kinds.contains(&kind));
        Self { kinds: wanted, scope, phones: Phones::new(regions), domains: email::TopLevel::new() }
    }

    /// Everything in `text`, in order and without overlaps, written to `found`.
    pub fn find(&mut self, text: &str, found: &mut Vec<Found>) {
        found.clear();
        if self.wants(Kind::Email) {
            email::find(text, &self.domains, found);
        }
        if self.wants(Kind::Ipv6) {
            ip::find_v6(text, self.scope, found);
        }
        if [Kind::Ipv4, Kind::Phone, Kind::Iban, Kind::CreditCard, Kind::UsSsn].iter().any(|k| self.wants(*k)) {
            self.find_numbers(text, found);
        }
        let first = std::mem::take(found);
        join(found, first);
    }

    fn wants(&self, kind: Kind) -> bool {
        self.kinds.get(kind as usize).copied().unwrap_or(false)
    }

    /// Everything that begins with digits (or with `+`, `(` or two letters before them).
    fn find_numbers(&mut self, text: &str, found: &mut Vec<Found>) {
        let bytes = text.as_bytes();
        let (mut at, mut floor) = (0, 0);
        while let Some(start) = next_digit(bytes, at) {
            let digits = digits_from(bytes, start);
            at = match self.number(text, start, digits, floor) {
                Some(one) => {
                    found.push(one);
                    floor = one.end;
                    one.end.max(digits)
                }
                None => digits,
            };
        }
    }

    /// What the run of digits `start..digits` begins, if anything. The find before ends at `floor`.
    fn number(&mut self, text: &str, start: usize, digits: usize, floor: usize) -> Option<Found> {
        let bytes = text.as_bytes();
        let length = digits - start;
        let found = |kind, start, end| Some(Found { kind, start, end });
        if length <= 3
            && byte(bytes, digits) == b'.'
            && self.wants(Kind::Ipv4)
            && let Some(end) = ip::v4(bytes, start, self.scope)
        {
            return found(Kind::Ipv4, start, end);
        }
        if length >= 2
            && before(bytes, start).is_ascii_alphabetic()
            && self.wants(Kind::Iban)
            && let Some((start, end)) = iban::at(bytes, start)
        {
            return found(Kind::Iban, start, end);
        }
        if length == 3
            && self.wants(Kind::UsSsn)
            && let Some(end) = numbers::ssn(bytes, start)
        {
            return found(Kind::UsSsn, start, end);
        }
        if length >= 4
            && self.wants(Kind::CreditCard)
            && let Some(end) = numbers::card(bytes, start)
        {
            return found(Kind::CreditCard, start, end);
        }
        if self.wants(Kind::Phone)
            && let Some((start, end)) = self.phones.at(text, start, digits, floor)
        {
            return found(Kind::Phone, start, end);
        }
        None
    }
}

/// The byte at `at`; a space past the end, so that the end of a text is a boundary like any other.
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(b' ')
}

/// The byte before `at`; a space before the beginning.
fn before(bytes: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(b' ', |at| byte(bytes, at))
}

/// The first digit at or after `from`.
fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    let (blocks, rest) = tail.as_chunks::<32>();
    for (index, block) in blocks.iter().enumerate() {
        // Without an early exit inside a block this compiles to a few vector instructions.
        if block.iter().fold(false, |any, b| any | b.is_ascii_digit()) {
            return block.iter().position(u8::is_ascii_digit).map(|at| from + index * 32 + at);
        }
    }
    rest.iter().position(u8::is_ascii_digit).map(|at| from + blocks.len() * 32 + at)
}

/// One past the last of the digits that begin at `from`.
fn digits_from(bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).unwrap_or_default().iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |n| from + n)
}

/// The word before `at`, with only spaces and `:`, `.`, `=`, `(`, `#` between, lower-cased ASCII, as its last 12 bytes at most.
fn word_before(bytes: &[u8], at: usize) -> ([u8; 12], usize) {
    let mut word = [0; 12];
    let gap = bytes.get(at.saturating_sub(6)..at).unwrap_or_default();
    let skipped = gap.iter().rev().take_while(|b| b" :.=(#\t".contains(b)).count();
    let mut length = 0;
    while let Some(place) = word.len().checked_sub(length + 1) {
        let b = before(bytes, at - skipped - length);
        if !(b.is_ascii_alphabetic() || b >= 0x80) {
            break;
        }
        if let Some(slot) = word.get_mut(place) {
            *slot = b.to_ascii_lowercase();
        }
        length += 1;
    }
    (word, length)
}

/// Whether the word before `at` is one of `words`.
fn follows(bytes: &[u8], at: usize, words: &[&str]) -> bool {
    let (word, length) = word_before(bytes, at);
    let word = word.get(word.len() - length..).unwrap_or_default();
    !word.is_empty() && words.iter().any(|w| w.as_bytes() == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> Finder {
        Finder::new(&Kind::ALL, Scope::Public, &["US".to_owned(), "DE".to_owned(), "GB".to_owned()])
    }

    /// What is found, as `kind:text`.
    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        all().find(text, &mut found);
        found.iter().map(|f| format!("{}:{}", f.kind.name(), &text[f.start..f.end])).collect()
    }

    #[test]
    fn addresses_are_found_where_they_end() {
        assert_eq!(
            found("Mail jo.doe+x@mail.corp.org, or <a@b.de>."),
            ["email:jo.doe+x@mail.corp.org", "email:a@b.de"]
        );
        assert_eq!(found("mailto:müller@beispiel.de?x"), ["email:müller@beispiel.de"]);
        assert_eq!(found("邮箱abc@qq.com。"), ["email:abc@qq.com"]);
        assert_eq!(found("x@host.com-based and y@host.com_z"), ["email:x@host.com", "email:y@host.com"]);
        assert_eq!(found("a..b@host.com"), ["email:b@host.com"]);
    }

    #[test]
    fn what_looks_like_an_address_is_left() {
        for text in [
            "git@github.com:rust-lang/rust.git",
            "me@example.com and you@mail.example.org",
            "me@example.org.email",
            "icon@2x.png",
            "A@B.T",
            "@Override foo@bar",
            "user@server.local",
            "a @ b.com",
        ] {
            assert_eq!(found(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn public_ips_are_found_and_versions_are_left() {
        assert_eq!(
            found("from 84.17.50.173:8080 to 2a00:1450:4001:82b::200e"),
            ["ipv4:84.17.50.173", "ipv6:2a00:1450:4001:82b::200e"]
        );
        assert_eq!(found("http://[2620:fe::fe]/ and http://84.17.50.173/x"), ["ipv6:2620:fe::fe", "ipv4:84.17.50.173"]);
        for text in [
            "v1.2.3.4",
            "999.1.1.1",
            "1.2.3.4.5",
            "192.168.1.20",
            "Chrome/91.0.4472.124",
            "version 84.17.50.173",
            "84.17.50.173-beta",
            "84.17.50.173rc1",
            "1.1.1.1",
            "01.02.03.2004",
            "84.17.050.173",
            "std::vec 12:30:45 00:1a:2b:3c:4d:5e fe80::1 ::1 dead::beef a::b",
        ] {
            assert_eq!(found(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn phone_numbers_follow_their_country() {
        assert_eq!(
            found("Call +1 (212) 736-5000 or +44 (0)20 7946 0958 or +49 30 901820."),
            ["phone:+1 (212) 736-5000", "phone:+44 (0)20 7946 0958", "phone:+49 30 901820"]
        );
        assert_eq!(
            found("(212) 736-5000, 212.736.5000; tel: 2127365000"),
            ["phone:(212) 736-5000", "phone:212.736.5000", "phone:2127365000"]
        );
        assert_eq!(found("212-736-5000x42"), ["phone:212-736-5000"]);
        assert_eq!(found("Tel. 030 901820-15; 020 7946 0958"), ["phone:030 901820-15", "phone:020 7946 0958"]);
        for text in [
            "2012-10-24 11:30",
            "1999-2004",
            "24.12.2012",
            "3.14159265358979",
            "212-736-50001",
            "2127365000",
            "100-200-3000",
            "ISBN 978-3-16-148410-0",
            "$212,736,5000",
            "+1 111 111 1111",
            "order 212 736 5000",
            "0x2127365000",
        ] {
            assert_eq!(found(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn check_digits_are_checked() {
        assert_eq!(
            found("GB29 NWBK 6016 1331 9268 19, DE89370400440532013000"),
            ["iban:GB29 NWBK 6016 1331 9268 19", "iban:DE89370400440532013000"]
        );
        assert_eq!(
            found("4111 1111 1111 1111 and 378282246310005"),
            ["credit_card:4111 1111 1111 1111", "credit_card:378282246310005"]
        );
        let card = "credit_card:4111 1111 1111 1111";
        assert_eq!(found("4111 1111 1111 1111 4111 1111 1111 1111-"), [card, card]);
        assert_eq!(found("SSN 536-90-4399."), ["us_ssn:536-90-4399"]);
        for text in [
            "GB30 NWBK 6016 1331 9268 19",
            "4111 1111 1111 1112",
            "666-12-3456",
            "000-12-3456",
            "123-00-4567",
            "078-05-1120",
        ] {
            let mut found = Vec::new();
            Finder::new(&[Kind::Iban, Kind::CreditCard, Kind::UsSsn], Scope::Public, &[]).find(text, &mut found);
            assert_eq!(found, [], "{text}");
        }
    }

    #[test]
    fn digits_are_found_wherever_blocks_begin() {
        for length in 0..100 {
            let text = format!("{}7", "x".repeat(length));
            assert_eq!(next_digit(text.as_bytes(), 0), Some(length));
            assert_eq!(next_digit(text.as_bytes(), length + 1), None);
        }
    }

    /// Quadratic work on four megabytes would not end.
    #[test]
    fn adversaries_come_to_an_end() {
        for piece in ["1.", "@", "a@", "a@a.", "::", "1:", "+1 ", "(1) ", "1-", "4", "4 ", "AD1", "(", "a.b@c.com-"] {
            let text = piece.repeat((4 << 20) / piece.len());
            all().find(&text, &mut Vec::new());
        }
    }

    proptest! {
        #[test]
        fn spans_are_in_order_and_on_boundaries(text in "([-a-z0-9@.:+() é日]|[0-9]{1,4}|a@b\\.de|1\\.2\\.3|\\+1 212){0,60}") {
            let mut found = Vec::new();
            all().find(&text, &mut found);
            let mut end = 0;
            for f in found {
                prop_assert!(f.start >= end && f.end > f.start);
                prop_assert!(text.get(f.start..f.end).is_some());
                end = f.end;
            }
        }
    }
}
