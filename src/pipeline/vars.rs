//! Variables: `$name`, `$(name)`, `$(env:NAME)`, and `$$` for a dollar sign. The only place that sees the environment.

use std::collections::BTreeMap;

use super::diagnose::{Diagnostic, Files};
use super::model::Span;
use super::tree::{Node, Value};

/// Looks up environment variables; given by the command line so that tests have none.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The variables in force.
#[derive(Clone, Default)]
pub struct Vars(pub BTreeMap<String, Node>);

impl Vars {
    /// Replaces every variable in `node`'s scalars. A scalar that is nothing but a variable takes its type.
    pub fn expand(&self, node: &mut Node, env: Env<'_>, files: &Files, found: &mut Vec<Diagnostic>) {
        match &mut node.value {
            Value::Seq(nodes) => nodes.iter_mut().for_each(|n| self.expand(n, env, files, found)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, v)| self.expand(v, env, files, found)),
            Value::Str(text) if text.contains('$') => {
                let span = node.span;
                match self.scalar(text, env) {
                    Ok(found) => *node = Node { span, ..found },
                    Err(name) => {
                        let message = match name.strip_prefix("env:") {
                            Some(name) => format!("the environment variable `{name}` is not set"),
                            None => format!("no variable is called `{name}`"),
                        };
                        let diagnostic = Diagnostic::new(files, span, message);
                        found.push(if name.starts_with("env:") {
                            diagnostic
                        } else if self.0.is_empty() {
                            diagnostic
                                .hint(format!("declare it: `vars: {{ {name}: … }}`; for a dollar sign write `$$`"))
                        } else {
                            diagnostic.near(&name, self.0.keys().map(String::as_str))
                        });
                    }
                }
            }
            _ => {}
        }
    }

    /// What `text` comes to; its place is nowhere.
    fn scalar(&self, text: &str, env: Env<'_>) -> Result<Node, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            out.push_str(rest.get(..dollar).unwrap_or_default());
            let after = rest.get(dollar + 1..).unwrap_or_default();
            let (name, length) = reference(after);
            let Some(name) = name else {
                out.push('$');
                rest = after.get(length..).unwrap_or_default();
                continue;
            };
            let value = match name.strip_prefix("env:") {
                Some(key) => Node::plain(&env(key).ok_or_else(|| name.to_owned())?, Span::default()),
                None => self.0.get(name).ok_or_else(|| name.to_owned())?.clone(),
            };
            rest = after.get(length..).unwrap_or_default();
            if out.is_empty() && rest.is_empty() && dollar == 0 && text.len() == length + 1 {
                return Ok(value);
            }
            out.push_str(&value.text().ok_or_else(|| name.to_owned())?);
        }
        out.push_str(rest);
        Ok(Node::new(Value::Str(out), Span::default()))
    }
}

/// The name that a `$` refers to, and how many bytes after the dollar sign it takes. No name: a literal dollar sign.
fn reference(after: &str) -> (Option<&str>, usize) {
    if after.starts_with('$') {
        return (None, 1);
    }
    if let Some(inner) = after.strip_prefix('(') {
        return match inner.find(')') {
            Some(end) => (inner.get(..end), end + 2),
            None => (None, 0),
        };
    }
    let starts = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    if starts { (after.get(..length), length) } else { (None, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_dollars_escaped() {
        let node = |text| Node::plain(text, Span::default());
        let vars = [("n", "5"), ("d", "out"), ("shard", "000"), ("share", "1e-2")];
        let vars = Vars(vars.map(|(name, text)| (name.to_owned(), node(text))).into());
        let env = |name: &str| [("HOME", "/h"), ("PART", "007")].iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
        let expand = |text: &str| vars.scalar(text, &env).map(|node| node.value);
        assert_eq!(expand("$n"), Ok(Value::Int(5)));
        assert_eq!(expand("$(d)/a-$n.x"), Ok(Value::Str("out/a-5.x".into())));
        assert_eq!(expand("$(env:HOME)/x"), Ok(Value::Str("/h/x".into())));
        // A number within a text is written as it came: files are numbered with leading zeros.
        assert_eq!(expand("$(shard)_00000.parquet"), Ok(Value::Str("000_00000.parquet".into())));
        assert_eq!(expand("$share of $(env:PART)"), Ok(Value::Str("1e-2 of 007".into())));
        assert_eq!((expand("$shard"), expand("$(env:PART)")), (Ok(Value::Int(0)), Ok(Value::Int(7))));
        assert_eq!(expand("^a$|$$n $1"), Ok(Value::Str("^a$|$n $1".into())));
        assert_eq!(expand("$missing"), Err("missing".into()));
    }
}
