//! HTML → text: the main content of a page, or all of what it shows.

mod plain;
mod visible;

pub use plain::{TooDeep, all_text};
pub use visible::visible_chars;

use trafilatura::{ExtractionFocus, Options};

/// What was extracted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The page's title.
    pub title: Option<String>,
    /// The text, blocks separated by newlines.
    pub text: String,
}

/// Elements nested deeper than this are refused before the parser sees them: parsing takes quadratic time in depth.
pub const MAX_DEPTH: usize = 512;

/// How boldly to decide what belongs to the main content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// In doubt leave it out.
    Precision,
    /// Between the two.
    Balanced,
    /// In doubt leave it in.
    Recall,
}

/// The main content of a page. `Err` if it is nested too deeply to be parsed in reasonable time.
pub fn main_text(html: &str, focus: Focus) -> Result<Extracted, TooDeep> {
    plain::check_depth(html)?;
    let focus = match focus {
        Focus::Precision => ExtractionFocus::FavorPrecision,
        Focus::Balanced => ExtractionFocus::Balanced,
        Focus::Recall => ExtractionFocus::FavorRecall,
    };
    let options = Options::default().with_fallback(false).with_exclude_comments(true).with_focus(focus);
    Ok(match trafilatura::extract(html, &options) {
        Ok(result) => {
            let title = Some(result.metadata.title).filter(|t| !t.is_empty());
            Extracted { title, text: result.content_text }
        }
        Err(_) => Extracted::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn navigation_goes_and_the_article_stays() {
        let paragraph = "The quick brown fox jumps over the lazy dog while the sun sets behind the hills. ".repeat(6);
        let html = format!(
            "<html><head><title>Foxes</title></head><body><nav><a href=/>Home</a><a href=/x>About</a></nav>\
             <article><h1>Foxes</h1><p>{paragraph}</p><p>{paragraph}</p></article><footer>Copyright</footer></body></html>"
        );
        let extracted = main_text(&html, Focus::Balanced).unwrap();
        assert!(extracted.text.contains("lazy dog") && !extracted.text.contains("About"), "{}", extracted.text);
        assert_eq!(extracted.title.as_deref(), Some("Foxes"));
    }

    #[test]
    fn deep_nesting_is_refused_quickly() {
        let html = format!("<html><body>{}", "<ul><li>".repeat(100_000));
        assert!(main_text(&html, Focus::Balanced).is_err());
        assert!(all_text(&html).is_err());
        assert!(main_text(&"<p>x<br><img>".repeat(2000), Focus::Balanced).is_ok());
    }
}
