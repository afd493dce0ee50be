//! What a promotion says for itself, held against the gate of a policy and what the registry knows.
//!
//! The client evaluates: it has the data. What the registry can check, it checks: that the evidence
//! speaks of these bytes, of these rules and of what is live now, and that its numbers satisfy the
//! rules. That they are the numbers of an honest evaluation it can't know.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::gate::{Decision, Rule, RuleResult, Verdict};
use super::{EnvironmentName, Gate, VersionNumber};

/// A version as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub version: VersionNumber,
    /// The digest of its package, of the bytes that are stored; none where it is no package of mlx.
    pub digest: Option<String>,
}

/// What is live in the environments that a gate compares with.
pub(crate) type Live = BTreeMap<EnvironmentName, Option<Held>>;

/// Why evidence doesn't do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It never did.
    Wrong(String),
    /// It did when it was made: what it compares with is not live anymore.
    Stale(String),
}

/// What the registry reads of evidence; clients may say more.
#[derive(Debug, Deserialize)]
struct Evidence {
    decision: Decision,
    environment: EnvironmentName,
    gate: Gate,
    rules: Vec<RuleResult>,
    model: Subject,
    #[serde(default)]
    compared: BTreeMap<EnvironmentName, Subject>,
}

#[derive(Debug, Deserialize)]
struct Subject {
    version: VersionNumber,
    digest: Option<String>,
}

/// Does the evidence show that the candidate satisfies the gate of an environment now?
pub(crate) fn check(
    gate: &Gate,
    environment: &EnvironmentName,
    candidate: &Held,
    live: &Live,
    evidence: Option<&Value>,
) -> Result<(), Unfit> {
    let wrong = |why: String| Err(Unfit::Wrong(why));
    let Some(evidence) = evidence else {
        return wrong(format!("no evidence that the gate of {environment} was passed"));
    };
    let evidence = match Evidence::deserialize(evidence) {
        Ok(evidence) => evidence,
        Err(error) => return wrong(format!("the evidence can't be read: {error}")),
    };
    if evidence.environment != *environment {
        return wrong(format!("the evidence is for {}", evidence.environment));
    }
    if evidence.gate != *gate {
        return wrong(format!("the evidence is of other rules than the gate of {environment}"));
    }
    if evidence.decision != Decision::Pass {
        return wrong(format!("the gate of {environment} was not passed"));
    }
    let model = &evidence.model;
    if model.version != candidate.version
        || model.digest.is_none()
        || model.digest != candidate.digest
    {
        return wrong(format!(
            "the evidence is of other bytes than those of version {}",
            candidate.version
        ));
    }
    for name in live.keys() {
        compared(name, evidence.compared.get(name), live[name].as_ref())?;
    }
    rules(gate, &evidence.rules, live).map_err(Unfit::Wrong)
}

/// What was compared with must be what is live now.
fn compared(
    environment: &EnvironmentName,
    with: Option<&Subject>,
    live: Option<&Held>,
) -> Result<(), Unfit> {
    match (with, live) {
        (None, None) => Ok(()),
        (Some(with), Some(live)) if with.version == live.version => {
            if with.digest.is_some() && with.digest == live.digest {
                return Ok(());
            }
            Err(Unfit::Wrong(format!(
                "the evidence compares with other bytes than those of version {}",
                live.version
            )))
        }
        (with, live) => {
            let said = |version: Option<VersionNumber>| super::history::shown(version);
            Err(Unfit::Stale(format!(
                "the evidence compares with {}, and {environment} has {} now",
                said(with.map(|with| with.version)),
                said(live.map(|live| live.version))
            )))
        }
    }
}

/// Every rule of the gate must have been decided, and as its number says.
fn rules(gate: &Gate, results: &[RuleResult], live: &Live) -> Result<(), String> {
    let mut passed = 0;
    for (metric, rule) in &gate.0 {
        for (text, limit) in rule.texts() {
            let name = format!("`{metric}` {text}");
            let Some(result) =
                results.iter().find(|result| result.metric == *metric && result.rule == text)
            else {
                return Err(format!("the evidence says nothing of {name}"));
            };
            let may_skip = limit.is_none()
                && rule
                    .no_worse_than
                    .as_deref()
                    .and_then(|name| live.get(&name.parse().ok()?))
                    .is_some_and(Option::is_none);
            let holds = match (limit, result.candidate) {
                (Some(limit), Some(value)) => Rule::holds(&text, value, limit),
                (None, Some(value)) => value.is_finite(),
                (_, None) => false,
            };
            match result.verdict {
                Verdict::Pass if holds => passed += 1,
                Verdict::Skipped if may_skip => {}
                _ => return Err(format!("the evidence doesn't show {name}")),
            }
        }
    }
    if passed == 0 {
        return Err("no rule was left to decide by".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn production() -> EnvironmentName {
        "production".parse().unwrap()
    }

    fn gate() -> Gate {
        toml::from_str(r#"auc = { min = 0.8, no_worse_than = "production", by = 0.01 }"#).unwrap()
    }

    fn held(version: u64, digest: &str) -> Held {
        Held { version: VersionNumber(version), digest: Some(digest.into()) }
    }

    fn good() -> Value {
        json!({
            "decision": "pass",
            "environment": "production",
            "gate": gate(),
            "rules": [
                { "metric": "auc", "rule": "at least 0.8", "candidate": 0.9, "reference": 0.8,
                  "verdict": "pass", "why": null },
                { "metric": "auc", "rule": "no worse than production by more than 0.01",
                  "candidate": 0.9, "reference": 0.89, "verdict": "pass", "why": null },
            ],
            "model": { "version": 2, "digest": "bb" },
            "compared": { "production": { "version": 1, "digest": "aa" } },
            "rows": 100,
        })
    }

    fn judged(evidence: &Value, live: Option<Held>) -> Result<(), Unfit> {
        let live = [(production(), live)].into();
        check(&gate(), &production(), &held(2, "bb"), &live, Some(evidence))
    }

    #[test]
    fn whole_evidence_of_what_is_there_does() {
        assert_eq!(judged(&good(), Some(held(1, "aa"))), Ok(()));
        let none = check(&gate(), &production(), &held(2, "bb"), &Live::new(), None);
        assert!(matches!(none, Err(Unfit::Wrong(_))));
    }

    #[test]
    fn evidence_of_anything_else_does_not() {
        for (pointer, value) in [
            ("/decision", json!("fail")),
            ("/decision", json!("ungated")),
            ("/environment", json!("staging")),
            ("/gate", json!({ "auc": { "min": 0.1 } })),
            ("/model/version", json!(3)),
            ("/model/digest", json!("cc")),
            ("/model/digest", json!(null)),
            ("/rules", json!([])),
            ("/rules/0/candidate", json!(0.7)),
            ("/rules/0/candidate", json!(null)),
            ("/rules/0/verdict", json!("inconclusive")),
            ("/rules/0/verdict", json!("skipped")),
            ("/rules/1/verdict", json!("skipped")),
            ("/rules/1/verdict", json!("fail")),
            ("/rules/1/metric", json!("ece")),
            ("/compared/production/digest", json!("bb")),
            ("/rules", json!("none")),
        ] {
            let mut evidence = good();
            *evidence.pointer_mut(pointer).unwrap() = value.clone();
            let judged = judged(&evidence, Some(held(1, "aa")));
            assert!(matches!(judged, Err(Unfit::Wrong(_))), "{pointer} {value}: {judged:?}");
        }
    }

    #[test]
    fn evidence_against_what_is_live_no_more_is_stale() {
        for live in [Some(held(7, "aa")), None] {
            assert!(matches!(judged(&good(), live), Err(Unfit::Stale(_))));
        }
        let mut first = good();
        first["compared"] = json!({});
        first["rules"][1]["verdict"] = json!("skipped");
        assert_eq!(judged(&first, None), Ok(()), "nothing was live to be compared with");
        assert!(matches!(judged(&first, Some(held(1, "aa"))), Err(Unfit::Stale(_))));
    }
}
