//! Project Gutenberg books: the licence around the text goes, what the header says of the book is kept.

/// What the header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book<'t> {
    /// `Title:`
    pub title: Option<&'t str>,
    /// `Author:`
    pub author: Option<&'t str>,
    /// `Language:`
    pub language: Option<&'t str>,
    /// The text between the markers; all of it if there are none.
    pub text: &'t str,
}

/// Takes a book apart.
pub fn parse(text: &str) -> Book<'_> {
    let start = marker(text, "START OF");
    let body = start.map_or(0, |(_, after)| after);
    let end = marker(text.get(body..).unwrap_or_default(), "END OF").map_or(text.len(), |(at, _)| body + at);
    let header = text.get(..start.map_or(0, |(at, _)| at)).unwrap_or_default();
    let field = |name: &str| {
        let line = header.lines().find_map(|l| l.trim_start_matches('\u{feff}').strip_prefix(name));
        line.map(str::trim).filter(|v| !v.is_empty())
    };
    Book {
        title: field("Title:"),
        author: field("Author:"),
        language: field("Language:"),
        text: text.get(body..end).unwrap_or_default().trim(),
    }
}

/// The line `*** START OF … PROJECT GUTENBERG …`: where it begins and where the next line does.
fn marker(text: &str, what: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let upper = line.get(..line.floor_char_boundary(120)).unwrap_or(line).to_uppercase();
        if upper.trim_start().starts_with("***") && upper.contains(what) && upper.contains("GUTENBERG") {
            return Some((at, at + line.len()));
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_licence_goes_and_the_book_stays() {
        let text = "Title: A Book\nAuthor: Somebody\nLanguage: English\n\n*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n\nOnce.\n\n*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\nlicence";
        let book = parse(text);
        assert_eq!(
            (book.title, book.author, book.language, book.text),
            (Some("A Book"), Some("Somebody"), Some("English"), "Once.")
        );
        assert_eq!(parse("no markers").text, "no markers");
    }
}
