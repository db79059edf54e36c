//! Character references (`&amp;`, `&#233;`, `&eacute;`) by the HTML library's own table.

use std::borrow::Cow;

/// `text` with its character references replaced.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let end = rest.bytes().take(34).position(|b| b == b';');
        let decoded = end.and_then(|end| Some((one(rest.get(1..end)?)?, end + 1)));
        match decoded {
            Some((text, length)) => {
                out.push_str(&text);
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn one(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0').map(String::from);
    }
    quick_xml::escape::resolve_html5_entity(name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_ampersands_stay() {
        assert_eq!(decode("a &amp; b &#x41;&#65;&eacute;&nbsp;& &unknown; AT&T"), "a & b AAé\u{a0}& &unknown; AT&T");
        assert_eq!(decode("none"), "none");
    }
}
