//! The JSON Schema of a pipeline file, for editors: made from the catalog, committed as `pipelines/schema.json`.

use serde_json::{Map, Value, json};

use crate::stages::{Place, catalog};

/// The schema (draft 2020-12).
pub fn schema() -> Value {
    let mut defs = Map::new();
    let mut stages = |place: Place| {
        let mut properties = Map::new();
        for entry in catalog().filter(|e| Place::of(e.about.family) == place) {
            let name = format!("{}.{}", place.key(), entry.about.name);
            let mut settings = (entry.schema)().to_value();
            hoist(&mut settings, &name, &mut defs);
            let mut variants = vec![json!({ "$ref": format!("#/$defs/{name}") }), json!({ "type": "null" })];
            if let Some(short) = entry.about.shorthand {
                let inner = settings.pointer(&format!("/properties/{short}")).cloned().unwrap_or(json!({}));
                variants.push(inner);
            }
            defs.insert(name, settings);
            properties
                .insert(entry.about.name.to_owned(), json!({ "description": entry.about.summary, "anyOf": variants }));
        }
        properties
    };
    let (readers, steps, writers) = (stages(Place::Read), stages(Place::Steps), stages(Place::Write));
    let names: Vec<&String> = steps.keys().collect();
    let bare = json!({ "enum": names, "description": "A stage with its default settings." });
    let mut step = steps.clone();
    step.insert("as".into(), json!({ "type": "string", "description": "The step's name." }));
    step.insert("when".into(), json!({ "type": "string", "description": "Only documents for which this holds, such as `source == web and chars > 200`." }));
    step.insert(
        "mode".into(),
        json!({ "enum": ["annotate"], "description": "Keep every document and write the verdict as a field." }),
    );
    step.insert("use".into(), json!({ "type": "string", "description": "A preset, relative to this file." }));
    step.insert("with".into(), json!({ "type": "object", "description": "The preset's variables." }));
    defs.insert("step".into(), json!({ "anyOf": [bare, { "type": "object", "properties": step, "additionalProperties": false, "minProperties": 1 }] }));
    let group = |properties: Map<String, Value>, what: &str| {
        let one =
            json!({ "type": "object", "description": what, "properties": properties, "additionalProperties": false });
        json!({ "anyOf": [one, { "type": "array", "items": one }] })
    };
    defs.insert("read".into(), group(readers, "Readers and what they read."));
    defs.insert("write".into(), group(writers, "Writers and where they write."));
    let flow = json!({
        "read": { "$ref": "#/$defs/read" },
        "from": { "description": "Flows whose documents come in.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        "steps": { "type": "array", "items": { "$ref": "#/$defs/step" } },
        "write": { "$ref": "#/$defs/write" },
    });
    let mut top = flow.as_object().cloned().unwrap_or_default();
    top.extend([
        ("name".to_owned(), json!({ "type": "string", "description": "The pipeline's name; the file's if left out." })),
        ("vars".to_owned(), json!({ "type": "object", "description": "Variables with their defaults: `$name`, `$(name)`." })),
        ("flows".to_owned(), json!({ "type": "object", "additionalProperties": { "type": "object", "properties": flow, "additionalProperties": false } })),
        ("run".to_owned(), json!({ "type": "string", "description": "The run folder; `runs/NAME` if left out." })),
        ("limits".to_owned(), json!({ "type": "object", "additionalProperties": false, "properties": {
            "memory": { "description": "Bytes the run may use, such as `8GiB`.", "type": ["string", "integer"] },
            "quarantine": { "description": "The share of records that may be quarantined, such as `0.1%`.", "type": ["string", "number"] } } })),
        ("keep".to_owned(), json!({ "type": "object", "additionalProperties": false, "properties": {
            "dropped": { "enum": ["all", "none"], "description": "Whether the ledger keeps the text of dropped documents." },
            "sample": { "description": "Of what share of them.", "type": ["string", "number"] } } })),
        ("tests".to_owned(), json!({ "type": "array", "items": { "type": "object", "additionalProperties": false, "required": ["expect"], "properties": {
            "it": { "type": "string" }, "flow": { "type": "string" }, "at": { "type": "string" }, "given": { "type": "string" },
            "fields": { "type": "object" }, "expect": { "anyOf": [{ "enum": ["kept", "dropped"] }, { "type": "object" }] } } } })),
    ]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A tamis pipeline",
        "type": "object",
        "properties": top,
        "additionalProperties": false,
        "$defs": defs,
    })
}

/// Moves a stage's own `$defs` into the file's, under names of their own.
fn hoist(settings: &mut Value, prefix: &str, defs: &mut Map<String, Value>) {
    rename(settings, prefix);
    if let Some(object) = settings.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            for (name, def) in own {
                defs.insert(format!("{prefix}.{name}"), def);
            }
        }
    }
}

fn rename(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::String(target) if key == "$ref" => {
                        *target = target.replace("#/$defs/", &format!("#/$defs/{prefix}."));
                    }
                    value => rename(value, prefix),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|v| rename(v, prefix)),
        _ => {}
    }
}
