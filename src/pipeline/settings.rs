//! Checks a stage's settings against the schema the stage itself gives, so that every mistake is found at once and has a
//! place; what a schema cannot say, deserializing says (one mistake at a time).

use serde_json::Value as Json;

use super::diagnose::{Diagnostic, Files};
use super::tree::{Node, Value};
use crate::error::Error;
use crate::stage::Entry;

/// The settings with defaults written out, or `None` with the mistakes added to `found`.
pub fn check(entry: &Entry, node: &Node, files: &Files, found: &mut Vec<Diagnostic>) -> Option<Json> {
    let schema = (entry.schema)().to_value();
    let before = found.len();
    let checker = Checker { stage: entry.about.name, root: &schema, files };
    checker.node(node, &schema, "", found);
    if found.len() > before {
        return None;
    }
    match (entry.canonical)(node.to_json()) {
        Ok(settings) => Some(settings),
        Err(error) => {
            let path = error.context.iter().find(|(key, _)| *key == "at").map_or("", |(_, v)| v);
            let span = node.span_at(path);
            let error =
                Error { context: Vec::new(), ..Error::pipeline(format!("`{}`: {}", entry.about.name, error.message)) };
            found.push(Diagnostic::of(files, span, &error));
            None
        }
    }
}

struct Checker<'c> {
    stage: &'c str,
    root: &'c Json,
    files: &'c Files,
}

impl Checker<'_> {
    fn resolve<'s>(&'s self, schema: &'s Json) -> &'s Json {
        let Some(reference) = schema.get("$ref").and_then(Json::as_str) else { return schema };
        reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn node(&self, node: &Node, schema: &Json, path: &str, found: &mut Vec<Diagnostic>) {
        let schema = self.resolve(schema);
        if let Some(variants) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Json::as_array) {
            self.variants(node, variants, path, found);
            return;
        }
        if let Some(types) = types(schema)
            && !types.iter().any(|t| is(node, t))
        {
            let wanted: Vec<&str> = types.iter().map(|t| word(t)).collect();
            let message = format!("`{}` wants {}, and this is {}", self.name(path), wanted.join(" or "), node.kind());
            found.push(Diagnostic::new(self.files, node.span, message));
            return;
        }
        match &node.value {
            Value::Map(_) => self.object(node, schema, path, found),
            Value::Seq(nodes) => {
                if let Some(items) = schema.get("items") {
                    nodes.iter().for_each(|n| self.node(n, items, path, found));
                }
            }
            Value::Str(text) => self.choice(node, text, schema, path, found),
            Value::Int(n) => self.range(node, *n as f64, schema, path, found),
            Value::Float(n) => self.range(node, *n, schema, path, found),
            _ => {}
        }
    }

    fn name(&self, path: &str) -> String {
        if path.is_empty() { self.stage.to_owned() } else { path.to_owned() }
    }

    fn variants(&self, node: &Node, variants: &[Json], path: &str, found: &mut Vec<Diagnostic>) {
        let mut fewest: Option<Vec<Diagnostic>> = None;
        let mut choices = Vec::new();
        for variant in variants {
            let variant = self.resolve(variant);
            if let Some(choice) = variant.get("const").and_then(Json::as_str) {
                choices.push(choice);
                if node.value == Value::Str(choice.to_owned()) {
                    return;
                }
                continue;
            }
            choices.extend(variant.get("enum").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str));
            let mut tried = Vec::new();
            self.node(node, variant, path, &mut tried);
            if tried.is_empty() {
                return;
            }
            // The variant of the right type has the more telling mistakes.
            let fits = types(variant).is_some_and(|t| t.iter().any(|t| is(node, t)));
            if fits || fewest.is_none() {
                fewest = Some(tried);
            }
        }
        match (&node.value, choices.is_empty()) {
            (Value::Str(text), false) => found.push(self.no_choice(node, text, &choices, path)),
            _ => found.extend(fewest.unwrap_or_default()),
        }
    }

    fn object(&self, node: &Node, schema: &Json, path: &str, found: &mut Vec<Diagnostic>) {
        let Value::Map(entries) = &node.value else { return };
        let none = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        for (key, value) in entries {
            let inner = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
            match (properties.get(&key.name), schema.get("additionalProperties")) {
                (Some(property), _) => self.node(value, property, &inner, found),
                (None, Some(Json::Bool(false))) => {
                    let message = format!("`{}` has no setting `{}`", self.name(path), key.name);
                    let names = properties.keys().map(String::as_str);
                    found.push(Diagnostic::new(self.files, key.span, message).near(&key.name, names));
                }
                (None, Some(any @ Json::Object(_))) => self.node(value, any, &inner, found),
                _ => {}
            }
        }
        for name in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if node.get(name).is_none() {
                let about = properties.get(name).and_then(|p| p.get("description")).and_then(Json::as_str);
                let diagnostic =
                    Diagnostic::new(self.files, node.span, format!("`{}` needs the setting `{name}`", self.name(path)));
                found.push(match about {
                    Some(about) => diagnostic.hint(format!("{name}: {}", opening(about))),
                    None => diagnostic,
                });
            }
        }
    }

    fn choice(&self, node: &Node, text: &str, schema: &Json, path: &str, found: &mut Vec<Diagnostic>) {
        let Some(choices) = schema.get("enum").and_then(Json::as_array) else { return };
        let choices: Vec<&str> = choices.iter().filter_map(Json::as_str).collect();
        if !choices.contains(&text) {
            found.push(self.no_choice(node, text, &choices, path));
        }
    }

    fn no_choice(&self, node: &Node, text: &str, choices: &[&str], path: &str) -> Diagnostic {
        let message = format!("`{}` cannot be `{text}`", self.name(path));
        Diagnostic::new(self.files, node.span, message).near(text, choices.iter().copied())
    }

    fn range(&self, node: &Node, number: f64, schema: &Json, path: &str, found: &mut Vec<Diagnostic>) {
        let limit = |key| schema.get(key).and_then(Json::as_f64);
        let wrong = match (limit("minimum"), limit("maximum")) {
            (Some(min), _) if number < min => format!("at least {min}"),
            (_, Some(max)) if number > max => format!("at most {max}"),
            _ => return,
        };
        let message = format!("`{}` must be {wrong}, and this is {number}", self.name(path));
        found.push(Diagnostic::new(self.files, node.span, message));
    }
}

/// The first lines of a description, up to the first that ends a sentence.
fn opening(about: &str) -> String {
    let lines = about.lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>();
    let end = lines.iter().position(|line| line.ends_with('.')).map_or(lines.len(), |at| at + 1);
    lines.into_iter().take(end).collect::<Vec<_>>().join(" ")
}

fn types(schema: &Json) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Json::String(one) => Some(vec![one]),
        Json::Array(many) => Some(many.iter().filter_map(Json::as_str).collect()),
        _ => None,
    }
}

fn is(node: &Node, kind: &str) -> bool {
    match node.value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Int(_) => kind == "integer" || kind == "number",
        Value::Float(n) => kind == "number" || (kind == "integer" && n.fract() == 0.0),
        Value::Str(_) => kind == "string",
        Value::Seq(_) => kind == "array",
        Value::Map(_) => kind == "object",
    }
}

fn word(kind: &str) -> &str {
    match kind {
        "null" => "nothing",
        "boolean" => "a boolean",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        _ => "a map",
    }
}
