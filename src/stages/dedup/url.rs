//! Removes documents of the same address: of a page crawled again and again, one version stays.
//!
//! Cheaper than any comparison of texts, and the only way to know two versions of a page for one when it was rewritten.
//! Addresses are compared in canonical form; `ignore` says which differences do not make another page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::stage::clusters::Ordinals;
use crate::stage::survivor::{Preference, Survivor};
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage, varint,
};
use crate::text::url::{self, Folding};

/// Settings of `url`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Url {
    /// The field that holds the address. Documents without one stay.
    pub field: String,
    /// Differences that do not make another page. Case of the host, default ports, dot segments and needless percent
    /// escapes never do.
    pub ignore: Vec<Difference>,
    /// More parameters to ignore as `tracking`.
    pub parameters: Vec<String>,
    /// Which document of an address stays.
    pub keep: Survivor,
}

/// A difference between two addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// `http` or `https`.
    Scheme,
    /// `www.` before the host.
    Www,
    /// What follows `#`, but not `#!`.
    Fragment,
    /// Parameters of campaigns and sessions: `utm_…`, `gclid`, `fbclid`, `phpsessid` …
    Tracking,
    /// A slash at the end of the path.
    TrailingSlash,
    /// The order of parameters.
    QueryOrder,
    /// All parameters.
    Query,
    /// Upper and lower case in the path.
    PathCase,
}

impl Default for Url {
    fn default() -> Self {
        use Difference::{Fragment, QueryOrder, Scheme, Tracking, TrailingSlash, Www};
        Self {
            field: "url".into(),
            ignore: vec![Scheme, Www, Fragment, Tracking, TrailingSlash, QueryOrder],
            parameters: Vec::new(),
            keep: Survivor::First,
        }
    }
}

impl Settings for Url {
    const ABOUT: About = About {
        version: 2,
        shorthand: Some("field"),
        reasons: &[("same_url", "another document of the same address stays")],
        fields: &[
            ("url_cluster", "corpus ordinal of the first document of the address (`mode: annotate`)"),
            ("url_cluster_size", "documents of the address, this one included (`mode: annotate`)"),
            ("url_duplicate", "whether another document of the address would stay (`mode: annotate`)"),
        ],
        ..About::new("url", Family::Dedup, "removes documents of the same address")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let ignores = |difference| self.ignore.contains(&difference);
        let folding = Folding {
            scheme: ignores(Difference::Scheme),
            www: ignores(Difference::Www),
            fragment: ignores(Difference::Fragment),
            tracking: ignores(Difference::Tracking),
            trailing_slash: ignores(Difference::TrailingSlash),
            query_order: ignores(Difference::QueryOrder),
            query: ignores(Difference::Query),
            path_case: ignores(Difference::PathCase),
        };
        if !self.parameters.is_empty() && !folding.tracking {
            return Err(Error::pipeline("`url`: `parameters` are ignored as `tracking`, which `ignore` does not name")
                .hint("add `tracking` to `ignore`, or take `parameters` out"));
        }
        let parameters = self.parameters.iter().map(|name| name.to_lowercase()).collect();
        let address = Address { field: cx.reads(&self.field)?, folding, parameters };
        let preference = self.keep.resolve(cx)?;
        let fields = if cx.annotate { Some(Fields::declare(cx)?) } else { None };
        Ok(Stage::Global(Arc::new(Running { address, preference, fields })))
    }
}

#[derive(Clone)]
struct Address {
    field: Field<String>,
    folding: Folding,
    parameters: Arc<[String]>,
}

impl Address {
    fn hash(&self, doc: &Document) -> Option<u128> {
        let address = doc.get(self.field).filter(|address| !address.trim().is_empty())?;
        Some(hash::wide(url::canonical(address, self.folding, &self.parameters).as_bytes(), 0))
    }
}

const HASH: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Fields {
    cluster: Field<i64>,
    size: Field<i64>,
    duplicate: Field<bool>,
}

impl Fields {
    fn declare(cx: &mut Build<'_>) -> Result<Self> {
        let label = cx.label.to_owned();
        Ok(Self {
            cluster: cx.writes(&format!("{label}_cluster"))?,
            size: cx.writes(&format!("{label}_cluster_size"))?,
            duplicate: cx.writes(&format!("{label}_duplicate"))?,
        })
    }
}

struct Running {
    address: Address,
    preference: Preference,
    fields: Option<Fields>,
}

/// Records are the hash of the address, whose top six bits are the partition, and what makes the survivor come first.
const PARTITIONS: u32 = 64;

impl Global for Running {
    fn record_bytes(&self) -> usize {
        HASH + if self.preference.is_none() { 0 } else { 8 }
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Hasher { address: self.address.clone(), preference: self.preference.clone() }))
    }

    /// Writes the documents of every address that has several: how many, which stays, then each by its distance.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let ordinals = Ordinals::of(records.corpus());
        let (mut hash, mut group) = ([0; HASH], Vec::new());
        while let Some((record, at)) = records.next()? {
            let own = record.first_chunk::<HASH>().copied().unwrap_or_default();
            if own != hash {
                write_group(&mut group, links);
                hash = own;
            }
            group.push(ordinals.ordinal(at));
        }
        write_group(&mut group, links);
        Ok(())
    }

    /// A finding lists the rows that share an address, each with its group's first document and size, and whether it goes.
    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let ordinals = Ordinals::of(corpus);
        let mut members: Vec<Vec<Member>> = vec![Vec::new(); corpus.rows.len()];
        let (mut addresses, mut going) = (0, 0);
        for part in 0..links.partitions() {
            let mut from = links.open(part)?;
            while let Some(size) = varint::read(&mut *from)? {
                let (stays, mut ordinal, mut first) = (varint::expect(&mut *from)?, 0, None);
                for _ in 0..size {
                    ordinal += varint::expect(&mut *from)?;
                    let (at, cluster) = (ordinals.place(ordinal), *first.get_or_insert(ordinal));
                    let member = Member { row: at.row, cluster, size, duplicate: ordinal != stays };
                    members.get_mut(at.split as usize).into_iter().for_each(|split| split.push(member));
                }
                addresses += 1;
                going += size - 1;
            }
        }
        let bases = corpus.ordinals();
        let splits = members.into_iter().zip(bases).map(|(members, base)| write_members(members, base)).collect();
        let note = format!("{addresses} addresses have several documents, {going} more than one each");
        Ok(Findings { shared: Vec::new(), splits, notes: vec![note] })
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let (base, members) = read_members(split)?;
        Ok(Arc::new(Judged { base, members, fields: self.fields }))
    }

    fn dropped_rows(&self, _: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        let rows = || Ok(read_members(split)?.1.into_iter().filter(|m| m.duplicate).map(|m| m.row).collect());
        self.drops_by_row().then(rows).transpose()
    }

    fn drops_by_row(&self) -> bool {
        self.fields.is_none()
    }
}

fn write_group(group: &mut Vec<u64>, links: &mut Vec<u8>) {
    if let [stays, _, ..] = **group {
        varint::write(group.len() as u64, links);
        varint::write(stays, links);
        group.sort_unstable();
        let mut before = 0;
        for &ordinal in group.iter() {
            varint::write(ordinal - before, links);
            before = ordinal;
        }
    }
    group.clear();
}

/// A document that shares its address.
#[derive(Debug, Clone, Copy)]
struct Member {
    row: u32,
    cluster: u64,
    size: u64,
    duplicate: bool,
}

fn write_members(mut members: Vec<Member>, base: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::write(base, &mut bytes);
    members.sort_unstable_by_key(|m| m.row);
    for m in members {
        for number in [u64::from(m.row), m.cluster, m.size, u64::from(m.duplicate)] {
            varint::write(number, &mut bytes);
        }
    }
    bytes
}

/// The ordinal of the split's first document, and those of its documents that share an address.
fn read_members(split: &[u8]) -> Result<(u64, Vec<Member>)> {
    let (mut from, mut members) = (split, Vec::new());
    let base = varint::expect(&mut from)?;
    while let Some(row) = varint::read(&mut from)? {
        let (cluster, size) = (varint::expect(&mut from)?, varint::expect(&mut from)?);
        members.push(Member { row: row as u32, cluster, size, duplicate: varint::expect(&mut from)? != 0 });
    }
    Ok((base, members))
}

struct Hasher {
    address: Address,
    preference: Preference,
}

impl Mapper for Hasher {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let Some(hash) = self.address.hash(doc) else { return };
        let mut record = [0; HASH + 8];
        record[..HASH].copy_from_slice(&hash.to_be_bytes());
        record[HASH..].copy_from_slice(&self.preference.of(doc).to_be_bytes());
        let used = if self.preference.is_none() { HASH } else { record.len() };
        out.emit((hash >> 122) as u32, record.get(..used).unwrap_or_default());
    }
}

struct Judged {
    base: u64,
    members: Vec<Member>,
    fields: Option<Fields>,
}

impl Apply for Judged {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let alone = Member { row, cluster: self.base + u64::from(row), size: 1, duplicate: false };
        let at = self.members.binary_search_by_key(&row, |m| m.row).ok();
        let member = at.and_then(|at| self.members.get(at)).copied().unwrap_or(alone);
        match self.fields {
            None if member.duplicate => return Verdict::drop("same_url"),
            None => {}
            Some(fields) => {
                doc.set(fields.cluster, member.cluster as i64);
                doc.set(fields.size, member.size as i64);
                doc.set(fields.duplicate, member.duplicate);
            }
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Built, build, docs};
    use proptest::prelude::*;

    fn built(settings: &str, annotate: bool) -> Built {
        build::<Url>(settings, annotate, |cx| {
            cx.writes::<String>("url").unwrap();
            cx.writes::<String>("date").unwrap();
        })
        .unwrap()
    }

    /// Documents with these texts and addresses, each a day older than the one before.
    fn pages(built: &Built, pages: &[(&str, &str)]) -> Vec<Document> {
        let (url, date) = (built.fields.find::<String>("url").unwrap(), built.fields.find::<String>("date").unwrap());
        let mut all = docs(&pages.iter().map(|page| page.0).collect::<Vec<_>>());
        for (at, (doc, page)) in all.iter_mut().zip(pages).enumerate() {
            if page.1 != "-" {
                doc.set(url, page.1.to_owned());
            }
            doc.set(date, format!("2024-05-{:02}", 28 - at));
        }
        all
    }

    const PAGES: [(&str, &str); 6] = [
        ("old", "http://a.org/x/"),
        ("longest", "https://www.a.org/x?utm_source=feed#top"),
        ("other", "https://a.org/y"),
        ("none", "-"),
        ("blank", " "),
        ("last", "//A.org:80/x"),
    ];

    #[test]
    fn one_document_of_an_address_stays_by_choice() {
        for cuts in [vec![], vec![1], vec![2, 3]] {
            let texts = |settings: &str| {
                let built = built(settings, false);
                built.run(pages(&built, &PAGES), &cuts).unwrap().texts()
            };
            assert_eq!(texts("{}"), ["old", "other", "none", "blank"], "{cuts:?}");
            assert_eq!(texts(r#"{"keep": "longest"}"#), ["longest", "other", "none", "blank"]);
            assert_eq!(texts(r#"{"keep": {"newest": "date"}}"#), ["old", "other", "none", "blank"]);
            assert_eq!(texts(r#"{"ignore": []}"#).len(), 6);
            assert_eq!(texts(r#"{"ignore": ["scheme", "trailing_slash"]}"#).len(), 5);
        }
    }

    #[test]
    fn annotating_names_the_address_group() {
        let built = built("{}", true);
        let seen = built.run(pages(&built, &PAGES), &[2]).unwrap();
        let size = built.fields.find::<i64>("url_cluster_size").unwrap();
        assert_eq!(seen.docs.iter().map(|d| d.get(size).unwrap()).collect::<Vec<_>>(), [3, 3, 1, 1, 1, 3]);
        assert_eq!(seen.kept().len(), 6);
    }

    #[test]
    fn mistakes_are_refused() {
        let error = build::<Url>("{}", false, |_| ()).err().unwrap();
        assert!(error.message.contains("reads the field `url`"), "{error}");
        let error = build::<Url>(r#"{"ignore": ["www"], "parameters": ["from"]}"#, false, |cx| {
            cx.writes::<String>("url").unwrap();
        });
        assert!(error.err().unwrap().hint.unwrap().contains("add `tracking`"));
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(names in prop::collection::vec("[ab]?/?(#x)?", 0..12), cuts in prop::collection::vec(0usize..5, 0..4)) {
            let built = built("{}", false);
            let urls: Vec<String> = names.iter().map(|name| format!("http://h.org/{name}")).collect();
            let given: Vec<(&str, &str)> = names.iter().zip(&urls).map(|(n, u)| (n.as_str(), u.as_str())).collect();
            let whole = built.run(pages(&built, &given), &[]).unwrap();
            prop_assert_eq!(whole.keeps(), built.run(pages(&built, &given), &cuts).unwrap().keeps());
            let distinct: std::collections::BTreeSet<&str> =
                names.iter().map(|n| n.trim_end_matches("#x").trim_end_matches('/')).collect();
            prop_assert_eq!(whole.kept().len(), distinct.len());
        }
    }
}
