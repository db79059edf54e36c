//! Evaluation sets as records of texts: JSON lines or arrays (compressed or not), Parquet, Arrow and plain text, told apart
//! by what they hold.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::codec;
use super::table::{self, Batches, ParquetFile};
use crate::error::{Error, Result};

/// One record of an evaluation set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its member that names it, or file and number.
    pub id: String,
    /// Its texts, in the order of the members asked for.
    pub texts: Vec<String>,
}

/// Which members of a record are its texts, and which names it.
#[derive(Debug, Clone)]
pub struct Members {
    /// Names, or paths such as `choices.text`; lists give a text for each element.
    pub texts: Vec<String>,
    /// The member that names it; without one, `id` if it is there.
    pub id: Option<String>,
}

/// The records of the file at `path`. A text file has a record for each paragraph.
pub fn read(path: &Path, members: &Members) -> Result<Vec<Record>> {
    let mut head = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
    file.take(6).read_to_end(&mut head).map_err(|e| Error::io("read", path, e))?;
    let mut records = Vec::new();
    if head.starts_with(b"PAR1") {
        let parquet = ParquetFile::open(path)?;
        for group in 0..parquet.groups() {
            rows(path, parquet.batches(group)?, members, &mut records)?;
        }
    } else if head.starts_with(b"ARROW1") || head.starts_with(&[0xff; 4]) {
        rows(path, table::arrow(path)?, members, &mut records)?;
    } else {
        text(path, members, &mut records)?;
    }
    Ok(records)
}

fn rows(path: &Path, batches: Batches, members: &Members, records: &mut Vec<Record>) -> Result<()> {
    for batch in batches {
        let batch = batch.map_err(|e| unreadable(path, &e))?;
        for row in batch.members(&|_| false)? {
            let row =
                serde_json::from_str(&format!("{{{row}}}")).map_err(|e| Error::bug("a row is no JSON").because(e))?;
            record(path, &row, members, records)?;
        }
    }
    Ok(())
}

fn text(path: &Path, members: &Members, records: &mut Vec<Record>) -> Result<()> {
    let mut bytes = Vec::new();
    codec::open(path)?.read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(path, "it is not UTF-8"))?;
    match text.trim_start().chars().next() {
        Some('{') => {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let object = serde_json::from_str(line)
                    .map_err(|e| unreadable(path, &format!("record {} is no JSON: {e}", records.len() + 1)))?;
                record(path, &object, members, records)?;
            }
        }
        Some('[') => {
            let all: Vec<Value> = serde_json::from_str(&text).map_err(|e| unreadable(path, &e.to_string()))?;
            all.iter().try_for_each(|object| record(path, object, members, records))?;
        }
        _ => {
            for paragraph in paragraphs(&text) {
                let id = numbered(path, records.len());
                records.push(Record { id, texts: vec![paragraph.to_owned()] });
            }
        }
    }
    Ok(())
}

/// What blank lines separate.
pub fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let (mut lines, mut spans) = (Vec::new(), Vec::new());
    crate::text::lines::spans(text, &mut lines);
    crate::text::segments::paragraphs(text, &lines, &mut spans);
    spans.into_iter().filter_map(|(start, end)| text.get(start as usize..end as usize))
}

fn numbered(path: &Path, number: usize) -> String {
    format!("{}:{}", path.display(), number + 1)
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::pipeline(format!("the evaluation set `{}` cannot be read: {why}", path.display()))
}

fn record(path: &Path, object: &Value, members: &Members, records: &mut Vec<Record>) -> Result<()> {
    let number = records.len();
    let mut texts = Vec::new();
    let mut known = false;
    for name in &members.texts {
        known |= gather(object, name, &mut texts);
    }
    if !known {
        let there: Vec<String> =
            object.as_object().into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
        let wanted: Vec<String> = members.texts.iter().map(|name| format!("`{name}`")).collect();
        return Err(unreadable(path, &format!("record {} has no member {}", number + 1, wanted.join(" or ")))
            .hint(format!("it has {}; name those that hold its texts with `text: […]`", there.join(", "))));
    }
    let id = match (&members.id, object.get(members.id.as_deref().unwrap_or("id"))) {
        (_, Some(Value::String(id))) => id.clone(),
        (_, Some(Value::Number(id))) => id.to_string(),
        (None, _) => numbered(path, number),
        (Some(name), _) => {
            return Err(unreadable(path, &format!("record {} has no member `{name}` to name it", number + 1))
                .hint("leave `id` out to name records by file and number"));
        }
    };
    records.push(Record { id, texts });
    Ok(())
}

/// Appends the strings at `path` in `value`; `false` if nothing is there.
fn gather(value: &Value, path: &str, texts: &mut Vec<String>) -> bool {
    match value {
        Value::Array(all) if !path.is_empty() => all.iter().fold(false, |any, one| gather(one, path, texts) | any),
        Value::Array(all) => all.iter().fold(true, |any, one| gather(one, "", texts) | any),
        Value::Object(members) if !path.is_empty() => {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            match members.get(path) {
                Some(value) => gather(value, "", texts),
                None => members.get(name).is_some_and(|value| gather(value, rest, texts)),
            }
        }
        Value::String(text) if path.is_empty() => {
            texts.push(text.clone());
            true
        }
        // A record may lack what others have: an answer that is held out.
        _ => path.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(texts: &[&str]) -> Members {
        Members { texts: texts.iter().map(|t| (*t).to_owned()).collect(), id: None }
    }

    fn written(name: &str, bytes: &[u8], members: &Members) -> Result<Vec<Record>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read(&path, members).map(|mut records| {
            records.iter_mut().for_each(|r| r.id = r.id.replace(&dir.path().display().to_string(), ""));
            records
        })
    }

    fn record(id: &str, texts: &[&str]) -> Record {
        Record { id: id.into(), texts: texts.iter().map(|t| (*t).to_owned()).collect() }
    }

    #[test]
    fn lines_arrays_and_texts_are_told_apart() {
        let lines = "{\"id\":7,\"q\":\"a\",\"choices\":{\"text\":[\"b\",\"c\"]}}\n\n{\"q\":null,\"choices\":[{\"text\":\"d\"}]}\n";
        let want = [record("7", &["a", "b", "c"]), record("/e:2", &["d"])];
        let wanted = members(&["q", "choices.text"]);
        assert_eq!(written("e", lines.as_bytes(), &wanted).unwrap(), want);
        let packed = zstd::encode_all(lines.as_bytes(), 1).unwrap();
        assert_eq!(written("e", &packed, &wanted).unwrap(), want);
        let array = "[{\"id\":\"x\",\"q\":\"a\"}]";
        assert_eq!(written("e", array.as_bytes(), &wanted).unwrap(), [record("x", &["a"])]);
        let text = "one\ntwo\n\nthree\n";
        assert_eq!(
            written("e", text.as_bytes(), &wanted).unwrap(),
            [record("/e:1", &["one\ntwo"]), record("/e:2", &["three"])]
        );
        assert_eq!(written("e", b"", &wanted).unwrap(), []);
    }

    #[test]
    fn tables_are_read_by_their_members() {
        let golden = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/goldens").join(name);
            read(&path, &Members { texts: vec!["text".into(), "tags".into()], id: Some("count".into()) }).unwrap()
        };
        let parquet = golden("tables.parquet");
        assert_eq!(parquet.len(), 2500);
        assert_eq!((parquet[1].id.as_str(), parquet[1].texts.len()), ("-4", 2));
        assert_eq!(golden("tables.arrow"), parquet);
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there() {
        let error = written("e", b"{\"question\":\"a\"}", &members(&["text"])).unwrap_err();
        assert!(error.message.contains("record 1 has no member `text`"), "{error}");
        assert!(error.hint.unwrap().contains("`question`"));
        let named = Members { id: Some("key".into()), ..members(&["q"]) };
        assert!(written("e", b"{\"q\":\"a\"}", &named).unwrap_err().message.contains("`key`"));
        assert!(written("e", b"{\"q\":\"a\"", &members(&["q"])).unwrap_err().message.contains("record 1 is no JSON"));
        assert!(written("e", b"PAR1 and no more", &members(&["q"])).is_err());
        assert!(written("e", b"\xff\xfe", &members(&["q"])).unwrap_err().message.contains("not UTF-8"));
    }
}
