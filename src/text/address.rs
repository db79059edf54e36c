//! Hosts, registered domains and words of a URL, taken from whatever a crawl calls one.

/// The host of `url` as it is written: without scheme, user, port and the dot of the root.
pub fn host(url: &str) -> &str {
    let rest = without_scheme(url);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.starts_with('[')
        && let Some(end) = host.find(']')
    {
        return host.get(..=end).unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default().trim().trim_end_matches(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'])
}

fn without_scheme(url: &str) -> &str {
    let Some(slashes) = url.find("//") else { return url };
    let (scheme, rest) = (url.get(..slashes).unwrap_or_default(), url.get(slashes + 2..).unwrap_or_default());
    let is_scheme = scheme.strip_suffix(':').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    });
    if slashes == 0 || is_scheme { rest } else { url }
}

/// The part of `host` that somebody registered (`bbc.co.uk` of `news.bbc.co.uk`), by the rules of registries alone: what
/// sites let their users register under counts as a host of theirs. `None` for addresses and unknown top-level domains.
pub fn registered(host: &str) -> Option<&str> {
    let lower = host.to_ascii_lowercase();
    let suffix = registry_suffix(&lower)?;
    let before = host.len().checked_sub(suffix + 1)?;
    let start = host.get(..before)?.rfind('.').map_or(0, |dot| dot + 1);
    host.get(start..).filter(|_| start < before)
}

/// Length of the public suffix that a registry rules over.
fn registry_suffix(host: &str) -> Option<usize> {
    let mut name = host;
    loop {
        let suffix = psl::suffix(name.as_bytes()).filter(psl::Suffix::is_known)?;
        if suffix.typ() == Some(psl::Type::Icann) {
            return Some(suffix.as_bytes().len());
        }
        // A private suffix lies under one of a registry.
        let private = name.get(name.len() - suffix.as_bytes().len()..)?;
        name = private.split_once('.')?.1;
    }
}

/// `host` and the domains above it, longest first, down to two labels; a host without a dot is its own.
pub fn domains(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, above)| above))
        .enumerate()
        .filter(|(n, name)| *n == 0 || name.contains('.'))
        .map(|(_, name)| name)
}

/// One form for the addresses of a page: no scheme, no `www.`, no port of the scheme, no fragment, no slash at the end, the
/// host in lower case.
pub fn canonical(url: &str) -> String {
    let url = url.trim();
    let rest = without_scheme(url);
    let rest = rest.split('#').next().unwrap_or_default();
    let path = rest.find(['/', '?']).map_or("", |at| rest.get(at..).unwrap_or_default());
    let authority = rest.get(..rest.len() - path.len()).unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let authority = authority.trim_end_matches(":80").trim_end_matches(":443").trim_end_matches('.');
    let authority = authority.strip_prefix("www.").unwrap_or(authority);
    format!("{authority}{}", path.trim_end_matches('/'))
}

/// What lies between characters that are no ASCII letters or digits.
pub fn words(url: &str) -> impl Iterator<Item = &str> {
    url.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// The ASCII letters and digits alone, in lower case.
pub fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_what_crawls_call_a_url() {
        for (url, found) in [
            ("https://user:pw@News.BBC.co.uk:8080/a?b#c", "News.BBC.co.uk"),
            ("example.org", "example.org"),
            ("//example.org./x", "example.org"),
            ("http://[2001:db8::1]:80/x", "[2001:db8::1]"),
            ("http://1.2.3.4/x", "1.2.3.4"),
            ("mailto://", ""),
            ("", ""),
            ("a/b//c.org", "a"),
        ] {
            assert_eq!(host(url), found, "{url}");
        }
    }

    #[test]
    fn registered_domains_follow_the_public_suffix_list() {
        for (name, found) in [
            ("news.bbc.co.uk", Some("bbc.co.uk")),
            ("News.BBC.Co.UK", Some("BBC.Co.UK")),
            ("co.uk", None),
            ("me.github.io", Some("github.io")),
            ("a.b.blogspot.com", Some("blogspot.com")),
            ("1.2.3.4", None),
            ("localhost", None),
            ("x.nosuchtld", None),
            ("foo.bar.ck", Some("foo.bar.ck")),
            ("", None),
        ] {
            assert_eq!(registered(name), found, "{name}");
        }
        assert_eq!(domains("a.b.co.uk").collect::<Vec<_>>(), ["a.b.co.uk", "b.co.uk", "co.uk"]);
        assert_eq!(domains("localhost").collect::<Vec<_>>(), ["localhost"]);
    }

    #[test]
    fn a_page_has_one_canonical_address() {
        for url in ["http://www.A.org/x/", "https://a.org:443/x#top", "//u@a.org/x", "a.org/x"] {
            assert_eq!(canonical(url), "a.org/x", "{url}");
        }
        assert_eq!(canonical("https://A.org/?Q=1"), "a.org/?Q=1");
        assert_eq!(letters("Big-Black 1é"), "bigblack1");
    }
}
