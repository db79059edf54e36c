//! A fastText model as stages use one: loaded once for a plan, its labels without their prefix, a scratch for each worker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Build, nearest};
use crate::doc::Verdict;
use crate::error::{Error, Result};
use crate::text::fasttext::{Model, Scratch};

/// A model with one worker's scratch.
pub struct Classifier {
    model: Model,
    path: PathBuf,
    max_chars: Option<usize>,
    scratch: Scratch,
}

impl Clone for Classifier {
    fn clone(&self) -> Self {
        Self {
            model: self.model.clone(),
            path: self.path.clone(),
            max_chars: self.max_chars,
            scratch: Scratch::default(),
        }
    }
}

impl Classifier {
    /// Loads the model at `path`; it will look at the first `max_chars` characters of a text, which the plan then says.
    pub fn load(path: &Path, max_chars: Option<usize>, cx: &mut Build<'_>) -> Result<Self> {
        let model = cx.load(path, |file| {
            Model::read(Arc::new(file)).map_err(|what| {
                Error::pipeline(format!("`{}` is no usable fastText model: {what}", path.display()))
                    .hint("give a supervised model as fastText writes it (`.bin` or `.ftz`)")
            })
        })?;
        match max_chars {
            Some(0) => {
                return Err(Error::pipeline("`max_chars: 0` looks at nothing").hint("leave it out to look at all"));
            }
            Some(max) => cx.notes(format!("looks at no more than the first {max} characters")),
            None => {}
        }
        Ok(Self { model: (*model).clone(), path: path.to_owned(), max_chars, scratch: Scratch::default() })
    }

    /// The name of a label, without `__label__`.
    pub fn name(&self, label: usize) -> &str {
        self.model.labels().get(label).map_or("", |l| bare(l))
    }

    /// The number of the label called `name`, with or without `__label__`.
    pub fn label(&self, name: &str) -> Result<usize> {
        let labels: Vec<&str> = self.model.labels().iter().map(|l| bare(l)).collect();
        if let Some(label) = labels.iter().position(|l| *l == bare(name)) {
            return Ok(label);
        }
        let error = Error::pipeline(format!("the model `{}` has no label `{name}`", self.path.display()));
        let some: Vec<String> = labels.iter().take(20).map(|l| format!("`{l}`")).collect();
        let more = if labels.len() > some.len() { ", …" } else { "" };
        Err(match nearest(bare(name), labels.iter().copied()) {
            Some(near) if labels.len() > some.len() => error.hint(format!("did you mean `{near}`?")),
            _ if some.len() == 1 => error.hint(format!("its label is {}", some.join(""))),
            _ => error.hint(format!("its {} labels are {}{more}", labels.len(), some.join(", "))),
        })
    }

    /// The probability of each label; empty if nothing of the text is known.
    pub fn scores(&mut self, text: &str) -> &[f32] {
        // As many bytes are looked at as hold that many characters: a text is not counted to its end.
        let end = self.max_chars.and_then(|max| text.char_indices().nth(max)).map_or(text.len(), |(at, _)| at);
        self.model.predict(text.get(..end).unwrap_or(text), &mut self.scratch)
    }
}

/// Checks the limits of a stage that judges by a score: whether it does anything, and whether a limit can never matter.
/// `into` is whether the score becomes a field, `within` the least and greatest score there is.
pub fn check_limits(
    cx: &mut Build<'_>,
    min: Option<f64>,
    max: Option<f64>,
    into: bool,
    within: Option<(f64, f64)>,
) -> Result<()> {
    if min.is_none() && max.is_none() && !into && !cx.annotate {
        return Err(Error::pipeline(format!("`{}` neither judges nor writes its score", cx.label))
            .hint("give it `min_score` or `max_score`, or `into: quality.score` to keep the score as a field"));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err(Error::pipeline(format!("no score is at least {min} and at most {max}"))
            .hint("`min_score` is the lower of the two"));
    }
    let Some((least, greatest)) = within else { return Ok(()) };
    let range = format!("every score is between {least} and {greatest}");
    for (name, limit, never, always) in [
        ("min_score", min, min.is_some_and(|min| min <= least), min.is_some_and(|min| min > greatest)),
        ("max_score", max, max.is_some_and(|max| max >= greatest), max.is_some_and(|max| max < least)),
    ] {
        if let Some(limit) = limit.filter(|_| always) {
            return Err(Error::pipeline(format!("`{name}: {limit}` drops everything: {range}"))
                .hint("a probability is a fraction: write 0.65 for 65%"));
        }
        if never {
            cx.notes(format!("`{name}` drops nothing: {range}"));
        }
    }
    Ok(())
}

/// What `score` means within these limits.
pub fn judge(score: f64, min: Option<f64>, max: Option<f64>) -> Verdict {
    // Scores are single precision: a limit that was written as 0.1 is the single-precision 0.1.
    let limit = |limit: Option<f64>| limit.map(|limit| f64::from(limit as f32));
    match (limit(min), limit(max)) {
        (Some(min), _) if score < min => Verdict::drop_by("score_too_low", score, min),
        (_, Some(max)) if score > max => Verdict::drop_by("score_too_high", score, max),
        _ => Verdict::Keep,
    }
}

fn bare(label: &str) -> &str {
    label.strip_prefix("__label__").unwrap_or(label)
}
