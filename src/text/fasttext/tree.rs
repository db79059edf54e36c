//! Hierarchical softmax: the Huffman tree over the labels.

/// Children of the inner nodes, which come after the leaves.
pub struct Tree {
    leaves: usize,
    inner: Vec<(u32, u32)>,
}

impl Tree {
    /// The tree over labels seen so often; they come sorted from most to least.
    pub fn new(counts: &[i64]) -> Self {
        let leaves = counts.len();
        if leaves == 0 {
            return Self { leaves, inner: Vec::new() };
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
        Self { leaves, inner }
    }

    /// The probability of each leaf, given the product of each inner node with the text.
    pub fn descend(&self, products: &[f32], scores: &mut Vec<f32>, reached: &mut Vec<f32>) {
        scores.clear();
        scores.resize(self.leaves, if self.leaves == 1 { 1.0 } else { 0.0 });
        reached.clear();
        reached.resize(self.inner.len(), 0.0);
        // Parents come after their children: from the root, the last, every node is reached before it is left.
        for (node, &(left, right)) in self.inner.iter().enumerate().rev() {
            let here = reached.get(node).copied().unwrap_or_default();
            let f = super::logistic(products.get(node).copied().unwrap_or_default());
            for (child, score) in [(left, here + super::log(1.0 - f)), (right, here + super::log(f))] {
                let child = child as usize;
                let place = match child.checked_sub(self.leaves) {
                    Some(inner) => reached.get_mut(inner),
                    None => scores.get_mut(child),
                };
                if let Some(place) = place {
                    *place = score;
                }
            }
        }
        if self.leaves > 1 {
            scores.iter_mut().for_each(|s| *s = s.exp());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_labels_lie_deeper() {
        let tree = Tree::new(&[100, 10, 5, 1]);
        assert_eq!(tree.inner, [(3, 2), (4, 1), (5, 0)]);
        let (mut scores, mut reached) = (Vec::new(), Vec::new());
        tree.descend(&[0.0; 3], &mut scores, &mut reached);
        for (score, depth) in scores.iter().zip([1, 2, 3, 3]) {
            assert!((score - 0.5f32.powi(depth)).abs() < 1e-4, "{scores:?}");
        }
    }
}
