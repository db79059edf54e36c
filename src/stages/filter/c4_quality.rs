//! C4's rules (Raffel et al. 2020, arXiv 1910.10683, §2.2): lines that are no sentences go, pages with too few sentences go, and
//! so do pages of placeholder text and code.
//!
//! What is decided is the same as in datatrove 0.10 and TensorFlow Datasets: a line is looked at in the order of the settings
//! below, citations are cut off before its end is looked at (but words are counted before), and placeholder text and brackets
//! count only in lines that are left. `compat: datatrove` counts sentences as datatrove ≥ 0.4 does, with spaCy's `Sentencizer`.
//!
//! `compat: dolma` does what Dolma 1.2's tagger `c4_v2` and its mixer make of C4: a page goes that has a bracket, the placeholder
//! text or `javascript` *anywhere*, also in lines that would go; a line may end in `...`, not in `'`; lines that go take their line
//! feed with them; long words, citations, policies and the number of sentences are not looked at. Its tagger measures the text in
//! lower case and its mixer cuts the text as it is: behind an `İ`, which is two characters in lower case, it cuts one character too
//! far, which is repeated as well. Obscene words are `c4_bad_words: { compat: dolma }`.

use std::borrow::Cow;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Span, Text, Verdict, Words};
use crate::error::{Error, Result};
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::chars;
use crate::text::sentences::{self, Sentences};

/// Settings of `c4_quality`. `null` or `false` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct C4Quality {
    /// Whose decisions to repeat. With `dolma`, the settings `sentences`, `unit`, `max_word_chars`, `remove_citations`, `remove_policy` and
    /// `min_sentences` say nothing: it has no such rules.
    pub compat: Option<C4Profile>,
    /// How sentences are found: `unicode` if left out, `spacy` with `compat: datatrove`.
    pub sentences: Option<Sentences>,
    /// What is looked at one by one.
    pub unit: Unit,
    /// Lines with a longer word, in characters, go.
    pub max_word_chars: Option<usize>,
    /// Whether citations go: `[1]`, `[]`, `[edit]`, `[citation needed]`.
    pub remove_citations: bool,
    /// Whether lines go that do not end in `.`, `?`, `!`, `"` or `'`, or that end in `...`.
    pub require_terminal_punctuation: bool,
    /// Lines with fewer words go. Words are what whitespace parts.
    pub min_words_per_line: Option<usize>,
    /// Whether a page goes that has the words `lorem ipsum`.
    pub drop_lorem_ipsum: bool,
    /// Whether lines with the word `javascript` go.
    pub remove_javascript: bool,
    /// Whether a page goes that has a curly bracket, `{`.
    pub drop_curly_brackets: bool,
    /// Whether lines about cookies, privacy and terms of use go.
    pub remove_policy: bool,
    /// Fewest sentences in the lines that are left.
    pub min_sentences: Option<u64>,
}

/// Whose decisions are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum C4Profile {
    /// Nobody's: as the paper has it, the same as leaving it out.
    Paper,
    /// datatrove 0.10, which FineWeb was made with.
    Datatrove,
    /// Dolma 1.2: its tagger `c4_v2`, and the mixer of its replication of C4.
    Dolma,
}

/// What is looked at one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Lines, as in the paper.
    #[default]
    Line,
    /// Sentences; those that are left are joined by spaces.
    Sentence,
}

impl Default for C4Quality {
    fn default() -> Self {
        Self {
            compat: None,
            sentences: None,
            unit: Unit::Line,
            max_word_chars: Some(1000),
            remove_citations: true,
            require_terminal_punctuation: true,
            min_words_per_line: Some(3),
            drop_lorem_ipsum: true,
            remove_javascript: true,
            drop_curly_brackets: true,
            remove_policy: true,
            min_sentences: Some(5),
        }
    }
}

const MEASURES: [&str; 8] = [
    "sentences",
    "lines",
    "kept_lines",
    "long_word_lines",
    "unpunctuated_lines",
    "short_lines",
    "javascript_lines",
    "policy_lines",
];

/// What is looked for without regard to case; the first two have rules of their own.
const PHRASES: [&str; 8] = [
    "lorem ipsum",
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
];

impl Settings for C4Quality {
    const ABOUT: About = About {
        reasons: &[
            ("lorem_ipsum", "a line that is left has the words `lorem ipsum`"),
            ("curly_bracket", "a line that is left has a curly bracket"),
            ("javascript", "it has the word `javascript` (`compat: dolma`)"),
            ("too_few_sentences", "the lines that are left have fewer sentences than `min_sentences`"),
        ],
        fields: &[(
            "c4_quality.*",
            "in `mode: annotate`, sentences, lines, lines that would be left, and lines that would go for each rule",
        )],
        examples: &[
            Example {
                it: "leaves sentences alone",
                settings: r#"{"min_sentences": 2}"#,
                given: "Home | News\nIt rained all day long.\n\nRead more…\nThen the sun came out.[1]\nWe use cookies on this site.",
                expect: Expect::Text("It rained all day long.\nThen the sun came out."),
            },
            Example {
                it: "drops code",
                settings: "{}",
                given: "if (a) { return b; } is how it ends.",
                expect: Expect::Dropped("curly_bracket"),
            },
            Example {
                it: "drops what has too little to say",
                settings: "{}",
                given: "One sentence is not enough. Nor are two.",
                expect: Expect::Dropped("too_few_sentences"),
            },
            Example {
                it: "takes lines away as Dolma does",
                settings: r#"{"compat": "dolma"}"#,
                given: "Home | News\nIt rained all day...\nThen the sun came out.[1]\nSo it goes.",
                expect: Expect::Text("It rained all day...\nSo it goes."),
            },
            Example {
                it: "cuts too far behind a capital dotted i, as Dolma does",
                settings: r#"{"compat": "dolma"}"#,
                given: "İzmir\nIt rained all day.\nSo it goes.\n",
                expect: Expect::Text("t rained all day.\nSo it goes.\n"),
            },
            Example {
                it: "drops what has a bracket anywhere, as Dolma does",
                settings: r#"{"compat": "dolma"}"#,
                given: "It rained all day.\n{ }",
                expect: Expect::Dropped("curly_bracket"),
            },
        ],
        ..About::new("c4_quality", Family::Filter, "keeps sentences, and pages that have some (C4's rules)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let dolma = self.compat == Some(C4Profile::Dolma);
        let rules = Rules::over(&MEASURES, cx)?
            .at_least("sentences", "too_few_sentences", self.min_sentences.filter(|_| !dolma))
            .checked::<Self>()?;
        let phrases = AhoCorasick::builder().ascii_case_insensitive(true).build(PHRASES);
        let phrases = phrases.map_err(|e| Error::bug("the phrases do not compile").because(e))?;
        let spacy = self.sentences.map_or(self.compat == Some(C4Profile::Datatrove), |way| way == Sentences::Spacy);
        Ok(Stage::Transform(Box::new(Running {
            rules,
            annotate: cx.annotate,
            spacy,
            dolma,
            phrases: Arc::new(phrases),
            settings: self,
            kept: String::new(),
            tokens: Vec::new(),
        })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    annotate: bool,
    spacy: bool,
    dolma: bool,
    phrases: Arc<AhoCorasick>,
    settings: C4Quality,
    /// The lines that are left.
    kept: String,
    /// spaCy's tokens of a line that is not as the document has it.
    tokens: Vec<Span>,
}

/// What comes of a line.
enum Fate {
    Stays,
    /// Goes, counted under this measure.
    Goes(usize),
    /// The page goes.
    Kills(&'static str),
}

/// Lines gone for each measure, sentences, and why the page goes.
#[derive(Default)]
struct Account {
    numbers: [usize; MEASURES.len()],
    kill: Option<&'static str>,
}

impl Running {
    /// What Dolma's tagger says, and its mixer leaves.
    fn walk_dolma(&mut self, text: &str) -> Account {
        let (s, mut account) = (&self.settings, Account::default());
        let [lorem, javascript, _] = self.phrases_in(text);
        let bracket = memchr::memchr(b'{', text.as_bytes()).is_some();
        account.kill = [
            ("curly_bracket", bracket && s.drop_curly_brackets),
            ("lorem_ipsum", lorem && s.drop_lorem_ipsum),
            ("javascript", javascript && s.remove_javascript),
        ]
        .into_iter()
        .find_map(|(reason, kills)| kills.then_some(reason));
        self.kept.clear();
        // The tagger's lines are of the text in lower case, where an `İ` is two characters; the mixer cuts the text as it is.
        let mut shifted = text.contains('İ').then(|| text.chars());
        // Behind a last line feed stands an empty line.
        let last = (text.is_empty() || text.ends_with('\n')).then_some("");
        for line in text.split_inclusive('\n').chain(last) {
            let stripped = chars::strip(line);
            let unpunctuated = s.require_terminal_punctuation && !stripped.ends_with(['.', '?', '!', '"']);
            let short = s.min_words_per_line.is_some_and(|least| !has_words(stripped, least));
            for (measure, counts) in [(1, true), (2, !(unpunctuated || short)), (4, unpunctuated), (5, short)] {
                if let Some(number) = account.numbers.get_mut(measure) {
                    *number += usize::from(counts);
                }
            }
            let stays = !unpunctuated && !short;
            match &mut shifted {
                None if stays => self.kept.push_str(line),
                None => {}
                Some(rest) => {
                    let cut = rest.by_ref().take(line.chars().count() + line.matches('İ').count());
                    if stays { self.kept.extend(cut) } else { cut.for_each(drop) }
                }
            }
        }
        account
    }

    fn walk(&mut self, text: &Text) -> Account {
        let mut account = Account::default();
        self.kept.clear();
        let pieces = self.pieces(text);
        let words: &[Span] = if self.spacy { text.words_by(Words::Spacy) } else { &[] };
        let (suspicious, mut word) = (self.is_suspicious(text.as_str()), 0);
        for &piece in pieces.as_ref() {
            let (line, start) = stripped(text.at(piece), piece.0);
            account.numbers[1] += 1;
            match self.fate(&line, suspicious) {
                Fate::Goes(measure) => {
                    if let Some(number) = account.numbers.get_mut(measure) {
                        *number += 1;
                    }
                    continue;
                }
                Fate::Kills(reason) => {
                    account.kill = account.kill.or(Some(reason));
                    if !self.annotate {
                        break;
                    }
                    continue;
                }
                Fate::Stays => {}
            }
            account.numbers[2] += 1;
            let line = self.without_citations(line);
            let end = start + line.len() as u32;
            let of_line = |words: &[Span], from: usize| {
                words.get(from..).unwrap_or_default().iter().take_while(|w| w.0 < end).count()
            };
            account.numbers[0] += match (self.settings.unit, self.spacy, &line) {
                (Unit::Sentence, _, _) => 1,
                (Unit::Line, false, line) => sentences::count_unicode(line),
                (Unit::Line, true, Cow::Borrowed(_)) => {
                    word += words.get(word..).unwrap_or_default().partition_point(|w| w.0 < start);
                    let count = of_line(words, word);
                    let of_line = words.get(word..word + count).unwrap_or_default();
                    word += count;
                    sentences::count_spacy(text.as_str(), (start, end), of_line)
                }
                (Unit::Line, true, Cow::Owned(line)) => {
                    self.tokens.clear();
                    Words::Spacy.find(line, &mut self.tokens);
                    sentences::count_spacy(line, (0, line.len() as u32), &self.tokens)
                }
            };
            if account.numbers[2] > 1 {
                self.kept.push(if self.settings.unit == Unit::Line { '\n' } else { ' ' });
            }
            self.kept.push_str(&line);
        }
        account
    }

    fn pieces<'t>(&self, text: &'t Text) -> Cow<'t, [Span]> {
        if self.settings.unit == Unit::Line {
            return Cow::Borrowed(text.lines());
        }
        let mut pieces = Vec::new();
        if self.spacy {
            sentences::spacy(text.as_str(), text.words_by(Words::Spacy), &mut pieces);
        } else {
            let mut start = 0;
            sentences::unicode(text.as_str(), |end| {
                pieces.push((start, end as u32));
                start = end as u32;
            });
        }
        Cow::Owned(pieces)
    }

    /// Whether any line may hold a phrase. Cutting a citation out may make one; of letters beyond ASCII, the Kelvin sign alone is
    /// ASCII in lower case.
    fn is_suspicious(&self, text: &str) -> bool {
        let citations = self.settings.remove_citations && memchr::memchr(b'[', text.as_bytes()).is_some();
        citations || text.contains('\u{212a}') || self.phrases.is_match(text)
    }

    /// The rules, in their order. `line` is as it stands in the document, without the whitespace around it.
    fn fate(&self, line: &str, suspicious: bool) -> Fate {
        let s = &self.settings;
        if s.max_word_chars.is_some_and(|most| has_longer_word(line, most)) {
            return Fate::Goes(3);
        }
        let cut = if s.remove_citations { without_citations(line) } else { Cow::Borrowed(line) };
        if s.require_terminal_punctuation && (!cut.ends_with(['.', '?', '!', '"', '\'']) || cut.ends_with("...")) {
            return Fate::Goes(4);
        }
        if s.min_words_per_line.is_some_and(|least| !has_words(line, least)) {
            return Fate::Goes(5);
        }
        let found = if suspicious { self.phrases_in(&cut) } else { [false; 3] };
        let [lorem, javascript, policy] = found;
        if s.drop_lorem_ipsum && lorem {
            return Fate::Kills("lorem_ipsum");
        }
        if s.remove_javascript && javascript {
            return Fate::Goes(6);
        }
        if s.drop_curly_brackets && memchr::memchr(b'{', cut.as_bytes()).is_some() {
            return Fate::Kills("curly_bracket");
        }
        if s.remove_policy && policy { Fate::Goes(7) } else { Fate::Stays }
    }

    /// Whether there are `lorem ipsum`, `javascript`, and phrases of policies.
    fn phrases_in(&self, line: &str) -> [bool; 3] {
        let kelvin = line.contains('\u{212a}').then(|| line.replace('\u{212a}', "k"));
        let line = kelvin.as_deref().unwrap_or(line);
        let mut found = [false; 3];
        for phrase in self.phrases.find_overlapping_iter(line) {
            found[phrase.pattern().as_usize().min(2)] = true;
        }
        found
    }

    fn without_citations<'l>(&self, line: Cow<'l, str>) -> Cow<'l, str> {
        match line {
            Cow::Borrowed(line) if self.settings.remove_citations => without_citations(line),
            line => line,
        }
    }
}

/// The line without the whitespace around it, and where it starts in the document.
fn stripped(line: &str, start: u32) -> (Cow<'_, str>, u32) {
    let from = line.len() - line.trim_start_matches(chars::is_space).len();
    (Cow::Borrowed(chars::strip(line)), start + from as u32)
}

/// Cuts out `[`, digits, `]`, and `[edit]`, and `[citation needed]`.
fn without_citations(line: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut from = 0;
    while let Some(found) = line.get(from..).and_then(|rest| memchr::memchr(b'[', rest.as_bytes())) {
        let at = from + found;
        let inside = line.get(at + 1..).unwrap_or_default();
        let digits = inside.trim_start_matches(|c| chars::chars().is(c, chars::DIGIT));
        let length = if digits.starts_with(']') {
            inside.len() - digits.len() + 2
        } else if inside.starts_with("edit]") {
            6
        } else if inside.starts_with("citation needed]") {
            17
        } else {
            from = at + 1;
            continue;
        };
        out.push_str(line.get(kept..at).unwrap_or_default());
        (kept, from) = (at + length, at + length);
    }
    if kept == 0 {
        return Cow::Borrowed(line);
    }
    out.push_str(line.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

fn has_longer_word(line: &str, most: usize) -> bool {
    line.len() > most && line.split(chars::is_space).any(|word| word.len() > most && chars::count(word) > most)
}

/// Whether `line` has at least so many words.
fn has_words(line: &str, least: usize) -> bool {
    least == 0 || line.split(chars::is_space).filter(|word| !word.is_empty()).nth(least - 1).is_some()
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let account = if self.dolma { self.walk_dolma(doc.text.as_str()) } else { self.walk(&doc.text) };
        let verdict = self.rules.judge(doc, &account.numbers.map(|n| n as f64));
        if let Some(reason) = account.kill {
            return Verdict::drop(reason);
        }
        if verdict.keeps() && !self.annotate {
            let kept = if self.dolma { &self.kept } else { chars::strip(&self.kept) };
            if kept != doc.text.as_str() {
                doc.text.set(kept.to_owned());
            }
        }
        verdict
    }
}
