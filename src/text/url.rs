//! URLs in canonical form: the many spellings of one page's address as one string.
//!
//! What RFC 3986 §6.2 calls equivalent is always folded: case of scheme and host, default ports, dot segments, percent
//! escapes of characters that need none. What only sites and crawlers know to be the same page is folded as asked for.

use url::Url;

/// Differences that do not make another page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Folding {
    /// `http` and `https`.
    pub scheme: bool,
    /// A host with and without `www.`
    pub www: bool,
    /// What follows `#`, unless it is `#!`: such fragments name pages.
    pub fragment: bool,
    /// Parameters that say where the reader came from, and session ids.
    pub tracking: bool,
    /// A slash at the end of the path.
    pub trailing_slash: bool,
    /// The order of parameters.
    pub query_order: bool,
    /// All parameters.
    pub query: bool,
    /// Upper and lower case in the path.
    pub path_case: bool,
}

impl Folding {
    /// What hardly ever makes another page.
    pub const USUAL: Self = Self {
        scheme: true,
        www: true,
        fragment: true,
        tracking: true,
        trailing_slash: true,
        query_order: true,
        query: false,
        path_case: false,
    };
}

/// Parameters of advertisers, mailers and sessions, sorted. `utm_…` and others of a family are known by their prefix.
const TRACKING: [&str; 40] = [
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "_openstat",
    "cmpid",
    "dclid",
    "epik",
    "fb_action_ids",
    "fb_ref",
    "fb_source",
    "fbclid",
    "gbraid",
    "gclid",
    "gclsrc",
    "guccounter",
    "hsctatracking",
    "icid",
    "igsh",
    "igshid",
    "jsessionid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "msclkid",
    "ncid",
    "oly_anon_id",
    "oly_enc_id",
    "phpsessid",
    "rb_clickid",
    "s_cid",
    "s_kwcid",
    "srsltid",
    "ttclid",
    "twclid",
    "vero_id",
    "wbraid",
    "yclid",
    "ysclid",
];
const TRACKING_PREFIXES: [&str; 6] = ["utm_", "pk_", "mtm_", "hsa_", "__hs", "aspsessionid"];

/// The canonical form of `text`, with `more` names of parameters to fold as tracking (in lower case).
///
/// Where the scheme is folded the form begins with `//`. What is no URL with a host is given back trimmed.
pub fn canonical(text: &str, folding: Folding, more: &[String]) -> String {
    let text = text.trim();
    let Some(url) = parse(text) else { return text.to_owned() };
    let mut out = String::with_capacity(text.len());
    if !(folding.scheme && matches!(url.scheme(), "http" | "https")) {
        out.push_str(url.scheme());
        out.push(':');
    }
    out.push_str("//");
    if !url.username().is_empty() {
        out.push_str(url.username());
        out.push('@');
    }
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let bare = host.strip_prefix("www.").filter(|rest| folding.www && rest.contains('.'));
    out.push_str(bare.unwrap_or(host));
    // Where the scheme does not count, neither does whose default a port is.
    if let Some(port) = url.port().filter(|port| !(folding.scheme && [80, 443].contains(port))) {
        out.push_str(&format!(":{port}"));
    }
    path(url.path(), folding, &mut out);
    query(url.query().unwrap_or_default(), folding, more, &mut out);
    if let Some(fragment) = url.fragment().filter(|f| !folding.fragment || f.starts_with('!'))
        && !fragment.is_empty()
    {
        out.push('#');
        unescape(fragment, &mut out);
    }
    out
}

/// Addresses as people write them may lack the scheme.
fn parse(text: &str) -> Option<Url> {
    let named = text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#']));
    let url = match text {
        _ if named => Url::parse(text),
        _ if text.starts_with("//") => Url::parse(&format!("http:{text}")),
        _ => Url::parse(&format!("http://{text}")),
    };
    let looks_like_one = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        named || text.starts_with("//") || (host.contains('.') && url.username().is_empty())
    };
    // A host of dots alone is none: what is left of it would be read as something else.
    let named_host = |url: &Url| url.host_str().is_some_and(|host| !host.trim_end_matches('.').is_empty());
    url.ok().filter(|url| named_host(url) && looks_like_one(url))
}

fn path(path: &str, folding: Folding, out: &mut String) {
    let session = path.to_ascii_lowercase().find(";jsessionid=").filter(|_| folding.tracking);
    let path = session.and_then(|at| path.get(..at)).unwrap_or(path);
    let path = if folding.trailing_slash { path.trim_end_matches('/') } else { path };
    let from = out.len();
    unescape(path, out);
    if folding.path_case {
        let folded = out.get(from..).unwrap_or_default().to_ascii_lowercase();
        out.truncate(from);
        out.push_str(&folded);
    }
}

fn query(query: &str, folding: Folding, more: &[String], out: &mut String) {
    if folding.query {
        return;
    }
    let kept = query.split('&').filter(|pair| !(pair.is_empty() || folding.tracking && tracks(pair, more)));
    let mut pairs: Vec<String> = kept
        .map(|pair| {
            let mut plain = String::with_capacity(pair.len());
            unescape(pair, &mut plain);
            plain
        })
        .collect();
    if folding.query_order {
        pairs.sort_unstable();
    }
    for (i, pair) in pairs.iter().enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        out.push_str(pair);
    }
}

fn tracks(pair: &str, more: &[String]) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    TRACKING.binary_search(&name.as_str()).is_ok()
        || TRACKING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || more.contains(&name)
}

/// Percent escapes of unreserved characters as those characters, all others in upper case (RFC 3986 §6.2.2). A percent sign that
/// begins no escape is escaped: with what follows it might make one.
fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let digits = rest.get(at + 1..at + 3).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else {
            out.push_str("%25");
            rest = rest.get(at + 1..).unwrap_or_default();
            continue;
        };
        let byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push_str(&digits.to_ascii_uppercase());
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    const USUAL: Folding = Folding::USUAL;

    #[test]
    fn spellings_of_one_page_are_one_string() {
        let usual = |url: &str| canonical(url, USUAL, &["from".into()]);
        for same in [
            "http://example.com/a?b=1&c=2",
            "https://www.EXAMPLE.com:443/a/?c=2&b=1&utm_source=x&FBCLID=9#top",
            "  //example.com./x/../%61?c=2&&b=1&from=home ",
            "example.com/a;jsessionid=09AF?b=1&c=2",
        ] {
            assert_eq!(usual(same), "//example.com/a?b=1&c=2", "{same}");
        }
        assert_eq!(usual(" .\\x "), ".\\x", "a host of dots is none");
        assert_eq!(usual("http://example.com"), usual("https://example.com/"));
        assert_eq!(usual("http://bücher.example/%c3%a9%7E"), "//xn--bcher-kva.example/%C3%A9~");
        for other in ["http://example.com/A?b=1&c=2", "http://example.com:81/a?b=1&c=2", "http://example.com/a?b=1"] {
            assert_ne!(usual(other), "//example.com/a?b=1&c=2", "{other}");
        }
        assert_eq!(usual("http://a.example/%4%44"), "//a.example/%254D");
        assert_ne!(usual("http://a.example/#!page1"), usual("http://a.example/#!page2"));
        assert_eq!(usual("http://www.com/"), "//www.com");
    }

    #[test]
    fn what_is_not_asked_for_is_kept_and_what_is_no_url_is_left_alone() {
        let nothing = |url: &str| canonical(url, Folding::default(), &[]);
        assert_eq!(
            nothing("HTTPS://www.Example.com/a/?z=1&utm_id=2&a=3#Top"),
            "https://www.example.com/a/?z=1&utm_id=2&a=3#Top"
        );
        assert_eq!(nothing("http://example.com:80/a b"), "http://example.com/a%20b");
        for text in [
            "",
            "no url",
            "mailto:a@b.org",
            "urn:isbn:0451450523",
            "javascript:void(0)",
            "readme",
            "a@b.org",
            "http://",
        ] {
            assert_eq!(nothing(text), text);
        }
        assert_eq!(
            canonical("http://a.org/X?y=1", Folding { path_case: true, query: true, ..USUAL }, &[]),
            "//a.org/x"
        );
    }

    #[test]
    fn the_names_are_sorted_in_lower_case() {
        assert!(TRACKING.is_sorted());
        assert!(TRACKING.iter().chain(&TRACKING_PREFIXES).all(|name| name.to_ascii_lowercase() == *name));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(
            url in "(https?://)?(www\\.)?[aé]{1,2}\\.org(:80|:8080)?(/[%41/a.;?&=#!~ ]{0,12})?|\\PC{0,20}"
        ) {
            for folding in [USUAL, Folding::default()] {
                let once = canonical(&url, folding, &[]);
                prop_assert_eq!(canonical(&once, folding, &[]), once.clone(), "{}", url);
            }
        }
    }
}
