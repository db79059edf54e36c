//! Drops pages by their address, before anything is read into them: listed domains and pages, words, and substrings, as
//! RefinedWeb does (Penedo et al. 2023, arXiv 2306.01116, appendix G) and datatrove after it.
//!
//! A listed domain stands for all hosts below it, and letters have no case. datatrove looks at the registered domain and at the
//! whole host alone, and at words as they are written (`/PORN` passes): `compat: datatrove` does as it does.

use aho_corasick::AhoCorasick;
use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::settings::Paths;
use crate::stage::urls::{UrlList, lines};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::address;

/// Settings of `url_blocklist`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UrlBlocklist {
    /// The field that holds the URL.
    pub field: String,
    /// Files of domains and URLs, compressed or not: one a line (as UT1's `domains` and `urls`), hosts files, adblock lists.
    pub lists: Option<Paths>,
    /// Files of words, one a line, of which none may stand in the URL.
    pub hard_words: Option<Paths>,
    /// Files of words, one a line, of which a few may stand in the URL.
    pub soft_words: Option<Paths>,
    /// Most different soft words.
    pub max_soft_words: u64,
    /// Files of strings, one a line, that may not stand in the letters and digits of the URL, punctuation left out.
    pub substrings: Option<Paths>,
    /// Drop documents without a URL.
    pub drop_without_url: bool,
    /// Decide as another implementation does.
    pub compat: Option<Compat>,
}

/// Whose decisions are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// datatrove 0.10's URLFilter.
    Datatrove,
}

impl Default for UrlBlocklist {
    fn default() -> Self {
        Self {
            field: "url".into(),
            lists: None,
            hard_words: None,
            soft_words: None,
            max_soft_words: 1,
            substrings: None,
            drop_without_url: false,
            compat: None,
        }
    }
}

impl Settings for UrlBlocklist {
    const ABOUT: About = About {
        reasons: &[
            ("domain_listed", "its registered domain, or one above it, is on a list"),
            ("subdomain_listed", "its host, or one above it, is on a list"),
            ("url_listed", "its URL is on a list"),
            ("hard_word", "a word of its URL is among `hard_words`"),
            ("soft_words", "its URL has more different `soft_words` than `max_soft_words`"),
            ("substring", "its URL holds one of `substrings`"),
            ("no_url", "it has no URL, and `drop_without_url` is set"),
        ],
        examples: &[
            Example {
                it: "leaves documents without a URL alone",
                settings: r#"{"hard_words": "fixtures/urls/hard_words.txt"}"#,
                given: "A letter, which has no address.",
                expect: Expect::Kept,
            },
            Example {
                it: "drops documents without a URL if asked to",
                settings: r#"{"lists": "fixtures/urls/domains.txt", "drop_without_url": true}"#,
                given: "A letter, which has no address.",
                expect: Expect::Dropped("no_url"),
            },
        ],
        ..About::new("url_blocklist", Family::Filter, "drops pages whose domain, URL or words in it are listed")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if [&self.lists, &self.hard_words, &self.soft_words, &self.substrings].iter().all(|list| list.is_none()) {
            return Err(Error::pipeline(format!("`{}` has no list", cx.label))
                .hint("give it `lists` of domains and URLs, `hard_words`, `soft_words` or `substrings`"));
        }
        let mut list = UrlList::default();
        if let Some(paths) = &self.lists {
            lines(paths, cx, |line| {
                list.add(line);
                Ok(())
            })?;
            let (len, skipped) = (list.len(), list.skipped);
            cx.notes(format!(
                "{len} domains and pages are listed; {skipped} lines say something else and are not used"
            ));
        }
        let substrings = words(self.substrings.as_ref(), cx)?;
        let automaton = AhoCorasick::new(&substrings)
            .map_err(|e| Error::pipeline("the list of substrings is too large").because(e))?;
        Ok(Stage::Transform(Box::new(Running {
            url: cx.reads(&self.field)?,
            lists: Arc::new(Lists {
                list,
                hard: words(self.hard_words.as_ref(), cx)?.into_iter().collect(),
                soft: words(self.soft_words.as_ref(), cx)?.into_iter().collect(),
                substrings: automaton,
            }),
            max_soft_words: self.max_soft_words,
            drop_without_url: self.drop_without_url,
            exact: self.compat == Some(Compat::Datatrove),
        })))
    }
}

/// The words of a list: their letters and digits in lower case.
fn words(paths: Option<&Paths>, cx: &mut Build<'_>) -> Result<Vec<String>> {
    let mut words = Vec::new();
    if let Some(paths) = paths {
        lines(paths, cx, |line| {
            let word = address::letters(line);
            if !line.starts_with('#') && !word.is_empty() {
                words.push(word);
            }
            Ok(())
        })?;
    }
    Ok(words)
}

struct Lists {
    list: UrlList,
    hard: HashSet<String, foldhash::fast::FixedState>,
    soft: HashSet<String, foldhash::fast::FixedState>,
    substrings: AhoCorasick,
}

#[derive(Clone)]
struct Running {
    url: Field<String>,
    lists: Arc<Lists>,
    max_soft_words: u64,
    drop_without_url: bool,
    exact: bool,
}

impl Running {
    fn domain(&self, url: &str) -> Option<&'static str> {
        let host = address::host(url);
        if self.exact {
            let registered = address::registered(host)?;
            return match (self.lists.list.has_domain(registered), self.lists.list.has_domain(host)) {
                (true, _) => Some("domain_listed"),
                (false, true) => Some("subdomain_listed"),
                (false, false) => None,
            };
        }
        let host = host.to_lowercase();
        let listed = self.lists.list.domain_of(&host)?;
        let below = address::registered(&host).is_some_and(|registered| listed.len() > registered.len());
        Some(if below { "subdomain_listed" } else { "domain_listed" })
    }

    fn words(&self, url: &str) -> (bool, u64) {
        let mut soft: Vec<&str> = Vec::new();
        for word in address::words(url) {
            if self.lists.hard.contains(word) {
                return (true, 0);
            }
            if let Some(word) = self.lists.soft.get(word).filter(|w| !soft.contains(&w.as_str())) {
                soft.push(word);
            }
        }
        (false, soft.len() as u64)
    }

    fn judge(&self, url: &str) -> Verdict {
        match self.domain(url) {
            Some("domain_listed") => return Verdict::drop("domain_listed"),
            Some(_) => return Verdict::drop("subdomain_listed"),
            None => {}
        }
        let lists = &self.lists.list;
        if if self.exact { lists.has_exactly(url) } else { lists.has_page(url) } {
            return Verdict::drop("url_listed");
        }
        let (hard, soft) = if self.exact { self.words(url) } else { self.words(&url.to_ascii_lowercase()) };
        if hard {
            return Verdict::drop("hard_word");
        }
        if soft > self.max_soft_words {
            return Verdict::drop_by("soft_words", soft as f64, self.max_soft_words as f64);
        }
        if self.lists.substrings.patterns_len() > 0 && self.lists.substrings.is_match(&address::letters(url)) {
            return Verdict::drop("substring");
        }
        Verdict::Keep
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        match doc.get(self.url).filter(|url| !url.is_empty()) {
            Some(url) => self.judge(url),
            None if self.drop_without_url => Verdict::drop("no_url"),
            None => Verdict::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{Scope, testing};

    fn judge(settings: &str, urls: &[&str]) -> Vec<Option<&'static str>> {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let settings: UrlBlocklist = serde_json::from_str(settings).unwrap();
        let mut cx = Build::new("url_blocklist", "web", &mut table, &mut scope);
        let url = cx.writes::<String>("url").unwrap();
        let Stage::Transform(mut stage) = settings.build(&mut cx).unwrap() else { panic!("not a transform") };
        let mut verdicts = Vec::new();
        for address in urls {
            let mut doc = testing::doc("web", 0, "");
            doc.set(url, (*address).to_owned());
            verdicts.push(match stage.apply(&mut doc) {
                Verdict::Keep => None,
                Verdict::Drop(reason) => Some(reason.word),
            });
        }
        verdicts
    }

    const ALL: &str = r#""lists": ["fixtures/urls/domains.txt", "fixtures/urls/urls.txt"], "hard_words": "fixtures/urls/hard_words.txt",
        "soft_words": "fixtures/urls/soft_words.txt", "substrings": "fixtures/urls/substrings.txt""#;

    /// `fixtures/goldens/urls.py` recorded what datatrove 0.10.1 says.
    #[test]
    fn verdicts_and_reasons_are_those_of_datatrove() {
        let goldens = std::fs::read_to_string("fixtures/goldens/urls.jsonl").unwrap();
        let goldens: Vec<serde_json::Value> = goldens.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let urls: Vec<&str> = goldens.iter().map(|g| g["url"].as_str().unwrap()).collect();
        let ours = judge(&format!("{{{ALL}, \"compat\": \"datatrove\"}}"), &urls);
        assert!(urls.len() >= 1000);
        for (golden, ours) in goldens.iter().zip(ours) {
            let theirs = golden["because"].as_str().map(|because| match because {
                "domain" => "domain_listed",
                "subdomain" => "subdomain_listed",
                "url" => "url_listed",
                "hard_blacklisted" => "hard_word",
                "soft_blacklisted" => "soft_words",
                "blacklisted_subword" => "substring",
                other => panic!("{other}"),
            });
            assert_eq!(ours, theirs, "{}", golden["url"]);
        }
    }

    #[test]
    fn case_scheme_and_hosts_below_do_not_hide_a_page() {
        let urls = [
            "http://x.blogs.example.org/",
            "https://WWW.BAD-SITE.com",
            "http://example.net/a#top",
            "http://a.org/CASINO",
            "http://a.org/Hot/WIN",
            "http://a.org/hot/hot",
            "http://example.org/blogs",
            "",
        ];
        let expected = [
            Some("subdomain_listed"),
            Some("domain_listed"),
            Some("url_listed"),
            Some("hard_word"),
            Some("soft_words"),
            None,
            None,
            None,
        ];
        assert_eq!(judge(&format!("{{{ALL}}}"), &urls), expected);
        assert_eq!(judge(&format!("{{{ALL}, \"drop_without_url\": true}}"), &[""]), [Some("no_url")]);
    }
}
