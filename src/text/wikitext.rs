//! Wikitext → plain text: links become their words, headings and lists lines; templates, tables, references and pictures
//! go. One pass with a bounded stack: linear in the text whatever its nesting.

use super::entities;

/// What to do with tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// Leave them out.
    Drop,
    /// A line for each row, cells separated by ` | `.
    Cells,
}

/// Open things are tracked this deep; what is nested deeper is taken as text.
const MAX_STACK: usize = 40;

/// Namespaces whose links show nothing in the text, in the languages of large Wikipedias.
const UNSHOWN: [&str; 24] = [
    "file",
    "image",
    "category",
    "media",
    "datei",
    "bild",
    "kategorie",
    "fichier",
    "catégorie",
    "archivo",
    "imagen",
    "categoría",
    "immagine",
    "categoria",
    "ficheiro",
    "imagem",
    "bestand",
    "categorie",
    "файл",
    "категория",
    "ファイル",
    "カテゴリ",
    "文件",
    "分类",
];

/// Elements whose content is no prose.
const UNSHOWN_TAGS: [&str; 13] = [
    "ref",
    "math",
    "gallery",
    "timeline",
    "score",
    "imagemap",
    "references",
    "chem",
    "hiero",
    "graph",
    "mapframe",
    "source",
    "syntaxhighlight",
];

/// The plain text of `wikitext`.
pub fn plain_text(wikitext: &str, tables: Tables) -> String {
    let mut walk = Walk {
        text: wikitext,
        at: 0,
        out: String::with_capacity(wikitext.len()),
        open: Vec::new(),
        tables,
        unclosed: Vec::new(),
    };
    walk.run();
    lines(&walk.out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Template,
    Link,
    Table,
}

struct Walk<'t> {
    text: &'t str,
    at: usize,
    out: String,
    /// What is open, and where its content begins in `out`.
    open: Vec<(Kind, usize)>,
    tables: Tables,
    /// Closing tags known not to come any more: searched for once, not once for each opening.
    unclosed: Vec<String>,
}

impl Walk<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn at_line_start(&self) -> bool {
        self.at == 0 || self.text.as_bytes().get(self.at - 1) == Some(&b'\n')
    }

    fn run(&mut self) {
        while self.at < self.text.len() {
            let bytes = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let next = bytes
                .iter()
                .position(|b| matches!(b, b'{' | b'}' | b'[' | b']' | b'<' | b'|' | b'!'))
                .unwrap_or(bytes.len());
            self.out.push_str(self.text.get(self.at..self.at + next).unwrap_or_default());
            self.at += next;
            if self.at < self.text.len() {
                self.mark();
            }
        }
        // What was never closed is text: it is already in place.
        self.open.clear();
    }

    fn mark(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let pair = rest.get(..2).unwrap_or(rest);
        let in_table = self.open.iter().any(|o| o.0 == Kind::Table);
        match pair {
            "{|" if self.at_line_start() || self.rest_of_line_is_blank() => self.push(Kind::Table, 2),
            "{{" => self.push(Kind::Template, 2),
            "[[" => self.push(Kind::Link, 2),
            "}}" => self.pop(Kind::Template, 2),
            "]]" => self.pop(Kind::Link, 2),
            "|}" if in_table && self.at_line_start() => self.pop(Kind::Table, 2),
            "|-" | "|+" if in_table && self.at_line_start() => {
                self.at += rest.find('\n').unwrap_or(rest.len());
            }
            "||" | "!!" if in_table => self.copy(" | ", 2),
            _ if rest.starts_with("<!--") => self.skip_to("-->"),
            _ if rest.starts_with('<') => self.tag(),
            _ if rest.starts_with("[http") || rest.starts_with("[//") || rest.starts_with("[ftp") => self.external(),
            _ if (rest.starts_with('|') || rest.starts_with('!')) && in_table && self.at_line_start() => self.cell(),
            _ => {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let text = rest.get(..first).unwrap_or_default();
                self.out.push_str(text);
                self.at += first;
            }
        }
    }

    fn rest_of_line_is_blank(&self) -> bool {
        self.out.rsplit('\n').next().is_some_and(|line| line.chars().all(|c| c == ':' || c.is_whitespace()))
    }

    fn copy(&mut self, text: &str, skip: usize) {
        self.out.push_str(text);
        self.at += skip;
    }

    fn push(&mut self, kind: Kind, skip: usize) {
        if self.open.len() < MAX_STACK {
            self.open.push((kind, self.out.len()));
        }
        self.at += skip;
    }

    fn pop(&mut self, kind: Kind, skip: usize) {
        self.at += skip;
        // What was opened inside and not closed ends here too.
        let Some(index) = self.open.iter().rposition(|o| o.0 == kind) else { return };
        let start = self.open.get(index).map_or(0, |o| o.1);
        self.open.truncate(index);
        let content = self.out.split_off(start);
        match kind {
            Kind::Template => self.out.push_str(&template(&content)),
            Kind::Link => self.out.push_str(&link(&content)),
            Kind::Table if self.tables == Tables::Cells => self.out.push_str(&content),
            Kind::Table => {}
        }
    }

    /// A cell at the start of a line: attributes before a single bar are not shown.
    fn cell(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let line = rest.get(..rest.find('\n').unwrap_or(rest.len())).unwrap_or_default();
        let attributes = line.find('|').filter(|&bar| {
            let before = line.get(..bar).unwrap_or_default();
            before.contains('=') && !before.contains("[[") && !line.get(bar + 1..).unwrap_or_default().starts_with('|')
        });
        self.at += 1 + attributes.map_or(0, |bar| bar + 1);
    }

    /// Skips past `end`, or leaves the rest alone if it never comes.
    fn skip_to(&mut self, end: &str) {
        if self.unclosed.iter().any(|u| u == end) {
            self.at += 1;
            return;
        }
        match self.rest().find(end) {
            Some(found) => self.at += found + end.len(),
            None => {
                self.unclosed.push(end.to_owned());
                self.at += 1;
            }
        }
    }

    fn tag(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let inner = rest.get(1..).unwrap_or_default();
        let closing = inner.starts_with('/');
        let name: String = inner
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(20)
            .collect::<String>()
            .to_ascii_lowercase();
        // A tag is on one line or two; a `<` without an end nearby is a less-than sign.
        let window =
            rest.get(..rest.len().min(600)).or_else(|| rest.get(..rest.floor_char_boundary(600))).unwrap_or(rest);
        let end = if name.is_empty() { None } else { window.find('>') };
        let Some(end) = end else {
            self.copy("<", 1);
            return;
        };
        let alone = window.get(..end).is_some_and(|t| t.ends_with('/'));
        if !closing && !alone && name == "nowiki" {
            self.at += end + 1;
            let rest = self.text.get(self.at..).unwrap_or_default();
            let close = if self.unclosed.iter().any(|u| u == "</nowiki>") { None } else { rest.find("</nowiki>") };
            let Some(close) = close else {
                self.unclosed.push("</nowiki>".into());
                return;
            };
            let text = rest.get(..close).unwrap_or_default();
            self.out.push_str(text);
            self.at += close + "</nowiki>".len();
        } else if !closing && !alone && UNSHOWN_TAGS.contains(&name.as_str()) {
            let before = self.at;
            self.skip_to(&format!("</{name}>"));
            if self.at == before + 1 {
                self.at = before + end + 1;
            }
        } else {
            if matches!(name.as_str(), "br" | "p" | "div" | "li" | "tr") {
                self.out.push('\n');
            }
            self.at += end + 1;
        }
    }

    /// `[http://… words]`
    fn external(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let line =
            rest.get(..rest.find('\n').unwrap_or(rest.len()).min(rest.floor_char_boundary(600))).unwrap_or_default();
        let Some(end) = line.find(']') else {
            self.copy("[", 1);
            return;
        };
        let words = line.get(1..end).and_then(|l| l.split_once(' ')).map_or("", |(_, words)| words).to_owned();
        self.copy(&words, end + 1);
    }
}

/// What a link shows: its last part; nothing for pictures, categories and other languages.
fn link(content: &str) -> String {
    let (target, words) = match content.split_once('|') {
        Some((target, words)) => (target, words.rsplit('|').next().unwrap_or_default()),
        None => (content, content.trim_start_matches(':')),
    };
    if let Some((prefix, _)) = target.split_once(':') {
        let prefix = prefix.trim().to_lowercase();
        let language = (2..=3).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_lowercase());
        if UNSHOWN.contains(&prefix.as_str()) || (language && !content.contains('|')) {
            return String::new();
        }
    }
    words.to_owned()
}

/// What a template shows: nothing, but for those that only format words.
fn template(content: &str) -> String {
    let mut parts = content.split('|');
    let name = parts.next().unwrap_or_default().trim().to_lowercase();
    let parts: Vec<&str> = parts.filter(|p| !p.contains('=')).map(str::trim).collect();
    let last = || parts.last().copied().unwrap_or_default().to_owned();
    match name.as_str() {
        "nbsp" | "space" | "spaces" => " ".into(),
        "ndash" | "snd" | "spnd" | "en dash" => "–".into(),
        "mdash" | "em dash" => "—".into(),
        "lang" | "langx" | "nowrap" | "nobr" | "small" | "em" | "strong" | "abbr" | "sc" | "smallcaps"
        | "as written" => {
            if name == "abbr" {
                parts.first().copied().unwrap_or_default().to_owned()
            } else {
                last()
            }
        }
        "convert" | "cvt" => parts.iter().take(2).copied().collect::<Vec<_>>().join(" "),
        "frac" => parts.join("/"),
        "circa" | "c." => parts.first().map_or_else(|| "c.".to_owned(), |y| format!("c. {y}")),
        "as of" => parts.first().map_or_else(String::new, |y| format!("As of {y}")),
        "quote" | "blockquote" | "cquote" => parts.first().copied().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// Line by line: headings, lists, quote marks, entities, what removed templates left behind.
fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.lines() {
        let line = line.trim();
        let line = match line.strip_prefix('=').and_then(|l| l.strip_suffix('=')) {
            Some(heading) => heading.trim_matches('=').trim(),
            None => line.trim_start_matches(['*', '#', ':', ';']).trim_start(),
        };
        let line = words(line);
        if line.is_empty() || (line.starts_with("__") && line.ends_with("__")) || line.chars().all(|c| c == '-') {
            blank += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        out.push_str(&line);
    }
    out
}

fn words(line: &str) -> String {
    let line = line.replace("'''", "").replace("''", "");
    let line = entities::decode(&line);
    let mut out = String::with_capacity(line.len());
    let mut space = false;
    for word in line.split_whitespace() {
        if space {
            out.push(' ');
        }
        out.push_str(word);
        space = true;
    }
    for (left, right) in
        [("( ", "("), (" )", ")"), ("(, ", "("), ("(; ", "("), ("(;", "("), ("(,", "("), (" ()", ""), ("()", "")]
    {
        if out.contains(left) {
            out = out.replace(left, right);
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str) -> String {
        plain_text(text, Tables::Drop)
    }

    #[test]
    fn what_a_page_says_stays_and_how_it_is_made_goes() {
        for (wiki, text) in [
            ("'''Bold''' and ''slanted'' [[target|words]], [[plain]]s", "Bold and slanted words, plains"),
            ("a {{cite web|url=x|title={{nested}}}} b", "a b"),
            ("[[File:x.jpg|thumb|a [[link]] in it]]text", "text"),
            ("[[Category:Things]]\n[[de:Ding]]end", "end"),
            ("x<ref name=\"a\">note [[y]]</ref> z<ref name=b/> w", "x z w"),
            ("== Heading ==\n* one\n** two\n# three", "Heading\none\ntwo\nthree"),
            ("before\n{| class=x\n|-\n! h\n| a || b\n|}\nafter", "before\n\nafter"),
            ("[http://x.org a site] and [http://y.org]", "a site and"),
            ("5 &lt; 6 &amp; &eacute; &#233;", "5 < 6 & é é"),
            ("<!-- hidden -->shown<br/>next", "shown\nnext"),
            (
                "Paris ({{lang|fr|Ville lumière}}) is {{convert|5|km|mi}} wide ({{IPA|x}})",
                "Paris (Ville lumière) is 5 km wide",
            ),
            ("<nowiki>[[raw]]</nowiki> 1 < 2", "[[raw]] 1 < 2"),
            ("__NOTOC__\n----\ntext", "text"),
        ] {
            assert_eq!(plain(wiki), text, "{wiki}");
        }
        assert_eq!(plain_text("{|\n|-\n| style=x | a || b\n|}", Tables::Cells), "a | b");
    }

    #[test]
    fn adversarial_nesting_is_linear() {
        for piece in ["[[", "{{", "{|\n", "<ref>", "<!--", "<nowiki>", "[http:", "]]}}", "<", "[[a|{{b|"] {
            plain(&piece.repeat(100_000));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(\\PC|[\\[\\]{}|<>='!\\n]|ref|http://){0,60}") {
            plain(&text);
            plain_text(&text, Tables::Cells);
        }
    }
}
