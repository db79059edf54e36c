//! EPUB books: chapters in reading order, as the package document's spine gives it. Members are read by name out of the
//! archive and never written anywhere, so a name such as `../x` is only a name.

use std::collections::HashMap;
use std::io::{Read, Seek};

use quick_xml::events::Event;

/// A book's metadata and its chapters' XHTML, in reading order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Epub {
    /// `dc:title`
    pub title: Option<String>,
    /// `dc:creator`, the first
    pub author: Option<String>,
    /// `dc:language`
    pub language: Option<String>,
    /// Chapters.
    pub chapters: Vec<String>,
}

/// Reads a book; `max` is the most bytes that all chapters may have, decompressed.
pub fn read(reader: impl Read + Seek, max: u64) -> Result<Epub, String> {
    let mut zip = zip::ZipArchive::new(reader)
        .map_err(|e| format!("it is no whole zip archive ({e}); if it was cut short, fetch it again"))?;
    let mut left = max;
    let container = member(&mut zip, "META-INF/container.xml", &mut left)?;
    let package_path =
        attribute(&container, "rootfile", "full-path").ok_or("its container names no package document")?;
    let package = member(&mut zip, &package_path, &mut left)?;
    let package = Package::parse(&package)?;
    let folder = package_path.rfind('/').map_or("", |at| package_path.get(..=at).unwrap_or_default());
    let mut book =
        Epub { title: package.title, author: package.author, language: package.language, chapters: Vec::new() };
    for id in package.spine {
        let Some(href) = package.manifest.get(&id) else { continue };
        let href = href.split('#').next().unwrap_or_default();
        let path = resolve(folder, &unescape(href));
        book.chapters.push(member(&mut zip, &path, &mut left)?);
    }
    if book.chapters.is_empty() { Err("its spine names no chapter".into()) } else { Ok(book) }
}

fn member<R: Read + Seek>(zip: &mut zip::ZipArchive<R>, name: &str, left: &mut u64) -> Result<String, String> {
    let mut file = zip.by_name(name).map_err(|e| format!("its member `{name}` cannot be read: {e}"))?;
    let mut bytes = Vec::new();
    (&mut file)
        .take(*left + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("its member `{name}` cannot be read: {e}"))?;
    *left = left.checked_sub(bytes.len() as u64).ok_or("it inflates to more than the longest book allowed")?;
    Ok(crate::text::charset::decode(&bytes, Some("utf-8")).0)
}

/// `a/b/../c` → `a/c`; what leads out of the archive stays in it.
fn resolve(folder: &str, href: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(href.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// `%20` → space.
fn unescape(href: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = href.bytes();
    while let Some(b) = bytes.next() {
        let hex = (b == b'%').then(|| bytes.as_slice_hex()).flatten();
        match hex {
            Some(value) => {
                out.push(value);
                bytes.nth(1);
            }
            None => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

trait Hex {
    fn as_slice_hex(&self) -> Option<u8>;
}

impl Hex for std::str::Bytes<'_> {
    fn as_slice_hex(&self) -> Option<u8> {
        let mut ahead = self.clone();
        let digit = |b: Option<u8>| b.and_then(|b| (b as char).to_digit(16));
        let (high, low) = (digit(ahead.next())?, digit(ahead.next())?);
        Some((high * 16 + low) as u8)
    }
}

fn attribute(xml: &str, element: &str, name: &str) -> Option<String> {
    let mut reader = quick_xml::Reader::from_str(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(e) | Event::Empty(e) if e.local_name().as_ref() == element => {
                let value = e.attributes().flatten().find(|a| a.key.as_ref() == name)?.value;
                return Some(crate::text::entities::decode(&value).into_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[derive(Default)]
struct Package {
    title: Option<String>,
    author: Option<String>,
    language: Option<String>,
    manifest: HashMap<String, String>,
    spine: Vec<String>,
}

impl Package {
    fn parse(xml: &str) -> Result<Self, String> {
        let mut package = Self::default();
        let mut reader = quick_xml::Reader::from_str(xml);
        let mut inside = String::new();
        loop {
            match reader.read_event().map_err(|e| format!("its package document is not well-formed: {e}"))? {
                Event::Start(e) | Event::Empty(e) => {
                    inside = e.local_name().as_ref().to_owned();
                    let get = |name: &str| {
                        let found = e.attributes().flatten().find(|a| a.key.as_ref() == name)?;
                        Some(crate::text::entities::decode(&found.value).into_owned())
                    };
                    match inside.as_str() {
                        "item" => {
                            if let (Some(id), Some(href)) = (get("id"), get("href")) {
                                package.manifest.insert(id, href);
                            }
                        }
                        "itemref" => package.spine.extend(get("idref")),
                        _ => {}
                    }
                }
                Event::Text(e) => {
                    let place = match inside.as_str() {
                        "title" => &mut package.title,
                        "creator" => &mut package.author,
                        "language" => &mut package.language,
                        _ => continue,
                    };
                    let text = crate::text::entities::decode(e.trim()).into_owned();
                    if place.is_none() && !text.is_empty() {
                        *place = Some(text);
                    }
                }
                Event::End(_) => inside.clear(),
                Event::Eof => return Ok(package),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    fn book(members: &[(&str, &str)]) -> Cursor<Vec<u8>> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in members {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap()
    }

    const CONTAINER: (&str, &str) = (
        "META-INF/container.xml",
        "<container><rootfiles><rootfile full-path=\"OEBPS/p.opf\"/></rootfiles></container>",
    );

    #[test]
    fn chapters_come_in_the_order_of_the_spine() {
        let package = "<package><metadata><dc:title>A &amp; B</dc:title><dc:creator>Me</dc:creator><dc:language>en</dc:language></metadata>\
            <manifest><item id='a' href='one%20a.xhtml'/><item id='b' href='../b.xhtml'/></manifest><spine><itemref idref='b'/><itemref idref='a'/></spine></package>";
        let epub = book(&[
            CONTAINER,
            ("OEBPS/p.opf", package),
            ("OEBPS/one a.xhtml", "<p>a</p>"),
            ("b.xhtml", "<p>b</p>"),
            ("../evil", "x"),
        ]);
        let epub = read(epub, 1 << 20).unwrap();
        assert_eq!(epub.chapters, ["<p>b</p>", "<p>a</p>"]);
        assert_eq!((epub.author.as_deref(), epub.language.as_deref()), (Some("Me"), Some("en")));
    }

    #[test]
    fn what_is_no_book_is_refused() {
        assert!(read(Cursor::new(b"nope".to_vec()), 100).is_err());
        assert!(read(book(&[("x", "y")]), 1 << 20).unwrap_err().contains("container.xml"));
        let bomb = "x".repeat(100_000);
        let package =
            "<package><manifest><item id='a' href='a'/></manifest><spine><itemref idref='a'/></spine></package>";
        let epub = book(&[CONTAINER, ("OEBPS/p.opf", package), ("OEBPS/a", &bomb)]);
        assert!(read(epub, 10_000).unwrap_err().contains("inflates"));
    }
}
