//! YAML tree → [`Pipeline`], with every mistake found on the way.

mod expectations;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::diagnose::{Diagnostic, Diagnostics, Files};
use super::model::{Expected, Flow, Inputs, Keep, Limits, Pipeline, Span, Step, Test};
use super::settings;
use super::tree::{self, Key, Node, Value};
use super::vars::{Env, Vars};
use crate::stage::expr::Expr;
use crate::stage::settings::{ByteSize, Fraction};
use crate::stages::{Place, catalog, find};

/// How deeply presets may use presets.
const MAX_PRESETS: usize = 8;

/// Loads the pipeline at `path`; `set` are the variables given on the command line.
pub fn load(path: &Path, set: &[(String, String)], env: Env<'_>) -> Result<Pipeline, Diagnostics> {
    match std::fs::read_to_string(path) {
        Ok(text) => load_text(path, &text, set, env),
        Err(e) => {
            let mut files = Files::default();
            files.add(path.to_owned(), "".into());
            let mut diagnostic =
                Diagnostic::new(&files, Span::default(), format!("cannot read the pipeline `{}`: {e}", path.display()));
            diagnostic.line = 0;
            Err(Diagnostics(vec![diagnostic.hint("give the path of a YAML file, such as `pipelines/quickstart.yaml`")]))
        }
    }
}

/// Loads a pipeline from `text`, as if it stood at `path`.
pub fn load_text(path: &Path, text: &str, set: &[(String, String)], env: Env<'_>) -> Result<Pipeline, Diagnostics> {
    let mut loader = Loader { files: Files::default(), found: Vec::new(), env, presets: Vec::new() };
    let file = loader.files.add(path.to_owned(), text.into());
    let pipeline = match tree::parse(&loader.files, file) {
        Ok(root) => loader.pipeline(path, root, set),
        Err(found) => {
            loader.found = found;
            None
        }
    };
    match pipeline {
        Some(mut pipeline) if loader.found.is_empty() => {
            pipeline.files = loader.files;
            Ok(pipeline)
        }
        _ => {
            loader.found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
            loader.found.dedup();
            Err(Diagnostics(loader.found))
        }
    }
}

struct Loader<'l> {
    files: Files,
    found: Vec<Diagnostic>,
    env: Env<'l>,
    presets: Vec<PathBuf>,
}

const TOP: [&str; 11] = ["name", "vars", "read", "from", "steps", "write", "flows", "limits", "keep", "run", "tests"];
const FLOW: [&str; 4] = ["read", "from", "steps", "write"];

impl Loader<'_> {
    fn say(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let at = self.found.len();
        self.found.push(Diagnostic::new(&self.files, span, message));
        &mut self.found[at]
    }

    fn hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.say(span, message).hint = Some(hint.into());
    }

    fn near<'c>(
        &mut self,
        span: Span,
        message: impl Into<String>,
        name: &str,
        all: impl Iterator<Item = &'c str> + Clone,
    ) {
        self.found.push(Diagnostic::new(&self.files, span, message).near(name, all));
    }

    fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                let message = format!("{what} must be a map, and this is {}", node.kind());
                self.say(node.span, message);
                &[]
            }
        }
    }

    fn known(&mut self, entries: &[(Key, Node)], keys: &[&str], what: &str) {
        for (key, _) in entries {
            if key.name == "mix" && keys == FLOW {
                self.hint(
                    key.span,
                    "a flow has no `mix`: mixing is a step",
                    "write `from: [web, wiki]`, and among the steps `- mix: { weights: { web: 70%, wiki: 30% } }`",
                );
            } else if !keys.contains(&key.name.as_str()) {
                let message = format!("{what} has no key `{}`", key.name);
                self.near(key.span, message, &key.name, keys.iter().copied());
            }
        }
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::Str(_) | Value::Int(_) => node.text(),
            _ => {
                let message = format!("{what} must be a text, and this is {}", node.kind());
                self.say(node.span, message);
                None
            }
        }
    }

    fn pipeline(&mut self, path: &Path, mut root: Node, set: &[(String, String)]) -> Option<Pipeline> {
        if root.value == Value::Null {
            self.hint(root.span, "the file is empty", "a pipeline has `read:`, `steps:` and `write:`");
            return None;
        }
        let vars = self.vars(&root, set);
        let env = self.env;
        if let Value::Map(entries) = &mut root.value {
            for (_, node) in entries.iter_mut().filter(|(k, _)| k.name != "vars") {
                vars.expand(node, env, &self.files, &mut self.found);
            }
        }
        let entries = self.map(&root, "a pipeline").to_vec();
        self.known(&entries, &TOP, "a pipeline");
        let stem = path.file_stem().map_or_else(|| "pipeline".into(), |s| s.to_string_lossy().into_owned());
        let name = root.get("name").and_then(|n| self.text(n, "`name`")).unwrap_or(stem);
        let flows = self.flows(&root, &name);
        self.check_flows(&flows, root.span);
        let limits = root.get("limits").map(|n| self.limits(n)).unwrap_or_default();
        let keep = root.get("keep").map(|n| self.keep(n)).unwrap_or_default();
        let run_dir = root.get("run").and_then(|n| self.text(n, "`run`")).map(PathBuf::from);
        let tests = root.get("tests").map(|n| self.tests(n, &flows)).unwrap_or_default();
        Some(Pipeline {
            name,
            path: path.to_owned(),
            files: Files::default(),
            flows,
            limits,
            keep,
            run_dir,
            tests,
            allow_exec: false,
        })
    }

    fn vars(&mut self, root: &Node, set: &[(String, String)]) -> Vars {
        let mut vars = Vars::default();
        if let Some(declared) = root.get("vars") {
            for (key, value) in self.map(declared, "`vars`").to_vec() {
                vars.0.insert(key.name, value);
            }
        }
        for (name, value) in set {
            if vars.0.contains_key(name) {
                vars.0.insert(name.clone(), Node::plain(value, Span::default()));
            } else {
                let declared: Vec<String> = vars.0.keys().cloned().collect();
                let message =
                    format!("`--set {name}` sets a variable that the pipeline does not declare under `vars:`");
                self.near(root.span, message, name, declared.iter().map(String::as_str));
                if let Some(diagnostic) = self.found.last_mut().filter(|d| d.hint.is_none()) {
                    diagnostic.hint = Some(format!("declare it with a default: `vars: {{ {name}: … }}`"));
                }
            }
        }
        vars
    }

    fn flows(&mut self, root: &Node, name: &str) -> Vec<Flow> {
        let Some(flows) = root.get("flows") else {
            return vec![self.flow(name, root.span, root)];
        };
        for key in FLOW {
            if let Value::Map(entries) = &root.value
                && let Some((key, _)) = entries.iter().find(|(k, _)| k.name == key)
            {
                let message = format!("`{}` stands beside `flows`", key.name);
                self.hint(key.span, message, "move it into one of the flows");
            }
        }
        let entries = self.map(flows, "`flows`").to_vec();
        entries
            .iter()
            .map(|(key, node)| {
                let inner = self.map(node, "a flow").to_vec();
                self.known(&inner, &FLOW, "a flow");
                self.flow(&key.name, key.span, node)
            })
            .collect()
    }

    fn flow(&mut self, name: &str, span: Span, node: &Node) -> Flow {
        let inputs = match (node.get("read"), node.get("from")) {
            (Some(read), None) => Inputs::Read(self.readers(read, name)),
            (None, Some(from)) => Inputs::From(self.names(from)),
            (Some(_), Some(from)) => {
                self.hint(
                    from.span,
                    format!("the flow `{name}` has both `read` and `from`"),
                    "read in a flow of its own, and name it in `from`",
                );
                Inputs::From(Vec::new())
            }
            (None, None) => {
                self.hint(
                    span,
                    format!("the flow `{name}` reads nothing"),
                    "add `read: { jsonl: data/*.jsonl.zst }` or `from: [other_flow]`",
                );
                Inputs::Read(Vec::new())
            }
        };
        let mut labels = BTreeSet::new();
        let mut steps = Vec::new();
        if let Some(list) = node.get("steps") {
            self.steps(list, name, &mut labels, &mut steps);
        }
        let writes = match node.get("write") {
            Some(write) => self
                .one_key_maps(write, "write")
                .into_iter()
                .filter_map(|(k, v)| self.stage(&k, &v, Place::Write, name))
                .collect(),
            None => Vec::new(),
        };
        Flow { name: name.to_owned(), span, inputs, steps, writes }
    }

    fn names(&mut self, node: &Node) -> Vec<(String, Span)> {
        match &node.value {
            Value::Str(one) => vec![(one.clone(), node.span)],
            Value::Seq(nodes) => nodes.iter().filter_map(|n| Some((self.text(n, "a flow's name")?, n.span))).collect(),
            _ => {
                self.hint(node.span, "`from` must be a list of flows", "write `from: [web, wiki]`");
                Vec::new()
            }
        }
    }

    /// `{ a: …, b: … }` or `[ a, { b: … } ]` as pairs.
    fn one_key_maps(&mut self, node: &Node, what: &str) -> Vec<(Key, Node)> {
        match &node.value {
            Value::Map(entries) => entries.clone(),
            Value::Str(name) => vec![(Key { name: name.clone(), span: node.span }, empty(node.span))],
            Value::Seq(nodes) => nodes.iter().flat_map(|n| self.one_key_maps(n, what)).collect(),
            _ => {
                let message = format!("`{what}` must name a format, and this is {}", node.kind());
                self.say(node.span, message);
                Vec::new()
            }
        }
    }

    fn readers(&mut self, node: &Node, flow: &str) -> Vec<Step> {
        let pairs = self.one_key_maps(node, "read");
        let several = pairs.len() > 1;
        let mut readers: Vec<Step> = Vec::new();
        for (key, settings) in pairs {
            if let Some(mut step) = self.stage(&key, &settings, Place::Read, flow) {
                let same = readers.iter().filter(|r| r.entry.about.name == key.name).count();
                if same > 0 {
                    step.label = format!("{}_{}", step.label, same + 1);
                }
                step.source = if several { step.label.clone() } else { flow.to_owned() };
                readers.push(step);
            }
        }
        readers
    }

    fn check_flows(&mut self, flows: &[Flow], span: Span) {
        let names: Vec<&str> = flows.iter().map(|f| f.name.as_str()).collect();
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for flow in flows {
            let Inputs::From(from) = &flow.inputs else { continue };
            for (name, span) in from {
                *taken.entry(name).or_default() += 1;
                if !names.contains(&name.as_str()) {
                    self.near(*span, format!("no flow is called `{name}`"), name, names.iter().copied());
                } else if taken.get(name.as_str()).is_some_and(|n| *n > 1) {
                    self.hint(
                        *span,
                        format!("the flow `{name}` is taken twice"),
                        "each flow goes to one place: another flow's `from`, or its own `write`",
                    );
                }
            }
        }
        for flow in flows {
            let is_taken = taken.contains_key(flow.name.as_str());
            let ends = flow.steps.last().is_some_and(|step| step.entry.about.ends);
            if flow.writes.is_empty() && !is_taken && !ends && self.found.is_empty() {
                self.hint(
                    flow.span,
                    format!("the flow `{}` goes nowhere", flow.name),
                    "add `write: { jsonl: { dir: out } }`, or name it in another flow's `from`",
                );
            } else if !flow.writes.is_empty() && is_taken {
                self.hint(
                    flow.span,
                    format!("the flow `{}` is both written and taken by another flow", flow.name),
                    "write it in a flow of its own",
                );
            }
        }
        if flows.is_empty() {
            self.say(span, "the pipeline has no flow");
        }
        for flow in flows {
            if in_cycle(flow, flows) {
                self.say(flow.span, format!("the flow `{}` comes from itself", flow.name));
            }
        }
    }

    fn limits(&mut self, node: &Node) -> Limits {
        let entries = self.map(node, "`limits`").to_vec();
        self.known(&entries, &["memory", "quarantine"], "`limits`");
        let mut limits = Limits::default();
        if let Some(memory) = self.value::<ByteSize>(node, "memory") {
            limits.memory = memory.0;
            if memory.0 < 64 << 20 {
                let span = node.get("memory").map_or(node.span, |n| n.span);
                self.hint(
                    span,
                    "`limits.memory` must be at least 64MiB",
                    "below that not even one morsel a worker fits",
                );
            }
        }
        if let Some(fraction) = self.value::<Fraction>(node, "quarantine") {
            limits.quarantine = fraction.0;
        }
        limits
    }

    fn keep(&mut self, node: &Node) -> Keep {
        let entries = self.map(node, "`keep`").to_vec();
        self.known(&entries, &["dropped", "sample"], "`keep`");
        let mut keep = Keep { dropped: false, sample: self.value::<Fraction>(node, "sample").map(|f| f.0) };
        match node.get("dropped").map(|n| (&n.value, n.span)) {
            None => {}
            Some((Value::Str(word), _)) if word == "all" || word == "none" => keep.dropped = word == "all",
            Some((_, span)) => self.hint(
                span,
                "`keep.dropped` can only be `all` or `none`",
                "it says whether the ledger keeps the text of dropped documents",
            ),
        }
        keep
    }

    fn value<T: serde::de::DeserializeOwned>(&mut self, map: &Node, key: &str) -> Option<T> {
        let node = map.get(key)?;
        serde_json::from_value(node.to_json())
            .map_err(|e| {
                self.say(node.span, format!("`{key}`: {e}"));
            })
            .ok()
    }
}

fn empty(span: Span) -> Node {
    Node::new(Value::Map(Vec::new()), span)
}

fn in_cycle(flow: &Flow, flows: &[Flow]) -> bool {
    let mut seen = BTreeSet::new();
    let mut todo = vec![flow];
    while let Some(next) = todo.pop() {
        let Inputs::From(from) = &next.inputs else { continue };
        for (name, _) in from {
            if *name == flow.name {
                return true;
            }
            if seen.insert(name) {
                todo.extend(flows.iter().filter(|f| f.name == *name));
            }
        }
    }
    false
}
