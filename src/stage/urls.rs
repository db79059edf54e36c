//! Lists of domains and URLs as people publish them: one a line, hosts files, and the domains of adblock lists.

use std::collections::HashSet;
use std::io::Read;

use super::Build;
use super::settings::Paths;
use crate::error::{Error, Result};
use crate::io::{codec, glob};
use crate::text::address::{canonical, domains};

/// Domains and URLs by hash: a list of four million takes 64 MiB.
#[derive(Debug, Clone, Default)]
pub struct UrlList {
    domains: Set,
    pages: Set,
    exact: Set,
    /// Lines that say something else than a domain or a URL.
    pub skipped: u64,
}

type Set = HashSet<u64, foldhash::fast::FixedState>;

fn hash(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

impl UrlList {
    /// Adds the line of a list, whatever its format.
    pub fn add(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!', '[']) {
            return;
        }
        // 0.0.0.0 example.org # a hosts file
        if let Some((address, names)) = line.split_once([' ', '\t']) {
            if address.parse::<std::net::IpAddr>().is_err() {
                self.skipped += 1;
                return;
            }
            names.split('#').next().unwrap_or_default().split_whitespace().for_each(|name| self.add_domain(name));
            return;
        }
        // ||example.org^$third-party of an adblock list
        if let Some(rule) = line.strip_prefix("||") {
            let name = rule.split('$').next().unwrap_or_default().trim_end_matches('^');
            if name.contains(['/', '*', '^', '|']) {
                self.skipped += 1
            } else {
                self.add_domain(name)
            }
            return;
        }
        if line.starts_with("@@") || line.contains("##") || line.contains(['*', '^', '|']) {
            self.skipped += 1;
        } else if line.contains('/') {
            self.add_url(line);
        } else {
            self.add_domain(line);
        }
    }

    fn add_domain(&mut self, name: &str) {
        let name = name.trim_matches('.').to_lowercase();
        self.domains.insert(hash(&name));
    }

    /// Adds the address of a page.
    pub fn add_url(&mut self, url: &str) {
        self.exact.insert(hash(url));
        self.pages.insert(hash(&canonical(url)));
    }

    /// How many domains and pages are listed.
    pub fn len(&self) -> usize {
        self.domains.len() + self.pages.len()
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether exactly this domain is listed.
    pub fn has_domain(&self, name: &str) -> bool {
        self.domains.contains(&hash(name))
    }

    /// The domain that is listed: `host` (in lower case) or one above it.
    pub fn domain_of<'h>(&self, host: &'h str) -> Option<&'h str> {
        if self.domains.is_empty() { None } else { domains(host).find(|name| self.has_domain(name)) }
    }

    /// Whether the page is listed, however its address is written.
    pub fn has_page(&self, url: &str) -> bool {
        !self.pages.is_empty() && self.pages.contains(&hash(&canonical(url)))
    }

    /// Whether the URL is listed letter by letter.
    pub fn has_exactly(&self, url: &str) -> bool {
        self.exact.contains(&hash(url))
    }
}

/// The lines of the files that match `paths`, compressed or not; every file is a resource of the step.
pub fn lines(paths: &Paths, cx: &mut Build<'_>, mut line: impl FnMut(&str) -> Result<()>) -> Result<()> {
    for file in glob::expand(&paths.0)? {
        cx.resource(&file.path)?;
        let mut bytes = Vec::new();
        let wrong = |e| Error::io("read", &file.path, e);
        codec::open(&file.path)?.read_to_end(&mut bytes).map_err(wrong)?;
        String::from_utf8_lossy(&bytes).lines().try_for_each(&mut line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_of_lists_is_understood() {
        let mut list = UrlList::default();
        for line in [
            "# comment",
            "! adblock comment",
            "[Adblock Plus 2.0]",
            "",
            "bad.org",
            "Sub.Worse.COM.",
            "0.0.0.0 ads.net track.net # x",
            "||banner.org^$third-party",
            "||site.org/path^",
            "@@||good.org^",
            "x.org##.ad",
            "https://www.page.org/a/",
            "no list at all",
        ] {
            list.add(line);
        }
        for (host, listed) in [
            ("www.bad.org", Some("bad.org")),
            ("bad.org", Some("bad.org")),
            ("notbad.org", None),
            ("a.sub.worse.com", Some("sub.worse.com")),
            ("worse.com", None),
            ("ads.net", Some("ads.net")),
            ("track.net", Some("track.net")),
            ("x.banner.org", Some("banner.org")),
            ("good.org", None),
            ("site.org", None),
            ("", None),
        ] {
            assert_eq!(list.domain_of(host), listed, "{host}");
        }
        assert!(list.has_page("http://page.org/a#b") && !list.has_page("http://page.org/b"));
        assert!(list.has_exactly("https://www.page.org/a/") && !list.has_exactly("https://www.page.org/a"));
        assert_eq!(list.skipped, 4);
    }
}
