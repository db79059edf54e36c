//! fastText models: loading and prediction (Joulin et al. 2017, arXiv 1607.01759; quantized models arXiv 1612.03651).
//!
//! Own inference, because the crates at hand mispredict quantized hierarchical-softmax models such as `lid.176.ftz` and
//! refuse dictionaries with words that are not UTF-8. Sums are made in single precision in the reference's order, so that
//! probabilities agree with it.

mod dictionary;
mod input;
mod matrix;

use std::path::Path;
use std::sync::Arc;

use dictionary::Dictionary;
use input::Input;
use matrix::Matrix;

use crate::error::{Error, Result};

const MAGIC: i32 = 793_712_314;

/// A supervised model; cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    dim: usize,
    dictionary: Dictionary,
    input: Matrix,
    output: Matrix,
    loss: Loss,
}

enum Loss {
    /// Hierarchical softmax: nodes as (left, right); leaves come first.
    Tree(Vec<(u32, u32)>),
    Softmax,
    /// One-versus-all and negative sampling: each label by itself.
    Sigmoid,
}

/// Reused between predictions of one worker.
#[derive(Default)]
pub struct Scratch {
    ids: Vec<u32>,
    hashes: Vec<i32>,
    hidden: Vec<f32>,
    scores: Vec<f32>,
}

impl Model {
    /// Loads a `.bin` or `.ftz` file.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&bytes).map_err(|what| {
            Error::pipeline(format!("`{}` is no usable fastText model: {what}", path.display()))
                .hint("give a supervised model as fastText writes it (`.bin` or `.ftz`)")
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut input = Input::new(bytes);
        if input.i32()? != MAGIC {
            return Err("its first bytes are not those of one".into());
        }
        let version = input.i32()?;
        if version > 12 {
            return Err(format!("its version is {version}, newer than 12"));
        }
        let mut args = [0i32; 12];
        for arg in &mut args {
            *arg = input.i32()?;
        }
        let _sampling = input.f64()?;
        let [dim, _, _, _, _, word_ngrams, loss, kind, bucket, minn, maxn, _] = args;
        if kind != 3 {
            return Err("it is not a supervised (classification) model".into());
        }
        // Version 11 supervised models had no subwords whatever their header says.
        let maxn = if version == 11 { 0 } else { maxn };
        let dim =
            usize::try_from(dim).ok().filter(|d| (1..=4096).contains(d)).ok_or("its dimension is out of range")?;
        let dictionary = Dictionary::read(&mut input, word_ngrams, bucket, minn, maxn)?;
        let quantized = input.u8()? != 0;
        let matrix = if quantized { Matrix::read_quantized(&mut input)? } else { Matrix::read_dense(&mut input)? };
        let quantized_output = input.u8()? != 0;
        let output = if quantized && quantized_output {
            Matrix::read_quantized(&mut input)?
        } else {
            Matrix::read_dense(&mut input)?
        };
        if matrix.columns() != dim || output.columns() != dim || output.rows() < dictionary.labels().len() {
            return Err("its matrices do not fit its header".into());
        }
        let loss = match loss {
            1 => Loss::Tree(tree(&dictionary.label_counts())),
            2 | 4 => Loss::Sigmoid,
            3 => Loss::Softmax,
            other => return Err(format!("its loss {other} is unknown")),
        };
        Ok(Self(Arc::new(Inner { dim, dictionary, input: matrix, output, loss })))
    }

    /// The labels, as in the file (`__label__en`).
    pub fn labels(&self) -> &[String] {
        self.0.dictionary.labels()
    }

    /// The probability of each label for `text` (newlines count as spaces); empty if nothing of it is known.
    pub fn predict<'s>(&self, text: &str, scratch: &'s mut Scratch) -> &'s [f32] {
        let model = &*self.0;
        model.dictionary.line(text.as_bytes(), &mut scratch.ids, &mut scratch.hashes);
        scratch.scores.clear();
        if scratch.ids.is_empty() {
            return &scratch.scores;
        }
        scratch.hidden.clear();
        scratch.hidden.resize(model.dim, 0.0);
        for &id in &scratch.ids {
            model.input.add_row(id as usize, &mut scratch.hidden);
        }
        let scale = (1.0 / scratch.ids.len() as f64) as f32;
        scratch.hidden.iter_mut().for_each(|x| *x *= scale);
        let labels = model.dictionary.labels().len();
        scratch.scores.resize(labels, 0.0);
        let (hidden, scores) = (&scratch.hidden, &mut scratch.scores);
        match &model.loss {
            Loss::Tree(tree) => descend(tree, labels, model, hidden, scores),
            Loss::Softmax => {
                scores.iter_mut().enumerate().for_each(|(row, s)| *s = model.output.dot(row, hidden));
                let max = scores.iter().copied().fold(f32::MIN, f32::max);
                let mut sum = 0f32;
                for score in scores.iter_mut() {
                    *score = f64::from(*score - max).exp() as f32;
                    sum += *score;
                }
                scores.iter_mut().for_each(|s| *s = log(*s / sum).exp());
            }
            Loss::Sigmoid => {
                scores
                    .iter_mut()
                    .enumerate()
                    .for_each(|(row, s)| *s = log(sigmoid(model.output.dot(row, hidden))).exp());
            }
        }
        scores
    }

    /// The most probable label and its probability.
    pub fn best(&self, text: &str, scratch: &mut Scratch) -> Option<(usize, f32)> {
        let scores = self.predict(text, scratch);
        scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }
}

/// The reference adds 1e-5 before every logarithm.
fn log(x: f32) -> f32 {
    (f64::from(x) + 1e-5).ln() as f32
}

/// The reference looks sigmoids of one-versus-all models up in a table of 512 entries over -8..8.
fn sigmoid(x: f32) -> f32 {
    if x < -8.0 {
        return 0.0;
    }
    if x > 8.0 {
        return 1.0;
    }
    let index = ((x + 8.0) * 512.0 / 8.0 / 2.0) as i64;
    let x = (index * 16) as f32 / 512.0 - 8.0;
    (1.0 / (1.0 + f64::from(-x).exp())) as f32
}

/// The Huffman tree over the labels: children of the inner nodes, which come after the leaves.
fn tree(counts: &[i64]) -> Vec<(u32, u32)> {
    let leaves = counts.len();
    if leaves == 0 {
        return Vec::new();
    }
    let mut weight: Vec<i64> = counts.to_vec();
    weight.resize(2 * leaves - 1, 1_000_000_000_000_000);
    let mut inner = Vec::with_capacity(leaves - 1);
    let (mut leaf, mut node) = (leaves as i64 - 1, leaves);
    for index in leaves..2 * leaves - 1 {
        let mut take = || {
            let lightest = usize::try_from(leaf).ok().filter(|&l| weight.get(l) < weight.get(node));
            match lightest {
                Some(l) => {
                    leaf -= 1;
                    l as u32
                }
                None => {
                    node += 1;
                    (node - 1) as u32
                }
            }
        };
        let (left, right) = (take(), take());
        let sum = [left, right].iter().filter_map(|&n| weight.get(n as usize)).sum();
        if let Some(slot) = weight.get_mut(index) {
            *slot = sum;
        }
        inner.push((left, right));
    }
    inner
}

fn descend(tree: &[(u32, u32)], leaves: usize, model: &Inner, hidden: &[f32], scores: &mut [f32]) {
    if leaves == 1 {
        scores.fill(1.0);
        return;
    }
    let mut stack = vec![(2 * leaves - 2, 0f32)];
    while let Some((node, score)) = stack.pop() {
        if let Some(leaf) = scores.get_mut(node).filter(|_| node < leaves) {
            *leaf = score.exp();
            continue;
        }
        let Some(&(left, right)) = tree.get(node - leaves) else { continue };
        let x = model.output.dot(node - leaves, hidden);
        let f = (1.0 / (1.0 + f64::from(-x).exp())) as f32;
        stack.push((left as usize, score + log(1.0 - f)));
        stack.push((right as usize, score + log(f)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_or_foreign_file_is_refused() {
        assert!(Model::parse(b"hello").is_err());
        let model = std::fs::read("fixtures/models/lid.176.ftz").unwrap();
        for cut in [5, 60, 1000, model.len() / 2, model.len() - 1] {
            assert!(Model::parse(&model[..cut]).is_err(), "cut at {cut}");
        }
    }

    /// `fixtures/goldens/lid.176.ftz.jsonl` holds what fasttext-predict 0.9.2.4 (PyPI) says of the same lines.
    #[test]
    fn probabilities_are_those_of_the_reference() {
        let model = Model::load(Path::new("fixtures/models/lid.176.ftz")).unwrap();
        let mut scratch = Scratch::default();
        let goldens = std::fs::read_to_string("fixtures/goldens/lid.176.ftz.jsonl").unwrap();
        let mut lines = 0;
        for line in goldens.lines() {
            let golden: serde_json::Value = serde_json::from_str(line).unwrap();
            let scores = model.predict(golden["text"].as_str().unwrap(), &mut scratch).to_vec();
            for (label, score) in golden["labels"].as_array().unwrap().iter().zip(golden["scores"].as_array().unwrap())
            {
                let label = format!("__label__{}", label.as_str().unwrap());
                let ours = scores[model.labels().iter().position(|l| *l == label).unwrap()];
                assert!(
                    (f64::from(ours) - score.as_f64().unwrap()).abs() < 1e-5,
                    "{label}: {ours} and {score} for {line}"
                );
            }
            lines += 1;
        }
        assert!(lines >= 200);
    }

    #[test]
    fn text_of_nothing_known_has_no_scores_but_the_end_of_line() {
        let model = Model::load(Path::new("fixtures/models/lid.176.ftz")).unwrap();
        let mut scratch = Scratch::default();
        assert_eq!(model.labels().len(), 176);
        let (label, score) = model.best("The quick brown fox jumps over the lazy dog", &mut scratch).unwrap();
        assert_eq!(model.labels()[label], "__label__en");
        assert!(score > 0.5);
        let (label, _) = model.best("Je ne sais pas ce que vous voulez dire", &mut scratch).unwrap();
        assert_eq!(model.labels()[label], "__label__fr");
    }
}
