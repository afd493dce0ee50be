//! What a gate's rules say of the metrics that an evaluation saw.
//!
//! A gate never passes because it had nothing to check: what can't be decided is inconclusive.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Gate, Rule};
use crate::error::{self, Error, Result};
use crate::registry::VersionNumber;

/// Metrics by name; `None` where the metric is undefined on the data, such as AUC with one class.
pub(crate) type Metrics = BTreeMap<String, Option<f64>>;

/// How far a metric's first value is behind the second, in its unit; below zero it is ahead.
pub(crate) type Behind = fn(metric: &str, value: f64, reference: f64) -> f64;

/// What an environment of `no_worse_than` holds, evaluated on the same data as the candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reference {
    NothingLive,
    Live {
        version: VersionNumber,
        metrics: Metrics,
    },
    /// It may have learned from the rows that the candidate is tested on; why.
    MayHaveSeen {
        version: VersionNumber,
        why: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Pass,
    Fail,
    /// The rule does not apply here, and did not count.
    Skipped,
    /// The rule applies and can't be decided.
    Inconclusive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Pass,
    Fail,
    Inconclusive,
    /// The environment has no gate.
    Ungated,
}

/// One rule and what it saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RuleResult {
    pub metric: String,
    /// As people say it: `at least 0.82`, `no worse than production by more than 0.005`.
    pub rule: String,
    pub candidate: Option<f64>,
    /// What the candidate is held against: the limit, or the live version's value.
    pub reference: Option<f64>,
    pub verdict: Verdict,
    /// Why a rule was skipped or could not decide.
    pub why: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GateReport {
    pub decision: Decision,
    pub rules: Vec<RuleResult>,
}

impl GateReport {
    /// What several gates say together: a rule that more than one has is told once, and one that
    /// fails or can't be decided decides.
    pub(crate) fn of_all(reports: impl IntoIterator<Item = Self>) -> Self {
        let mut together = Vec::<RuleResult>::new();
        let mut worst = Decision::Pass;
        for Self { decision, rules } in reports {
            let more: Vec<_> = rules
                .into_iter()
                .filter(|rule| {
                    !together
                        .iter()
                        .any(|known| known.metric == rule.metric && known.rule == rule.rule)
                })
                .collect();
            together.extend(more);
            worst = match (worst, decision) {
                (Decision::Fail, _) | (_, Decision::Fail) => Decision::Fail,
                (Decision::Inconclusive, _) | (_, Decision::Inconclusive) => Decision::Inconclusive,
                (_, decision) => decision,
            };
        }
        Self { decision: worst, rules: together }
    }
}

impl Gate {
    /// What the rules say of a candidate. A metric that the evaluation does not know is an error.
    ///
    /// Which way a metric is better is for the room of metrics to say, which this one doesn't
    /// know: `behind` is its answer.
    pub(crate) fn evaluate(
        &self,
        candidate: &Metrics,
        references: &BTreeMap<String, Reference>,
        behind: Behind,
    ) -> Result<GateReport> {
        let mut rules = Vec::new();
        for (metric, rule) in &self.0 {
            if !candidate.contains_key(metric) {
                let why = unknown_metric(metric, candidate)?;
                rules.extend(rule.texts().into_iter().map(|(text, limit)| RuleResult {
                    metric: metric.clone(),
                    rule: text,
                    candidate: None,
                    reference: limit,
                    verdict: Verdict::Inconclusive,
                    why: Some(why.clone()),
                }));
                continue;
            }
            let seen = candidate[metric].filter(|value| value.is_finite());
            for (text, limit) in rule.texts() {
                let mut result = RuleResult {
                    metric: metric.clone(),
                    rule: text,
                    candidate: seen,
                    reference: limit,
                    verdict: Verdict::Inconclusive,
                    why: None,
                };
                match (limit, &rule.no_worse_than) {
                    (Some(limit), _) => against_limit(&mut result, limit),
                    (None, Some(environment)) => against_live(
                        &mut result,
                        environment,
                        rule.by.unwrap_or(0.0),
                        references.get(environment),
                        behind,
                    ),
                    (None, None) => {}
                }
                rules.push(result);
            }
        }
        Ok(GateReport { decision: decide(&rules), rules })
    }

    /// The report on a candidate that these rows can't test: no rule is decided, for this reason.
    pub(crate) fn undecided(&self, why: &str) -> GateReport {
        let mut rules = Vec::new();
        for (metric, rule) in &self.0 {
            rules.extend(rule.texts().into_iter().map(|(text, limit)| RuleResult {
                metric: metric.clone(),
                rule: text,
                candidate: None,
                reference: limit,
                verdict: Verdict::Inconclusive,
                why: Some(why.to_owned()),
            }));
        }
        GateReport { decision: Decision::Inconclusive, rules }
    }
}

const AT_LEAST: &str = "at least";

impl Rule {
    /// Each key as people say it, with the limit where it is a number.
    pub(in crate::registry) fn texts(&self) -> Vec<(String, Option<f64>)> {
        let mut texts = Vec::new();
        if let Some(min) = self.min {
            texts.push((format!("{AT_LEAST} {min}"), Some(min)));
        }
        if let Some(max) = self.max {
            texts.push((format!("at most {max}"), Some(max)));
        }
        if let Some(environment) = &self.no_worse_than {
            let by = self.by.unwrap_or(0.0);
            let text = if by > 0.0 {
                format!("no worse than {environment} by more than {by}")
            } else {
                format!("no worse than {environment}")
            };
            texts.push((text, None));
        }
        texts
    }

    /// Whether a value satisfies the key of this text, whose limit is a number.
    pub(in crate::registry) fn holds(text: &str, value: f64, limit: f64) -> bool {
        if text.starts_with(AT_LEAST) { value >= limit } else { value <= limit }
    }
}

fn against_limit(result: &mut RuleResult, limit: f64) {
    let Some(value) = result.candidate else {
        result.why = Some(UNDEFINED.into());
        return;
    };
    let holds = Rule::holds(&result.rule, value, limit);
    result.verdict = if holds { Verdict::Pass } else { Verdict::Fail };
}

fn against_live(
    result: &mut RuleResult,
    environment: &str,
    by: f64,
    reference: Option<&Reference>,
    behind: Behind,
) {
    let (version, metrics) = match reference {
        Some(Reference::Live { version, metrics }) => (version, metrics),
        Some(Reference::NothingLive) => {
            result.verdict = Verdict::Skipped;
            result.why = Some(format!("nothing is live in {environment} yet"));
            return;
        }
        Some(Reference::MayHaveSeen { version, why }) => {
            result.why = Some(format!("version {version}, live in {environment}: {why}"));
            return;
        }
        None => {
            result.why = Some(format!("what is live in {environment} was not evaluated"));
            return;
        }
    };
    let Some(value) = result.candidate else {
        result.why = Some(UNDEFINED.into());
        return;
    };
    let live = metrics.get(&result.metric).copied().flatten().filter(|live| live.is_finite());
    let Some(live) = live else {
        result.why = Some(format!("undefined for version {version}, live in {environment}"));
        return;
    };
    result.reference = Some(live);
    // 0.82 - 0.815 is a bit more than 0.005 in binary; a limit met in decimal must count as met.
    let rounding = 1e-12 * live.abs().max(value.abs()).max(1.0);
    let behind = behind(&result.metric, value, live);
    result.verdict = if behind <= by + rounding { Verdict::Pass } else { Verdict::Fail };
}

const UNDEFINED: &str = "undefined on this data";

/// Why a metric that was not measured can't be decided, or the error that says which it may have meant.
fn unknown_metric(metric: &str, candidate: &Metrics) -> Result<String> {
    // `ndcg@5` is a metric by that name; `auc@country` and `ndcg@5@country` name a slice of one.
    if let Some((base, slice)) = metric.rsplit_once('@')
        && candidate.contains_key(base)
    {
        return Ok(format!("slices (`{slice}`) are not evaluated yet"));
    }
    let known: Vec<&str> = candidate.keys().map(String::as_str).collect();
    let error = Error::user(format!("the gate asks for `{metric}`, which this task does not have"));
    Err(match error::closest(metric, known.iter().copied()) {
        Some(close) => error.hint(format!("did you mean `{close}`?")),
        None => error.hint(format!("there are: {}", known.join(", "))),
    })
}

/// One no is a no; nothing left to apply, or anything undecided, is inconclusive.
fn decide(rules: &[RuleResult]) -> Decision {
    let any = |verdict| rules.iter().any(|rule| rule.verdict == verdict);
    if any(Verdict::Fail) {
        Decision::Fail
    } else if any(Verdict::Inconclusive) || !any(Verdict::Pass) {
        Decision::Inconclusive
    } else {
        Decision::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(rules: &str) -> Gate {
        toml::from_str(rules).expect("a gate")
    }

    fn metrics(values: &[(&str, f64)]) -> Metrics {
        values.iter().map(|(name, value)| ((*name).to_owned(), Some(*value))).collect()
    }

    fn live(values: &[(&str, f64)]) -> BTreeMap<String, Reference> {
        let metrics = metrics(values);
        BTreeMap::from([(
            "production".into(),
            Reference::Live { version: VersionNumber(3), metrics },
        )])
    }

    /// As the room of metrics says it, for the metrics of these tests.
    fn behind(metric: &str, value: f64, reference: f64) -> f64 {
        match metric {
            "logloss" => value - reference,
            "coverage_80" => (value - 0.8).abs() - (reference - 0.8).abs(),
            _ => reference - value,
        }
    }

    #[track_caller]
    fn decided(
        rules: &str,
        candidate: &[(&str, f64)],
        references: &BTreeMap<String, Reference>,
    ) -> (Decision, Vec<Verdict>) {
        let report =
            gate(rules).evaluate(&metrics(candidate), references, behind).expect("a report");
        (report.decision, report.rules.iter().map(|rule| rule.verdict).collect())
    }

    #[test]
    fn limits_are_inclusive_and_every_key_counts() {
        let rule = "auc = { min = 0.8, max = 0.99 }";
        let none = BTreeMap::new();
        for (value, decision, verdicts) in [
            (0.8, Decision::Pass, [Verdict::Pass, Verdict::Pass]),
            (0.7999, Decision::Fail, [Verdict::Fail, Verdict::Pass]),
            (0.995, Decision::Fail, [Verdict::Pass, Verdict::Fail]),
        ] {
            assert_eq!(decided(rule, &[("auc", value)], &none), (decision, verdicts.to_vec()));
        }
    }

    #[test]
    fn no_worse_follows_the_direction_of_the_metric() {
        let auc = r#"auc = { no_worse_than = "production", by = 0.005 }"#;
        let at = |value| decided(auc, &[("auc", value)], &live(&[("auc", 0.82)])).0;
        assert_eq!(at(0.9), Decision::Pass);
        assert_eq!(at(0.815), Decision::Pass, "a limit met in decimal is met");
        assert_eq!(at(0.8149), Decision::Fail);

        let loss = r#"logloss = { no_worse_than = "production" }"#;
        let at = |value| decided(loss, &[("logloss", value)], &live(&[("logloss", 0.4)])).0;
        assert_eq!(at(0.4), Decision::Pass);
        assert_eq!(at(0.3), Decision::Pass);
        assert_eq!(at(0.41), Decision::Fail);

        let near = r#"coverage_80 = { no_worse_than = "production" }"#;
        let at =
            |value| decided(near, &[("coverage_80", value)], &live(&[("coverage_80", 0.75)])).0;
        assert_eq!(at(0.84), Decision::Pass);
        assert_eq!(at(0.95), Decision::Fail, "covering too much is no better");
    }

    #[test]
    fn nothing_live_leaves_the_other_rules_to_decide() {
        let nothing = BTreeMap::from([("production".into(), Reference::NothingLive)]);
        let both = r#"auc = { min = 0.8, no_worse_than = "production" }"#;
        assert_eq!(
            decided(both, &[("auc", 0.81)], &nothing),
            (Decision::Pass, vec![Verdict::Pass, Verdict::Skipped])
        );
        let alone = r#"auc = { no_worse_than = "production" }"#;
        assert_eq!(
            decided(alone, &[("auc", 0.81)], &nothing),
            (Decision::Inconclusive, vec![Verdict::Skipped])
        );
    }

    #[test]
    fn a_gate_without_rules_or_with_undefined_metrics_never_passes() {
        let none = BTreeMap::new();
        assert_eq!(decided("", &[("auc", 0.9)], &none).0, Decision::Inconclusive);
        assert_eq!(
            decided("auc = { min = 0.1 }", &[("auc", f64::NAN)], &none).0,
            Decision::Inconclusive
        );
        let undefined = Metrics::from([("auc".into(), None), ("ece".into(), Some(0.1))]);
        let report = gate("auc = { min = 0.1 }\nece = { max = 0.2 }")
            .evaluate(&undefined, &none, behind)
            .expect("a report");
        assert_eq!(report.decision, Decision::Inconclusive);
        let undefined = gate(r#"auc = { no_worse_than = "production" }"#)
            .evaluate(&metrics(&[("auc", 0.9)]), &live(&[]), behind)
            .expect("a report");
        assert_eq!(undefined.decision, Decision::Inconclusive);
    }

    #[test]
    fn one_no_outweighs_what_cannot_be_decided() {
        let candidate = Metrics::from([("auc".into(), Some(0.5)), ("ece".into(), None)]);
        let report = gate("auc = { min = 0.8 }\nece = { max = 0.2 }")
            .evaluate(&candidate, &BTreeMap::new(), behind)
            .expect("a report");
        assert_eq!(report.decision, Decision::Fail);
    }

    #[test]
    fn a_slice_waits_and_an_unknown_metric_is_an_error() {
        let candidate = metrics(&[("auc", 0.9), ("ndcg@5", 0.4)]);
        let report = gate(r#""auc@country" = { min = 0.8 }"#)
            .evaluate(&candidate, &BTreeMap::new(), behind)
            .expect("a report");
        assert_eq!(report.decision, Decision::Inconclusive);
        assert_eq!(
            report.rules[0].why.as_deref(),
            Some("slices (`country`) are not evaluated yet")
        );

        let error = gate(r#""ndgc@5" = { min = 0.8 }"#)
            .evaluate(&candidate, &BTreeMap::new(), behind)
            .expect_err("a typo");
        assert_eq!(error.hint_text(), Some("did you mean `ndcg@5`?"));
    }
}
