//! Lines that are no part of any text: counters, calls to accept cookies, rules of symbols.

use aho_corasick::AhoCorasick;

use super::chars::{is_space, is_word};

/// What counters count on social pages (RefinedWeb's list as DCLM gives it).
const COUNTED: [&str; 12] = [
    "likes",
    "shares",
    "comments",
    "retweets",
    "reposts",
    "quotes",
    "bookmarks",
    "upvotes",
    "downvotes",
    "downloads",
    "views",
    "followers",
];

/// Whether a line only counts something: `3.2K likes`, `• 17 comments`.
pub fn is_counter(line: &str) -> bool {
    let line = line.trim_start_matches(|c| !is_word(c));
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ',' | '.'));
    if !line.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let number = number.strip_prefix(['k', 'K', 'm', 'M', 'b', 'B']).unwrap_or(number);
    let noun = number.trim_start_matches(is_space);
    if noun.len() == number.len() {
        return false;
    }
    let end = noun.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(noun.len());
    let (noun, rest) = noun.split_at(end);
    COUNTED.iter().any(|counted| counted.eq_ignore_ascii_case(noun)) && !rest.contains(is_word)
}

/// The share of characters for which `is` holds; 0 in an empty line.
pub fn share(line: &str, is: impl Fn(char) -> bool) -> f64 {
    let (mut found, mut all) = (0u64, 0u64);
    for c in line.chars() {
        all += 1;
        found += u64::from(is(c));
    }
    if all == 0 { 0.0 } else { found as f64 / all as f64 }
}

/// Phrases of policies and of calls to accept them, in lower case: C4's, and what NeMo Curator adds.
pub const POLICIES: [&str; 12] = [
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "privacy overview",
    "privacy & cookies policy",
    "privacy and cookies policy",
    "necessary cookies are absolutely essential for the website to function properly",
    "any cookies that may not be particularly necessary for the website to function",
    "without changing your cookie settings, you agree to this use",
];

/// Finds any of `phrases`, without regard to the case of ASCII letters.
pub fn phrases(phrases: &[impl AsRef<str>]) -> Result<AhoCorasick, aho_corasick::BuildError> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(phrases.iter().map(|p| p.as_ref().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_count_and_nothing_else() {
        for counter in ["3 likes", "  • 1,204.5K Views —", "12\tcomments", "7B Followers"] {
            assert!(is_counter(counter), "{counter}");
        }
        for text in ["3 likes it", "likes", "3likes", "3 cats", "3 K likes", "x3 likes", "", "1e likes"] {
            assert!(!is_counter(text), "{text}");
        }
    }

    #[test]
    fn phrases_are_found_in_any_case() {
        let policies = phrases(&POLICIES).unwrap();
        assert!(policies.is_match("This site Uses Cookies to") && !policies.is_match("cookies are baked"));
    }
}
