//! The table of rules of a filter: what it measures, and which measure is held against which limit for which reason.
//!
//! A filter measures first and decides second. Its numbers, in one order, go to [`Rules::judge`], which writes them as
//! the fields `LABEL.measure` in `mode: annotate` and tries the rules in the order they were added.

use super::settings::Fraction;
use super::{Build, Settings};
use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};

/// A filter's measures and rules.
#[derive(Debug, Clone)]
pub struct Rules {
    measures: &'static [&'static str],
    fields: Vec<Field<f64>>,
    rules: Vec<Rule>,
    precision: Precision,
}

/// How exactly an implementation holds its numbers and limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// In 64 bits.
    #[default]
    Double,
    /// In 32 bits.
    Single,
    /// In 64 bits, rounded to five decimals before they are held against a limit.
    FiveDecimals,
}

impl Precision {
    fn held(self, number: f64) -> f64 {
        match self {
            Self::Double => number,
            Self::Single => f64::from(number as f32),
            // The decimal expansion is exact, and so is rounding it: Python's `round`.
            Self::FiveDecimals => format!("{number:.5}").parse().unwrap_or(number),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    measure: usize,
    reason: &'static str,
    side: Side,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    AtLeast,
    AtMost,
}

impl Rule {
    fn fails(&self, number: f64) -> bool {
        match self.side {
            Side::AtLeast => number < self.limit,
            Side::AtMost => number > self.limit,
        }
    }
}

/// A limit as settings hold it; `None` switches the rule off.
pub trait Limit {
    /// The limit as a number.
    fn limit(self) -> Option<f64>;
}

impl Limit for Option<f64> {
    fn limit(self) -> Option<f64> {
        self
    }
}

impl Limit for Option<u64> {
    fn limit(self) -> Option<f64> {
        self.map(|n| n as f64)
    }
}

impl Limit for Option<Fraction> {
    fn limit(self) -> Option<f64> {
        self.map(|f| f.0)
    }
}

impl Rules {
    /// No rules yet over `measures`. In `mode: annotate` each measure is a field.
    pub fn over(measures: &'static [&'static str], cx: &mut Build<'_>) -> Result<Self> {
        let mut fields = Vec::new();
        if cx.annotate {
            for name in measures {
                fields.push(cx.writes(&format!("{}.{name}", cx.label))?);
            }
        }
        Ok(Self { measures, fields, rules: Vec::new(), precision: Precision::Double })
    }

    /// Drops because of `reason` where `measure` is below `limit`.
    pub fn at_least(self, measure: &str, reason: &'static str, limit: impl Limit) -> Self {
        self.rule(measure, reason, Side::AtLeast, limit.limit())
    }

    /// Drops because of `reason` where `measure` is above `limit`.
    pub fn at_most(self, measure: &str, reason: &'static str, limit: impl Limit) -> Self {
        self.rule(measure, reason, Side::AtMost, limit.limit())
    }

    fn rule(mut self, measure: &str, reason: &'static str, side: Side, limit: Option<f64>) -> Self {
        // A name that is not measured is found by `checked`.
        let measure = self.measures.iter().position(|m| *m == measure).unwrap_or(usize::MAX);
        self.rules.extend(limit.map(|limit| Rule { measure, reason, side, limit }));
        self
    }

    /// Tries the rules in the order of `measures`; rules of one measure keep theirs, and those of none of them come last.
    pub fn in_order(mut self, measures: &[&str]) -> Self {
        let of = |rule: &Rule| self.measures.get(rule.measure).copied().unwrap_or_default();
        self.rules.sort_by_key(|rule| measures.iter().position(|m| *m == of(rule)).unwrap_or(usize::MAX));
        self
    }

    /// Holds numbers and limits as exactly as asked for. Comes after the rules.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        for rule in &mut self.rules {
            rule.limit = if precision == Precision::Single { precision.held(rule.limit) } else { rule.limit };
        }
        self
    }

    /// The finished table of the stage `S`. An error if a least is above the most of the same measure.
    pub fn checked<S: Settings>(self) -> Result<Self> {
        let name = S::ABOUT.name;
        for rule in &self.rules {
            let Some(measure) = self.measures.get(rule.measure) else {
                return Err(Error::bug(format!("`{name}` judges by a number it does not measure: {}", rule.reason)));
            };
            if !S::ABOUT.reasons.iter().any(|(reason, _)| *reason == rule.reason) {
                return Err(Error::bug(format!("`{name}` does not declare the reason `{}`", rule.reason)));
            }
            let below =
                |other: &&Rule| other.measure == rule.measure && other.side == Side::AtMost && other.limit < rule.limit;
            if rule.side == Side::AtLeast
                && let Some(most) = self.rules.iter().find(below)
            {
                let (least, most, measure) = (rule.limit, most.limit, measure.replace('_', " "));
                return Err(Error::pipeline(format!(
                    "`{name}` drops everything: the least `{measure}` is {least}, above the most, {most}"
                ))
                .hint("swap them, or write `null` for the one that is not meant"));
            }
        }
        Ok(self)
    }

    /// Whether nothing can be dropped and nothing is written: nothing needs to be measured.
    pub fn idle(&self) -> bool {
        self.rules.is_empty() && self.fields.is_empty()
    }

    /// Writes `numbers` (one for each measure) if the step annotates; the first rule that fails decides.
    pub fn judge(&self, doc: &mut Document, numbers: &[f64]) -> Verdict {
        debug_assert_eq!(numbers.len(), self.measures.len());
        for (field, number) in self.fields.iter().zip(numbers) {
            doc.set(*field, self.precision.held(*number));
        }
        for rule in &self.rules {
            let number = self.precision.held(numbers.get(rule.measure).copied().unwrap_or(f64::NAN));
            if rule.fails(number) {
                return Verdict::drop_by(rule.reason, number, rule.limit);
            }
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{About, Family, Scope, Stage, testing};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Sized;

    impl Settings for Sized {
        const ABOUT: About = About {
            reasons: &[("too_small", "small"), ("too_large", "large")],
            ..About::new("sized", Family::Filter, "drops by size")
        };
        fn build(self, _: &mut Build<'_>) -> Result<Stage> {
            Err(Error::bug("only its card is used"))
        }
    }

    fn rules(annotate: bool, least: Option<u64>, most: Option<f64>) -> (Result<Rules>, FieldTable) {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("mine", "web", &mut table, &mut scope);
        cx.annotate = annotate;
        let rules = Rules::over(&["weight", "size"], &mut cx).unwrap();
        let rules = rules.at_least("size", "too_small", least).at_most("size", "too_large", most);
        (rules.checked::<Sized>(), table)
    }

    #[test]
    fn the_first_rule_that_fails_decides_and_limits_are_kept() {
        let rules = rules(false, Some(2), Some(4.0)).0.unwrap();
        let mut doc = testing::doc("web", 0, "");
        let mut judge = |size| rules.judge(&mut doc, &[0.0, size]);
        assert_eq!(judge(1.0), Verdict::drop_by("too_small", 1.0, 2.0));
        assert_eq!(judge(5.0), Verdict::drop_by("too_large", 5.0, 4.0));
        assert_eq!((judge(2.0), judge(4.0), judge(f64::NAN)), (Verdict::Keep, Verdict::Keep, Verdict::Keep));
    }

    #[test]
    fn numbers_are_held_as_exactly_as_asked_for_and_rules_tried_in_any_order() {
        let judge = |precision, limit, size| {
            let rules = rules(false, None, Some(limit)).0.unwrap().precision(precision);
            rules.judge(&mut testing::doc("web", 0, ""), &[0.0, size]).keeps()
        };
        let above = 0.200_000_000_1;
        let kept = [Precision::Double, Precision::Single, Precision::FiveDecimals].map(|p| judge(p, 0.2, above));
        assert_eq!(kept, [false, true, true]);
        assert!(!judge(Precision::Single, 0.2, 0.200_001) && judge(Precision::FiveDecimals, 0.2, 0.200_004_9));
        assert!(!judge(Precision::FiveDecimals, 0.2, 0.200_005_1));
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("mine", "web", &mut table, &mut scope);
        let rules = Rules::over(&["weight", "size"], &mut cx).unwrap();
        let rules = rules.at_most("weight", "too_large", Some(1u64)).at_least("size", "too_small", Some(1u64));
        let said = |rules: &Rules| rules.judge(&mut testing::doc("web", 0, ""), &[2.0, 0.0]);
        assert_eq!(said(&rules), Verdict::drop_by("too_large", 2.0, 1.0));
        assert_eq!(said(&rules.in_order(&["size", "weight"])), Verdict::drop_by("too_small", 0.0, 1.0));
    }

    #[test]
    fn every_measure_becomes_a_field() {
        let (rules, table) = rules(true, None, None);
        let rules = rules.unwrap();
        assert!(!rules.idle());
        let mut doc = testing::doc("web", 0, "");
        assert!(rules.judge(&mut doc, &[7.0, 9.0]).keeps());
        let read = |name: &str| doc.get(table.find::<f64>(name).unwrap());
        assert_eq!((read("mine.weight"), read("mine.size")), (Some(7.0), Some(9.0)));
    }

    #[test]
    fn a_table_that_cannot_be_meant_is_refused() {
        let error = rules(false, Some(5), Some(4.0)).0.unwrap_err();
        assert!(error.to_string().contains("the least `size` is 5, above the most, 4"), "{error}");
        assert!(rules(false, None, None).0.unwrap().idle());
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("mine", "web", &mut table, &mut scope);
        let unknown = Rules::over(&["size"], &mut cx).unwrap().at_least("sizes", "too_small", Some(1u64));
        assert!(unknown.checked::<Sized>().is_err());
        let undeclared = Rules::over(&["size"], &mut cx).unwrap().at_least("size", "too_odd", Some(1u64));
        assert!(undeclared.checked::<Sized>().is_err());
    }
}
