//! Files in the order of their dependencies.

use std::collections::BTreeSet;

/// The numbers `0..references.len()` so that what a file refers to comes before it. Files that are connected stay together,
/// groups and equals go by number; of files that refer to one another in a circle, the one with the fewest references that
/// are not met comes first (Guo et al. 2024, algorithm 1), and of several the one with the least number.
pub fn dependencies_first(references: &[Vec<u32>]) -> Vec<u32> {
    let count = references.len();
    let mut referring: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (file, to) in references.iter().enumerate() {
        for &to in to {
            if let Some(back) = referring.get_mut(to as usize) {
                back.push(file as u32);
            }
        }
    }
    let neighbors = |file: u32| {
        let all = [references.get(file as usize), referring.get(file as usize)];
        all.into_iter().flatten().flatten().copied()
    };
    let mut unmet: Vec<usize> = references.iter().map(Vec::len).collect();
    let mut seen = vec![false; count];
    let mut order = Vec::with_capacity(count);
    for first in 0..count as u32 {
        let (mut group, mut reached) = (BTreeSet::new(), vec![first]);
        while let Some(file) = reached.pop() {
            match seen.get_mut(file as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            group.insert((unmet.get(file as usize).copied().unwrap_or(0), file));
            reached.extend(neighbors(file));
        }
        while let Some((_, file)) = group.pop_first() {
            order.push(file);
            for &next in referring.get(file as usize).into_iter().flatten() {
                let Some(left) = unmet.get_mut(next as usize) else { continue };
                // One that is out of the group was put in order already.
                if group.remove(&(*left, next)) {
                    *left -= 1;
                    group.insert((*left, next));
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn groups_stay_together_and_circles_are_broken_by_number() {
        // 0 → 3, 1 → 4 → 1 (a circle), 2 alone.
        let references = [vec![3], vec![4], vec![], vec![], vec![1]];
        assert_eq!(dependencies_first(&references), [3, 0, 1, 4, 2]);
        // A circle of which one also needs a leaf: the leaf first, then the least number.
        assert_eq!(dependencies_first(&[vec![1], vec![2], vec![0, 3], vec![]]), [3, 0, 2, 1]);
    }

    proptest! {
        #[test]
        fn without_circles_every_reference_is_met(edges in prop::collection::vec((0u32..30, 0u32..30), 0..80), names in Just((0..30u32).collect::<Vec<_>>()).prop_shuffle()) {
            // A file refers to those with lesser hidden names only: no circles.
            let mut references = vec![Vec::new(); 30];
            for (a, b) in edges.into_iter().filter(|(a, b)| a != b) {
                let (a, b) = (a.max(b), a.min(b));
                references[names[a as usize] as usize].push(names[b as usize]);
            }
            references.iter_mut().for_each(|to| { to.sort_unstable(); to.dedup(); });
            let order = dependencies_first(&references);
            let mut place = vec![0; 30];
            order.iter().enumerate().for_each(|(at, file)| place[*file as usize] = at);
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..30).collect::<Vec<_>>());
            for (file, to) in references.iter().enumerate() {
                to.iter().for_each(|to| assert!(place[*to as usize] < place[file]));
            }
        }
    }
}
