//! fastText models: loading and prediction (Joulin et al. 2017, arXiv 1607.01759; quantized models arXiv 1612.03651).
//!
//! Own inference, because the crates at hand mispredict quantized hierarchical-softmax models such as `lid.176.ftz` and
//! refuse dictionaries with words that are not UTF-8. Sums are made in single precision, each token's rows first: the
//! reference adds row after row to the whole line. On lines the two differ in the seventh digit; on long documents ours,
//! which adds few large numbers instead of many small ones, rounds less.

mod dictionary;
mod input;
mod matrix;
mod sums;
mod tree;

use std::sync::Arc;

use dictionary::{Dictionary, Shape};
use input::Input;
use matrix::{Matrix, Output};
use sums::{Known, Sums};
use tree::Tree;

const MAGIC: i32 = 793_712_314;
const SUPERVISED: i32 = 3;

/// The bytes of a model file: mapped, or in memory.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A supervised model; cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    dim: usize,
    dictionary: Dictionary,
    input: Matrix,
    output: Output,
    loss: Loss,
}

enum Loss {
    /// Hierarchical softmax.
    Tree(Tree),
    Softmax,
    /// One-versus-all and negative sampling: each label by itself.
    Sigmoid,
}

/// Reused between predictions of one worker.
#[derive(Default)]
pub struct Scratch {
    sums: Sums,
    hashes: Vec<i32>,
    hidden: Vec<f32>,
    products: Vec<f32>,
    scores: Vec<f32>,
}

impl Model {
    /// Reads a `.bin` or `.ftz` model out of its bytes; `Err` says what is wrong with it.
    pub fn read(bytes: Bytes) -> Result<Self, String> {
        let mut input = Input::new((*bytes).as_ref());
        if input.i32()? != MAGIC {
            return Err("its first bytes are not those of one".into());
        }
        let version = input.i32()?;
        if !(11..=12).contains(&version) {
            return Err(format!("its version is {version}, neither 11 nor 12"));
        }
        let mut args = [0i32; 12];
        for arg in &mut args {
            *arg = input.i32()?;
        }
        let _sampling = input.f64()?;
        let [dim, _, _, _, _, word_ngrams, loss, kind, bucket, minn, maxn, _] = args;
        if kind != SUPERVISED {
            return Err("it holds word vectors and no labels (it is not a supervised model)".into());
        }
        // Version 11 supervised models had no subwords whatever their header says.
        let maxn = if version == 11 { 0 } else { maxn };
        let dim =
            usize::try_from(dim).ok().filter(|d| (1..=4096).contains(d)).ok_or("its dimension is out of range")?;
        let dictionary = Dictionary::read(&mut input, &Shape { word_ngrams, bucket, minn, maxn })?;
        let quantized = input.u8()? != 0;
        let matrix = if quantized { Matrix::read_quantized(&mut input)? } else { Matrix::read_dense(&mut input)? };
        let quantized_output = input.u8()? != 0;
        let output = if quantized && quantized_output {
            Matrix::read_quantized(&mut input)?
        } else {
            Matrix::read_dense(&mut input)?
        };
        let labels = dictionary.labels().len();
        if labels == 0 {
            return Err("it has no labels".into());
        }
        let fits = matrix.columns() == dim && output.columns() == dim && output.rows() >= labels;
        if !fits || matrix.rows() < dictionary.rows().min(dictionary.words() + 1) {
            return Err("its matrices do not fit its header".into());
        }
        let loss = match loss {
            1 => Loss::Tree(Tree::new(dictionary.label_counts())),
            2 | 4 => Loss::Sigmoid,
            3 => Loss::Softmax,
            other => return Err(format!("its loss {other} is unknown")),
        };
        let output = Output::new(&output, input.all());
        Ok(Self(Arc::new(Inner { bytes: bytes.clone(), dim, dictionary, input: matrix, output, loss })))
    }

    /// The labels, as in the file (`__label__en`).
    pub fn labels(&self) -> &[String] {
        self.0.dictionary.labels()
    }

    /// The probability of each label for `text` (newlines count as spaces); empty if nothing of it is known.
    pub fn predict<'s>(&self, text: &str, scratch: &'s mut Scratch) -> &'s [f32] {
        let model = &*self.0;
        scratch.scores.clear();
        let rows = model.sum(text.as_bytes(), scratch);
        if rows == 0 {
            return &scratch.scores;
        }
        let scale = (1.0 / rows as f64) as f32;
        scratch.hidden.iter_mut().for_each(|x| *x *= scale);
        model.output.products(&scratch.hidden, &mut scratch.products);
        let (products, scores) = (&mut scratch.products, &mut scratch.scores);
        match &model.loss {
            Loss::Tree(tree) => tree.descend(products, scores, &mut scratch.hidden),
            Loss::Softmax => {
                products.truncate(model.dictionary.labels().len());
                softmax(products);
                std::mem::swap(products, scores);
            }
            Loss::Sigmoid => {
                products.truncate(model.dictionary.labels().len());
                scores.extend(products.iter().map(|x| log(sigmoid(*x)).exp()));
            }
        }
        scores
    }
}

impl Inner {
    /// Sums the rows of a line into `scratch.hidden`: its words, the end of line, and n-grams of words. Gives their number.
    fn sum(&self, text: &[u8], scratch: &mut Scratch) -> usize {
        let Scratch { sums, hashes, hidden, .. } = scratch;
        hidden.clear();
        hidden.resize(self.dim, 0.0);
        hashes.clear();
        let model = (*self.bytes).as_ref();
        let mut count = 0;
        for token in dictionary::tokens(text).chain([dictionary::END]) {
            let (sum, known) = sums.of(token, self.dim, |out| {
                let mut rows = 0;
                let is_word = self.dictionary.token(model, token, &mut |row| {
                    self.input.add_row(model, row as usize, out);
                    rows += 1;
                });
                Known { rows, is_label: !is_word }
            });
            hidden.iter_mut().zip(sum).for_each(|(h, x)| *h += x);
            count += known.rows;
            if self.dictionary.has_word_ngrams() && !known.is_label {
                hashes.push(dictionary::hash(token));
            }
            if token == dictionary::END {
                break;
            }
        }
        if self.dictionary.has_word_ngrams() {
            self.dictionary.ngrams(hashes, &mut |row| {
                self.input.add_row(model, row as usize, hidden);
                count += 1;
            });
        }
        count
    }
}

/// The most probable label and its probability; the first of equals.
pub fn best(scores: &[f32]) -> Option<(usize, f32)> {
    scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0f32;
    for score in scores.iter_mut() {
        *score = f64::from(*score - max).exp() as f32;
        sum += *score;
    }
    scores.iter_mut().for_each(|s| *s = log(*s / sum).exp());
}

/// The reference adds 1e-5 before every logarithm.
fn log(x: f32) -> f32 {
    (f64::from(x) + 1e-5).ln() as f32
}

fn logistic(x: f32) -> f32 {
    (1.0 / (1.0 + f64::from(-x).exp())) as f32
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
    logistic((index * 16) as f32 / 512.0 - 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str) -> Model {
        Model::read(Arc::new(std::fs::read(format!("fixtures/models/{name}")).unwrap())).unwrap()
    }

    #[test]
    fn a_cut_or_foreign_file_is_refused() {
        assert!(Model::read(Arc::new(b"hello".to_vec())).is_err());
        for name in ["lid.176.ftz", "tiny-hs.bin", "tiny-ova.ftz"] {
            let model = std::fs::read(format!("fixtures/models/{name}")).unwrap();
            for cut in [0, 5, 60, 1000, model.len() / 2, model.len() - 1] {
                assert!(Model::read(Arc::new(model[..cut].to_vec())).is_err(), "{name} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_predicts_something() {
        let model = std::fs::read("fixtures/models/tiny-hs.ftz").unwrap();
        for at in (0..model.len().min(2000)).step_by(3) {
            let mut damaged = model.clone();
            damaged[at] ^= 0x55;
            if let Ok(model) = Model::read(Arc::new(damaged)) {
                model.predict("one two three", &mut Scratch::default());
            }
        }
    }

    /// `fixtures/goldens/lid.176.ftz.jsonl` holds what fasttext-predict 0.9.2.4 (PyPI) says of the same lines; the others
    /// what fasttext 0.9.2 said of models it had just trained (`fixtures/models/train.py`).
    #[test]
    fn probabilities_are_those_of_the_reference() {
        for (name, golden, least) in [
            ("lid.176.ftz", "lid.176.ftz", 200),
            ("lid.176.ftz", "lid.176.ftz.languages", 500),
            ("tiny-hs.bin", "tiny-hs.bin", 50),
            ("tiny-hs.ftz", "tiny-hs.ftz", 50),
            ("tiny-softmax.bin", "tiny-softmax.bin", 50),
            ("tiny-ova.ftz", "tiny-ova.ftz", 50),
            ("tiny-ns.bin", "tiny-ns.bin", 50),
        ] {
            let model = load(name);
            let mut scratch = Scratch::default();
            let goldens = std::fs::read_to_string(format!("fixtures/goldens/{golden}.jsonl")).unwrap();
            for line in goldens.lines() {
                let golden: serde_json::Value = serde_json::from_str(line).unwrap();
                let scores = model.predict(golden["text"].as_str().unwrap(), &mut scratch).to_vec();
                let labels = golden["labels"].as_array().unwrap().iter();
                for (label, score) in labels.zip(golden["scores"].as_array().unwrap()) {
                    let label = format!("__label__{}", label.as_str().unwrap());
                    let ours = scores[model.labels().iter().position(|l| *l == label).unwrap()];
                    let off = (f64::from(ours) - score.as_f64().unwrap()).abs();
                    assert!(off < 1e-5, "{name}, {label}: {ours} and {score} for {line}");
                }
            }
            assert!(goldens.lines().count() >= least, "{golden}");
        }
    }

    #[test]
    fn text_of_nothing_known_has_the_scores_of_the_end_of_line() {
        let model = load("lid.176.ftz");
        let mut scratch = Scratch::default();
        assert_eq!(model.labels().len(), 176);
        let empty = model.predict("", &mut scratch).to_vec();
        assert_eq!(empty, model.predict(" \n\t ", &mut scratch));
        assert!(best(&empty).unwrap().1 < 0.5);
        let (label, _) = best(model.predict("Je ne sais pas ce que vous voulez dire", &mut scratch)).unwrap();
        assert_eq!(model.labels()[label], "__label__fr");
    }

    #[test]
    fn what_was_seen_before_does_not_change_a_score() {
        let model = load("lid.176.ftz");
        let text = "The quick brown fox jumps over the lazy dog. 敏捷的棕色狐狸跳过了懒狗。";
        let fresh = model.predict(text, &mut Scratch::default()).to_vec();
        let mut used = Scratch::default();
        for n in 0..50_000 {
            model.predict(&format!("w{n} fox{n}"), &mut used);
        }
        assert_eq!(fresh, model.predict(text, &mut used));
        assert_eq!(fresh, model.predict(text, &mut used));
    }
}
