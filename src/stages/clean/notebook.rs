//! Makes readable text of Jupyter notebooks: a notebook as it is stored is JSON, most of it pictures in base64.
//!
//! Cells come in order; prose as it is, code in fences (`markdown`) or as code with prose in comments (`script`, the "percent"
//! format of jupytext and of editors). Documents that are no notebooks go on as they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::Result;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `notebook`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notebook {
    /// How cells are written.
    pub format: Format,
    /// Whether the text that code printed or evaluated to is written after it.
    pub outputs: bool,
    /// Most characters of one cell's output; the rest is left out.
    pub max_output_chars: u64,
    /// The field with the file's path: files that are called `.ipynb` and are no notebook are dropped.
    pub path: String,
}

/// How cells are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Prose as it is, code in fences.
    #[default]
    Markdown,
    /// Code as it is, prose in comments, `# %%` between cells.
    Script,
}

impl Default for Notebook {
    fn default() -> Self {
        Self { format: Format::Markdown, outputs: false, max_output_chars: 2000, path: "path".to_owned() }
    }
}

impl Settings for Notebook {
    const ABOUT: About = About {
        reasons: &[
            ("bad_notebook", "it is called `.ipynb` but is no notebook that can be read"),
            ("empty_notebook", "no cell of the notebook has text"),
        ],
        fields: &[("notebook_language", "the notebook's programming language, as it says")],
        examples: &[
            Example {
                it: "makes Markdown of a notebook",
                settings: "{}",
                given: r##"{"nbformat":4,"cells":[{"cell_type":"markdown","source":["# Sum\n","of two"]},{"cell_type":"code","source":"1 + 2","outputs":[]}],"metadata":{"kernelspec":{"language":"python"}}}"##,
                expect: Expect::Text("# Sum\nof two\n\n```python\n1 + 2\n```\n"),
            },
            Example {
                it: "makes a script with outputs",
                settings: r#"{"format": "script", "outputs": true}"#,
                given: r##"{"nbformat":4,"cells":[{"cell_type":"markdown","source":"Sum"},{"cell_type":"code","source":"1 + 2","outputs":[{"output_type":"execute_result","data":{"text/plain":["3"]}}]}],"metadata":{}}"##,
                expect: Expect::Text("# %% [markdown]\n# Sum\n\n# %%\n1 + 2\n# Output:\n# 3\n"),
            },
            Example {
                it: "drops a notebook without text",
                settings: "{}",
                given: r#"{"nbformat":4,"cells":[],"metadata":{}}"#,
                expect: Expect::Dropped("empty_notebook"),
            },
            Example { it: "leaves everything else", settings: "{}", given: "{\"a\": 1}", expect: Expect::Kept },
        ],
        ..About::new("notebook", Family::Clean, "makes readable text of Jupyter notebooks")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let (path, language) = (cx.may_read(&self.path)?, cx.writes("notebook_language")?);
        Ok(Stage::Transform(Box::new(Running { settings: self, path, language })))
    }
}

/// A notebook of format 3 (cells in worksheets) or 4.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    cells: Vec<Cell>,
    #[serde(default)]
    worksheets: Vec<Worksheet>,
    #[serde(default)]
    metadata: Metadata,
    nbformat: u32,
}

#[derive(Deserialize)]
struct Worksheet {
    #[serde(default)]
    cells: Vec<Cell>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    kernelspec: Option<Named>,
    #[serde(default)]
    language_info: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(default)]
    cell_type: String,
    #[serde(default)]
    source: Option<Lines>,
    /// Format 3 calls the source of code so.
    #[serde(default)]
    input: Option<Lines>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    text: Option<Lines>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "text/plain", default)]
    plain: Option<Lines>,
}

/// Text in one string or in lines, each with its end.
#[derive(Default)]
struct Lines(String);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> serde::de::Visitor<'de> for Seen {
            type Value = Lines;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of strings")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Lines, E> {
                Ok(Lines(text.to_owned()))
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Lines, E> {
                Ok(Lines::default())
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Lines, A::Error> {
                let mut all = String::new();
                while let Some(line) = seq.next_element::<std::borrow::Cow<'_, str>>()? {
                    all.push_str(&line);
                }
                Ok(Lines(all))
            }
        }
        d.deserialize_any(Seen)
    }
}

#[derive(Clone)]
struct Running {
    settings: Notebook,
    path: Field<String>,
    language: Field<String>,
}

impl Running {
    /// `text` with cells written one after the other, a blank line between.
    fn write(&self, cells: &[Cell], language: &str) -> String {
        let mut out = String::new();
        for cell in cells {
            let source = cell.source.as_ref().or(cell.input.as_ref()).map_or("", |s| s.0.as_str());
            let source = source.trim_end();
            if source.trim().is_empty() {
                continue;
            }
            if !out.is_empty() {
                out.push('\n');
            }
            match (cell.cell_type.as_str(), self.settings.format) {
                ("code", Format::Markdown) => fenced(&mut out, language, source),
                ("code", Format::Script) => {
                    out.push_str("# %%\n");
                    out.push_str(source);
                    out.push('\n');
                }
                (_, Format::Markdown) => {
                    out.push_str(source);
                    out.push('\n');
                }
                (_, Format::Script) => {
                    out.push_str("# %% [markdown]\n");
                    commented(&mut out, source);
                }
            }
            if self.settings.outputs && cell.cell_type == "code" {
                self.write_output(&mut out, cell);
            }
        }
        out
    }

    fn write_output(&self, out: &mut String, cell: &Cell) {
        let mut text = String::new();
        for output in &cell.outputs {
            let plain = output.data.as_ref().and_then(|d| d.plain.as_ref());
            if let Some(shown) = output.text.as_ref().or(plain) {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&shown.0);
            }
        }
        let end = text.char_indices().nth(self.settings.max_output_chars as usize).map_or(text.len(), |(at, _)| at);
        let text = text.get(..end).unwrap_or_default().trim_end();
        if text.is_empty() {
            return;
        }
        match self.settings.format {
            Format::Markdown => {
                out.push('\n');
                fenced(out, "", text);
            }
            Format::Script => {
                out.push_str("# Output:\n");
                commented(out, text);
            }
        }
    }
}

/// A fenced block, with a fence longer than any in it.
fn fenced(out: &mut String, language: &str, text: &str) {
    let longest = text.lines().map(|l| l.trim_start().bytes().take_while(|b| *b == b'`').count()).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    out.push_str(&format!("{fence}{language}\n"));
    out.push_str(text);
    out.push_str(&format!("\n{fence}\n"));
}

fn commented(out: &mut String, text: &str) {
    for line in text.lines() {
        out.push_str(if line.is_empty() { "#" } else { "# " });
        out.push_str(line);
        out.push('\n');
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = doc.text.as_str();
        let named = doc.get(self.path).is_some_and(|p| p.ends_with(".ipynb"));
        let like_one =
            || text.trim_start().starts_with('{') && memchr::memmem::find(text.as_bytes(), b"\"nbformat\"").is_some();
        if !named && !like_one() {
            return Verdict::Keep;
        }
        let Ok(stored) = serde_json::from_str::<Stored>(text) else {
            return if named { Verdict::drop("bad_notebook") } else { Verdict::Keep };
        };
        if stored.nbformat < 3 {
            return if named { Verdict::drop("bad_notebook") } else { Verdict::Keep };
        }
        let metadata = stored.metadata;
        let language = metadata.kernelspec.and_then(|k| k.language).or(metadata.language_info.and_then(|l| l.name));
        let cells: Vec<Cell> =
            stored.cells.into_iter().chain(stored.worksheets.into_iter().flat_map(|w| w.cells)).collect();
        let written = self.write(&cells, language.as_deref().unwrap_or_default());
        if written.is_empty() {
            return Verdict::drop("empty_notebook");
        }
        if let Some(language) = language {
            doc.set(self.language, language);
        }
        doc.text.set(written);
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{Scope, testing};

    fn read(path: &str, text: &str) -> (Verdict, String) {
        let (mut table, mut scope) = (FieldTable::default(), Scope { open: true, ..Scope::default() });
        let mut cx = Build::new("notebook", "code", &mut table, &mut scope);
        let Stage::Transform(mut stage) = Notebook::default().build(&mut cx).unwrap() else {
            panic!("not a transform")
        };
        let mut doc = testing::doc("code", 0, text);
        doc.set(table.find::<String>("path").unwrap(), path.to_owned());
        (stage.apply(&mut doc), doc.text.into_string())
    }

    #[test]
    fn the_third_format_is_read() {
        let text = r#"{"nbformat":3,"worksheets":[{"cells":[{"cell_type":"heading","source":"Title"},{"cell_type":"code","input":["a\n","b"],"language":"python"}]}],"metadata":{"name":""}}"#;
        assert_eq!(read("a.ipynb", text), (Verdict::Keep, "Title\n\n```\na\nb\n```\n".to_owned()));
    }

    #[test]
    fn what_is_no_notebook_is_dropped_by_name_only() {
        assert_eq!(read("a.ipynb", "{\"cells\": []").0, Verdict::drop("bad_notebook"));
        assert_eq!(
            read("a.ipynb", &format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))).0,
            Verdict::drop("bad_notebook")
        );
        assert_eq!(read("a.json", "{\"nbformat\": \"four\"}"), (Verdict::Keep, "{\"nbformat\": \"four\"}".to_owned()));
    }

    #[test]
    fn fences_are_longer_than_those_they_hold() {
        let text = r#"{"nbformat":4,"cells":[{"cell_type":"code","source":"```x```"}],"metadata":{}}"#;
        assert_eq!(read("a.ipynb", text).1, "````\n```x```\n````\n");
    }
}
