//! YAML data files (tables of thresholds, lists) as JSON values. Pipelines are parsed by `pipeline`, which knows every place.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// How deeply nodes may be nested.
const MAX_DEPTH: usize = 64;

/// The one document of `text`; `null` if it is empty. Anchors and tags are refused.
pub fn parse(text: &str) -> Result<Value> {
    let mut events = Parser::new_from_str(text);
    let mut root = Value::Null;
    while let Some(event) = next(&mut events)? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => root = node(event, &mut events, 0)?,
        }
    }
    Ok(root)
}

type Events<'t> = Parser<'t, StrInput<'t>>;

fn next<'t>(events: &mut Events<'t>) -> Result<Option<Event<'t>>> {
    match events.next() {
        None => Ok(None),
        Some(Ok((event, _))) => Ok(Some(event)),
        Some(Err(e)) => Err(Error::pipeline(format!("this is not YAML: {}", e.info())).with("line", e.marker().line())),
    }
}

fn node<'t>(event: Event<'t>, events: &mut Events<'t>, depth: usize) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(Error::pipeline("the YAML is nested too deeply"));
    }
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, None) => Ok(plain(&text)),
        Event::Scalar(text, _, _, None) => Ok(Value::String(text.into_owned())),
        Event::SequenceStart(_, None) => {
            let mut all = Vec::new();
            while let Some(event) = next(events)? {
                if matches!(event, Event::SequenceEnd) {
                    break;
                }
                all.push(node(event, events, depth + 1)?);
            }
            Ok(Value::Array(all))
        }
        Event::MappingStart(_, None) => {
            let mut all = Map::new();
            while let Some(event) = next(events)? {
                let key = match event {
                    Event::MappingEnd => break,
                    Event::Scalar(key, ..) => key.into_owned(),
                    _ => return Err(Error::pipeline("a key of a YAML map is no text")),
                };
                let Some(event) = next(events)? else { break };
                let value = node(event, events, depth + 1)?;
                all.insert(key, value);
            }
            Ok(Value::Object(all))
        }
        _ => Err(Error::pipeline("YAML data may have no tags, anchors or aliases")),
    }
}

/// What a plain scalar means (YAML 1.2 core schema).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
            let int = text.parse::<i64>().ok().map(Value::from);
            let float = || text.parse::<f64>().ok().filter(|n| numeric && n.is_finite()).map(Value::from);
            int.or_else(float).unwrap_or_else(|| Value::String(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_lists_numbers_and_texts() {
        let value = parse("a: 0.5\nb:\n- - 2\n  - 0.1\nc: [x, \"1\", -3]\nd: {e: null, f: 'für'}\n").unwrap();
        assert_eq!(value, json!({"a": 0.5, "b": [[2, 0.1]], "c": ["x", "1", -3], "d": {"e": null, "f": "für"}}));
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("{\"a\": [1, true]}").unwrap(), json!({"a": [1, true]}));
    }

    #[test]
    fn what_is_not_plain_data_is_refused() {
        for text in ["a: [1", "a: &x 1\nb: *x", "a: !tag 1", &"[".repeat(100)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
