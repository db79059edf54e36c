//! Models in the ONNX format, run by Microsoft's ONNX Runtime: a library that is loaded when it is asked for, and never linked.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{Tensor, TensorElementType, ValueType};

use crate::error::{Error, Result};

/// The runtime that this process loaded: the library allows one environment, for good.
static RUNTIME: OnceLock<(PathBuf, Environment)> = OnceLock::new();
/// Held while it is loaded.
static LOADING: Mutex<()> = Mutex::new(());

/// The environment of the library at `path`.
fn runtime(path: &Path) -> Result<&'static Environment> {
    let path = std::path::absolute(path).map_err(|e| Error::io("resolve", path, e))?;
    let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if RUNTIME.get().is_none() {
        let wrong = |what: String| {
            Error::pipeline(format!("`{}` is no usable ONNX Runtime library: {what}", path.display())).hint(
                "give libonnxruntime of version 1.17 or newer, as in the PyPI package `onnxruntime`, folder `capi`",
            )
        };
        let environment = ort::init_from(&path).map_err(|e| wrong(e.to_string()))?;
        let environment = environment.with_telemetry(false).build().map_err(|e| wrong(e.to_string()))?;
        let _ = RUNTIME.set((path.clone(), environment));
    }
    match RUNTIME.get() {
        Some((loaded, environment)) if *loaded == path => Ok(environment),
        Some((loaded, _)) => Err(Error::pipeline(format!(
            "two ONNX Runtime libraries are asked for, `{}` and `{}`",
            loaded.display(),
            path.display()
        ))
        .hint("a process can load one of them")),
        None => Err(Error::bug("a library that was loaded is not there")),
    }
}

/// What a text is to a model: token ids, and the segment each is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// Ids, special tokens included.
    pub ids: Vec<u32>,
    /// Segments, as many as ids.
    pub segments: Vec<u32>,
}

/// A model for several threads.
pub struct Model {
    path: PathBuf,
    environment: &'static Environment,
    inputs: Vec<Tensors>,
    output: String,
    pool: Mutex<Pool>,
    freed: Condvar,
}

/// An input of a model: what it is, its name, and whether its numbers are 64 bits wide.
struct Tensors {
    what: What,
    name: String,
    wide: bool,
}

#[derive(Clone, Copy)]
enum What {
    Ids,
    Mask,
    Segments,
}

/// Sessions: each is for one thread at a time, and holds the weights.
struct Pool {
    free: Vec<Session>,
    /// How many may still be made.
    left: usize,
}

impl Model {
    /// Loads the model at `path` with the runtime library at `library`, for at most `sessions` threads at a time (the others
    /// wait). `output` names the output; without it, it is the one called `logits`, or the only one.
    pub fn load(library: &Path, path: &Path, sessions: usize, output: Option<&str>) -> Result<Self> {
        let environment = runtime(library)?;
        let session = session(environment, path)?;
        let mut inputs = Vec::new();
        for input in session.inputs() {
            let wide = match input.dtype() {
                ValueType::Tensor { ty: TensorElementType::Int64, .. } => true,
                ValueType::Tensor { ty: TensorElementType::Int32, .. } => false,
                other => {
                    return Err(unusable(
                        path,
                        format!("its input `{}` is {other:?}, not whole numbers", input.name()),
                    ));
                }
            };
            let what = match input.name() {
                "input_ids" => What::Ids,
                "attention_mask" => What::Mask,
                "token_type_ids" => What::Segments,
                name => return Err(unusable(path, format!("it asks for `{name}`"))),
            };
            inputs.push(Tensors { what, name: input.name().to_owned(), wide });
        }
        if !inputs.iter().any(|input| matches!(input.what, What::Ids)) {
            return Err(unusable(path, "it does not ask for `input_ids`".into()));
        }
        let names: Vec<&str> = session.outputs().iter().map(|output| output.name()).collect();
        let chosen = match (output, names.as_slice()) {
            (Some(output), names) => names.iter().find(|name| **name == output),
            (None, [only]) => Some(only),
            (None, names) => names.iter().find(|name| **name == "logits"),
        };
        let Some(output) = chosen.map(|name| (*name).to_owned()) else {
            let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            return Err(Error::pipeline(format!(
                "`{}` has no output `{}`",
                path.display(),
                output.unwrap_or("logits")
            ))
            .hint(format!("its outputs are {}: name one as `output`", listed.join(", "))));
        };
        let pool = Mutex::new(Pool { free: vec![session], left: sessions.max(1) - 1 });
        Ok(Self { path: path.to_owned(), environment, inputs, output, pool, freed: Condvar::new() })
    }

    /// The numbers that the model gives each of `batch`: as many for each, one row after another. Shorter texts are filled
    /// up with `pad` and masked.
    pub fn run(&self, batch: &[&Input], pad: u32) -> Result<Vec<Vec<f32>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let width = batch.iter().map(|input| input.ids.len()).max().unwrap_or(0).max(1);
        let mut tensors: Vec<(&str, SessionInputValue<'_>)> = Vec::new();
        for input in &self.inputs {
            let mut numbers: Vec<i64> = Vec::with_capacity(batch.len() * width);
            for text in batch {
                let (row, filling): (&[u32], u32) = match input.what {
                    What::Ids => (&text.ids, pad),
                    What::Mask => (&[], 0),
                    What::Segments => (&text.segments, 0),
                };
                let end = numbers.len() + width;
                match input.what {
                    What::Mask => numbers.extend(std::iter::repeat_n(1, text.ids.len())),
                    What::Ids | What::Segments => numbers.extend(row.iter().map(|&n| i64::from(n))),
                }
                numbers.resize(end, i64::from(filling));
            }
            let shape = [batch.len(), width];
            let tensor = if input.wide {
                Tensor::from_array((shape, numbers)).map(SessionInputValue::from)
            } else {
                let narrow: Vec<i32> = numbers.into_iter().map(|n| n as i32).collect();
                Tensor::from_array((shape, narrow)).map(SessionInputValue::from)
            };
            tensors.push((&input.name, tensor.map_err(|e| self.failed(&e))?));
        }
        let mut session = self.take()?;
        let rows = self.rows(&mut session, tensors, batch.len());
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).free.push(session);
        self.freed.notify_one();
        rows
    }

    fn rows(
        &self,
        session: &mut Session,
        tensors: Vec<(&str, SessionInputValue<'_>)>,
        count: usize,
    ) -> Result<Vec<Vec<f32>>> {
        let outputs = session.run(tensors).map_err(|e| self.failed(&e))?;
        let output = outputs.get(&self.output).ok_or_else(|| Error::bug("a model lost an output"))?;
        let (shape, numbers) = output.try_extract_tensor::<f32>().map_err(|e| self.failed(&e))?;
        let each = numbers.len() / count;
        if each == 0 || each * count != numbers.len() || shape.first() != Some(&(count as i64)) {
            return Err(unusable(&self.path, format!("its output `{}` is no row for each text", self.output)));
        }
        Ok(numbers.chunks_exact(each).map(<[f32]>::to_vec).collect())
    }

    fn take(&self) -> Result<Session> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(session) = pool.free.pop() {
                return Ok(session);
            }
            if pool.left > 0 {
                pool.left -= 1;
                drop(pool);
                return session(self.environment, &self.path);
            }
            pool = self.freed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn failed(&self, error: &ort::Error) -> Error {
        Error::world(format!("the model `{}` failed: {error}", self.path.display()))
            .hint("is `max_tokens` more than the model has positions for, or the tokenizer another model's?")
    }
}

fn unusable(path: &Path, what: String) -> Error {
    Error::pipeline(format!("`{}` is no usable text classifier: {what}", path.display()))
        .hint("it should take `input_ids`, and may take `attention_mask` and `token_type_ids`, as Optimum exports them")
}

/// A session on one thread: workers are the threads, and sums come in one order.
fn session(environment: &Environment, path: &Path) -> Result<Session> {
    let wrong = |e: String| {
        Error::pipeline(format!("`{}` is no usable ONNX model: {e}", path.display()))
            .hint("give a model as ONNX, with its external data beside it")
    };
    let builder = Session::builder(environment).map_err(|e| wrong(e.to_string()))?;
    let builder = builder.with_intra_threads(1).map_err(|e| wrong(e.to_string()))?;
    let builder = builder.with_inter_threads(1).map_err(|e| wrong(e.to_string()))?;
    let mut builder = builder.with_deterministic_compute(true).map_err(|e| wrong(e.to_string()))?;
    builder.commit_from_file(path).map_err(|e| wrong(e.to_string()))
}
