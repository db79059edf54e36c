//! Documents in the order of a score: what the stages share that cut the corpus by rank.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of documents without a score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unscored {
    /// They go.
    #[default]
    Drop,
    /// They stay.
    Keep,
}

/// Bits that sort as the number does, least first. No number but NaN has all bits set.
pub fn ascending(score: f64) -> u64 {
    // Zero is zero, whatever its sign.
    let bits = if score == 0.0 { 0 } else { score.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The number whose bits [`ascending`] gave.
pub fn number(ascending: u64) -> f64 {
    f64::from_bits(if ascending >> 63 == 1 { ascending & !(1 << 63) } else { !ascending })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_sort_as_numbers_do(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(ascending(a).cmp(&ascending(b)), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(number(ascending(a)), a);
        }
    }

    #[test]
    fn zeros_are_equal() {
        assert_eq!(ascending(-0.0), ascending(0.0));
        assert!(ascending(f64::NEG_INFINITY) < ascending(-1.0) && ascending(f64::INFINITY) < u64::MAX);
    }
}
