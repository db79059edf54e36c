//! The tally of a task: a commutative monoid, so that receipts of any splitting of the work give the same sums.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happened at one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTally {
    /// Documents that came in.
    pub seen: u64,
    /// Documents that went on; of a step that makes several documents of one, its parts.
    pub kept: u64,
    /// Documents that stopped here because their parts went on in their place.
    #[serde(default)]
    pub expanded: u64,
    /// Documents that stopped here, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// Pieces of text taken out here, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redacted: BTreeMap<String, u64>,
    /// Documents that stopped here because the stage panicked or otherwise failed on them, and nothing else.
    #[serde(default)]
    pub panicked: u64,
    /// Bytes of text that came in.
    pub bytes: u64,
    /// Nanoseconds of one core spent.
    pub nanos: u64,
}

impl StepTally {
    /// All dropped documents.
    pub fn dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    fn add(&mut self, other: &Self) {
        self.seen += other.seen;
        self.kept += other.kept;
        self.panicked += other.panicked;
        self.expanded += other.expanded;
        self.bytes += other.bytes;
        self.nanos += other.nanos;
        for (reason, n) in &other.dropped {
            *self.dropped.entry(reason.clone()).or_default() += n;
        }
        for (what, n) in &other.redacted {
            *self.redacted.entry(what.clone()).or_default() += n;
        }
    }
}

/// What happened to the records of a task, a pass or a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Records read (documents and records that could not be read).
    pub read: u64,
    /// Documents that were made of others: their parts, or what they were joined to.
    #[serde(default)]
    pub parts: u64,
    /// Documents in whose place others went on: their parts, or what they were joined to.
    #[serde(default)]
    pub expanded: u64,
    /// Documents that reached the end.
    pub kept: u64,
    /// Documents that some step dropped.
    pub dropped: u64,
    /// Records that could not be read, or that a stage could not take, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<String, u64>,
    /// Bytes of text read.
    pub bytes: u64,
    /// Bytes of text that reached the end.
    #[serde(default)]
    pub bytes_kept: u64,
    /// Tokens that reached the end, copies included.
    #[serde(default)]
    pub tokens: u64,
    /// What happened at each step, by the step's label.
    #[serde(default)]
    pub steps: BTreeMap<String, StepTally>,
    /// Nanoseconds of one core spent reading and writing.
    #[serde(default)]
    pub io_nanos: u64,
}

impl Tally {
    /// All quarantined records.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.values().sum()
    }

    /// Every record read, and every part of one, ends in exactly one of kept, dropped, quarantined or expanded.
    pub fn balances(&self) -> bool {
        self.read + self.parts == self.kept + self.dropped + self.quarantined() + self.expanded
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.parts += other.parts;
        self.expanded += other.expanded;
        self.kept += other.kept;
        self.dropped += other.dropped;
        self.bytes += other.bytes;
        self.bytes_kept += other.bytes_kept;
        self.tokens += other.tokens;
        self.io_nanos += other.io_nanos;
        for (reason, n) in &other.quarantined {
            *self.quarantined.entry(reason.clone()).or_default() += n;
        }
        for (step, tally) in &other.steps {
            self.steps.entry(step.clone()).or_default().add(tally);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally() -> impl Strategy<Value = Tally> {
        (0u64..99, 0u64..99, "[ab]", "[xy]").prop_map(|(read, n, reason, step)| {
            let mut tally = Tally { read, kept: n, ..Tally::default() };
            tally.quarantined.insert(reason.clone(), n);
            let step = tally.steps.entry(step).or_default();
            step.redacted.insert(reason.clone(), n);
            step.dropped.insert(reason, read);
            tally
        })
    }

    proptest! {
        #[test]
        fn addition_is_associative_and_commutative(a in tally(), b in tally(), c in tally()) {
            let sum = |parts: &[&Tally]| parts.iter().fold(Tally::default(), |mut t, p| { t.add(p); t });
            let ab_c = sum(&[&sum(&[&a, &b]), &c]);
            prop_assert_eq!(&ab_c, &sum(&[&a, &sum(&[&b, &c])]));
            prop_assert_eq!(&ab_c, &sum(&[&c, &b, &a]));
        }
    }

    #[test]
    fn a_ledger_that_loses_a_record_does_not_balance() {
        let mut tally = Tally { read: 3, kept: 1, dropped: 1, ..Tally::default() };
        assert!(!tally.balances());
        tally.quarantined.insert("bad_json".into(), 1);
        assert!(tally.balances());
        // One of the kept documents became two.
        (tally.expanded, tally.parts) = (1, 2);
        assert!(!tally.balances());
        tally.kept += 1;
        assert!(tally.balances());
    }
}
