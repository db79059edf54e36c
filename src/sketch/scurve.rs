//! The S-curve of banded MinHash: how likely two documents of a given similarity become candidates.
//!
//! With b bands of r rows, documents of Jaccard similarity s agree on a whole band with probability s^r, and on at least
//! one with 1 - (1 - s^r)^b (Leskovec, Rajaraman & Ullman, *Mining of Massive Datasets*, §3.4).

/// The probability that documents of similarity `s` share a band.
pub fn probability(s: f64, bands: u32, rows: u32) -> f64 {
    1.0 - (1.0 - s.clamp(0.0, 1.0).powi(rows as i32)).powi(bands as i32)
}

/// The similarity near which the curve is steepest: (1/b)^(1/r).
pub fn threshold(bands: u32, rows: u32) -> f64 {
    (1.0 / f64::from(bands)).powf(1.0 / f64::from(rows))
}

/// The bands and rows, of at most `hashes` in all, whose curve misjudges least around `threshold`: the sum of the areas
/// of false candidates below it and of missed pairs above it is smallest.
pub fn derive(threshold: f64, hashes: u32) -> (u32, u32) {
    let shapes = (1..=hashes).flat_map(|rows| (1..=hashes / rows).map(move |bands| (bands, rows)));
    let best = shapes.map(|(bands, rows)| (error(threshold, bands, rows), bands, rows));
    best.min_by(|a, b| a.0.total_cmp(&b.0)).map_or((1, 1), |(_, bands, rows)| (bands, rows))
}

/// The similarity of which half of the pairs share a band.
pub fn half(bands: u32, rows: u32) -> f64 {
    (1.0 - 0.5f64.powf(1.0 / f64::from(bands))).powf(1.0 / f64::from(rows))
}

/// The bands and rows, of at most `hashes` in all, with the steepest curve that still finds nineteen of twenty pairs at
/// `threshold`. For where candidates are verified: a false one costs a comparison, a missed one is lost.
pub fn derive_for_recall(threshold: f64, hashes: u32) -> (u32, u32) {
    let shapes = (1..=hashes).rev().map(|rows| (hashes / rows, rows));
    let mut steep = shapes.filter(|&(bands, rows)| probability(threshold, bands, rows) >= 0.95);
    steep.next().map_or((hashes, 1), |(bands, rows)| {
        let fewer = (1..=bands).find(|&fewer| probability(threshold, fewer, rows) >= 0.95);
        (fewer.unwrap_or(bands), rows)
    })
}

/// Area between the curve and a step at `threshold`.
fn error(threshold: f64, bands: u32, rows: u32) -> f64 {
    const STEPS: u32 = 200;
    let area = (0..STEPS).map(|step| {
        let s = (f64::from(step) + 0.5) / f64::from(STEPS);
        let p = probability(s, bands, rows);
        if s < threshold { p } else { 1.0 - p }
    });
    area.sum::<f64>() / f64::from(STEPS)
}

#[cfg(test)]
mod tests {
    use super::super::hash::Words;
    use super::super::minhash::{MinHash, Minima};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_curve_rises_with_similarity_and_bands_and_falls_with_rows(
            s in 0.01f64..0.98, bands in 1u32..40, rows in 1u32..20
        ) {
            let p = probability(s, bands, rows);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(probability(s + 0.01, bands, rows) >= p);
            prop_assert!(probability(s, bands + 1, rows) >= p);
            prop_assert!(probability(s, bands, rows + 1) <= p);
        }
    }

    #[test]
    fn known_points() {
        assert!((threshold(14, 8) - 0.719).abs() < 0.001);
        assert!((probability(0.8, 14, 8) - 0.924).abs() < 0.001);
        assert!((probability(half(14, 8), 14, 8) - 0.5).abs() < 1e-9);
        for threshold in [0.3, 0.5, 0.7, 0.8, 0.9, 0.99] {
            let (bands, rows) = derive_for_recall(threshold, 128);
            assert!(
                bands * rows <= 128 && probability(threshold, bands, rows) >= 0.95,
                "{threshold}: {bands} x {rows}"
            );
            assert!(probability(threshold, 128 / (rows + 1), rows + 1) < 0.95, "{threshold}: a steeper curve would do");
        }
        let (bands, rows) = derive(0.72, 112);
        assert!(bands * rows <= 112 && (threshold(bands, rows) - 0.72).abs() < 0.05, "{bands} x {rows}");
    }

    /// Pairs of sets of known similarity become candidates as often as the curve says, within four standard errors.
    #[test]
    fn our_family_follows_the_curve() {
        const PAIRS: u32 = 1000;
        for seed in [1, 77] {
            let minhash = MinHash::new(14, 8, seed);
            for shared in [50u64, 65, 72, 80, 90] {
                let mut words = Words::new(seed ^ shared);
                let hits = (0..PAIRS).filter(|_| candidates(&minhash, &mut words, shared)).count() as f64;
                let p = probability(shared as f64 / 100.0, 14, 8);
                let sd = (p * (1.0 - p) / f64::from(PAIRS)).sqrt();
                let seen = hits / f64::from(PAIRS);
                assert!((seen - p).abs() < 4.0 * sd + 0.002, "s = 0.{shared}: {seen} where {p} was due");
            }
        }
    }

    /// Two sets with `shared` of 100 members in common.
    fn candidates(minhash: &MinHash, words: &mut Words, shared: u64) -> bool {
        let common: Vec<u64> = (0..shared).map(|_| words.word()).collect();
        let mut keys = |own: u64| {
            let (mut minima, mut keys) = (Minima::default(), Vec::new());
            minhash.start(&mut minima);
            common.iter().for_each(|&s| minhash.push(&mut minima, s));
            (0..own).for_each(|_| minhash.push(&mut minima, words.word()));
            minhash.bands(&mut minima, |band, bytes| keys.push(super::super::hash::seeded(bytes, band)));
            keys
        };
        let (left, right) = (keys((100 - shared) / 2), keys((100 - shared).div_ceil(2)));
        left.iter().zip(&right).any(|(a, b)| a == b)
    }
}
