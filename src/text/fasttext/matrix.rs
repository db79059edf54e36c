//! Matrices: dense, or quantized by product quantization with optional norms.

use super::input::Input;

/// A matrix of single-precision numbers, rows × columns.
pub enum Matrix {
    /// As it is.
    Dense {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// Row after row.
        data: Vec<f32>,
    },
    /// As codes into centroids.
    Quantized {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// One byte for each sub-vector of each row.
        codes: Vec<u8>,
        /// The centroids.
        quantizer: Quantizer,
        /// Each row's norm, if norms are kept apart.
        norms: Option<Vec<f32>>,
    },
}

/// Centroids of sub-vectors.
pub struct Quantizer {
    subs: usize,
    sub_dim: usize,
    last_dim: usize,
    centroids: Vec<f32>,
}

const CENTROIDS: usize = 256;

impl Quantizer {
    fn read(input: &mut Input<'_>) -> Result<Self, String> {
        let mut size = || usize::try_from(input.i32()?).map_err(|_| "a size is negative".to_owned());
        let (dim, subs, sub_dim, last_dim) = (size()?, size()?, size()?, size()?);
        let fits = subs > 0
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

impl Matrix {
    /// Reads a dense matrix.
    pub fn read_dense(input: &mut Input<'_>) -> Result<Self, String> {
        let (rows, columns) = (input.count()?, input.count()?);
        let data = input.floats(rows.checked_mul(columns).ok_or("a size is absurd")?)?;
        Ok(Self::Dense { rows, columns, data })
    }

    /// Reads a quantized matrix.
    pub fn read_quantized(input: &mut Input<'_>) -> Result<Self, String> {
        let has_norms = input.u8()? != 0;
        let (rows, columns) = (input.count()?, input.count()?);
        let length = usize::try_from(input.i32()?).map_err(|_| "a size is negative".to_owned())?;
        let codes = input.take(length)?.to_vec();
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
        Ok(Self::Quantized { rows, columns, codes, quantizer, norms })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense { rows, .. } | Self::Quantized { rows, .. } => *rows,
        }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        match self {
            Self::Dense { columns, .. } | Self::Quantized { columns, .. } => *columns,
        }
    }

    /// Adds a row to `out`.
    pub fn add_row(&self, row: usize, out: &mut [f32]) {
        match self {
            Self::Dense { columns, data, .. } => {
                let row = data.get(row * columns..(row + 1) * columns).unwrap_or_default();
                out.iter_mut().zip(row).for_each(|(o, x)| *o += x);
            }
            Self::Quantized { codes, quantizer, norms, .. } => {
                let norm = norms.as_ref().map_or(1.0, |n| n.get(row).copied().unwrap_or(0.0));
                let codes = codes.get(row * quantizer.subs..(row + 1) * quantizer.subs).unwrap_or_default();
                for ((sub, &code), out) in codes.iter().enumerate().zip(out.chunks_mut(quantizer.sub_dim)) {
                    out.iter_mut().zip(quantizer.centroid(sub, code)).for_each(|(o, x)| *o += norm * x);
                }
            }
        }
    }

    /// The product of a row with `vector`.
    pub fn dot(&self, row: usize, vector: &[f32]) -> f32 {
        match self {
            Self::Dense { columns, data, .. } => {
                let row = data.get(row * columns..(row + 1) * columns).unwrap_or_default();
                row.iter().zip(vector).fold(0.0, |sum, (a, b)| sum + a * b)
            }
            Self::Quantized { codes, quantizer, norms, .. } => {
                let norm = norms.as_ref().map_or(1.0, |n| n.get(row).copied().unwrap_or(0.0));
                let codes = codes.get(row * quantizer.subs..(row + 1) * quantizer.subs).unwrap_or_default();
                let mut sum = 0.0;
                for ((sub, &code), vector) in codes.iter().enumerate().zip(vector.chunks(quantizer.sub_dim)) {
                    sum = vector.iter().zip(quantizer.centroid(sub, code)).fold(sum, |sum, (a, b)| sum + a * b);
                }
                sum * norm
            }
        }
    }
}
