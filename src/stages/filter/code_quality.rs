//! Drops source files that are not worth learning from: lines that nobody writes, more marks than letters, markup without
//! text, generated, minified and data files.
//!
//! The measures and thresholds are StarCoder's (Li et al. 2023, arXiv 2305.06161, 3.2, and its published preprocessing), with
//! its table of what was decided for each file extension by looking at a thousand files of each; what is generated or encoded
//! is StarCoder2's (Lozhkov et al. 2024, arXiv 2402.19173, 2.3). Comments are found by the marks of the language alone, and
//! their share is of bytes: documentation is a comment. `compat: starcoder` counts them as the published preprocessing did,
//! with what Pygments' lexers of Rust, C, C++, Java, JavaScript, TypeScript, Go and CSS, and Python's own parser, take for
//! comments: in Rust `///` is none, in C a `//` within a macro's string is one, in CSS nothing is. Either takes time linear in
//! the length of the file, whatever the file, and no file fails to be read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::quality::{CODE_MEASURES, CodeMeasures};
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::programming;

/// Settings of `code_quality`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CodeQuality {
    /// The field with the file's path; without one, rules about names say nothing.
    pub path: String,
    /// The field with the programming language.
    pub language: String,
    /// Whether what StarCoder decided for each file extension comes before the thresholds below: some are left out, some may
    /// have long lines or few letters. Extensions it did not look at are held against the thresholds.
    pub extensions: bool,
    /// Longest line in characters.
    pub max_line_length: Option<u64>,
    /// Greatest mean length of lines in characters.
    pub max_mean_line_length: Option<f64>,
    /// Most lines.
    pub max_lines: Option<u64>,
    /// Fewest characters of a JSON or YAML file.
    pub min_data_chars: Option<u64>,
    /// Most characters of a JSON or YAML file.
    pub max_data_chars: Option<u64>,
    /// Least share of letters and digits among characters, 0..1.
    pub min_alphanumeric_fraction: Option<Fraction>,
    /// Least share of letters among characters, 0..1.
    pub min_alphabetic_fraction: Option<Fraction>,
    /// Least share of comments in bytes, 0..1, in languages whose comments are known (SantaCoder: 0.01).
    pub min_comment_fraction: Option<Fraction>,
    /// Greatest share of comments in bytes, 0..1, in languages whose comments are known (SantaCoder: 0.8).
    pub max_comment_fraction: Option<Fraction>,
    /// Count comments as another implementation does.
    pub compat: Option<Compat>,
    /// Whether files go that begin as XML does, other than XSLT.
    pub xml: bool,
    /// Least share of an HTML page's characters that are shown, 0..1.
    pub min_visible_fraction: Option<Fraction>,
    /// Fewest characters that an HTML page shows.
    pub min_visible_chars: Option<u64>,
    /// Whether files go that say they are generated, or whose names do.
    pub generated: bool,
    /// Whether minified JavaScript and CSS goes.
    pub minified: bool,
    /// Greatest share of data written as text (base64, lists of bytes, escapes) in bytes, 0..1.
    pub max_encoded_fraction: Option<Fraction>,
    /// Longest piece of data written as text in bytes.
    pub max_encoded_length: Option<u64>,
    /// Greatest share of lines that are only numbers, 0..1.
    pub max_number_line_fraction: Option<Fraction>,
}

/// Whose count of comments is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// bigcode-dataset's, which SantaCoder and StarCoder were made with: characters that Pygments or Python call comments. A
    /// share that is equal to a limit, of comments or of what an HTML page shows, goes too. Languages that it is not known
    /// for are counted as without it.
    Starcoder,
}

impl Default for CodeQuality {
    fn default() -> Self {
        Self {
            path: "path".to_owned(),
            language: "code_language".to_owned(),
            extensions: true,
            max_line_length: Some(1000),
            max_mean_line_length: Some(100.0),
            max_lines: Some(100_000),
            min_data_chars: Some(50),
            max_data_chars: Some(5000),
            min_alphanumeric_fraction: Some(Fraction(0.25)),
            min_alphabetic_fraction: None,
            min_comment_fraction: None,
            max_comment_fraction: None,
            compat: None,
            xml: true,
            min_visible_fraction: Some(Fraction(0.2)),
            min_visible_chars: Some(100),
            generated: true,
            minified: true,
            max_encoded_fraction: Some(Fraction(0.5)),
            max_encoded_length: Some(1024),
            max_number_line_fraction: Some(Fraction(0.9)),
        }
    }
}

/// What StarCoder's table of extensions says that differs from its thresholds.
mod table {
    /// Left out: data, generated, or no code of the language.
    pub const LEFT_OUT: &str = " al aux bison cats cdf cl2 csx dpr f77 frg frx geo grt ihlp ltx nbp pck ph pls plx rest rktd rktl \
                                sexp sig sthlp tab toc vhf vrx w wlt xrl yy ";
    /// Long lines are no sign of anything.
    pub const LONG_LINES: &str = " ado bbx bib bsv cbx cmake do dtx frm ins json lbx ma markdown matlab md mkd mkdn mkii mkiv mkvi mt \
                                  nb r rmd ron rst sql sty tex ";
    /// Lines longer than 500 are.
    pub const SHORT_LINES: &str = " fsh ";
    /// Few letters and digits are no sign of anything.
    pub const FEW_ALPHANUMERIC: &str = " frm ma mt nb sas ";
    /// A quarter of the characters must be letters.
    pub const QUARTER_LETTERS: &str = " ads aug bas fp ma mpl nb matlab prc scm sld sps sv vhd wl y ";
    /// Half of them.
    pub const HALF_LETTERS: &str = " json yaml yml ";
    /// XML by nature.
    pub const XML: &str = " xsl xslt ";

    /// Whether `extension` is in `list`.
    pub fn has(list: &str, extension: &str) -> bool {
        !extension.is_empty() && list.split(' ').any(|e| e == extension)
    }
}

/// What the rules hold against the measures of one file: by its extension, so that no table of rules fits all.
struct Limits {
    line: Option<u64>,
    mean: Option<f64>,
    alphanumeric: Option<f64>,
    alphabetic: Option<f64>,
    xml: bool,
}

impl CodeQuality {
    fn limits(&self, extension: &str) -> Limits {
        let mut limits = Limits {
            line: self.max_line_length,
            mean: self.max_mean_line_length,
            alphanumeric: self.min_alphanumeric_fraction.map(|f| f.0),
            alphabetic: self.min_alphabetic_fraction.map(|f| f.0),
            xml: self.xml,
        };
        if !self.extensions {
            return limits;
        }
        if table::has(table::LONG_LINES, extension) {
            (limits.line, limits.mean) = (None, None);
        }
        if table::has(table::SHORT_LINES, extension) {
            limits.line = limits.line.map(|most| most.min(500));
        }
        if table::has(table::FEW_ALPHANUMERIC, extension) {
            limits.alphanumeric = None;
        }
        let letters = if table::has(table::HALF_LETTERS, extension) { 0.5 } else { 0.25 };
        if letters == 0.5 || table::has(table::QUARTER_LETTERS, extension) {
            limits.alphabetic = Some(limits.alphabetic.unwrap_or(0.0).max(letters));
        }
        limits.xml &= !table::has(table::XML, extension);
        limits
    }
}

impl Settings for CodeQuality {
    const ABOUT: About = About {
        reasons: &[
            ("left_out", "StarCoder left files of its extension out"),
            ("line_too_long", "it has a line longer than `max_line_length`"),
            ("lines_too_long", "its lines are longer on average than `max_mean_line_length`"),
            ("too_many_lines", "it has more lines than `max_lines`"),
            ("data_too_short", "it is JSON or YAML of fewer characters than `min_data_chars`"),
            ("data_too_long", "it is JSON or YAML of more characters than `max_data_chars`"),
            ("too_few_alphanumeric", "fewer of its characters are letters or digits than `min_alphanumeric_fraction`"),
            (
                "too_few_letters",
                "fewer of its characters are letters than `min_alphabetic_fraction`, or than its extension asks for",
            ),
            ("too_few_comments", "less of it is comments than `min_comment_fraction`"),
            ("too_many_comments", "more of it is comments than `max_comment_fraction`"),
            ("xml", "it begins as XML does"),
            (
                "too_little_visible",
                "it is an HTML page that shows less than `min_visible_fraction` or `min_visible_chars`",
            ),
            ("generated", "it says that it is generated, or its name does"),
            ("minified", "it is minified JavaScript or CSS"),
            ("encoded", "it holds more data written as text than `max_encoded_fraction` or `max_encoded_length`"),
            ("numbers", "more of its lines are only numbers than `max_number_line_fraction`"),
        ],
        fields: &[("code_quality.*", "in `mode: annotate`, every measure the rules are held against")],
        examples: &[
            Example {
                it: "keeps code",
                settings: "{}",
                given: "def double(x):\n    return 2 * x\n",
                expect: Expect::Kept,
            },
            Example {
                it: "drops markup",
                settings: "{}",
                given: "<?xml version=\"1.0\"?>\n<a><b>c</b></a>",
                expect: Expect::Dropped("xml"),
            },
            Example {
                it: "drops what a program wrote",
                settings: "{}",
                given: "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage x",
                expect: Expect::Dropped("generated"),
            },
            Example {
                it: "drops columns of numbers",
                settings: "{}",
                given: "1.0 2.0 3.5\n2.0 4.0 7.1\n3.0 8.0 9.9\n4.0 16.0 11.2\n",
                expect: Expect::Dropped("numbers"),
            },
            Example {
                it: "counts comments as StarCoder's preprocessing did",
                settings: r#"{"min_comment_fraction": 0.01, "compat": "starcoder"}"#,
                given: "fn double(x: u32) -> u32 {\n    2 * x\n}\n",
                expect: Expect::Kept,
            },
            Example {
                it: "drops drawings",
                settings: "{}",
                given: "+-----+-----+\n|     |  a  |\n+-----+-----+\n",
                expect: Expect::Dropped("too_few_alphanumeric"),
            },
        ],
        ..About::new("code_quality", Family::Filter, "drops source files not worth learning from (StarCoder's rules)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if self.min_comment_fraction.zip(self.max_comment_fraction).is_some_and(|(min, max)| min > max) {
            return Err(Error::pipeline("`code_quality`: `min_comment_fraction` is above `max_comment_fraction`")
                .hint("swap them"));
        }
        let (path, language) = (cx.may_read(&self.path)?, cx.may_read(&self.language)?);
        let mut measures = Vec::new();
        if cx.annotate {
            for name in CODE_MEASURES {
                measures.push(cx.writes(&format!("{}.{name}", cx.label))?);
            }
        }
        Ok(Stage::Transform(Box::new(Running { settings: self, path, language, measures })))
    }
}

#[derive(Clone)]
struct Running {
    settings: CodeQuality,
    path: Field<String>,
    language: Field<String>,
    measures: Vec<Field<f64>>,
}

/// Files that tools write, by the end of their path.
const GENERATED_NAMES: [&str; 26] = [
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "composer.lock",
    "cargo.lock",
    "gemfile.lock",
    "poetry.lock",
    "pipfile.lock",
    "go.sum",
    ".pb.go",
    ".pb.cc",
    ".pb.h",
    "_pb2.py",
    "_pb2_grpc.py",
    ".pb.rb",
    ".g.dart",
    ".freezed.dart",
    ".designer.cs",
    ".g.cs",
    ".g.i.cs",
    ".min.js.map",
    ".js.map",
    ".css.map",
    ".nib",
    ".pbxproj",
];

/// What files say in their first five lines if a program wrote them.
const GENERATED_WORDS: [&str; 10] = [
    "auto-generated",
    "autogenerated",
    "automatically generated",
    "generated automatically",
    "this file is generated",
    "code generated by",
    "generated by the protocol buffer compiler",
    "do not edit",
    "@generated",
    "generated from",
];

/// Whether a program wrote the file. "Do not edit" and "generated from" must come with "generated" in the same line.
fn generated(doc: &Document, path: &str) -> bool {
    let name = path.to_ascii_lowercase();
    if GENERATED_NAMES.iter().any(|end| name.ends_with(end)) || name.contains("node_modules/") {
        return true;
    }
    doc.text.lines().iter().take(5).any(|&line| {
        let line = doc.text.at(line);
        let mut end = line.len().min(400);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let line = line.get(..end).unwrap_or_default().to_ascii_lowercase();
        GENERATED_WORDS.iter().any(|word| line.contains(word) && (line.contains("generated") || *word != "do not edit"))
    })
}

/// Whether the file is minified: it is named so, or is JavaScript or CSS with lines of more than 110 characters on average.
fn minified(path: &str, language: Option<&str>, mean: f64) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    [".min.js", ".min.css", "-min.js", "-min.css", ".min.mjs"].iter().any(|end| name.ends_with(end))
        || (matches!(language, Some("JavaScript" | "CSS")) && mean > 110.0)
}

/// How a number must stand to a limit.
#[derive(Clone, Copy)]
enum Allowed {
    Least,
    Most,
    MoreThan,
    LessThan,
}

impl Allowed {
    fn holds(self, number: f64, limit: f64) -> bool {
        match self {
            Self::Least => number >= limit,
            Self::Most => number <= limit,
            Self::MoreThan => number > limit,
            Self::LessThan => number < limit,
        }
    }
}

impl Running {
    fn verdict(&self, doc: &Document, path: &str, language: Option<&str>, m: &CodeMeasures) -> Verdict {
        use Allowed::{Least, LessThan, MoreThan, Most};
        let s = &self.settings;
        let extension =
            path.rsplit('/').next().and_then(|n| n.rsplit_once('.')).map_or("", |(_, e)| e).to_ascii_lowercase();
        if s.extensions && table::has(table::LEFT_OUT, &extension) {
            return Verdict::drop("left_out");
        }
        if s.minified && minified(path, language, m.mean_line_length) {
            return Verdict::drop_by("minified", m.mean_line_length, 110.0);
        }
        if s.generated && generated(doc, path) {
            return Verdict::drop("generated");
        }
        let limits = s.limits(&extension);
        let count = |n: Option<u64>| n.map(|n| n as f64);
        let data = table::has(table::HALF_LETTERS, &extension).then(|| doc.text.chars() as f64);
        // There what is equal to a limit of comments, or of what is shown, goes.
        let equal = s.compat == Some(Compat::Starcoder);
        let (least, most) = if equal { (MoreThan, LessThan) } else { (Least, Most) };
        let rules = [
            ("line_too_long", Some(m.line_length), count(limits.line), Most),
            ("lines_too_long", Some(m.mean_line_length), limits.mean, Most),
            ("too_many_lines", Some(m.lines), count(s.max_lines), Most),
            ("too_few_alphanumeric", Some(m.alphanumeric), limits.alphanumeric, Least),
            ("too_few_letters", Some(m.alphabetic), limits.alphabetic, Least),
            ("data_too_short", data, count(s.min_data_chars), Least),
            ("data_too_long", data, count(s.max_data_chars), Most),
            ("too_few_comments", m.comments, s.min_comment_fraction.map(|f| f.0), least),
            ("too_many_comments", m.comments, s.max_comment_fraction.map(|f| f.0), most),
            ("too_little_visible", m.visible.map(|v| v.0), s.min_visible_fraction.map(|f| f.0), least),
            ("too_little_visible", m.visible.map(|v| v.1), count(s.min_visible_chars), least),
            ("encoded", Some(m.encoded_length), count(s.max_encoded_length), Most),
            ("encoded", Some(m.encoded), s.max_encoded_fraction.map(|f| f.0), Most),
            ("numbers", Some(m.number_lines), s.max_number_line_fraction.map(|f| f.0), Most),
        ];
        let xml = limits.xml && begins_as_xml(doc.text.as_str());
        for (index, (reason, number, limit, allowed)) in rules.into_iter().enumerate() {
            // StarCoder's order: what the characters say, comments, then XML and HTML.
            if index == 9 && xml {
                return Verdict::drop("xml");
            }
            let (Some(number), Some(limit)) = (number, limit) else { continue };
            if !allowed.holds(number, limit) {
                return Verdict::drop_by(reason, number, limit);
            }
        }
        Verdict::Keep
    }
}

/// Whether an XML declaration stands in the first hundred characters.
fn begins_as_xml(text: &str) -> bool {
    let end = text.char_indices().nth(100).map_or(text.len(), |(at, _)| at);
    text.get(..end).is_some_and(|head| head.contains("<?xml version="))
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let path = doc.get(self.path).unwrap_or_default().to_owned();
        let named = doc.get(self.language).map(str::to_owned);
        let language = named.as_deref().or_else(|| programming::language(&path));
        let measured = CodeMeasures::of(doc, language, self.settings.compat == Some(Compat::Starcoder));
        for (field, number) in self.measures.iter().zip(measured.numbers()) {
            if let Some(number) = number {
                doc.set(*field, number);
            }
        }
        self.verdict(doc, &path, language, &measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{Scope, testing};

    fn because(settings: &str, path: &str, text: &str) -> Option<&'static str> {
        let (mut table, mut scope) = (FieldTable::default(), Scope { open: true, ..Scope::default() });
        let settings: CodeQuality = serde_json::from_str(settings).unwrap();
        let mut cx = Build::new("code_quality", "code", &mut table, &mut scope);
        let Stage::Transform(mut stage) = settings.build(&mut cx).unwrap() else { panic!("not a transform") };
        let mut doc = testing::doc("code", 0, text);
        doc.set(table.find::<String>("path").unwrap(), path.to_owned());
        match stage.apply(&mut doc) {
            Verdict::Keep => None,
            Verdict::Drop(reason) => Some(reason.word),
        }
    }

    #[test]
    fn files_are_judged_by_their_extension() {
        let long = format!("select '{}';\n", "words go ".repeat(140));
        assert_eq!(because("{}", "a/b.py", &long), Some("line_too_long"));
        assert_eq!(because("{}", "a/b.sql", &long), None);
        assert_eq!(because(r#"{"extensions": false}"#, "a/b.sql", &long), Some("line_too_long"));
        assert_eq!(because("{}", "a/b.tab", "some words"), Some("left_out"));
        assert_eq!(
            because("{}", "a/b.json", "{\"a\": [11111, 22222, 33333, 44444, 55555, 66666]}"),
            Some("too_few_letters")
        );
        assert_eq!(because("{}", "a/b.yaml", "name: short"), Some("data_too_short"));
        assert_eq!(because("{}", "a/b.yml", &"name: value\n".repeat(500)), Some("data_too_long"));
        assert_eq!(because("{}", "style.xsl", "<?xml version=\"1.0\"?><xsl:stylesheet>words</xsl:stylesheet>"), None);
    }

    #[test]
    fn comments_markup_and_data_are_measured() {
        assert_eq!(
            because(
                r#"{"max_comment_fraction": 0.8}"#,
                "a.rs",
                &format!("// {}\nfn f() {{}}", "all is said in comments. ".repeat(3))
            ),
            Some("too_many_comments")
        );
        assert_eq!(because(r#"{"min_comment_fraction": 0.01}"#, "a.rs", "fn f() {}"), Some("too_few_comments"));
        assert_eq!(because(r#"{"min_comment_fraction": 0.01}"#, "a.unknown", "words"), None);
        let documented = "/// Doubles.\nfn f(x: u32) -> u32 { 2 * x }";
        assert_eq!(because(r#"{"min_comment_fraction": 0.2}"#, "a.rs", documented), None);
        let settings = r#"{"min_comment_fraction": 0.2, "compat": "starcoder"}"#;
        assert_eq!(because(settings, "a.rs", documented), Some("too_few_comments"));
        assert_eq!(because(settings, "a.rs", "// éééé\nfn éléve() -> u32 { 2222 }"), None);
        assert_eq!(because(settings, "a.rs", "//a\nfn fffff() { 2 }"), Some("too_few_comments"));
        let page = |text: &str| format!("<html><script>{}</script><p>{text}</p></html>", "var x;\n".repeat(40));
        assert_eq!(because("{}", "a.html", &page("little")), Some("too_little_visible"));
        assert_eq!(because("{}", "a.html", &page(&"much to read here ".repeat(20))), None);
        assert_eq!(because("{}", "a.c", &format!("char x[] = {{{}}};", "0x12, 0xef,\n".repeat(20))), Some("encoded"));
        assert_eq!(because("{}", "lib/x.min.js", "var a"), Some("minified"));
        assert_eq!(because("{}", "x_pb2.py", "import a"), Some("generated"));
        assert_eq!(because("{}", "x.py", "# Please do not edit lightly\nimport a"), None);
    }

    #[test]
    fn an_empty_file_is_defined() {
        assert_eq!(because("{}", "a.py", ""), Some("too_few_alphanumeric"));
        assert_eq!(because(r#"{"min_alphanumeric_fraction": null}"#, "a.py", " \n \n"), None);
    }
}
