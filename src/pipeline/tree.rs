//! YAML as a tree in which everything knows its place. Budgeted: a small file cannot become a large tree, and nothing in
//! a file can name code (tags are refused).

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::diagnose::{Diagnostic, Files};
use super::model::Span;

/// Nodes that a file, with its aliases expanded, may have.
const MAX_NODES: usize = 100_000;
/// How deeply nodes may be nested.
const MAX_DEPTH: usize = 64;
/// Bytes that a file may have.
pub const MAX_BYTES: usize = 4 << 20;

/// A node with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
    /// How a plain scalar was written, where its value does not say: `000` is the number 0.
    pub written: Option<String>,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in file order.
    Map(Vec<(Key, Node)>),
}

/// A map's key.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// A node that stands at `span`.
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span, written: None }
    }

    /// What the plain scalar `text` means, and how it was written.
    pub fn plain(text: &str, span: Span) -> Self {
        let value = plain(text);
        let written = (!matches!(value, Value::Str(_) | Value::Null)).then(|| text.to_owned());
        Self { value, span, written }
    }

    /// A scalar as text: as it was written. `None` for lists and maps; nothing is no text.
    pub fn text(&self) -> Option<String> {
        Some(match (&self.written, &self.value) {
            (Some(written), _) => written.clone(),
            (None, Value::Str(text)) => text.clone(),
            (None, Value::Int(n)) => n.to_string(),
            (None, Value::Float(n)) => n.to_string(),
            (None, Value::Bool(b)) => b.to_string(),
            (None, Value::Null) => String::new(),
            (None, Value::Seq(_) | Value::Map(_)) => return None,
        })
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Str(_) => "a text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.name == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The same as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(n) => (*n).into(),
            Value::Float(n) => (*n).into(),
            Value::Str(s) => s.as_str().into(),
            Value::Seq(nodes) => nodes.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect(),
        }
    }

    /// The place of the setting at `path` (`a.b[2].c`), or of the nearest thing around it.
    pub fn span_at(&self, path: &str) -> Span {
        let mut node = self;
        for part in path.split(['.', '[', ']']).filter(|p| !p.is_empty()) {
            let next = match (&node.value, part.parse::<usize>()) {
                (Value::Seq(nodes), Ok(index)) => nodes.get(index),
                _ => node.get(part),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.span
    }
}

/// What a plain scalar means (YAML 1.2 core schema).
pub fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::Int(number);
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    match text.parse::<f64>() {
        Ok(number) if numeric && number.is_finite() => Value::Float(number),
        _ => Value::Str(text.to_owned()),
    }
}

/// Parses the file `file` of `files`. An empty file is `Null`.
pub fn parse(files: &Files, file: u16) -> Result<Node, Vec<Diagnostic>> {
    let text = files.get(file).map(|f| f.1.clone()).unwrap_or_default();
    let whole = Span { file, start: 0, end: 0 };
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; a pipeline may have {MAX_BYTES}", text.len());
        return Err(vec![Diagnostic::new(files, whole, message)]);
    }
    let offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut builder = Builder { files, file, offsets, nodes: 0, anchors: HashMap::new(), found: Vec::new() };
    let mut parser = Parser::new_from_str(&text);
    let mut root = Node::new(Value::Null, whole);
    let mut documents = 0;
    loop {
        match parser.next() {
            None => break,
            Some(Err(e)) => {
                let at = builder.offset(e.marker().index());
                let info = e.info().to_owned();
                builder.say(Span { file, start: at, end: at + 1 }, format!("this is not YAML: {info}"), None);
                break;
            }
            Some(Ok((Event::DocumentStart(_), span))) => {
                documents += 1;
                if documents > 1 {
                    let at = builder.span(&span);
                    builder.say(at, "a pipeline is one YAML document, and here begins a second".into(), None);
                    break;
                }
            }
            Some(Ok((Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing, _))) => {}
            Some(Ok((event, span))) => match builder.node(event, &span, &mut parser, 0) {
                Some(node) => root = node,
                None => break,
            },
        }
    }
    if builder.found.is_empty() { Ok(root) } else { Err(builder.found) }
}

struct Builder<'f> {
    files: &'f Files,
    file: u16,
    offsets: Vec<usize>,
    nodes: usize,
    anchors: HashMap<usize, (Node, usize)>,
    found: Vec<Diagnostic>,
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl Builder<'_> {
    fn offset(&self, index: usize) -> usize {
        self.offsets.get(index).or(self.offsets.last()).copied().unwrap_or(0)
    }

    fn span(&self, span: &saphyr_parser::Span) -> Span {
        Span { file: self.file, start: self.offset(span.start.index()), end: self.offset(span.end.index()) }
    }

    fn say(&mut self, span: Span, message: String, hint: Option<&str>) {
        let mut diagnostic = Diagnostic::new(self.files, span, message);
        diagnostic.hint = hint.map(str::to_owned);
        self.found.push(diagnostic);
    }

    /// `None` stops the parse: the mistake is recorded.
    fn node(
        &mut self,
        event: Event<'_>,
        at: &saphyr_parser::Span,
        events: &mut Events<'_>,
        depth: usize,
    ) -> Option<Node> {
        let mut span = self.span(at);
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            let message = format!(
                "the file is too large once its aliases are expanded, or nested too deeply (at most {MAX_NODES} nodes, {MAX_DEPTH} levels)"
            );
            self.say(span, message, None);
            return None;
        }
        let before = self.nodes;
        let mut written = None;
        let (value, anchor, tag) = match event {
            Event::Scalar(text, ScalarStyle::Plain, anchor, tag) => {
                let node = Node::plain(&text, span);
                written = node.written;
                (node.value, anchor, tag)
            }
            Event::Scalar(text, _, anchor, tag) => (Value::Str(text.into_owned()), anchor, tag),
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    self.say(span, "an alias to nothing (or to what it stands in)".into(), None);
                    return None;
                };
                self.nodes += size;
                return Some(Node { span, ..node });
            }
            Event::SequenceStart(anchor, tag) => (Value::Seq(self.sequence(events, depth, &mut span)?), anchor, tag),
            Event::MappingStart(anchor, tag) => (Value::Map(self.mapping(events, depth, &mut span)?), anchor, tag),
            _ => return Some(Node::new(Value::Null, span)),
        };
        if tag.is_some() {
            self.say(span, "tags have no meaning in a pipeline".into(), Some("remove the word that begins with `!`"));
        }
        let node = Node { value, span, written };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before + 1));
        }
        Some(node)
    }

    fn next<'t>(&mut self, events: &mut Events<'t>) -> Option<(Event<'t>, saphyr_parser::Span)> {
        match events.next()? {
            Ok(event) => Some(event),
            Err(e) => {
                let at = self.offset(e.marker().index());
                let info = e.info().to_owned();
                self.say(Span { file: self.file, start: at, end: at + 1 }, format!("this is not YAML: {info}"), None);
                None
            }
        }
    }

    fn sequence(&mut self, events: &mut Events<'_>, depth: usize, span: &mut Span) -> Option<Vec<Node>> {
        let mut nodes: Vec<Node> = Vec::new();
        loop {
            let (event, at) = self.next(events)?;
            if event == Event::SequenceEnd {
                span.end = self.span(&at).end.max(nodes.last().map_or(span.start, |n| n.span.end));
                return Some(nodes);
            }
            nodes.push(self.node(event, &at, events, depth + 1)?);
        }
    }

    fn mapping(&mut self, events: &mut Events<'_>, depth: usize, span: &mut Span) -> Option<Vec<(Key, Node)>> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, at) = self.next(events)?;
            if event == Event::MappingEnd {
                // A block map ends where the next thing begins: end it with its last value instead.
                span.end = entries.last().map_or(self.span(&at).end, |(_, v)| v.span.end).max(span.start);
                return Some(entries);
            }
            let key_span = self.span(&at);
            let Event::Scalar(name, ..) = event else {
                self.say(key_span, "a key must be a word".into(), None);
                return None;
            };
            let key = Key { name: name.into_owned(), span: key_span };
            let (event, at) = self.next(events)?;
            let value = self.node(event, &at, events, depth + 1)?;
            if entries.iter().any(|(k, _)| k.name == key.name) {
                self.say(key.span, format!("the key `{}` stands here twice", key.name), Some("remove one of them"));
            }
            entries.push((key, value));
        }
    }
}
