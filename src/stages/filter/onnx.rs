//! Judges with a neural classifier in the ONNX format: FineWeb-Edu's regressor of educational value (Penedo et al. 2024,
//! arXiv 2406.17557: keep what scores 3 or more), toxicity and domain classifiers, or any encoder of one's own.
//!
//! The first `max_tokens` tokens of a text are the model's input; its output is one number or one for each label. Documents of a
//! morsel are sorted by length and judged in batches, each worker on one thread. Scores do not depend on the number of workers;
//! between batches of other shapes they differ by rounding (about 1e-6), and with `batch_size: 1` not at all.
//!
//! The runtime is a library that the pipeline names, so that whoever runs it must say `--allow-exec`; then the model is
//! looked at while planning. It is the cargo feature `onnx`: without it tamis knows the stage and cannot run it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stage::classifier::check_limits;
use crate::stage::{About, Build, Family, Settings, Stage};

/// Settings of `onnx`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Onnx {
    /// The model, `.onnx`, with inputs `input_ids` and, if it likes, `attention_mask` and `token_type_ids`.
    pub model: PathBuf,
    /// The model's `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// The ONNX Runtime library (`libonnxruntime.so`, `.dylib`), 1.17 or newer, as in the folder `capi` of the PyPI package
    /// `onnxruntime`. Often `$(env:ORT_DYLIB_PATH)`.
    pub runtime: PathBuf,
    /// The output that is read; if left out, `logits` or the only one.
    #[serde(default)]
    pub output: Option<String>,
    /// What is made of the output.
    #[serde(default)]
    pub score: Score,
    /// The number of the label whose score it is, from 0; 0 for models with one output.
    #[serde(default)]
    pub label: usize,
    /// Most tokens of a text that are looked at, special tokens included.
    #[serde(default = "max_tokens")]
    #[schemars(range(min = 1))]
    pub max_tokens: usize,
    /// Texts that are judged at once.
    #[serde(default = "batch_size")]
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Least score that is kept; `null` for no limit.
    #[serde(default)]
    pub min_score: Option<f64>,
    /// Greatest score that is kept; `null` for no limit.
    #[serde(default)]
    pub max_score: Option<f64>,
    /// A field for the score.
    #[serde(default)]
    pub into: Option<String>,
}

fn max_tokens() -> usize {
    512
}

fn batch_size() -> usize {
    16
}

/// What is made of a model's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The number itself: regressors.
    #[default]
    Regression,
    /// The label's share of all labels' exponentials, 0..1: one label of several.
    Softmax,
    /// The label's logistic function, 0..1: any number of labels at once.
    Sigmoid,
}

impl Settings for Onnx {
    const ABOUT: About = About {
        reasons: &[
            ("score_too_low", "the score is below `min_score`"),
            ("score_too_high", "the score is above `max_score`"),
            ("no_number", "quarantined: the model's output for it is no number"),
        ],
        fields: &[("onnx.score", "in `mode: annotate`, the score")],
        ..About::new(
            "onnx",
            Family::Filter,
            "judges with a neural classifier in the ONNX format (needs `--allow-exec`)",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if self.max_tokens == 0 || self.batch_size == 0 {
            return Err(Error::pipeline(format!("`{}`: `max_tokens` and `batch_size` are at least 1", cx.label)));
        }
        let within = (self.score != Score::Regression).then_some((0.0, 1.0));
        check_limits(cx, self.min_score, self.max_score, self.into.is_some(), within)?;
        running::build(self, cx)
    }
}

#[cfg(not(feature = "onnx"))]
mod running {
    use super::*;

    pub fn build(_: Onnx, cx: &mut Build<'_>) -> Result<Stage> {
        Err(Error::pipeline(format!("`{}` needs ONNX, which this tamis was built without", cx.label))
            .hint("build it with `cargo install --path . --features onnx`"))
    }
}

#[cfg(feature = "onnx")]
mod running {
    use std::sync::Arc;

    use super::*;
    use crate::doc::{Document, Field, Verdict};
    use crate::io::onnx::{Input, Model};
    use crate::stage::classifier::judge;
    use crate::stage::{BatchTransform, Failed};
    use crate::tokens::Classified;

    pub fn build(settings: Onnx, cx: &mut Build<'_>) -> Result<Stage> {
        let tokenizer = {
            let path = cx.resource(&settings.tokenizer)?.path;
            let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
            Classified::read(&path, &bytes, settings.max_tokens)?
        };
        let model = cx.resource(&settings.model)?.path;
        // Large models keep their weights in a file beside, named by the exporter.
        for suffix in ["_data", ".data"] {
            let mut beside = model.clone().into_os_string();
            beside.push(suffix);
            if std::path::Path::new(&beside).is_file() {
                cx.resource(std::path::Path::new(&beside))?;
            }
        }
        cx.resource(&settings.runtime)?;
        cx.executes(format!("loads the library `{}`", settings.runtime.display()));
        let bytes = std::fs::metadata(&model).map_err(|e| Error::io("read", &model, e))?.len();
        // A session holds the weights, and about as much again while it works.
        let sessions = (cx.memory / (2 * bytes).max(1)).clamp(1, 1024) as usize;
        let loaded = if cx.allow_exec {
            Some(Arc::new(Model::load(&settings.runtime, &model, sessions, settings.output.as_deref())?))
        } else {
            None
        };
        let mut fields = Vec::new();
        if let Some(name) = &settings.into {
            fields.push(cx.writes(name)?);
        }
        if cx.annotate {
            fields.push(cx.writes(&format!("{}.score", cx.label))?);
        }
        Ok(Stage::Batch(Box::new(Running { model: loaded, tokenizer, fields, settings })))
    }

    #[derive(Clone)]
    struct Running {
        settings: Onnx,
        /// None in a plan that is not to be run.
        model: Option<Arc<Model>>,
        tokenizer: Classified,
        fields: Vec<Field<f64>>,
    }

    impl Running {
        fn score(&self, row: &[f32]) -> Result<f64> {
            let Some(&logit) = row.get(self.settings.label) else {
                return Err(Error::pipeline(format!(
                    "the model `{}` has no label {}",
                    self.settings.model.display(),
                    self.settings.label
                ))
                .hint(format!(
                    "it gives {} for each text: labels are 0 to {}",
                    row.len(),
                    row.len() - 1
                )));
            };
            let logit = f64::from(logit);
            Ok(match self.settings.score {
                Score::Regression => logit,
                Score::Sigmoid => 1.0 / (1.0 + (-logit).exp()),
                Score::Softmax => 1.0 / row.iter().map(|&other| (f64::from(other) - logit).exp()).sum::<f64>(),
            })
        }
    }

    impl BatchTransform for Running {
        fn apply(&mut self, docs: &mut [Document]) -> Result<Vec<Verdict>, Failed> {
            let model = self.model.as_ref().ok_or_else(|| Error::bug("a model that was not to be loaded is asked"))?;
            let mut inputs = Vec::new();
            for doc in docs.iter() {
                let (ids, segments) = self.tokenizer.encode(doc.text.as_str())?;
                inputs.push(Input { ids, segments });
            }
            // Texts of like length share a batch, so that little is padded.
            let mut order: Vec<usize> = (0..docs.len()).collect();
            let input = |at: usize| inputs.get(at).ok_or_else(|| Error::bug("a text without tokens"));
            order.sort_by_key(|&at| inputs.get(at).map_or(0, |input| input.ids.len()));
            let mut verdicts = vec![Verdict::Keep; docs.len()];
            for batch in order.chunks(self.settings.batch_size) {
                let texts = batch.iter().map(|&at| input(at)).collect::<Result<Vec<_>>>()?;
                let rows = model.run(&texts, self.tokenizer.pad())?;
                for (&at, row) in batch.iter().zip(rows) {
                    let score = self.score(&row)?;
                    if score.is_nan() {
                        let detail = format!("the model `{}` gave {row:?}", self.settings.model.display());
                        return Err(Failed::Document { because: "no_number", detail, suspect: at });
                    }
                    let (Some(doc), Some(verdict)) = (docs.get_mut(at), verdicts.get_mut(at)) else { continue };
                    self.fields.iter().for_each(|&field| doc.set(field, score));
                    *verdict = judge(score, self.settings.min_score, self.settings.max_score);
                }
            }
            Ok(verdicts)
        }
    }
}
