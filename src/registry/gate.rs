//! Gates: the rules of `[gates.ENV]`. What they say of a candidate is [`judge`]'s.

mod judge;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::judge::{Decision, GateReport, Metrics, Reference, RuleResult, Verdict};
use super::EnvironmentName;
use crate::error::{Error, Result};

/// The rules of one environment, by metric. `"auc@country"` will name a slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Gate(pub BTreeMap<String, Rule>);

/// What a metric must satisfy; every key that is there counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// An environment whose live version this one must not fall behind on the same data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_worse_than: Option<String>,
    /// How far behind is still no worse, in the metric's unit. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<f64>,
}

impl Gate {
    /// Refuse rules that can't mean anything; `table` names them in errors, as `gates.production`.
    pub(crate) fn check(&self, table: &str) -> Result<()> {
        for (metric, rule) in &self.0 {
            let key = format!("{table}.{metric}");
            for (name, limit) in [("min", rule.min), ("max", rule.max), ("by", rule.by)] {
                if limit.is_some_and(|limit| !limit.is_finite()) {
                    return Err(Error::user(format!("`{key}.{name}` is not a finite number")));
                }
            }
            if let (Some(min), Some(max)) = (rule.min, rule.max)
                && min > max
            {
                return Err(Error::user(format!(
                    "no value can satisfy `{key}`: its min {min} is above its max {max}"
                )));
            }
            match (rule.by, &rule.no_worse_than) {
                (Some(_), None) => {
                    return Err(Error::user(format!("`{key}.by` needs `no_worse_than` beside it"))
                        .hint(r#"for example `{ no_worse_than = "production", by = 0.005 }`"#));
                }
                (Some(by), Some(_)) if by < 0.0 => {
                    return Err(Error::user(format!("`{key}.by` is below zero: {by}"))
                        .hint("it says how far behind is still no worse, in the metric's unit"));
                }
                _ => {}
            }
            if rule.min.is_none() && rule.max.is_none() && rule.no_worse_than.is_none() {
                return Err(Error::user(format!("`{key}` asks for nothing"))
                    .hint("give it `min`, `max` or `no_worse_than`"));
            }
            if let Some(environment) = &rule.no_worse_than {
                environment
                    .parse::<EnvironmentName>()
                    .map_err(|error| error.context(format!("`{key}.no_worse_than`")))?;
            }
        }
        Ok(())
    }

    /// Whether it has no rule at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The environments whose live version the rules compare with.
    pub(crate) fn references(&self) -> Result<Vec<EnvironmentName>> {
        let mut names: Vec<EnvironmentName> = self
            .0
            .values()
            .filter_map(|rule| rule.no_worse_than.as_deref())
            .map(str::parse)
            .collect::<Result<_>>()?;
        names.sort();
        names.dedup();
        Ok(names)
    }
}

/// The gated environment that an ungated one was probably meant to be: another case, a few letters
/// wrong, or cut short. `production-eu` is no such name of `production`, and `prod` is one.
pub(crate) fn meant<'a>(
    environment: &EnvironmentName,
    gated: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const SHORTEST_PREFIX: usize = 3;
    let typed = environment.as_str().to_lowercase();
    gated.into_iter().find(|gated| {
        let name = gated.to_lowercase();
        let slips = if name.len() < 6 { 1 } else { 2 };
        strsim::osa_distance(&typed, &name) <= slips
            || (typed.len() >= SHORTEST_PREFIX && name.starts_with(&typed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(rules: &str) -> Gate {
        toml::from_str(rules).expect("a gate")
    }

    #[test]
    fn a_name_close_to_a_gated_one_is_told_from_another_name() {
        let meant = |typed: &str| {
            meant(&typed.parse().expect("a name"), ["production", "qa"]).map(str::to_owned)
        };
        for typed in ["Production", "prodction", "prodcution", "produciton2", "prod", "PROD"] {
            assert_eq!(meant(typed).as_deref(), Some("production"), "{typed}");
        }
        assert_eq!(meant("QA").as_deref(), Some("qa"));
        for typed in ["staging", "production-eu", "preprod", "canary", "pr", "dev"] {
            assert_eq!(meant(typed), None, "{typed}");
        }
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
        for rules in [
            "auc = {}",
            "auc = { by = 0.1 }",
            "auc = { min = nan }",
            "auc = { min = 0.9, max = 0.1 }",
            r#"auc = { no_worse_than = "production", by = -0.1 }"#,
            r#"auc = { no_worse_than = "latest" }"#,
        ] {
            assert!(gate(rules).check("gates.production").is_err(), "{rules}");
        }
        let fine = gate(r#"auc = { min = 0.8, no_worse_than = "production", by = 0.005 }"#);
        assert!(fine.check("gates.production").is_ok());
        assert_eq!(fine.references().map(|names| names.len()).ok(), Some(1));
    }
}
