//! Vectors of one length: cosine, and spherical k-means (Dhillon & Modha 2001). Sums are taken in one order, so that the
//! same vectors give the same centers on every machine.

/// The scalar product; of unit vectors, their cosine. Eight sums side by side, added up at the end in order.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Writes the unit vector of the same direction into `out`; `false` if there is none.
pub fn unit(vector: &[f32], out: &mut Vec<f32>) -> bool {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    out.clear();
    if !length.is_finite() || length == 0.0 {
        return false;
    }
    out.extend(vector.iter().map(|x| (f64::from(*x) / length) as f32));
    true
}

/// The center nearest to a unit vector, the first of equally near ones, and their cosine. `centers` lie end to end.
pub fn nearest(vector: &[f32], centers: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, center) in centers.chunks_exact(vector.len().max(1)).enumerate() {
        let cosine = dot(vector, center);
        if cosine > best.1 {
            best = (index, cosine);
        }
    }
    best
}

/// At most `count` centers of unit vectors that lie end to end, each of `dimensions` numbers. Begins with the first vectors
/// that differ: give them in random order.
pub fn centers(vectors: &[f32], dimensions: usize, count: usize, iterations: usize) -> Vec<f32> {
    let dimensions = dimensions.max(1);
    let mut seen = std::collections::HashSet::new();
    let distinct =
        vectors.chunks_exact(dimensions).filter(|v| seen.insert(v.iter().map(|x| x.to_bits()).collect::<Vec<_>>()));
    let mut centers: Vec<f32> = distinct.take(count).flatten().copied().collect();
    for _ in 0..iterations {
        let mut sums = vec![0f64; centers.len()];
        for vector in vectors.chunks_exact(dimensions) {
            let (index, _) = nearest(vector, &centers);
            let sum = sums.get_mut(index * dimensions..(index + 1) * dimensions).unwrap_or_default();
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let mut moved = false;
        for (center, sum) in centers.chunks_exact_mut(dimensions).zip(sums.chunks_exact(dimensions)) {
            let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
            // A center without vectors stays where it is.
            if length > 0.0 {
                for (x, sum) in center.iter_mut().zip(sum) {
                    let to = (sum / length) as f32;
                    moved |= to != *x;
                    *x = to;
                }
            }
        }
        if !moved {
            break;
        }
    }
    centers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_product_is_the_sum_of_products(pairs in prop::collection::vec((-1f32..1.0, -1f32..1.0), 0..40)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let plain: f64 = pairs.iter().map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-4);
        }

        #[test]
        fn a_unit_vector_is_of_length_one(vector in prop::collection::vec(-1e3f32..1e3, 1..40)) {
            let mut out = Vec::new();
            if unit(&vector, &mut out) {
                prop_assert!((dot(&out, &out) - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn bundles_are_found() {
        let mut vectors = Vec::new();
        for n in 0..30u8 {
            let noise = f32::from(n) / 1000.0;
            let mut vector = [noise, noise * 2.0, 0.01];
            vector[usize::from(n % 3)] += 1.0;
            let mut out = Vec::new();
            assert!(unit(&vector, &mut out));
            vectors.extend(out);
        }
        let found = centers(&vectors, 3, 3, 10);
        assert_eq!(found.len(), 9);
        for (n, vector) in vectors.chunks_exact(3).enumerate() {
            assert_eq!(nearest(vector, &found).0, n % 3);
            assert!(nearest(vector, &found).1 > 0.99);
        }
        assert_eq!(centers(&[1.0, 0.0, 1.0, 0.0], 2, 5, 3), [1.0, 0.0]);
        assert!(centers(&[], 4, 5, 3).is_empty());
    }

    #[test]
    fn what_has_no_direction_has_no_unit_vector() {
        let mut out = Vec::new();
        assert!(!unit(&[0.0, 0.0], &mut out));
        assert!(!unit(&[f32::NAN, 1.0], &mut out) && !unit(&[f32::INFINITY], &mut out));
    }
}
