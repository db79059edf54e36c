//! Finds keys, tokens and passwords in code and text.
//!
//! Three ways, as gitleaks and detect-secrets have it. What providers mark with a prefix of their own is found by that prefix
//! (all of them in one pass of an Aho-Corasick automaton) and held against its format (`rules.rs`). Private keys and passwords
//! in URLs are found by what stands around them. Everything else is a value that is assigned to a name which says `password`,
//! `secret`, `token` or the like, and looks drawn by lot. Values that are placeholders or examples are no secrets.

mod assigned;
mod rules;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, Result};
use rules::{RULES, Rule};

/// A secret in a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Which rule found it: a word such as `github_token`.
    pub rule: &'static str,
    /// Its first byte.
    pub start: usize,
    /// One past its last.
    pub end: usize,
}

/// The rule that finds values assigned to telling names.
pub const ASSIGNED: &str = "assigned_secret";
/// The rule that finds passwords in URLs.
pub const URL_PASSWORD: &str = "url_password";
/// The rule that finds private keys.
pub const PRIVATE_KEY: &str = "private_key";

/// Every rule's name, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = RULES.iter().map(|r| r.name).chain([ASSIGNED, URL_PASSWORD, PRIVATE_KEY]).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Looks for secrets. Compiled once, shared by clones.
#[derive(Debug, Clone)]
pub struct Finder {
    prefixes: AhoCorasick,
    /// What each pattern of `prefixes` begins.
    starts: std::sync::Arc<Vec<Start>>,
    min_entropy: f64,
}

#[derive(Debug)]
enum Start {
    Rule(&'static Rule, Regex),
    Assignment,
    Url,
    PrivateKey,
}

impl Finder {
    /// Looks for what the rules that `wanted` takes describe; values that are assigned have at least `min_entropy` bits for
    /// each character.
    pub fn new(wanted: impl Fn(&str) -> bool, min_entropy: f64) -> Result<Self> {
        let (mut patterns, mut starts) = (Vec::new(), Vec::new());
        for rule in RULES.iter().filter(|r| wanted(r.name)) {
            for prefix in rule.prefixes {
                let pattern = RegexBuilder::new(&format!("^(?:{})", rule.rest)).unicode(false).build();
                let pattern =
                    pattern.map_err(|e| Error::bug(format!("the rule `{}` does not compile", rule.name)).because(e))?;
                patterns.push((*prefix).to_owned());
                starts.push(Start::Rule(rule, pattern));
            }
        }
        if wanted(ASSIGNED) {
            for word in assigned::words() {
                patterns.push(word);
                starts.push(Start::Assignment);
            }
        }
        if wanted(URL_PASSWORD) {
            patterns.push("://".to_owned());
            starts.push(Start::Url);
        }
        if wanted(PRIVATE_KEY) {
            patterns.push("-----BEGIN ".to_owned());
            starts.push(Start::PrivateKey);
        }
        let prefixes = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::Standard)
            .build(&patterns)
            .map_err(|e| Error::bug("the prefixes of secrets do not compile").because(e))?;
        Ok(Self { prefixes, starts: std::sync::Arc::new(starts), min_entropy })
    }

    /// Every secret in `text`, in order and without overlaps, written to `found`.
    pub fn find(&self, text: &str, found: &mut Vec<Found>) {
        found.clear();
        let bytes = text.as_bytes();
        // Prefixes may overlap (`sk-` and `sk-ant-`): all are tried, and the longest find from the first place wins.
        for hit in self.prefixes.find_overlapping_iter(bytes) {
            let one = match self.starts.get(hit.pattern().as_usize()) {
                Some(Start::Rule(rule, pattern)) => by_format(bytes, hit.start(), hit.end(), rule, pattern),
                Some(Start::Assignment) => assigned::find(bytes, hit.start(), hit.end(), self.min_entropy),
                Some(Start::Url) => url_password(bytes, hit.end()),
                Some(Start::PrivateKey) => private_key(bytes, hit.end()),
                None => None,
            };
            if let Some((rule, start, end)) = one {
                // Neither end of what is taken out lies inside a character: formats are ASCII, other rules stop at spaces.
                if text.is_char_boundary(start) && text.is_char_boundary(end) {
                    found.push(Found { rule, start, end });
                }
            }
        }
        found.sort_by_key(|f| (f.start, usize::MAX - f.end, f.rule == ASSIGNED));
        let mut end = 0;
        found.retain(|f| {
            let free = f.start >= end;
            end = if free { f.end } else { end };
            free
        });
    }
}

/// How far a format is followed, in bytes.
const LONGEST: usize = 2048;

/// A secret by its provider's format: the rule's prefix at `start..end`, and what follows it.
fn by_format(
    bytes: &[u8],
    start: usize,
    end: usize,
    rule: &Rule,
    pattern: &Regex,
) -> Option<(&'static str, usize, usize)> {
    let start = start.checked_sub(rule.back)?;
    let head = bytes.get(start..start + rule.back)?;
    let lead_ok = head.iter().all(|b| b.is_ascii_alphanumeric() || b"_~.-".contains(b));
    let previous = start.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    if !lead_ok || previous.is_ascii_alphanumeric() || previous == b'_' {
        return None;
    }
    let tail = bytes.get(end..bytes.len().min(end + LONGEST))?;
    let matched = pattern.find(tail)?.end();
    let mut close = end + matched;
    if matched == LONGEST {
        // Tokens have no end of their own, only their alphabet.
        close += bytes.get(close..)?.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_-".contains(b)).count();
    }
    let next = bytes.get(close).copied().unwrap_or(b' ');
    let whole = !(next.is_ascii_alphanumeric() || next == b'_');
    let (secret, drawn) = (bytes.get(start..close)?, bytes.get(end..close)?);
    (whole && entropy(secret) >= rule.entropy && !placeholder(drawn)).then_some((rule.name, start, close))
}

/// The password of `user:password@host`, which begins at `start`.
fn url_password(bytes: &[u8], start: usize) -> Option<(&'static str, usize, usize)> {
    let tail = bytes.get(start..bytes.len().min(start + 256))?;
    let stop = tail.iter().position(|b| b.is_ascii_whitespace() || b"/@\"'<>`\\?#".contains(b))?;
    if tail.get(stop) != Some(&b'@') || !tail.get(stop + 1).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let login = tail.get(..stop)?;
    let colon = memchr::memchr(b':', login)?;
    let (user, password) = (login.get(..colon)?, login.get(colon + 1..)?);
    let templated = password.iter().any(|b| b"${}<>%()[]*,;".contains(b));
    let word = [&b"password"[..], b"passwd", b"pass", b"pwd", b"secret", b"token"]
        .iter()
        .any(|w| password.eq_ignore_ascii_case(w));
    let secret =
        password.len() >= 3 && user.len() <= 64 && !templated && !word && !placeholder(password) && user != password;
    secret.then_some((URL_PASSWORD, start + colon + 1, start + stop))
}

/// Longest private key that is looked for, in bytes: 16,384 bits of RSA in PEM, and its headers.
const LONGEST_KEY: usize = 16 << 10;

/// A private key whose `-----BEGIN ` ends at `end`: all of its block.
fn private_key(bytes: &[u8], end: usize) -> Option<(&'static str, usize, usize)> {
    let start = end - "-----BEGIN ".len();
    let tail = bytes.get(end..bytes.len().min(end + LONGEST_KEY))?;
    let label = tail.get(..tail.len().min(60))?;
    let label = label.get(..memchr::memmem::find(label, b"-----")?)?;
    memchr::memmem::find(label, b"PRIVATE KEY")?;
    let body = tail.get(label.len() + 5..)?;
    let close = memchr::memmem::find(body, b"-----END ")?;
    let key = body.get(..close)?;
    let letters = key.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    let closing = body.get(close + 9..)?;
    let closed = memchr::memmem::find(closing.get(..closing.len().min(64))?, b"-----")?;
    let length = label.len() + 5 + close + 9 + closed + 5;
    // Documentation shows the two lines with dots between.
    (letters >= 64 && entropy(key) >= 4.0).then_some((PRIVATE_KEY, start, end + length))
}

/// Bits for each byte, by how often bytes occur (Shannon).
pub fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &b in bytes {
        if let Some(count) = counts.get_mut(usize::from(b)) {
            *count += 1;
        }
    }
    let length = bytes.len().max(1) as f64;
    counts.iter().filter(|n| **n > 0).map(|&n| f64::from(n) / length).map(|p| -p * p.log2()).sum()
}

/// Whether a value only shows where a secret would stand: it says so, or it counts, or it repeats itself.
fn placeholder(value: &[u8]) -> bool {
    const TELLING: [&[u8]; 26] = [
        b"example",
        b"xxxx",
        b"your",
        b"changeme",
        b"change_me",
        b"placeholder",
        b"dummy",
        b"sample",
        b"redacted",
        b"****",
        b"fake",
        b"insert",
        b"replace",
        b"todo",
        b"foobar",
        b"abcdef",
        b"123456789",
        b"00000000",
        b"deadbeef",
        b"11111111",
        b"aaaaaa",
        b"secret",
        b"password",
        b"....",
        b"${",
        b"<",
    ];
    let mut lower = [0u8; 160];
    let value = value.get(..value.len().min(lower.len())).unwrap_or_default();
    for (to, from) in lower.iter_mut().zip(value) {
        *to = from.to_ascii_lowercase();
    }
    let lower = lower.get(..value.len()).unwrap_or_default();
    TELLING.iter().any(|word| memchr::memmem::find(lower, word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> Finder {
        Finder::new(|_| true, 3.5).unwrap()
    }

    /// What is found, as `rule:text`.
    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        all().find(text, &mut found);
        found.iter().map(|f| format!("{}:{}", f.rule, &text[f.start..f.end])).collect()
    }

    /// Put together here, so that no scanner takes this file for a leak.
    fn key(prefix: &str, rest: &str) -> String {
        format!("{prefix}{rest}")
    }

    #[test]
    fn formats_are_recognized() {
        for (rule, key) in [
            ("github_token", key("ghp_", "q7VbR2mXk9LwZ4tPn8YcHs3JdF6gTaEu1oWi")),
            ("aws_access_key", key("AKIA", "Q3EGVKJ2LMT5XWZR")),
            ("google_api_key", key("AIza", "SyD4q8Rk2VxW7mN9pLzT3bHcJf5YgUe1oKs")),
            ("slack_token", key("xoxb-", "2847561093-4918273650-kQ8vZ2mXr7LwPn4TcHs9JdF6")),
            ("stripe_key", key("sk_live_", "9kQ2mXr7LwPn4TcHs8JdF6gV")),
            ("npm_token", key("npm_", "q7VbR2mXk9LwZ4tPn8YcHs3JdF6gTaEu1oWi")),
        ] {
            assert_eq!(found(&format!("x = \"{key}\";")), [format!("{rule}:{key}")]);
            assert_eq!(found(&format!("x{key}")), [] as [&str; 0]);
            // Those of one length end where they end.
            let fixed = !["slack_token", "stripe_key"].contains(&rule);
            assert!(!fixed || found(&format!("{key}x")).is_empty(), "{key}");
        }
    }

    #[test]
    fn passwords_in_urls_and_assignments_are_found() {
        assert_eq!(found("postgres://app:k8Qz_v2m@db.host/x"), ["url_password:k8Qz_v2m"]);
        assert_eq!(found("DB_PASSWORD = 'kQ8vZ2mXr7LwPn4T'"), ["assigned_secret:kQ8vZ2mXr7LwPn4T"]);
        assert_eq!(
            found("\"apiKey\": \"9f8e2c7ab4d1063e5f7a8b9c0d1e2f3a\","),
            ["assigned_secret:9f8e2c7ab4d1063e5f7a8b9c0d1e2f3a"]
        );
        assert_eq!(found("export AUTH_TOKEN=kQ8vZ2mXr7LwPn4TcHs9\n"), ["assigned_secret:kQ8vZ2mXr7LwPn4TcHs9"]);
    }

    #[test]
    fn placeholders_names_and_code_are_left() {
        for text in [
            key("AKIA", "IOSFODNN7EXAMPLE"),
            "password = \"changeme\"".into(),
            "password = getPassword(user)".into(),
            "token: process.env.GITHUB_TOKEN".into(),
            "const tokenizer = new Tokenizer('unicode61')".into(),
            "password: \"{{ vault_password }}\"".into(),
            "secret = \"${SECRET}\"".into(),
            "http://user:password@host/".into(),
            "https://host:8080/a@b".into(),
            "key = 'some_configuration_name'".into(),
            "api_key=YOUR_API_KEY_GOES_HERE_12345".into(),
            "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----".into(),
            "token = 'expected identifier but found'".into(),
            "password_field = \"/etc/shadow/path/file1\"".into(),
            "let token: proto::v1alpha2::TokenKindX9 = next;".into(),
            "secret = crypto::Key25519::generate4;".into(),
            "api_key: self->config9->key_For_2Us3".into(),
            "Token::new_v4Xk9QmZ2rLwPn8".into(),
        ] {
            assert_eq!(found(&text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn a_private_key_goes_as_a_whole() {
        let body = "MIIEowIBAAKCAQEAr3Vx9Kq2mZ8LwPn4TcHs9JdF6gVbR7eYuWiOaScDfGhJkLzX\nQ8vZ2mXr7LwPn4TcHs9JdF6gVbR3eYuWiOaScDfGhJkLzXq7VbR2mXk9LwZ4tPn8\n";
        let block = format!("-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----");
        assert_eq!(found(&format!("a\n{block}\nb")), [format!("private_key:{block}")]);
        assert_eq!(found(&block.replace("PRIVATE", "PUBLIC")), [] as [&str; 0]);
    }

    #[test]
    fn names_are_words_and_every_rule_compiles() {
        let names = names();
        assert!(names.len() > 60, "{}", names.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')));
        assert!((entropy(b"aabb") - 1.0).abs() < 1e-9 && entropy(b"") == 0.0);
    }

    #[test]
    fn adversaries_come_to_an_end() {
        for piece in [
            "sk-",
            "eyJ",
            "password=",
            "://",
            "://a:",
            "-----BEGIN ",
            "ghp_",
            "token='",
            "glc_a",
            "AKIAA",
            "EAAC",
            "eyJaaaaaaaaaaaaaaaa.",
        ] {
            all().find(&piece.repeat((4 << 20) / piece.len()), &mut Vec::new());
        }
    }

    proptest! {
        #[test]
        fn spans_are_in_order_and_on_boundaries(text in "(password ?[=:] ?[\"']?|[a-zA-Z0-9]{0,24}[\"'\\n ]?|://|é|日@|sk-|-----BEGIN ){0,30}") {
            let mut found = Vec::new();
            all().find(&text, &mut found);
            let mut end = 0;
            for f in found {
                prop_assert!(f.start >= end && f.end > f.start && text.get(f.start..f.end).is_some());
                end = f.end;
            }
        }
    }
}
