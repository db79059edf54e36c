//! Bytes of a web page → text, as browsers decide: byte order mark, then what HTTP says, then what the page says of
//! itself, then detection.

use encoding_rs::{Encoding, UTF_8};

/// Decodes `bytes`; `declared` is the charset of the HTTP header. Gives the text and the encoding's name.
pub fn decode(bytes: &[u8], declared: Option<&str>) -> (String, &'static str) {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return with(encoding, bytes);
    }
    let said = declared.and_then(|label| Encoding::for_label(label.as_bytes())).or_else(|| meta(bytes));
    // Valid UTF-8 beyond ASCII is UTF-8 whatever was said of it: no other encoding looks so by chance.
    if let Ok(text) = std::str::from_utf8(bytes)
        && (said.is_none() || !text.is_ascii())
    {
        return (text.to_owned(), UTF_8.name());
    }
    match said {
        Some(encoding) => with(encoding, bytes),
        None => {
            let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
            detector.feed(bytes, true);
            with(detector.guess(None, chardetng::Utf8Detection::Allow), bytes)
        }
    }
}

fn with(encoding: &'static Encoding, bytes: &[u8]) -> (String, &'static str) {
    let (text, used, _) = encoding.decode(bytes);
    (text.into_owned(), used.name())
}

/// The charset that the page's first 1,024 bytes declare.
fn meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..1024).unwrap_or(bytes).to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(head.get(from..)?, b"charset") {
        from += at + b"charset".len();
        let rest = head.get(from..)?;
        let value = rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii_start);
        let Some(value) = value else { continue };
        let value = value.strip_prefix(b"\"").or(value.strip_prefix(b"'")).unwrap_or(value);
        let end = value.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_:.".contains(b))).unwrap_or(value.len());
        if let Some(encoding) = Encoding::for_label(value.get(..end)?) {
            // A page that says UTF-16 of itself in ASCII is not.
            return Some(if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE {
                UTF_8
            } else {
                encoding
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_of_the_charset_is_used_in_turn() {
        let (japanese, _, _) = encoding_rs::EUC_JP.encode("日本語のページです");
        assert_eq!(decode(&japanese, Some("euc-jp")), ("日本語のページです".into(), "EUC-JP"));
        let mut page = b"<meta charset='euc-jp'>".to_vec();
        page.extend_from_slice(&japanese);
        assert!(decode(&page, None).0.ends_with("日本語のページです"));
        assert_eq!(decode("\u{feff}é".as_bytes(), Some("latin1")).0, "é");
        assert_eq!(decode("é".as_bytes(), Some("latin1")).0, "é");
        assert_eq!(decode(b"caf\xe9 cr\xe8me br\xfbl\xe9e", None).0, "café crème brûlée");
        assert_eq!(decode(b"", None).0, "");
    }
}
