//! Pages out of MediaWiki XML dumps. Only the five entities of XML itself are known, and no DTD is read: a dump cannot
//! make itself larger than it is.

use std::io::Read;

use quick_xml::events::Event;

/// A page with its last revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Its namespace; 0 is articles.
    pub namespace: i64,
    /// Its id.
    pub id: i64,
    /// The revision's id.
    pub revision: i64,
    /// The revision's time.
    pub timestamp: String,
    /// Where it redirects to.
    pub redirect: Option<String>,
    /// Its wikitext.
    pub text: String,
}

/// What the dump says of its wiki.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// `xml:lang`
    pub language: Option<String>,
    /// The main page's address.
    pub base: Option<String>,
}

impl Site {
    /// Reads the start of a dump.
    pub fn parse(head: &str) -> Self {
        let between = |before: &str, after: &str| {
            let rest = head.get(head.find(before)? + before.len()..)?;
            Some(rest.get(..rest.find(after)?)?.to_owned())
        };
        Self { language: between("xml:lang=\"", "\""), base: between("<base>", "</base>") }
    }

    /// The address of a page.
    pub fn url(&self, title: &str) -> Option<String> {
        let base = self.base.as_ref()?;
        let stem = base.get(..base.rfind('/')? + 1)?;
        Some(format!("{stem}{}", title.replace(' ', "_")))
    }
}

/// Frames `<page>` elements out of a stream.
pub struct Pages {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    /// Bytes of the stream before the buffer.
    before: u64,
    max: usize,
    ended: bool,
    failed: Option<std::io::Error>,
}

/// What was framed; places are bytes from the stream's start.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// A page: where it begins, its bytes.
    Page(u64, Vec<u8>),
    /// No page any more from here on: where, why, what exactly, and the first bytes of what was lost.
    Damaged(u64, &'static str, String, Vec<u8>),
}

impl Pages {
    /// Pages of `reader`; a longer one than `max` bytes ends the reading.
    pub fn new(reader: Box<dyn Read + Send>, max: usize) -> Self {
        Self { reader, buffer: Vec::new(), start: 0, before: 0, max, ended: false, failed: None }
    }

    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.before += self.start as u64;
            self.start = 0;
        }
        let length = self.buffer.len();
        self.buffer.resize(length + (256 << 10), 0);
        let result = self.reader.read(self.buffer.get_mut(length..).unwrap_or_default());
        self.buffer.truncate(length + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => {
                self.failed = Some(e);
                self.ended = true;
            }
        }
        !self.ended
    }

    fn at(&self) -> u64 {
        self.before + self.start as u64
    }

    /// The next page; `None` at the end.
    pub fn next(&mut self) -> Option<Framed> {
        const OPEN: &[u8] = b"<page>";
        const CLOSE: &[u8] = b"</page>";
        let open = loop {
            match memchr::memmem::find(self.buffer.get(self.start..).unwrap_or_default(), OPEN) {
                Some(at) => break self.start + at,
                None => {
                    self.start = self.buffer.len().saturating_sub(OPEN.len() - 1).max(self.start);
                    if !self.fill() {
                        let e = self.failed.take()?;
                        return Some(Framed::Damaged(self.at(), super::codec::damage(&e), e.to_string(), Vec::new()));
                    }
                }
            }
        };
        self.start = open;
        let mut searched = 0;
        loop {
            let page = self.buffer.get(self.start..).unwrap_or_default();
            if let Some(at) = memchr::memmem::find(page.get(searched..).unwrap_or_default(), CLOSE) {
                let end = searched + at + CLOSE.len();
                let page = Framed::Page(self.at(), page.get(..end).unwrap_or_default().to_vec());
                self.start += end;
                return Some(page);
            }
            searched = page.len().saturating_sub(CLOSE.len() - 1);
            let too_long = page.len() > self.max;
            if too_long || !self.fill() {
                let head: Vec<u8> = self.buffer.iter().skip(self.start).take(64 << 10).copied().collect();
                let at = self.at();
                self.ended = true;
                self.start = self.buffer.len();
                let (reason, detail) = match self.failed.take() {
                    Some(e) => (super::codec::damage(&e), e.to_string()),
                    None if too_long => (
                        "page_too_long",
                        format!("a page is longer than {} bytes; what follows it is not read", self.max),
                    ),
                    None => ("truncated", "the dump ends inside a page".to_owned()),
                };
                return Some(Framed::Damaged(at, reason, detail, head));
            }
        }
    }
}

/// Parses the bytes of one page.
pub fn parse_page(bytes: &[u8]) -> Result<Page, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let mut reader = quick_xml::Reader::from_str(text);
    let mut page = Page::default();
    let mut path: Vec<String> = Vec::new();
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(e) => {
                path.push(e.name().as_ref().to_owned());
                if path.len() > 8 {
                    return Err("its elements are nested too deeply".into());
                }
                if path.len() == 2 && path.last().is_some_and(|p| p == "revision") {
                    // Dumps with full history have many revisions: the last one counts.
                    page.text.clear();
                    page.timestamp.clear();
                    page.revision = 0;
                }
            }
            Event::Empty(e) if e.name().as_ref() == "redirect" => {
                let title = e.attributes().flatten().find(|a| a.key.as_ref() == "title");
                let value = title.map(|a| a.value.into_owned()).unwrap_or_default();
                page.redirect = Some(crate::text::entities::decode(&value).into_owned());
            }
            Event::End(_) => drop(path.pop()),
            Event::Text(e) => {
                put(&mut page, &path, &e)?;
            }
            Event::GeneralRef(e) => {
                let whole = format!("&{};", &*e);
                put(&mut page, &path, &crate::text::entities::decode(&whole))?;
            }
            Event::CData(e) => put(&mut page, &path, &e)?,
            Event::Eof => break,
            _ => {}
        }
    }
    if path.is_empty() { Ok(page) } else { Err("an element is never closed".into()) }
}

fn put(page: &mut Page, path: &[String], text: &str) -> Result<(), String> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let number = |text: &str| text.trim().parse().map_err(|_| format!("`{text}` is no number"));
    match path.as_slice() {
        ["page", "title"] => page.title.push_str(text),
        ["page", "ns"] => page.namespace = number(text)?,
        ["page", "id"] => page.id = number(text)?,
        ["page", "revision", "id"] => page.revision = number(text)?,
        ["page", "revision", "timestamp"] => page.timestamp.push_str(text),
        ["page", "revision", "text"] => {
            page.text.push_str(text);
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "<mediawiki xml:lang=\"en\"><siteinfo><base>https://en.wikipedia.org/wiki/Main_Page</base></siteinfo>\
        <page><title>A &amp; B</title><ns>0</ns><id>7</id><revision><id>9</id><timestamp>t</timestamp><text xml:space=\"preserve\">x &lt;ref&gt; y</text></revision></page>\
        <page><title>R</title><ns>0</ns><id>8</id><redirect title=\"A &amp; B\" /><revision><id>1</id><text/></revision></page>";

    fn pages(dump: &str) -> Vec<Framed> {
        let mut pages = Pages::new(Box::new(std::io::Cursor::new(dump.as_bytes().to_vec())), 1 << 20);
        std::iter::from_fn(|| pages.next()).collect()
    }

    #[test]
    fn pages_are_framed_and_parsed() {
        let framed = pages(DUMP);
        let [Framed::Page(_, a), Framed::Page(at, r)] = framed.as_slice() else { panic!("{framed:?}") };
        let a = parse_page(a).unwrap();
        assert_eq!((a.title.as_str(), a.id, a.revision, a.text.as_str()), ("A & B", 7, 9, "x <ref> y"));
        assert_eq!(parse_page(r).unwrap().redirect.as_deref(), Some("A & B"));
        let site = Site::parse(DUMP);
        assert_eq!(site.language.as_deref(), Some("en"));
        assert_eq!(site.url(&a.title).as_deref(), Some("https://en.wikipedia.org/wiki/A_&_B"));
        let cut = pages(&DUMP[..DUMP.len() - 20]);
        assert!(DUMP[*at as usize..].starts_with("<page><title>R<"));
        assert!(matches!(cut.last(), Some(Framed::Damaged(lost, "truncated", ..)) if lost == at));
    }
}
