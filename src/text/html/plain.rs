//! All the text that a page or a book's chapter shows, block by block.

use scraper::{Html, Node};

use super::MAX_DEPTH;

/// The page is nested too deeply to be parsed in reasonable time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDeep;

/// Elements that never have content.
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements that the next one of their kind closes: they do not nest although nobody closes them.
const CLOSE_EACH_OTHER: [&str; 8] = ["p", "option", "dt", "dd", "tr", "td", "th", "optgroup"];
/// Elements whose text is not shown.
const HIDDEN: [&str; 9] = ["script", "style", "head", "noscript", "template", "svg", "math", "iframe", "nav"];
/// Elements that begin and end a line.
const BLOCKS: [&str; 31] = [
    "p",
    "div",
    "br",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "tr",
    "table",
    "section",
    "article",
    "header",
    "footer",
    "blockquote",
    "pre",
    "figure",
    "figcaption",
    "hr",
    "address",
    "main",
    "aside",
    "form",
    "body",
];

/// Refuses pages whose open elements are nested too deeply. An estimate from the tags alone, on the safe side.
pub fn check_depth(html: &str) -> Result<(), TooDeep> {
    let bytes = html.as_bytes();
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'<', bytes.get(at..).unwrap_or_default()) {
        at += found + 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let closing = rest.first() == Some(&b'/');
        let name: Vec<u8> = rest
            .iter()
            .skip(usize::from(closing))
            .take_while(|b| b.is_ascii_alphanumeric())
            .take(12)
            .map(u8::to_ascii_lowercase)
            .collect();
        let name = std::str::from_utf8(&name).unwrap_or_default();
        if name.is_empty() || VOID.contains(&name) || CLOSE_EACH_OTHER.contains(&name) {
            continue;
        }
        if closing {
            depth = depth.saturating_sub(1);
        } else {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(TooDeep);
            }
        }
    }
    Ok(())
}

/// All text shown, a line for each block.
pub fn all_text(html: &str) -> Result<String, TooDeep> {
    check_depth(html)?;
    let page = Html::parse_document(html);
    let mut out = Lines::default();
    let mut next = page.tree.root().first_child();
    let mut node = page.tree.root();
    let mut up = false;
    // By hand instead of by recursion: a page must not decide how deep the stack gets.
    loop {
        if let (Some(child), false) = (next, up) {
            node = child;
            next = match child.value() {
                Node::Text(text) => {
                    out.text(text);
                    None
                }
                Node::Element(e) if HIDDEN.contains(&e.name()) => None,
                Node::Element(e) => {
                    if BLOCKS.contains(&e.name()) {
                        out.end_line();
                    } else if matches!(e.name(), "td" | "th") {
                        out.text(" ");
                    }
                    child.first_child()
                }
                _ => child.first_child(),
            };
            continue;
        }
        if let Node::Element(e) = node.value()
            && BLOCKS.contains(&e.name())
        {
            out.end_line();
        }
        match (node.next_sibling(), node.parent()) {
            (Some(sibling), _) => {
                next = Some(sibling);
                up = false;
            }
            (None, Some(parent)) => {
                node = parent;
                next = None;
                up = true;
            }
            (None, None) => break,
        }
        if up {
            continue;
        }
    }
    Ok(out.finish())
}

/// Lines with their white space collapsed; empty ones are left out.
#[derive(Default)]
struct Lines {
    out: String,
    line: String,
    space: bool,
}

impl Lines {
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                self.space = true;
            } else {
                if self.space && !self.line.is_empty() {
                    self.line.push(' ');
                }
                self.space = false;
                self.line.push(c);
            }
        }
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            if !self.out.is_empty() {
                self.out.push('\n');
            }
            self.out.push_str(&self.line);
            self.line.clear();
        }
        self.space = false;
    }

    fn finish(mut self) -> String {
        self.end_line();
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_scripts_are_not_shown() {
        let html = "<html><head><title>t</title></head><body><h1>One</h1><p>two <b>and</b>\n three</p><script>x</script><ul><li>a<li>b</ul>tail</body></html>";
        assert_eq!(all_text(html).unwrap(), "One\ntwo and three\na\nb\ntail");
        assert_eq!(all_text("").unwrap(), "");
    }
}
