//! Gives documents to a program of your own, which judges them, changes their text or sets fields: any language, any model.
//!
//! The program reads a JSON object in each line of its stdin, `{"id": "…", "text": "…"}` with the fields that `reads` names,
//! and writes one line for each to its stdout, in the same order: `{"id": "…"}` to keep the document, with `"text"` to
//! replace its text, with fields that `writes` names to set them, or `{"id": "…", "drop": "a_reason"}`. It must flush
//! each line (`python3 -u`, `jq --unbuffered`), and end when its input does. What it says on stderr is shown if it fails.
//!
//! One process serves each worker, from batch to batch. A document on which it crashes or hangs is found by giving its
//! batch in parts to new processes, and quarantined; its neighbors are judged. What it says of a document must depend on
//! that document alone: then the output depends neither on the workers nor on how documents are batched.
//!
//! A pipeline cannot execute anything by itself: whoever runs it must say `--allow-exec`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::doc::{Document, Field, FieldType, Typed, Value, Verdict};
use crate::error::{Error, Result};
use crate::io::program::{Program, Unanswered};
use crate::stage::values::{from_json, push_json};
use crate::stage::{About, BatchTransform, Build, Example, Expect, Failed, Family, Settings, Stage};
use crate::text::json::push_string;

/// Settings of `command`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, as a list; no shell comes between. A program with a slash in its name is a file,
    /// whose change makes the work be done again; others are looked for in `PATH`.
    pub run: Vec<String>,
    /// Files that decide what the program says (its script, a model, a list): if one changes, the work is done again.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Fields that the program gets beside `id` and `text`, and their types.
    #[serde(default)]
    pub reads: BTreeMap<String, Kind>,
    /// Fields that the program may set, and their types.
    #[serde(default)]
    pub writes: BTreeMap<String, Kind>,
    /// The reasons for which the program may drop documents: words that read after "because".
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Seconds that the program may take for an answer, the start of the program included.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1))]
    pub timeout: u64,
}

fn timeout() -> u64 {
    60
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of numbers, such as an embedding.
    Numbers,
}

/// Members of questions and answers that are no fields.
const RESERVED: [&str; 3] = ["id", "text", "drop"];

impl Settings for Command {
    const ABOUT: About = About {
        shorthand: Some("run"),
        reasons: &[
            ("crashed", "quarantined: the program ended with a failure whenever it got this document"),
            ("timed_out", "quarantined: the program did not answer within `timeout` whenever it got this document"),
        ],
        examples: &[
            Example {
                it: "drops what the program drops",
                settings: r#"{"run": ["sh", "-c", "while read -r line; do id=$${line#*:}; printf '{\"id\":%s,\"drop\":\"dull\"}\\n' \"$${id%%,*}\"; done"], "reasons": ["dull"]}"#,
                given: "some text",
                expect: Expect::Dropped("dull"),
            },
            Example {
                it: "sets the fields that the program sets",
                settings: r#"{"run": ["sh", "-c", "while read -r line; do id=$${line#*:}; printf '{\"id\":%s,\"bytes\":%d}\\n' \"$${id%%,*}\" $${#line}; done"], "writes": {"bytes": "integer"}}"#,
                given: "some text",
                expect: Expect::Field("bytes", "60"),
            },
            Example {
                it: "replaces text",
                settings: r#"{"run": ["sh", "-c", "while read -r line; do id=$${line#*:}; printf '{\"id\":%s,\"text\":\"new\"}\\n' \"$${id%%,*}\"; done"]}"#,
                given: "some text",
                expect: Expect::Text("new"),
            },
        ],
        ..About::new("command", Family::Filter, "asks a program of your own, in JSON lines (needs `--allow-exec`)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let label = cx.label.to_owned();
        let Some(program) = self.run.first().filter(|p| !p.is_empty()) else {
            return Err(
                Error::pipeline(format!("`{label}` names no program")).hint("give `run: [program, argument, …]`")
            );
        };
        if self.timeout == 0 {
            return Err(Error::pipeline(format!("`{label}`: in a `timeout` of 0 s no program answers")));
        }
        let mut names = self.reads.keys().chain(self.writes.keys());
        if let Some(name) = names.find(|n| RESERVED.contains(&n.as_str())) {
            return Err(Error::pipeline(format!(
                "`{label}`: `{name}` is no field: every line has a member of that name"
            ))
            .hint("give the field another name"));
        }
        let word = |reason: &&String| {
            !reason.is_empty() && reason.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if let Some(reason) = self.reasons.iter().find(|reason| !word(reason)) {
            return Err(Error::pipeline(format!(
                "`{label}`: the reason `{reason}` is no word of small letters, digits and `_`"
            ))
            .hint("a reason reads after \"because\", as in `too_short`"));
        }
        cx.executes(format!("runs the program `{}`", self.run.join(" ")));
        if program.contains('/') {
            cx.resource(program)?;
        }
        self.files.iter().try_for_each(|file| cx.resource(file).map(drop))?;
        let reads: Vec<Asked> =
            self.reads.iter().map(|(n, kind)| Ok((n.clone(), kind.slot(n, cx, false)?))).collect::<Result<_>>()?;
        let writes = self.writes.iter().map(|(n, kind)| Ok((n.clone(), (kind.slot(n, cx, true)?, kind.of()))));
        Ok(Stage::Batch(Box::new(Running {
            reads,
            writes: writes.collect::<Result<_>>()?,
            // Reasons are words that live as long as the process; these are few, and known before anything runs.
            reasons: self.reasons.iter().map(|reason| &*Box::leak(reason.clone().into_boxed_str())).collect(),
            patience: Duration::from_secs(self.timeout),
            rewrites: !cx.annotate,
            run: self.run,
            program: None,
        })))
    }
}

/// A field that the program gets: its name and slot.
type Asked = (String, u16);

impl Kind {
    fn of(self) -> FieldType {
        match self {
            Self::Text => FieldType::Str,
            Self::Integer => FieldType::I64,
            Self::Number => FieldType::F64,
            Self::Boolean => FieldType::Bool,
            Self::Numbers => FieldType::Floats,
        }
    }

    fn slot(self, name: &str, cx: &mut Build<'_>, writes: bool) -> Result<u16> {
        fn field<T: Typed>(name: &str, cx: &mut Build<'_>, writes: bool) -> Result<Field<T>> {
            if writes { cx.writes(name) } else { cx.reads(name) }
        }
        Ok(match self {
            Self::Text => field::<String>(name, cx, writes)?.slot(),
            Self::Integer => field::<i64>(name, cx, writes)?.slot(),
            Self::Number => field::<f64>(name, cx, writes)?.slot(),
            Self::Boolean => field::<bool>(name, cx, writes)?.slot(),
            Self::Numbers => field::<Vec<f32>>(name, cx, writes)?.slot(),
        })
    }
}

struct Running {
    run: Vec<String>,
    reads: Vec<Asked>,
    writes: BTreeMap<String, (u16, FieldType)>,
    reasons: Vec<&'static str>,
    patience: Duration,
    /// Whether texts are replaced: not in `mode: annotate`.
    rewrites: bool,
    /// The process of this worker.
    program: Option<Program>,
}

impl Clone for Running {
    fn clone(&self) -> Self {
        Self {
            run: self.run.clone(),
            reads: self.reads.clone(),
            writes: self.writes.clone(),
            reasons: self.reasons.clone(),
            program: None,
            ..*self
        }
    }
}

/// What the program said of a document.
struct Answer {
    verdict: Verdict,
    text: Option<String>,
    fields: Vec<(u16, Value)>,
}

impl Running {
    fn question(&self, doc: &Document, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{{\"id\":\"{}\",\"text\":", doc.id).as_bytes());
        push_string(doc.text.as_str(), out);
        for (name, slot) in &self.reads {
            out.push(b',');
            push_string(name, out);
            out.push(b':');
            push_json(doc.fields.slot(*slot), out);
        }
        out.extend_from_slice(b"}\n");
    }

    fn answer(&self, doc: &Document, line: &[u8]) -> Result<Answer> {
        let name = self.run.first().map_or("", String::as_str);
        let wrong = |what: String| {
            let line: String = String::from_utf8_lossy(line).trim_end().chars().take(200).collect();
            Error::world(format!("`{name}` answered `{line}`, {what}")).with("document", doc.id)
        };
        let answer: Map<String, Json> = serde_json::from_slice(line).map_err(|e| {
            wrong(format!("which is no JSON object: {e}"))
                .hint("stdout is for answers alone, one in each line; everything else goes to stderr")
        })?;
        match answer.get("id").and_then(Json::as_str) {
            Some(id) if id == doc.id.to_string() => {}
            Some(_) => {
                return Err(wrong("which is of another document".into())
                    .hint("it must answer every document once, in the order in which it gets them"));
            }
            None => return Err(wrong("which has no `id`".into()).hint("an answer repeats the `id` of its document")),
        }
        let mut said = Answer { verdict: Verdict::Keep, text: None, fields: Vec::new() };
        for (member, value) in &answer {
            match (member.as_str(), value) {
                ("id", _) | (_, Json::Null) => {}
                ("text", Json::String(text)) => said.text = Some(text.clone()),
                ("drop", Json::String(reason)) => {
                    let known =
                        self.reasons.iter().copied().find(|known| *known == reason.as_str()).ok_or_else(|| {
                            wrong(format!("and `reasons` does not know `{reason}`"))
                                .hint(format!("declare it: `reasons: [{reason}]`"))
                        })?;
                    said.verdict = Verdict::drop(known);
                }
                ("text" | "drop", _) => return Err(wrong(format!("where `{member}` is no text"))),
                _ => {
                    let (slot, kind) = *self.writes.get(member).ok_or_else(|| {
                        wrong(format!("and `writes` does not know the field `{member}`"))
                            .hint(format!("declare it: `writes: {{ {member}: number }}`"))
                    })?;
                    let value = from_json(value, kind)
                        .ok_or_else(|| wrong(format!("where `{member}` is not of the type {}", kind.name())))?;
                    said.fields.push((slot, value));
                }
            }
        }
        Ok(said)
    }
}

impl BatchTransform for Running {
    fn apply(&mut self, docs: &mut [Document]) -> Result<Vec<Verdict>, Failed> {
        let mut questions = Vec::new();
        docs.iter().for_each(|doc| self.question(doc, &mut questions));
        let mut program = match self.program.take().filter(Program::lives) {
            Some(program) => program,
            None => Program::start(&self.run)?,
        };
        let (mut answers, mut answered) = (Vec::new(), 0);
        let asked = program.ask(&questions, docs.len(), self.patience, &mut answered, &mut |number, line| {
            let doc = docs.get(number).ok_or_else(|| Error::bug("an answer to no document"))?;
            answers.push(self.answer(doc, line)?);
            Ok(())
        });
        asked.map_err(|why| match why {
            Unanswered::Crashed(detail) => Failed::Document { because: "crashed", detail, suspect: answered },
            Unanswered::Silent(detail) => Failed::Document { because: "timed_out", detail, suspect: answered },
            Unanswered::Wrong(error) => Failed::Stage(error),
        })?;
        self.program = Some(program);
        let mut verdicts = Vec::new();
        for (doc, answer) in docs.iter_mut().zip(answers) {
            if let Some(text) = answer.text.filter(|_| self.rewrites) {
                doc.text.set(text);
            }
            answer.fields.into_iter().for_each(|(slot, value)| doc.fields.put(slot, value));
            verdicts.push(answer.verdict);
        }
        Ok(verdicts)
    }
}
