//! Steps, and the presets that stand for several of them.

use std::collections::BTreeSet;

use super::*;
use crate::tokens::Format;

impl Loader<'_> {
    pub(super) fn steps(&mut self, list: &Node, flow: &str, labels: &mut BTreeSet<String>, out: &mut Vec<Step>) {
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

    pub(super) fn push(
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

    pub(super) fn stage(&mut self, key: &Key, settings: &Node, place: Place, flow: &str) -> Option<Step> {
        let Some(entry) = find(&key.name, place) else {
            let elsewhere = catalog().find(|e| e.about.name == key.name).map(|e| Place::of(e.about.family));
            match elsewhere {
                Some(other) => {
                    let message = format!("`{}` stands under `{}`, not under `{}`", key.name, other.key(), place.key());
                    self.say(key.span, message);
                }
                None if place == Place::Write && Format::ALL.iter().any(|format| format.name() == key.name) => {
                    let message = format!("`{}` is no writer, but a format that `tokens` writes", key.name);
                    let hint = format!("write `tokens: {{ dir: …, format: {} }}`", key.name);
                    self.found.push(Diagnostic::new(&self.files, key.span, message).hint(hint));
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
            (Value::Null, _) => {
                let nothing = settings.span.start == settings.span.end;
                Node::new(Value::Map(Vec::new()), if nothing { key.span } else { settings.span })
            }
            (_, Some(setting)) => {
                let inner = Key { name: setting.to_owned(), span: settings.span };
                Node::new(Value::Map(vec![(inner, settings.clone())]), settings.span)
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
}
