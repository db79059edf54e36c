//! An HTTP response as a WARC record keeps it: status, headers, body; chunks joined and compression undone.

use std::io::Read;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// 200 and so on; 0 if there was no status line.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Media type without parameters, in lower case.
    pub fn mime(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()).filter(|m| !m.is_empty())
    }

    /// The `charset` parameter of the media type.
    pub fn charset(&self) -> Option<&str> {
        let value = self.header("content-type")?;
        value.split(';').skip(1).find_map(|p| {
            let (name, value) = p.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
        })
    }
}

/// Parses a response. `max` is the longest body in bytes, decoded. Crawlers often store the body decoded but leave the
/// header: what is not chunked or compressed is taken as it is.
pub fn parse(block: &[u8], max: usize) -> Result<Response, (&'static str, String)> {
    if !block.starts_with(b"HTTP/") {
        return Ok(Response { body: block.to_vec(), ..Response::default() });
    }
    let (end, gap) = match (memchr::memmem::find(block, b"\r\n\r\n"), memchr::memmem::find(block, b"\n\n")) {
        (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
        (Some(crlf), _) => (crlf, 4),
        (None, Some(lf)) => (lf, 2),
        (None, None) => (block.len(), 0),
    };
    let head = String::from_utf8_lossy(block.get(..end).unwrap_or_default());
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split_whitespace().nth(1)).and_then(|s| s.parse().ok()).unwrap_or(0);
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_owned()))
        .collect();
    let raw = block.get(end + gap..).unwrap_or_default();
    let mut response = Response { status, headers, body: Vec::new() };
    let chunked = response.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
    let joined = if chunked { dechunk(raw) } else { None };
    let body = joined.as_deref().unwrap_or(raw);
    let encoding = response.header("content-encoding").unwrap_or_default().to_ascii_lowercase();
    response.body = match encoding.as_str() {
        "gzip" | "x-gzip" if body.starts_with(&[0x1f, 0x8b]) => {
            inflate(flate2::bufread::MultiGzDecoder::new(body), max)?
        }
        "deflate" if body.first().is_some_and(|b| b & 0x0f == 8) => {
            inflate(flate2::bufread::ZlibDecoder::new(body), max)?
        }
        "zstd" if body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => match zstd::stream::read::Decoder::with_buffer(body) {
            Ok(decoder) => inflate(decoder, max)?,
            Err(e) => return Err(("bad_http", e.to_string())),
        },
        "br" if std::str::from_utf8(body).is_err() => {
            return Err(("unsupported_encoding", "the body is compressed with brotli".into()));
        }
        _ => body.to_vec(),
    };
    Ok(response)
}

fn inflate(decoder: impl Read, max: usize) -> Result<Vec<u8>, (&'static str, String)> {
    let mut body = Vec::new();
    match decoder.take(max as u64 + 1).read_to_end(&mut body) {
        Ok(_) if body.len() > max => Err(("record_too_long", format!("the body inflates to more than {max} bytes"))),
        Ok(_) => Ok(body),
        Err(e) => Err(("bad_http", format!("the body cannot be decompressed: {e}"))),
    }
}

/// Joins chunks; `None` if the bytes are not chunked after all. A missing last chunk is forgiven: what came is used.
fn dechunk(mut raw: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = memchr::memchr(b'\n', raw.get(..raw.len().min(1024))?) else {
            return (!body.is_empty()).then_some(body);
        };
        let line = std::str::from_utf8(raw.get(..end)?).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok();
        let Some(size) = size else { return (!body.is_empty()).then_some(body) };
        raw = raw.get(end + 1..)?;
        if size == 0 {
            return Some(body);
        }
        let Some(chunk) = raw.get(..size) else {
            body.extend_from_slice(raw);
            return Some(body);
        };
        body.extend_from_slice(chunk);
        raw = raw.get(size..).unwrap_or_default();
        raw = raw.strip_prefix(b"\r\n").or(raw.strip_prefix(b"\n")).unwrap_or(raw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn chunks_are_joined_and_compression_undone() {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        e.write_all(b"hello world").unwrap();
        let gz = e.finish().unwrap();
        let mut block = b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=\"EUC-JP\"\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n".to_vec();
        for chunk in gz.chunks(7) {
            block.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            block.extend(chunk);
            block.extend(b"\r\n");
        }
        block.extend(b"0\r\n\r\n");
        let response = parse(&block, 1000).unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, b"hello world".as_slice()));
        assert_eq!((response.mime().as_deref(), response.charset()), (Some("text/html"), Some("EUC-JP")));
        assert_eq!(parse(&block, 5).unwrap_err().0, "record_too_long");
    }

    #[test]
    fn bodies_already_decoded_are_taken_as_they_are() {
        let block =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n<html>plain</html>";
        assert_eq!(parse(block, 1000).unwrap().body, b"<html>plain</html>");
        assert_eq!(parse(b"no http at all", 1000).unwrap().body, b"no http at all");
    }
}
