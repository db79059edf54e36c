//! Takes keys, tokens and passwords out of code, or drops the files that hold them.
//!
//! A model that has read a key can be made to say it. The formats are those of gitleaks and detect-secrets (`text/secrets`);
//! detect-secrets, which Dolma and SantaCoder's data went through, reads a file line by line with some twenty regular
//! expressions and calls every long quoted string with enough entropy a secret, checksums included: here a string has to be
//! assigned to a name that says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Mark, Verdict};
use crate::error::{Error, Result};
use crate::stage::settings::Texts;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform, nearest};
use crate::text::redact;
use crate::text::secrets::{Finder, Found, names};

/// Settings of `secrets`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// What is done with a document that holds a secret.
    pub found: WhenFound,
    /// What secrets are replaced by; one of several is picked by what is replaced.
    pub with: Texts,
    /// Rules that are used; all if left out. An unknown name is answered with the list.
    pub rules: Vec<String>,
    /// Rules that are not used.
    pub except: Vec<String>,
    /// Least entropy of a value that is assigned to a telling name, in bits for each character.
    #[schemars(range(min = 0.0, max = 8.0))]
    pub min_entropy: f64,
    /// Varies which of several replacements is picked.
    pub seed: u64,
}

/// What is done with a document that holds a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFound {
    /// The secret is replaced.
    #[default]
    Redact,
    /// The document is dropped.
    Drop,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            found: WhenFound::Redact,
            with: Texts(vec!["<SECRET>".to_owned()]),
            rules: Vec::new(),
            except: Vec::new(),
            min_entropy: 3.5,
            seed: 0,
        }
    }
}

impl Settings for Secrets {
    const ABOUT: About = About {
        reasons: &[("secret", "it holds a secret, with `found: drop`")],
        fields: &[
            ("secrets.count", "how many secrets it holds, if any; in `mode: annotate` always, and nothing is replaced"),
            ("secrets.spans", "in `mode: annotate`, JSON: rule, first byte and end of each"),
        ],
        examples: &[
            Example {
                it: "replaces a password that is assigned",
                settings: "{}",
                given: "DB_PASSWORD = \"kQ8vZ2mXr7LwPn4T\"\n",
                expect: Expect::Text("DB_PASSWORD = \"<SECRET>\"\n"),
            },
            Example {
                it: "replaces a password in a URL",
                settings: r#"{"with": "<KEY>"}"#,
                given: "postgres://app:k8Qz_v2m@db.host/shop",
                expect: Expect::Text("postgres://app:<KEY>@db.host/shop"),
            },
            Example {
                it: "drops the document if asked",
                settings: r#"{"found": "drop"}"#,
                given: "auth_token: 'kQ8vZ2mXr7LwPn4TcHs9'",
                expect: Expect::Dropped("secret"),
            },
            Example {
                it: "leaves placeholders, templates and checksums",
                settings: "{}",
                given: "password = \"changeme\"\ntoken: ${TOKEN}\nsha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
                expect: Expect::Kept,
            },
        ],
        ..About::new("secrets", Family::Redact, "takes keys, tokens and passwords out of code, or drops the file")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let known = names();
        for rule in self.rules.iter().chain(&self.except) {
            if !known.contains(&rule.as_str()) {
                let error = Error::pipeline(format!("`secrets`: there is no rule `{rule}`"));
                return Err(match nearest(rule, known.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("the rules are {}", known.join(", "))),
                });
            }
        }
        let listed = |list: &[String], name: &str| list.iter().any(|r| r == name);
        let wanted = |name: &str| (self.rules.is_empty() || listed(&self.rules, name)) && !listed(&self.except, name);
        if !known.iter().any(|name| wanted(name)) {
            return Err(Error::pipeline("`secrets`: no rule is left")
                .hint("leave `rules` out to use all but those in `except`"));
        }
        let finder = Finder::new(wanted, self.min_entropy)?;
        let count = cx.writes(&format!("{}.count", cx.label))?;
        let spans = if cx.annotate { Some(cx.writes(&format!("{}.spans", cx.label))?) } else { None };
        Ok(Stage::Transform(Box::new(Running { settings: self, finder, count, spans, found: Vec::new() })))
    }
}

#[derive(Clone)]
struct Running {
    settings: Secrets,
    finder: Finder,
    count: Field<i64>,
    spans: Option<Field<String>>,
    found: Vec<Found>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        self.finder.find(doc.text.as_str(), &mut self.found);
        let count = self.found.len();
        if count > 0 || self.spans.is_some() {
            doc.set(self.count, count as i64);
        }
        if let Some(field) = self.spans {
            let spans: Vec<_> = self.found.iter().map(|f| (f.rule, f.start, f.end)).collect();
            doc.set(field, serde_json::to_string(&spans).unwrap_or_default());
        }
        if count > 0 && self.settings.found == WhenFound::Drop {
            return Verdict::drop_by("secret", count as f64, 0.0);
        }
        if count > 0 && self.spans.is_none() {
            let spans = self.found.iter().map(|f| f.start..f.end);
            let with = &self.settings.with.0;
            let replaced =
                redact::replaced(doc.text.as_str(), spans, |_, was| redact::pick(was, with, self.settings.seed));
            doc.marks.extend(self.found.iter().map(|f| Mark {
                what: f.rule,
                start: f.start as u32,
                end: f.end as u32,
            }));
            doc.text.set(replaced);
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{Scope, testing};
    use proptest::prelude::*;

    fn running(settings: &str, annotate: bool) -> Result<(Box<dyn Transform>, FieldTable)> {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let settings: Secrets = serde_json::from_str(settings).map_err(|e| Error::pipeline(e.to_string()))?;
        let mut cx = Build::new("secrets", "code", &mut table, &mut scope);
        cx.annotate = annotate;
        let Stage::Transform(transform) = settings.build(&mut cx)? else { panic!("not a transform") };
        Ok((transform, table))
    }

    #[test]
    fn rules_can_be_chosen_and_typos_are_answered() {
        let text = "token = 'kQ8vZ2mXr7LwPn4TcHs9'; x://a:k8Qz_v2m@host";
        let redacted = |settings: &str| {
            let mut doc = testing::doc("code", 0, text);
            running(settings, false).unwrap().0.apply(&mut doc);
            doc.text.into_string()
        };
        assert_eq!(redacted(r#"{"rules": ["url_password"]}"#), "token = 'kQ8vZ2mXr7LwPn4TcHs9'; x://a:<SECRET>@host");
        assert_eq!(redacted(r#"{"except": ["url_password"]}"#), "token = '<SECRET>'; x://a:k8Qz_v2m@host");
        let hint = |settings: &str| running(settings, false).err().and_then(|e| e.hint).unwrap_or_default();
        assert_eq!(hint(r#"{"rules": ["github_tokens"]}"#), "did you mean `github_token`?");
        assert!(hint(r#"{"except": ["zzzzzzzzzzzzz"]}"#).contains("url_password"));
        assert!(hint(r#"{"rules": ["jwt"], "except": ["jwt"]}"#).contains("leave `rules` out"));
    }

    #[test]
    fn annotating_counts_and_leaves_the_text() {
        let (mut stage, table) = running("{}", true).unwrap();
        let mut doc = testing::doc("code", 0, "x://a:k8Qz_v2m@host");
        assert!(stage.apply(&mut doc).keeps());
        assert_eq!((doc.text.as_str(), doc.marks.len()), ("x://a:k8Qz_v2m@host", 0));
        assert_eq!(doc.get(table.find::<i64>("secrets.count").unwrap()), Some(1));
        assert_eq!(doc.get(table.find::<String>("secrets.spans").unwrap()), Some(r#"[["url_password",6,14]]"#));
    }

    proptest! {
        #[test]
        fn redacting_twice_is_redacting_once(text in "(password ?[=:] ?[\"']?|[a-zA-Z0-9]{8,24}[\"'\\n ]?|x://a:|@b|'){0,30}") {
            let (mut stage, _) = running("{}", false).unwrap();
            let mut doc = testing::doc("code", 0, &text);
            stage.apply(&mut doc);
            let once = doc.text.as_str().to_owned();
            doc.marks.clear();
            stage.apply(&mut doc);
            prop_assert_eq!(doc.text.as_str(), once.as_str());
            prop_assert!(doc.marks.is_empty());
        }
    }
}
