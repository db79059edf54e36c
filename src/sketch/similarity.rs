//! How alike two sets are, from the sets themselves or from samples of them.
//!
//! A set of hashes is sampled by keeping its smallest members: below the smaller of two samples' ends both are complete, and
//! what holds of the members there holds of the sets (Broder 1997, *On the resemblance and containment of documents*, §4).

/// What "alike" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Members in both, of members in either.
    Jaccard,
    /// Members in both, of the members of the smaller set.
    Containment,
}

/// Distinct members in ascending order: all of a set, or its smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'s> {
    /// The members.
    pub members: &'s [u32],
    /// How many members the set has.
    pub total: u32,
}

impl Sample<'_> {
    /// Up to which member the sample is complete.
    fn end(&self) -> u32 {
        if self.members.len() as u32 >= self.total { u32::MAX } else { self.members.last().copied().unwrap_or(0) }
    }
}

/// Sorts `members`, drops repeats, and keeps the `most` smallest; the number of distinct members.
pub fn sample(members: &mut Vec<u32>, most: usize) -> u32 {
    members.sort_unstable();
    members.dedup();
    let total = members.len() as u32;
    members.truncate(most);
    total
}

/// The similarity of two sets: exact of whole sets, estimated of samples. Of an empty set and any other it is 0.
pub fn similarity(a: Sample<'_>, b: Sample<'_>, measure: Measure) -> f64 {
    if a == b {
        return if a.total > 0 { 1.0 } else { 0.0 };
    }
    let end = a.end().min(b.end());
    let within = |s: &[u32]| s.partition_point(|&m| m <= end);
    let (a, b) = (a.members.get(..within(a.members)), b.members.get(..within(b.members)));
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
    let of = match measure {
        Measure::Jaccard => a.len() + b.len() - shared(a, b),
        Measure::Containment => a.len().min(b.len()),
    };
    if of == 0 { 0.0 } else { shared(a, b) as f64 / of as f64 }
}

/// Whether sets of these sizes can be as alike as `least` at all.
pub fn possible(a: u32, b: u32, measure: Measure, least: f64) -> bool {
    match measure {
        Measure::Jaccard => f64::from(a.min(b)) >= least * f64::from(a.max(b)),
        Measure::Containment => true,
    }
}

/// Members in both, without a branch that depends on them.
fn shared(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while let (Some(&x), Some(&y)) = (a.get(i), b.get(j)) {
        both += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn of(set: &BTreeSet<u32>, most: usize) -> (Vec<u32>, u32) {
        let mut members: Vec<u32> = set.iter().rev().copied().collect();
        let total = sample(&mut members, most);
        (members, total)
    }

    fn similar(a: &BTreeSet<u32>, b: &BTreeSet<u32>, most: usize, measure: Measure) -> f64 {
        let ((a, all_a), (b, all_b)) = (of(a, most), of(b, most));
        similarity(Sample { members: &a, total: all_a }, Sample { members: &b, total: all_b }, measure)
    }

    proptest! {
        #[test]
        fn whole_sets_are_measured_exactly(a in prop::collection::btree_set(0u32..60, 0..50), b in prop::collection::btree_set(0u32..60, 0..50)) {
            let (both, either) = (a.intersection(&b).count() as f64, a.union(&b).count().max(1) as f64);
            prop_assert_eq!(similar(&a, &b, 100, Measure::Jaccard), both / either);
            let smaller = a.len().min(b.len()).max(1) as f64;
            prop_assert_eq!(similar(&a, &b, 100, Measure::Containment), both / smaller);
            let fits = possible(a.len() as u32, b.len() as u32, Measure::Jaccard, both / either);
            prop_assert!(fits, "sizes never rule out what is so");
        }
    }

    #[test]
    fn samples_estimate_within_five_standard_errors() {
        let mut words = crate::sketch::hash::Words::new(1);
        for tenths in 1..10 {
            let common: BTreeSet<u32> = (0..tenths * 2000).map(|_| words.word() as u32).collect();
            let mut own =
                || common.iter().copied().chain((0..(10 - tenths) * 1000).map(|_| words.word() as u32)).collect();
            let (a, b): (BTreeSet<u32>, BTreeSet<u32>) = (own(), own());
            let truth = similar(&a, &b, usize::MAX, Measure::Jaccard);
            let seen = similar(&a, &b, 1000, Measure::Jaccard);
            assert!((seen - truth).abs() < 5.0 * (truth * (1.0 - truth) / 1000.0).sqrt(), "{seen} for {truth}");
        }
    }

    #[test]
    fn nothing_is_like_an_empty_set() {
        let (none, one) = (BTreeSet::new(), BTreeSet::from([1]));
        assert_eq!(similar(&none, &none, 9, Measure::Jaccard), 0.0);
        assert_eq!(similar(&none, &one, 9, Measure::Containment), 0.0);
    }
}
