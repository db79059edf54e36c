//! Catalog entries: a settings type seen through function pointers.

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{About, Build, Stage};
use crate::error::{Error, Result};

/// The settings of a stage. The doc comment of each field is the manual; units belong there.
pub trait Settings: DeserializeOwned + Serialize + JsonSchema + 'static {
    /// The stage's card.
    const ABOUT: About;
    /// Builds the running part. Called once per plan, in the order of the flow.
    fn build(self, cx: &mut Build<'_>) -> Result<Stage>;
}

/// One line of the catalog.
pub struct Entry {
    /// The stage's card.
    pub about: About,
    /// The JSON Schema of the settings.
    pub schema: fn() -> Schema,
    /// The settings with every default written out: what the fingerprint is made of.
    pub canonical: fn(serde_json::Value) -> Result<serde_json::Value>,
    /// Settings → stage.
    pub build: fn(serde_json::Value, &mut Build<'_>) -> Result<Stage>,
}

impl Entry {
    /// The entry of the settings type `S`.
    pub const fn of<S: Settings>() -> Self {
        Self { about: S::ABOUT, schema: schema::<S>, canonical: canonical::<S>, build: build::<S> }
    }
}

fn schema<S: Settings>() -> Schema {
    schemars::schema_for!(S)
}

/// Deserializes; the error's context `at` is the path of the setting, as in `thresholds.min`.
fn settings<S: Settings>(value: serde_json::Value) -> Result<S> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let error = Error::pipeline(e.into_inner().to_string());
        if path == "." { error } else { error.with("at", path) }
    })
}

fn canonical<S: Settings>(value: serde_json::Value) -> Result<serde_json::Value> {
    serde_json::to_value(settings::<S>(value)?).map_err(|e| Error::bug("settings do not serialize").because(e))
}

fn build<S: Settings>(value: serde_json::Value, cx: &mut Build<'_>) -> Result<Stage> {
    settings::<S>(value)?.build(cx)
}
