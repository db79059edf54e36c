//! Matrices: dense, or quantized by product quantization with optional norms. What can be large stays in the file.

use std::ops::Range;

use super::input::{Input, floats};

/// A matrix of single-precision numbers, rows × columns. Methods take the model's bytes, in which it lies.
pub struct Matrix {
    rows: usize,
    columns: usize,
    data: Data,
}

enum Data {
    /// Row after row, in the file.
    Mapped(Range<usize>),
    /// Row after row, decoded.
    Decoded(Vec<f32>),
    /// Codes into centroids.
    Coded(Coded),
}

struct Coded {
    /// One byte for each sub-vector of each row, in the file.
    codes: Range<usize>,
    quantizer: Quantizer,
    /// Each row's norm, if norms are kept apart.
    norms: Option<Vec<f32>>,
}

/// Centroids of sub-vectors.
struct Quantizer {
    subs: usize,
    sub_dim: usize,
    last_dim: usize,
    centroids: Vec<f32>,
}

const CENTROIDS: usize = 256;
/// Quantized matrices that decode into no more floats than this are decoded once (64 MiB).
const DECODE_UP_TO: usize = 16 << 20;

impl Quantizer {
    fn read(input: &mut Input<'_>) -> Result<Self, String> {
        let mut size = || usize::try_from(input.i32()?).map_err(|_| "a size is negative".to_owned());
        let (dim, subs, sub_dim, last_dim) = (size()?, size()?, size()?, size()?);
        let fits = subs > 0
            && sub_dim > 0
            && last_dim <= sub_dim
            && (subs - 1).checked_mul(sub_dim).and_then(|n| n.checked_add(last_dim)) == Some(dim);
        if !fits {
            return Err("its quantizer contradicts itself".into());
        }
        let centroids = input.floats(dim.checked_mul(CENTROIDS).ok_or("a size is absurd")?)?;
        Ok(Self { subs, sub_dim, last_dim, centroids })
    }

    fn dim(&self) -> usize {
        (self.subs - 1) * self.sub_dim + self.last_dim
    }

    fn centroid(&self, sub: usize, code: u8) -> &[f32] {
        let code = code as usize;
        let (start, length) = if sub + 1 == self.subs {
            (sub * CENTROIDS * self.sub_dim + code * self.last_dim, self.last_dim)
        } else {
            ((sub * CENTROIDS + code) * self.sub_dim, self.sub_dim)
        };
        self.centroids.get(start..start + length).unwrap_or_default()
    }
}

impl Coded {
    fn add_row(&self, model: &[u8], row: usize, out: &mut [f32]) {
        let norm = self.norms.as_ref().map_or(1.0, |n| n.get(row).copied().unwrap_or(0.0));
        let codes = model.get(self.codes.clone()).unwrap_or_default();
        let codes = codes.get(row * self.quantizer.subs..(row + 1) * self.quantizer.subs).unwrap_or_default();
        for ((sub, &code), out) in codes.iter().enumerate().zip(out.chunks_mut(self.quantizer.sub_dim)) {
            out.iter_mut().zip(self.quantizer.centroid(sub, code)).for_each(|(o, x)| *o += norm * x);
        }
    }
}

impl Matrix {
    /// Reads a dense matrix.
    pub fn read_dense(input: &mut Input<'_>) -> Result<Self, String> {
        let (rows, columns) = (input.count()?, input.count()?);
        let bytes = rows.checked_mul(columns).and_then(|n| n.checked_mul(4)).ok_or("a size is absurd")?;
        Ok(Self { rows, columns, data: Data::Mapped(input.skip(bytes)?) })
    }

    /// Reads a quantized matrix.
    pub fn read_quantized(input: &mut Input<'_>) -> Result<Self, String> {
        let has_norms = input.u8()? != 0;
        let (rows, columns) = (input.count()?, input.count()?);
        let length = usize::try_from(input.i32()?).map_err(|_| "a size is negative".to_owned())?;
        let codes = input.skip(length)?;
        let quantizer = Quantizer::read(input)?;
        if quantizer.dim() != columns || rows.checked_mul(quantizer.subs) != Some(length) {
            return Err("its quantizer does not fit its matrix".into());
        }
        let norms = if has_norms {
            let codes = input.take(rows)?;
            let quantizer = Quantizer::read(input)?;
            Some(codes.iter().map(|&c| quantizer.centroid(0, c).first().copied().unwrap_or(0.0)).collect())
        } else {
            None
        };
        let coded = Coded { codes, quantizer, norms };
        let small = rows.checked_mul(columns).is_some_and(|floats| floats <= DECODE_UP_TO);
        let data = if small { Data::Decoded(decode(&coded, input.all(), rows, columns)) } else { Data::Coded(coded) };
        Ok(Self { rows, columns, data })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Adds a row to `out`.
    pub fn add_row(&self, model: &[u8], row: usize, out: &mut [f32]) {
        let columns = self.columns;
        match &self.data {
            Data::Mapped(range) => {
                let row = range.start + row * columns * 4;
                let bytes = model.get(row..row + columns * 4).unwrap_or_default();
                out.iter_mut().zip(floats(bytes)).for_each(|(o, x)| *o += x);
            }
            Data::Decoded(data) => {
                let row = data.get(row * columns..(row + 1) * columns).unwrap_or_default();
                out.iter_mut().zip(row).for_each(|(o, x)| *o += x);
            }
            Data::Coded(coded) => coded.add_row(model, row, out),
        }
    }
}

/// Every row, as adding it to zeros gives it: the same products, so sums of decoded rows are those of coded ones.
fn decode(coded: &Coded, model: &[u8], rows: usize, columns: usize) -> Vec<f32> {
    let mut data = vec![0.0; rows * columns];
    data.chunks_exact_mut(columns.max(1)).enumerate().for_each(|(row, out)| coded.add_row(model, row, out));
    data
}

/// The output matrix, columns first: all products with a vector are made side by side, each in the reference's order.
pub struct Output {
    rows: usize,
    columns: Vec<f32>,
}

impl Output {
    /// Turns `matrix` on its side.
    pub fn new(matrix: &Matrix, model: &[u8]) -> Self {
        let mut columns = vec![0.0; matrix.rows * matrix.columns];
        let mut line = vec![0.0; matrix.columns];
        for row in 0..matrix.rows {
            line.fill(0.0);
            matrix.add_row(model, row, &mut line);
            for (column, x) in line.iter().enumerate() {
                if let Some(place) = columns.get_mut(column * matrix.rows + row) {
                    *place = *x;
                }
            }
        }
        Self { rows: matrix.rows, columns }
    }

    /// The product of every row with `vector`.
    pub fn products(&self, vector: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.rows, 0.0);
        for (column, x) in self.columns.chunks_exact(self.rows.max(1)).zip(vector) {
            out.iter_mut().zip(column).for_each(|(o, c)| *o += c * x);
        }
    }
}
