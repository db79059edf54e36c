//! The language of `when:` and `keep_if`: comparisons of fields, joined by `and`, `or`, `not`.
//!
//! ```text
//! source in [web, wet] and language_score >= 0.5 and not (mime == "text/plain")
//! ```
//! Names are fields, or `source`, `file`, `chars` (length in characters). A field that was never written makes every
//! comparison false. Words without quotes on the right of `==`, `!=` and in lists are texts.

use std::fmt;
use std::ops::Range;

use super::Build;
use crate::doc::{Document, FieldType, Value};
use crate::error::{Error, Result};

/// An expression as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    text: String,
    root: Node,
}

/// What is wrong with an expression, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// One sentence.
    pub message: String,
    /// Bytes of the expression's text.
    pub at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare { name: String, op: Op, values: Vec<Literal> },
    Holds(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(f64),
    Bool(bool),
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expr {
    /// Parses an expression.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
        let root = parser.or()?;
        match parser.peek() {
            None => Ok(Self { text: text.to_owned(), root }),
            Some(_) => Err(parser.wrong("expected `and`, `or` or the end")),
        }
    }

    /// Looks the fields up in the flow.
    pub fn resolve(&self, cx: &mut Build<'_>) -> Result<Condition> {
        resolve(&self.root, cx).map(Condition)
    }
}

/// An expression whose fields are slots.
#[derive(Debug, Clone)]
pub struct Condition(Resolved);

#[derive(Debug, Clone)]
enum Resolved {
    Or(Vec<Resolved>),
    And(Vec<Resolved>),
    Not(Box<Resolved>),
    Compare { name: Name, op: Op, values: Vec<Literal> },
    Holds(Name),
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Source,
    File,
    Chars,
    Slot(u16),
}

impl Condition {
    /// Whether the condition holds for `doc`.
    pub fn holds(&self, doc: &Document) -> bool {
        holds(&self.0, doc)
    }
}

fn resolve(node: &Node, cx: &mut Build<'_>) -> Result<Resolved> {
    let mut all = |nodes: &[Node]| nodes.iter().map(|n| resolve(n, cx)).collect::<Result<Vec<_>>>();
    Ok(match node {
        Node::Or(nodes) => Resolved::Or(all(nodes)?),
        Node::And(nodes) => Resolved::And(all(nodes)?),
        Node::Not(node) => Resolved::Not(Box::new(resolve(node, cx)?)),
        Node::Holds(name) => Resolved::Holds(slot(name, &Literal::Bool(true), cx)?),
        Node::Compare { name, op, values } => {
            let first = values.first().cloned().unwrap_or(Literal::Bool(true));
            Resolved::Compare { name: slot(name, &first, cx)?, op: *op, values: values.clone() }
        }
    })
}

fn slot(name: &str, literal: &Literal, cx: &mut Build<'_>) -> Result<Name> {
    let known = cx.table().lookup(name).map(|(_, kind)| kind);
    Ok(match (name, known, literal) {
        ("source", _, Literal::Text(_)) => Name::Source,
        ("file", _, Literal::Text(_)) => Name::File,
        ("chars", _, Literal::Number(_)) => Name::Chars,
        ("source" | "file" | "chars", ..) => {
            let holds = if name == "chars" { "an integer" } else { "text" };
            return Err(Error::pipeline(format!(
                "the condition compares `{name}`, which holds {holds}, with something else"
            )));
        }
        (_, Some(FieldType::Str), Literal::Text(_)) | (_, None, Literal::Text(_)) => {
            Name::Slot(cx.reads::<String>(name)?.slot())
        }
        (_, Some(FieldType::I64), Literal::Number(_)) => Name::Slot(cx.reads::<i64>(name)?.slot()),
        (_, Some(FieldType::F64), Literal::Number(_)) | (_, None, Literal::Number(_)) => {
            Name::Slot(cx.reads::<f64>(name)?.slot())
        }
        (_, Some(FieldType::Bool), Literal::Bool(_)) | (_, None, Literal::Bool(_)) => {
            Name::Slot(cx.reads::<bool>(name)?.slot())
        }
        (_, Some(kind), _) => {
            return Err(Error::pipeline(format!(
                "the condition compares the field `{name}`, which holds {}, with something else",
                kind.name()
            )));
        }
    })
}

fn holds(node: &Resolved, doc: &Document) -> bool {
    match node {
        Resolved::Or(nodes) => nodes.iter().any(|n| holds(n, doc)),
        Resolved::And(nodes) => nodes.iter().all(|n| holds(n, doc)),
        Resolved::Not(node) => !holds(node, doc),
        Resolved::Holds(name) => matches!(name, Name::Slot(slot) if *doc.fields.slot(*slot) == Value::Bool(true)),
        Resolved::Compare { name, op, values } => values.iter().any(|value| match name {
            Name::Source => compare_text(&doc.origin.source, *op, value),
            Name::File => compare_text(&doc.origin.file, *op, value),
            Name::Chars => compare_number(doc.text.chars() as f64, *op, value),
            Name::Slot(slot) => match doc.fields.slot(*slot) {
                Value::Str(text) => compare_text(text, *op, value),
                Value::I64(number) => compare_number(*number as f64, *op, value),
                Value::F64(number) => compare_number(*number, *op, value),
                Value::Bool(truth) => matches!(value, Literal::Bool(b) if (b == truth) == (*op != Op::Ne)),
                _ => false,
            },
        }),
    }
}

fn compare_text(text: &str, op: Op, value: &Literal) -> bool {
    let Literal::Text(value) = value else { return false };
    ordered(text.cmp(value.as_str()), op)
}

fn compare_number(number: f64, op: Op, value: &Literal) -> bool {
    let Literal::Number(value) = value else { return false };
    number.partial_cmp(value).is_some_and(|order| ordered(order, op))
}

fn ordered(order: std::cmp::Ordering, op: Op) -> bool {
    match op {
        Op::Eq | Op::In => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Number(f64),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 11] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ","];

fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, ExprError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            (Token::Symbol(symbol), symbol.len())
        } else if first == '"' || first == '\'' {
            let Some(end) = rest.get(1..).and_then(|r| r.find(first)) else {
                return Err(ExprError { message: "the quote is never closed".into(), at: at..text.len() });
            };
            (Token::Quoted(rest.get(1..1 + end).unwrap_or_default().to_owned()), end + 2)
        } else {
            let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | '/');
            let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
            if length == 0 {
                let message = format!("`{first}` has no meaning here");
                return Err(ExprError { message, at: at..at + first.len_utf8() });
            }
            let word = rest.get(..length).unwrap_or_default();
            let number = word
                .parse::<f64>()
                .ok()
                .filter(|_| word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.'));
            (number.map_or_else(|| Token::Word(word.to_owned()), Token::Number), length)
        };
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token, Range<usize>)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|t| &t.0)
    }

    fn wrong(&self, message: &str) -> ExprError {
        let end = self.text.len();
        ExprError { message: message.to_owned(), at: self.tokens.get(self.next).map_or(end..end, |t| t.1.clone()) }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.next += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol);
        self.next += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Node, ExprError> {
        let mut nodes = vec![self.and()?];
        while self.word("or") {
            nodes.push(self.and()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Or(nodes) })
    }

    fn and(&mut self) -> Result<Node, ExprError> {
        let mut nodes = vec![self.not()?];
        while self.word("and") {
            nodes.push(self.not()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::And(nodes) })
    }

    fn not(&mut self) -> Result<Node, ExprError> {
        self.depth += 1;
        if self.depth > 100 {
            return Err(self.wrong("the expression is nested too deeply"));
        }
        let node = if self.word("not") {
            Node::Not(Box::new(self.not()?))
        } else if self.symbol("(") {
            let node = self.or()?;
            if !self.symbol(")") {
                return Err(self.wrong("expected `)`"));
            }
            node
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, ExprError> {
        let name = match self.peek() {
            Some(Token::Word(word)) if !["and", "or", "in", "true", "false"].contains(&word.as_str()) => word.clone(),
            _ => return Err(self.wrong("expected the name of a field")),
        };
        self.next += 1;
        if self.word("in") {
            return Ok(Node::Compare { name, op: Op::In, values: self.list()? });
        }
        let ops = [("==", Op::Eq), ("!=", Op::Ne), ("<=", Op::Le), (">=", Op::Ge), ("<", Op::Lt), (">", Op::Gt)];
        match ops.into_iter().find(|(symbol, _)| self.symbol(symbol)) {
            Some((_, op)) => Ok(Node::Compare { name, op, values: vec![self.literal()?] }),
            None => Ok(Node::Holds(name)),
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, ExprError> {
        if !self.symbol("[") {
            return Err(self.wrong("expected a list such as `[en, de]` after `in`"));
        }
        let mut values = vec![self.literal()?];
        while self.symbol(",") {
            values.push(self.literal()?);
        }
        if self.symbol("]") { Ok(values) } else { Err(self.wrong("expected `,` or `]`")) }
    }

    fn literal(&mut self) -> Result<Literal, ExprError> {
        let literal = match self.peek() {
            Some(Token::Number(number)) => Literal::Number(*number),
            Some(Token::Quoted(text)) => Literal::Text(text.clone()),
            Some(Token::Word(word)) if word == "true" || word == "false" => Literal::Bool(word == "true"),
            Some(Token::Word(word)) => Literal::Text(word.clone()),
            _ => return Err(self.wrong("expected a number, a text, `true` or `false`")),
        };
        self.next += 1;
        Ok(literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{FieldTable, Origin};
    use crate::stage::Scope;

    fn holds(text: &str) -> bool {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("when", "web", &mut table, &mut scope);
        let score = cx.writes::<f64>("score").unwrap();
        let lang = cx.writes::<String>("lang").unwrap();
        cx.writes::<f64>("never").unwrap();
        let condition = Expr::parse(text).unwrap().resolve(&mut cx).unwrap();
        let mut doc = Document::new(Origin { source: "web".into(), file: "f".into(), at: 0 }, "four".into());
        doc.set(score, 0.5);
        doc.set(lang, "en".into());
        condition.holds(&doc)
    }

    #[test]
    fn expressions_hold_as_they_read() {
        for (text, expected) in [
            ("source == web", true),
            ("source != \"web\"", false),
            ("score >= 0.5 and lang in [de, en]", true),
            ("score > 0.5 or lang == de", false),
            ("not (score > 0.5 or lang == de)", true),
            ("never < 1", false),
            ("never >= 1", false),
            ("chars == 4", true),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_say_where() {
        for (text, message, at) in [
            ("score >=", "expected a number, a text, `true` or `false`", 8..8),
            ("score ~ 1", "`~` has no meaning here", 6..7),
            ("score > 1 lang", "expected `and`, `or` or the end", 10..14),
            ("a == 'x", "the quote is never closed", 5..7),
            ("(a == 1", "expected `)`", 7..7),
        ] {
            assert_eq!(Expr::parse(text).unwrap_err(), ExprError { message: message.into(), at });
        }
        assert!(Expr::parse(&"(".repeat(1_000_000)).is_err());
    }
}
