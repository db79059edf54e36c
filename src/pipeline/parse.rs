//! YAML tree → [`Pipeline`], with every mistake found on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::diagnose::{Diagnostic, Diagnostics, Files};
use super::expr::Expr;
use super::model::{Expected, Flow, Inputs, Keep, Limits, Pipeline, Span, Step, Test};
use super::settings;
use super::tree::{self, Key, Node, Value};
use super::vars::{Env, Vars};
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
            Value::Str(text) => Some(text.clone()),
            Value::Int(n) => Some(n.to_string()),
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
        Some(Pipeline { name, path: path.to_owned(), files: Files::default(), flows, limits, keep, run_dir, tests })
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
                vars.0.insert(name.clone(), Node { value: tree::plain(value), span: Span::default() });
            } else {
                let declared: Vec<String> = vars.0.keys().cloned().collect();
                let message =
                    format!("`--set {name}` sets a variable that the pipeline does not declare under `vars:`");
                self.near(root.span, message, name, declared.iter().map(String::as_str));
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

    fn steps(&mut self, list: &Node, flow: &str, labels: &mut BTreeSet<String>, out: &mut Vec<Step>) {
        let Value::Seq(nodes) = &list.value else {
            let message = format!("`steps` must be a list, and this is {}", list.kind());
            self.hint(list.span, message, "begin each step with `- `");
            return;
        };
        for node in nodes {
            match &node.value {
                Value::Str(name) => {
                    let key = Key { name: name.clone(), span: node.span };
                    let step = self.stage(&key, &empty(node.span), Place::Steps, flow);
                    self.push(step, None, labels, out);
                }
                Value::Map(entries) if entries.iter().any(|(k, _)| k.name == "use") => {
                    self.preset(node, flow, labels, out)
                }
                Value::Map(entries) => self.step(node, entries, flow, labels, out),
                _ => {
                    let message = format!("a step must name a stage, and this is {}", node.kind());
                    self.say(node.span, message);
                }
            }
        }
    }

    fn step(
        &mut self,
        node: &Node,
        entries: &[(Key, Node)],
        flow: &str,
        labels: &mut BTreeSet<String>,
        out: &mut Vec<Step>,
    ) {
        let extras = ["as", "when", "mode"];
        let mut stages = entries.iter().filter(|(k, _)| !extras.contains(&k.name.as_str()));
        let Some((key, settings)) = stages.next() else {
            self.hint(node.span, "this step names no stage", "write `- stage_name: { settings }`");
            return;
        };
        for (other, _) in stages {
            let message = format!("a step is one stage, and this one names `{}` and `{}`", key.name, other.name);
            self.hint(
                other.span,
                message,
                format!("begin a step of its own with `- {}`, or indent it if it is a setting", other.name),
            );
        }
        let mut step = self.stage(key, settings, Place::Steps, flow);
        if let (Some(when), Some(step)) = (node.get("when"), &mut step)
            && let Some(text) = self.text(when, "`when`")
        {
            match Expr::parse(&text) {
                Ok(expr) => step.when = Some(expr),
                Err(e) => {
                    // A plain scalar stands in the file as it is: the caret can point into it.
                    let raw = self
                        .files
                        .get(when.span.file)
                        .and_then(|f| f.1.get(when.span.start..when.span.end))
                        .unwrap_or_default();
                    let offset = raw.find(&text).map_or(when.span.start, |at| when.span.start + at);
                    let at = Span { file: when.span.file, start: offset + e.at.start, end: offset + e.at.end };
                    self.say(at, format!("`when`: {}", e.message));
                }
            }
        }
        if let Some(mode) = node.get("mode") {
            match (&mode.value, &mut step) {
                (Value::Str(word), Some(step)) if word == "annotate" => step.annotate = true,
                (Value::Str(word), _) if word == "annotate" => {}
                _ => self.hint(mode.span, "`mode` can only be `annotate`", "leave it out to drop documents"),
            }
        }
        let label = node.get("as").and_then(|n| Some((self.text(n, "`as`")?, n.span)));
        self.push(step, label, labels, out);
    }

    fn push(
        &mut self,
        step: Option<Step>,
        label: Option<(String, Span)>,
        labels: &mut BTreeSet<String>,
        out: &mut Vec<Step>,
    ) {
        let Some(mut step) = step else { return };
        match label {
            Some((label, span)) => {
                if labels.contains(&label) {
                    self.hint(
                        span,
                        format!("another step is already called `{label}`"),
                        "choose another name after `as`",
                    );
                }
                step.label = label;
            }
            None => {
                let base = step.label.clone();
                let mut number = 2;
                while labels.contains(&step.label) {
                    step.label = format!("{base}_{number}");
                    number += 1;
                }
            }
        }
        labels.insert(step.label.clone());
        out.push(step);
    }

    fn preset(&mut self, node: &Node, flow: &str, labels: &mut BTreeSet<String>, out: &mut Vec<Step>) {
        let Value::Map(entries) = &node.value else { return };
        self.known(entries, &["use", "with"], "a step with `use`");
        let Some(at) = node.get("use") else { return };
        let Some(name) = self.text(at, "`use`") else { return };
        let from = self.files.get(at.span.file).map(|f| f.0.clone()).unwrap_or_default();
        let path = from.parent().unwrap_or(Path::new("")).join(&name);
        if self.presets.contains(&path) || self.presets.len() >= MAX_PRESETS {
            self.say(at.span, format!("the preset `{}` uses itself, or presets are nested too deeply", path.display()));
            return;
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) => {
                self.hint(
                    at.span,
                    format!("cannot read the preset `{}`: {e}", path.display()),
                    "`use` is relative to the file it stands in",
                );
                return;
            }
        };
        let file = self.files.add(path.clone(), text.into());
        let mut root = match tree::parse(&self.files, file) {
            Ok(root) => root,
            Err(found) => return self.found.extend(found),
        };
        let top = self.map(&root, "a preset").to_vec();
        self.known(&top, &["name", "about", "vars", "steps"], "a preset");
        let mut vars = Vars::default();
        if let Some(declared) = root.get("vars") {
            self.map(declared, "`vars`").to_vec().into_iter().for_each(|(k, v)| drop(vars.0.insert(k.name, v)));
        }
        if let Some(with) = node.get("with") {
            for (key, value) in self.map(with, "`with`").to_vec() {
                if let Some(declared) = vars.0.get_mut(&key.name) {
                    *declared = value;
                } else {
                    let message = format!("the preset `{name}` has no variable `{}`", key.name);
                    let declared: Vec<String> = vars.0.keys().cloned().collect();
                    self.near(key.span, message, &key.name, declared.iter().map(String::as_str));
                }
            }
        }
        for (name, _) in vars.0.iter().filter(|(_, v)| v.value == Value::Null) {
            self.found.push(
                Diagnostic::new(&self.files, at.span, format!("the preset needs the variable `{name}`"))
                    .hint(format!("add `with: {{ {name}: … }}`")),
            );
        }
        let env = self.env;
        if let Value::Map(entries) = &mut root.value {
            for (_, node) in entries.iter_mut().filter(|(k, _)| k.name == "steps") {
                vars.expand(node, env, &self.files, &mut self.found);
            }
        }
        match root.get("steps") {
            Some(steps) => {
                self.presets.push(path);
                self.steps(&steps.clone(), flow, labels, out);
                self.presets.pop();
            }
            None => drop(self.say(root.span, "a preset needs `steps:`")),
        }
    }

    fn stage(&mut self, key: &Key, settings: &Node, place: Place, flow: &str) -> Option<Step> {
        let Some(entry) = find(&key.name, place) else {
            let elsewhere = catalog().find(|e| e.about.name == key.name).map(|e| Place::of(e.about.family));
            match elsewhere {
                Some(other) => {
                    let message = format!("`{}` stands under `{}`, not under `{}`", key.name, other.key(), place.key());
                    self.say(key.span, message);
                }
                None => {
                    let what = match place {
                        Place::Read => "reader",
                        Place::Steps => "stage",
                        Place::Write => "writer",
                    };
                    let names = catalog().filter(|e| Place::of(e.about.family) == place).map(|e| e.about.name);
                    let message = format!("no {what} is called `{}`", key.name);
                    let mut diagnostic = Diagnostic::new(&self.files, key.span, message).near(&key.name, names);
                    if diagnostic.hint.is_none() {
                        diagnostic = diagnostic.hint("`tamis stages` lists them all");
                    }
                    self.found.push(diagnostic);
                }
            }
            return None;
        };
        let settings = match (&settings.value, entry.about.shorthand) {
            (Value::Map(_), _) => settings.clone(),
            (Value::Null, _) => Node {
                value: Value::Map(Vec::new()),
                span: if settings.span.start == settings.span.end { key.span } else { settings.span },
            },
            (_, Some(setting)) => {
                let inner = Key { name: setting.to_owned(), span: settings.span };
                Node { value: Value::Map(vec![(inner, settings.clone())]), span: settings.span }
            }
            (_, None) => {
                let message = format!("the settings of `{}` must be a map, and this is {}", key.name, settings.kind());
                self.say(settings.span, message);
                return None;
            }
        };
        let json = settings::check(entry, &settings, &self.files, &mut self.found)?;
        let label = key.name.clone();
        Some(Step {
            label,
            entry,
            settings: json,
            when: None,
            annotate: false,
            span: key.span,
            source: flow.to_owned(),
        })
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
            if flow.writes.is_empty() && !is_taken && self.found.is_empty() {
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

    fn tests(&mut self, node: &Node, flows: &[Flow]) -> Vec<Test> {
        let Value::Seq(nodes) = &node.value else {
            self.say(node.span, "`tests` must be a list");
            return Vec::new();
        };
        nodes.iter().filter_map(|n| self.test(n, flows)).collect()
    }

    fn test(&mut self, node: &Node, flows: &[Flow]) -> Option<Test> {
        let entries = self.map(node, "a test").to_vec();
        self.known(&entries, &["it", "flow", "at", "given", "fields", "expect"], "a test");
        let text = |this: &mut Self, key: &str| node.get(key).and_then(|n| this.text(n, &format!("`{key}`")));
        let (it, flow, at, given) = (text(self, "it"), text(self, "flow"), text(self, "at"), text(self, "given"));
        if let Some(name) = &flow
            && !flows.iter().any(|f| f.name == *name)
        {
            let span = node.get("flow").map_or(node.span, |n| n.span);
            self.near(span, format!("no flow is called `{name}`"), name, flows.iter().map(|f| f.name.as_str()));
        }
        let labels: Vec<&str> = flows
            .iter()
            .filter(|f| flow.as_ref().is_none_or(|name| f.name == *name))
            .flat_map(|f| f.steps.iter().map(|s| s.label.as_str()))
            .collect();
        if let Some(label) = &at
            && !labels.contains(&label.as_str())
        {
            let span = node.get("at").map_or(node.span, |n| n.span);
            self.near(span, format!("no step is called `{label}`"), label, labels.iter().copied());
        }
        let json = |node: Option<&Node>| match node.map(Node::to_json) {
            Some(serde_json::Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        };
        let Some(expect) = node.get("expect") else {
            self.hint(
                node.span,
                "the test expects nothing",
                "add `expect: { dropped_by: …, because: … }`, `{ text: … }` or `kept`",
            );
            return None;
        };
        let mut expected = Expected::default();
        match &expect.value {
            Value::Str(word) if word == "kept" => expected.kept = Some(true),
            Value::Str(word) if word == "dropped" => expected.kept = Some(false),
            _ => {
                let inner = self.map(expect, "`expect`").to_vec();
                self.known(&inner, &["kept", "dropped_by", "because", "text", "fields"], "`expect`");
                expected.kept =
                    expect.get("kept").and_then(|n| if let Value::Bool(b) = n.value { Some(b) } else { None });
                expected.dropped_by = expect.get("dropped_by").and_then(|n| self.text(n, "`dropped_by`"));
                expected.because = expect.get("because").and_then(|n| self.text(n, "`because`"));
                expected.text = expect.get("text").and_then(|n| self.text(n, "`text`"));
                expected.fields = json(expect.get("fields"));
            }
        }
        let fields = json(node.get("fields"));
        Some(Test {
            it: it.unwrap_or_default(),
            flow,
            at,
            given: given.unwrap_or_default(),
            fields,
            expect: expected,
            span: node.span,
        })
    }
}

fn empty(span: Span) -> Node {
    Node { value: Value::Map(Vec::new()), span }
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
