//! Keeps pages that somebody recommends: those linked from posts with enough votes, as WebText did with Reddit (Radford et al.
//! 2019; OpenWebText takes a score of 3), or those on a list.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::settings::Paths;
use crate::stage::urls::{UrlList, lines};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::address;

/// Settings of `url_allowlist`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UrlAllowlist {
    /// The field that holds the URL.
    pub field: String,
    /// Files of domains and URLs to keep, compressed or not: one a line, or hosts files.
    pub lists: Option<Paths>,
    /// Files of posts as JSON lines with the members `url` and `score`, compressed or not: Reddit's submissions.
    pub posts: Option<Paths>,
    /// Least score of a post whose link counts, in votes.
    pub min_score: i64,
}

impl Default for UrlAllowlist {
    fn default() -> Self {
        Self { field: "url".into(), lists: None, posts: None, min_score: 3 }
    }
}

/// What is read of a post.
#[derive(Deserialize)]
struct Post {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    score: Option<i64>,
}

impl Settings for UrlAllowlist {
    const ABOUT: About = About {
        reasons: &[
            ("not_listed", "neither its domain nor its URL is on a list or in a post"),
            ("no_url", "it has no URL"),
        ],
        examples: &[Example {
            it: "drops documents without a URL",
            settings: r#"{"lists": "fixtures/urls/domains.txt"}"#,
            given: "A letter, which nobody links to.",
            expect: Expect::Dropped("no_url"),
        }],
        ..About::new(
            "url_allowlist",
            Family::Filter,
            "keeps pages whose domain or URL is listed, or linked from posts with votes",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let mut list = UrlList::default();
        if let Some(paths) = &self.lists {
            lines(paths, cx, |line| {
                list.add(line);
                Ok(())
            })?;
        }
        if let Some(paths) = &self.posts {
            lines(paths, cx, |line| {
                let post: Post = serde_json::from_str(line).map_err(|e| {
                    Error::pipeline(format!("a line of `posts` is no post: {e}"))
                        .hint("a post is a JSON object with `url` (text) and `score` (a whole number)")
                })?;
                if let (Some(url), Some(score)) = (post.url, post.score)
                    && score >= self.min_score
                {
                    list.add_url(&url);
                }
                Ok(())
            })?;
        }
        if list.is_empty() {
            return Err(Error::pipeline(format!("`{}` lists nothing: it would drop every document", cx.label))
                .hint("give it `lists` of domains and URLs, or `posts` with links of `min_score` votes or more"));
        }
        cx.notes(format!("{} domains and pages are listed", list.len()));
        Ok(Stage::Transform(Box::new(Running { url: cx.reads(&self.field)?, list: Arc::new(list) })))
    }
}

#[derive(Clone)]
struct Running {
    url: Field<String>,
    list: Arc<UrlList>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let Some(url) = doc.get(self.url).filter(|url| !url.is_empty()) else { return Verdict::drop("no_url") };
        let host = address::host(url).to_lowercase();
        if self.list.has_page(url) || self.list.domain_of(&host).is_some() {
            return Verdict::Keep;
        }
        Verdict::drop("not_listed")
    }
}
