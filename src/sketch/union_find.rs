//! Which documents belong together: disjoint sets of ordinals, each named by its smallest member.
//!
//! Naming a set by its smallest member makes the result a function of the links alone, whatever their order and however
//! the work was cut (Jayanti & Tarjan's "linking by index" without the randomness; with path halving it is fast).

/// Disjoint sets of the ordinals `0..n`, or of a window of them: 4 bytes each, 5 beyond 2^32.
///
/// In a window, ordinals below it are known by name only: a set may be named by one, but what belongs to that is somebody
/// else's to say.
#[derive(Debug, Clone)]
pub struct UnionFind {
    base: u64,
    low: Vec<u32>,
    /// The bits above 32; empty while all ordinals fit in 32.
    high: Vec<u8>,
}

impl UnionFind {
    /// Every ordinal below `n` alone. `n` is at most 2^40.
    pub fn new(n: u64) -> Self {
        Self::window(0, n)
    }

    /// The ordinals from `base` to `base + n`, each alone.
    pub fn window(base: u64, n: u64) -> Self {
        let end = base + n;
        let wide = end > 1 << 32;
        Self {
            base,
            low: (base..end).map(|i| i as u32).collect(),
            high: (base..if wide { end } else { base }).map(|i| (i >> 32) as u8).collect(),
        }
    }

    /// Number of ordinals.
    pub fn len(&self) -> u64 {
        self.low.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// The smallest member of the set of `i`, or an ordinal below the window. An ordinal out of range is its own.
    pub fn find(&mut self, mut i: u64) -> u64 {
        loop {
            let parent = self.parent(i);
            if parent == i {
                return i;
            }
            let grandparent = self.parent(parent);
            self.link(i, grandparent);
            i = grandparent;
        }
    }

    /// Makes one set of the sets of `a` and `b`. If both are named by ordinals below the window, these are given back: they
    /// are to be joined there.
    pub fn union(&mut self, a: u64, b: u64) -> Option<(u64, u64)> {
        let (a, b) = (self.find(a), self.find(b));
        let (less, more) = (a.min(b), a.max(b));
        if more < self.base && less < more {
            return Some((less, more));
        }
        self.link(more, less);
        None
    }

    /// The next ordinal on the way to the smallest member; itself if that is it, or if it is out of range.
    pub fn parent(&self, i: u64) -> u64 {
        let Some(at) = i.checked_sub(self.base).map(|at| at as usize) else { return i };
        let Some(&low) = self.low.get(at) else { return i };
        u64::from(self.high.get(at).copied().unwrap_or(0)) << 32 | u64::from(low)
    }

    /// Says what the next ordinal on the way from `i` is.
    pub fn link(&mut self, i: u64, parent: u64) {
        let Some(at) = i.checked_sub(self.base).map(|at| at as usize) else { return };
        if let Some(low) = self.low.get_mut(at) {
            *low = parent as u32;
        }
        if let Some(high) = self.high.get_mut(at) {
            *high = (parent >> 32) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Relabels until nothing changes.
    fn naive(n: u64, links: &[(u64, u64)]) -> Vec<u64> {
        let mut name: Vec<u64> = (0..n).collect();
        loop {
            let before = name.clone();
            for &(a, b) in links {
                let least = name[a as usize].min(name[b as usize]);
                name[a as usize] = least;
                name[b as usize] = least;
            }
            if name == before {
                return name;
            }
        }
    }

    fn roots(mut sets: UnionFind, links: &[(u64, u64)]) -> Vec<u64> {
        links.iter().for_each(|&(a, b)| {
            sets.union(a, b);
        });
        (0..sets.len()).map(|i| sets.find(i)).collect()
    }

    proptest! {
        #[test]
        fn equals_the_naive_in_any_order(links in prop::collection::vec((0u64..60, 0u64..60), 0..80)) {
            let expected = naive(60, &links);
            prop_assert_eq!(&roots(UnionFind::new(60), &links), &expected);
            let backwards: Vec<_> = links.iter().rev().map(|&(a, b)| (b, a)).collect();
            prop_assert_eq!(&roots(UnionFind::new(60), &backwards), &expected);
        }
    }

    #[test]
    fn the_wide_form_equals_the_narrow() {
        let narrow = UnionFind::new(100);
        let wide = UnionFind { high: vec![0; 100], ..narrow.clone() };
        let links = [(3, 99), (99, 50), (0, 1)];
        assert_eq!(roots(narrow, &links), roots(wide, &links));
        let mut high = UnionFind { base: 0, low: vec![7], high: vec![3] };
        assert_eq!(high.parent(0), 3 << 32 | 7);
        high.link(0, 5 << 32);
        assert_eq!(high.parent(0), 5 << 32);
    }

    #[test]
    fn a_long_chain_is_no_stack_and_no_square() {
        let n = 1_000_000;
        let mut sets = UnionFind::new(n);
        (1..n).rev().for_each(|i| {
            sets.union(i, i - 1);
        });
        assert!((0..n).all(|i| sets.find(i) == 0));
    }
}
