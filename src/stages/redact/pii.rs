//! Replaces what tells on a person: e-mail and IP addresses, telephone numbers, IBANs, payment cards, US social security
//! numbers.
//!
//! The rules that corpora are published with (FineWeb's, Dolma's) are two or three regular expressions; they alter version
//! numbers, know no check digit and no country, and one of them hands out its replacements in turn, so that the same page
//! comes out differently wherever it stands. Here each find is checked by the rules of what it claims to be
//! (`text/pii`), and its replacement depends on what is replaced alone. Where it was and what kind it was goes into the ledger.
//!
//! `compat` finds what those expressions find, in order to repeat a corpus: `datatrove` e-mail addresses and public IPv4 addresses,
//! `v1.2.3.4` and the end of `999.1.1.1` among them (its turns are not repeated: of several replacements one is picked by what is
//! replaced, as always here); `dolma` e-mail addresses together with the marks and the space around them, ten digits after a space,
//! and whatever looks like an IPv4 address, and its replacements, ` |||EMAIL_ADDRESS||| ` and the like. An address at the very end
//! of a text is none to Dolma, nor is anything in a text with more than 10,000 question marks; finds that overlap count, for
//! `max_finds`, but the first is replaced.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Mark, Verdict};
use crate::error::{Error, Result};
use crate::stage::settings::Texts;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform, nearest};
use crate::text::pii::{Expressions, Finder, Found, Published, Scope, region_exists};
use crate::text::{pii, redact};

/// Settings of `pii`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pii {
    /// Whose regular expressions to use instead of checked finds: of e-mail addresses and IPv4 addresses, and Dolma's of telephone
    /// numbers. Other kinds are not found then.
    pub compat: Option<PiiProfile>,
    /// The kinds that are replaced.
    pub replace: Vec<Kind>,
    /// What finds of a kind are replaced by; one of several is picked by what is replaced. Kinds left out keep their default:
    /// addresses that are reserved for examples, `<PHONE>`, `<IBAN>`, `<CREDIT_CARD>`, `<US_SSN>`.
    pub with: BTreeMap<Kind, Texts>,
    /// Which IP addresses count: globally routable ones, or all but those of this machine.
    pub ips: Ips,
    /// Regions as which nationally written telephone numbers are understood (ISO 3166 codes, such as `US`). Numbers written
    /// with `+` and their calling code are found whatever the region.
    pub phone_regions: Vec<String>,
    /// Most finds in a document; one with more is dropped instead (Dolma's web corpus: 5). Left out: any number.
    pub max_finds: Option<u64>,
    /// Varies which of several replacements is picked.
    pub seed: u64,
}

/// Whose finds are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PiiProfile {
    /// datatrove 0.10's `PIIFormatter`, which FineWeb was redacted with.
    Datatrove,
    /// Dolma 1.2's tagger `pii_regex_with_counts_fast_v2` and the replacements of its mixers.
    Dolma,
}

/// A kind of private data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// E-mail addresses under a registered top-level domain.
    Email,
    /// IPv4 and IPv6 addresses.
    Ip,
    /// Telephone numbers, valid by their country's numbering plan.
    Phone,
    /// International bank account numbers, with the right length and check digits.
    Iban,
    /// Payment cards' numbers, of an issuer's range and with the right check digit.
    CreditCard,
    /// US social security numbers, `ddd-dd-dddd`.
    UsSsn,
}

/// Which IP addresses count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ips {
    /// Globally routable ones.
    #[default]
    Public,
    /// All.
    All,
}

impl Default for Pii {
    fn default() -> Self {
        Self {
            compat: None,
            replace: KINDS.to_vec(),
            with: BTreeMap::new(),
            ips: Ips::Public,
            phone_regions: vec!["US".to_owned()],
            max_finds: None,
            seed: 0,
        }
    }
}

const KINDS: [Kind; 6] = [Kind::Email, Kind::Ip, Kind::Phone, Kind::Iban, Kind::CreditCard, Kind::UsSsn];

impl Kind {
    fn finds(self) -> &'static [pii::Kind] {
        match self {
            Self::Email => &[pii::Kind::Email],
            Self::Ip => &[pii::Kind::Ipv4, pii::Kind::Ipv6],
            Self::Phone => &[pii::Kind::Phone],
            Self::Iban => &[pii::Kind::Iban],
            Self::CreditCard => &[pii::Kind::CreditCard],
            Self::UsSsn => &[pii::Kind::UsSsn],
        }
    }
}

/// What finds of `kind` are replaced by if the settings do not say. Reserved addresses (RFC 2606, 5737, 3849) read like the
/// real thing and are nobody's.
fn defaults(kind: pii::Kind, compat: Option<PiiProfile>) -> &'static [&'static str] {
    match kind {
        pii::Kind::Email if compat == Some(PiiProfile::Dolma) => &[" |||EMAIL_ADDRESS||| "],
        pii::Kind::Phone if compat == Some(PiiProfile::Dolma) => &[" |||PHONE_NUMBER||| "],
        pii::Kind::Ipv4 if compat == Some(PiiProfile::Dolma) => &[" |||IP_ADDRESS||| "],
        pii::Kind::Email => &["email@example.com", "firstname.lastname@example.org"],
        pii::Kind::Ipv4 => {
            &["192.0.2.41", "198.51.100.7", "203.0.113.86", "192.0.2.198", "198.51.100.152", "203.0.113.23"]
        }
        pii::Kind::Ipv6 => &["2001:db8::41", "2001:db8::7:86", "2001:db8:5::198", "2001:db8:a1::152"],
        pii::Kind::Phone => &["<PHONE>"],
        pii::Kind::Iban => &["<IBAN>"],
        pii::Kind::CreditCard => &["<CREDIT_CARD>"],
        pii::Kind::UsSsn => &["<US_SSN>"],
    }
}

impl Settings for Pii {
    const ABOUT: About = About {
        reasons: &[("too_much_private_data", "it has more finds than `max_finds`")],
        fields: &[
            (
                "pii.*",
                "finds of each kind (`email`, `ipv4`, `ipv6`, `phone`, `iban`, `credit_card`, `us_ssn`), where there are any; in `mode: annotate` always, and nothing is replaced",
            ),
            ("pii.spans", "in `mode: annotate`, JSON: kind, first byte and end of each find"),
        ],
        examples: &[
            Example {
                it: "replaces addresses",
                settings: r#"{"with": {"email": "<EMAIL>", "ip": "<IP>"}}"#,
                given: "Ask jo.doe@corp.org, logged in from 84.17.50.173.",
                expect: Expect::Text("Ask <EMAIL>, logged in from <IP>."),
            },
            Example {
                it: "replaces by reserved addresses, the same for the same address",
                settings: r#"{"replace": ["email"]}"#,
                given: "From: jo@corp.org, to: jo@corp.org",
                expect: Expect::Text("From: email@example.com, to: email@example.com"),
            },
            Example {
                it: "leaves versions, private networks and dates",
                settings: "{}",
                given: "v1.2.3.4 of 2012-10-24 runs at 192.168.0.12 and 999.1.1.1",
                expect: Expect::Kept,
            },
            Example {
                it: "knows check digits and countries",
                settings: r#"{"phone_regions": ["US", "DE"]}"#,
                given: "(212) 736-5000, 030 901820, +44 20 7946 0958; GB29 NWBK 6016 1331 9268 19; 4111 1111 1111 1112",
                expect: Expect::Text("<PHONE>, <PHONE>, <PHONE>; <IBAN>; 4111 1111 1111 1112"),
            },
            Example {
                it: "replaces what Dolma replaces",
                settings: r#"{"compat": "dolma"}"#,
                given: "Ask jo.doe@corp.org, or call 212-736-5000 from v84.17.50.173",
                expect: Expect::Text("Ask |||EMAIL_ADDRESS||| or call |||PHONE_NUMBER|||  from v |||IP_ADDRESS||| "),
            },
            Example {
                it: "drops a list of addresses",
                settings: r#"{"max_finds": 2}"#,
                given: "a@corp.org b@corp.org c@corp.org",
                expect: Expect::Dropped("too_much_private_data"),
            },
        ],
        ..About::new(
            "pii",
            Family::Redact,
            "replaces e-mail and IP addresses, phone, account, card and social security numbers",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let kinds: Vec<pii::Kind> = self.replace.iter().flat_map(|k| k.finds()).copied().collect();
        if kinds.is_empty() {
            return Err(Error::pipeline("`pii`: `replace` names no kind of private data")
                .hint("leave it out to replace all kinds"));
        }
        for region in &self.phone_regions {
            if !region_exists(region) {
                let error = Error::pipeline(format!("`pii`: there are no telephone numbers of the region `{region}`"));
                let upper = region.to_ascii_uppercase();
                let near = if region_exists(&upper) {
                    Some(upper.as_str())
                } else {
                    nearest(&upper, ["US", "GB", "DE", "FR"].into_iter())
                };
                return Err(match near {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("regions are ISO 3166 codes, such as `US`, `GB` or `DE`"),
                });
            }
        }
        let scope = if self.ips == Ips::All { Scope::All } else { Scope::Public };
        let way = self.compat.map(|compat| match compat {
            PiiProfile::Datatrove => Published::Datatrove,
            PiiProfile::Dolma => Published::Dolma,
        });
        let finder = match way {
            Some(way) => Way::Published(Box::new(Expressions::new(way, &kinds, scope)?)),
            None => Way::Checked(Box::new(Finder::new(&kinds, scope, &self.phone_regions))),
        };
        let replacements = self.replacements()?;
        let counts = kinds
            .iter()
            .map(|kind| Ok((*kind, cx.writes(&format!("{}.{}", cx.label, kind.name()))?)))
            .collect::<Result<_>>()?;
        let spans = if cx.annotate { Some(cx.writes(&format!("{}.spans", cx.label))?) } else { None };
        let (max, seed) = (self.max_finds, self.seed);
        Ok(Stage::Transform(Box::new(Running { finder, replacements, counts, spans, max, seed, found: Vec::new() })))
    }
}

impl Pii {
    /// What each kind is replaced by, in the order of [`pii::Kind::ALL`].
    fn replacements(&self) -> Result<Vec<Vec<String>>> {
        let mut all: Vec<Vec<String>> =
            pii::Kind::ALL.iter().map(|k| defaults(*k, self.compat).iter().map(|&d| d.to_owned()).collect()).collect();
        for (kind, with) in &self.with {
            if !self.replace.contains(kind) {
                let name = serde_json::to_string(kind).unwrap_or_default();
                let error =
                    Error::pipeline(format!("`pii`: `with` names {}, which is not replaced", name.replace('"', "`")));
                return Err(error.hint("name it in `replace`"));
            }
            for find in kind.finds() {
                if let Some(place) = all.get_mut(*find as usize) {
                    place.clone_from(&with.0);
                }
            }
        }
        Ok(all)
    }
}

/// How finds are found.
#[derive(Clone)]
enum Way {
    Checked(Box<Finder>),
    Published(Box<Expressions>),
}

impl Way {
    /// Writes finds without overlaps to `found`; how many there are.
    fn find(&mut self, text: &str, found: &mut Vec<Found>) -> usize {
        match self {
            Self::Published(expressions) => expressions.find(text, found),
            Self::Checked(finder) => {
                finder.find(text, found);
                found.len()
            }
        }
    }
}

#[derive(Clone)]
struct Running {
    finder: Way,
    replacements: Vec<Vec<String>>,
    counts: Vec<(pii::Kind, Field<i64>)>,
    spans: Option<Field<String>>,
    max: Option<u64>,
    seed: u64,
    found: Vec<Found>,
}

impl Running {
    fn of(&self, kind: pii::Kind) -> &[String] {
        self.replacements.get(kind as usize).map_or(&[], Vec::as_slice)
    }

    fn replacement(&self, kind: pii::Kind, was: &str) -> &str {
        redact::pick(was, self.of(kind), self.seed)
    }

    /// Finds what stands alone only when its neighbors are replaced, such as a number right behind an address that a number
    /// is part of: replacing twice is replacing once.
    fn find_neighbors(&mut self, text: &str) {
        while !self.found.is_empty() {
            let replaced = self.replaced(text);
            let mut more = Vec::new();
            self.finder.find(&replaced, &mut more);
            more.retain(|f| !self.is_replacement(f, &replaced));
            // Where each find and its replacement end, in the text and in the replaced one.
            let (mut shift, mut ends) = (0, Vec::with_capacity(self.found.len()));
            for f in &self.found {
                let start = f.start.wrapping_add(shift);
                let end = start + self.replacement(f.kind, text.get(f.start..f.end).unwrap_or_default()).len();
                shift = end.wrapping_sub(f.end);
                ends.push((start, end));
            }
            let place = |at: usize, whole: fn(&Found) -> usize| {
                let next = ends.partition_point(|(_, end)| *end <= at);
                let within = ends.get(next).is_some_and(|(start, _)| *start < at);
                let last = next.checked_sub(1).and_then(|last| Some((self.found.get(last)?, ends.get(last)?)));
                match self.found.get(next).filter(|_| within) {
                    Some(of) => whole(of),
                    None => last.map_or(at, |(of, (_, end))| of.end + (at - end)),
                }
            };
            let more: Vec<Found> = more
                .iter()
                .map(|f| Found { kind: f.kind, start: place(f.start, |of| of.start), end: place(f.end, |of| of.end) })
                .collect();
            if !pii::join(&mut self.found, more) {
                return;
            }
        }
    }

    /// Whether `found` is what a find of its kind is replaced by.
    fn is_replacement(&self, found: &Found, text: &str) -> bool {
        text.get(found.start..found.end).is_none_or(|was| self.of(found.kind).iter().any(|r| r == was))
    }

    fn count(&self, doc: &mut Document) {
        for (kind, field) in &self.counts {
            let count = self.found.iter().filter(|f| f.kind == *kind).count() as i64;
            if count > 0 || self.spans.is_some() {
                doc.set(*field, count);
            }
        }
        if let Some(field) = self.spans {
            let spans: Vec<_> = self.found.iter().map(|f| (f.kind.name(), f.start, f.end)).collect();
            doc.set(field, serde_json::to_string(&spans).unwrap_or_default());
        }
    }

    /// `text` with what was found replaced.
    fn replaced(&self, text: &str) -> String {
        let spans = self.found.iter().map(|f| f.start..f.end);
        redact::replaced(text, spans, |index, was| self.found.get(index).map_or("", |f| self.replacement(f.kind, was)))
    }

    fn replace(&self, doc: &mut Document) {
        let replaced = self.replaced(doc.text.as_str());
        doc.marks.extend(self.found.iter().map(|f| Mark {
            what: f.kind.name(),
            start: f.start as u32,
            end: f.end as u32,
        }));
        doc.text.set(replaced);
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = doc.text.as_str();
        let mut found = std::mem::take(&mut self.found);
        let all = self.finder.find(text, &mut found);
        let before = found.len();
        // What a replacement says is no find: replacing twice is replacing once.
        found.retain(|f| !self.is_replacement(f, text));
        let mut count = (all - (before - found.len())) as u64;
        self.found = found;
        if let Way::Checked(_) = self.finder {
            self.find_neighbors(text);
            count = self.found.len() as u64;
        }
        self.count(doc);
        if let Some(max) = self.max.filter(|max| count > *max) {
            return Verdict::drop_by("too_much_private_data", count as f64, max as f64);
        }
        if count > 0 && self.spans.is_none() {
            self.replace(doc);
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{Scope as FieldScope, testing};
    use proptest::prelude::*;

    fn running(settings: &str, annotate: bool) -> Result<(Box<dyn Transform>, FieldTable)> {
        let (mut table, mut scope) = (FieldTable::default(), FieldScope::default());
        let settings: Pii = serde_json::from_str(settings).map_err(|e| Error::pipeline(e.to_string()))?;
        let mut cx = Build::new("pii", "web", &mut table, &mut scope);
        cx.annotate = annotate;
        let Stage::Transform(transform) = settings.build(&mut cx)? else { panic!("not a transform") };
        Ok((transform, table))
    }

    fn redacted(stage: &mut dyn Transform, text: &str) -> String {
        let mut doc = testing::doc("web", 0, text);
        assert!(stage.apply(&mut doc).keeps());
        doc.text.into_string()
    }

    #[test]
    fn what_is_done_depends_on_the_text_alone() {
        let (mut stage, _) = running("{}", false).unwrap();
        let page = "from jo@corp.org and 84.17.50.173";
        let first = redacted(&mut *stage, page);
        for i in 0..50 {
            redacted(&mut *stage, &format!("m{i}@corp.org at 84.17.50.{i}"));
        }
        assert_eq!(redacted(&mut *stage, page), first);
        assert_eq!(redacted(&mut *stage.clone_box(), page), first);
    }

    #[test]
    fn annotating_counts_and_leaves_the_text() {
        let (mut stage, table) = running("{}", true).unwrap();
        let mut doc = testing::doc("web", 0, "mail jo@corp.org!");
        assert!(stage.apply(&mut doc).keeps());
        assert_eq!((doc.text.as_str(), doc.marks.len()), ("mail jo@corp.org!", 0));
        assert_eq!(doc.get(table.find::<i64>("pii.email").unwrap()), Some(1));
        assert_eq!(doc.get(table.find::<i64>("pii.phone").unwrap()), Some(0));
        assert_eq!(doc.get(table.find::<String>("pii.spans").unwrap()), Some(r#"[["email",5,16]]"#));
    }

    #[test]
    fn useless_settings_are_refused() {
        let hint = |settings: &str| running(settings, false).err().and_then(|e| e.hint).unwrap_or_default();
        assert_eq!(hint(r#"{"phone_regions": ["us"]}"#), "did you mean `US`?");
        assert!(hint(r#"{"replace": []}"#).contains("leave it out"));
        assert!(hint(r#"{"replace": ["ip"], "with": {"email": "x"}}"#).contains("name it in"));
        assert!(running(r#"{"with": {"email": []}}"#, false).is_err());
        assert!(running(r#"{"replace": ["mail"]}"#, false).is_err());
    }

    proptest! {
        #[test]
        fn redacting_twice_is_redacting_once(
            text in "([-a-z0-9@.:+() é日]|[0-9]{1,4}|a@b\\.de|jo@corp\\.org|84\\.17\\.5\\.9|\\+1 212 736 5000|tel:? |(212) 736-5000|[0-9]{3}-[0-9]{3}-[0-9]{4}|2a00:1450::1|4111 1111 1111 1111){0,40}",
            all in any::<bool>(),
        ) {
            let settings = if all { r#"{"ips": "all", "phone_regions": ["US", "DE", "ES"]}"# } else { "{}" };
            let (mut stage, _) = running(settings, false).unwrap();
            let once = redacted(&mut *stage, &text);
            let mut doc = testing::doc("web", 0, &once);
            stage.apply(&mut doc);
            prop_assert_eq!(doc.text.as_str(), once.as_str());
            prop_assert!(doc.marks.is_empty());
        }
    }
}
