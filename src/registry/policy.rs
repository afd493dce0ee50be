//! What an environment asks of those who move it: the policies that the registry keeps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EnvironmentName, Gate, ModelName};
use crate::error::{Error, Result};

/// What a promotion must satisfy. A rollback to what stands behind the live version has to come from
/// a promoter, and nothing else: in an incident nobody should wait for a signature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    /// The rules that the evidence has to satisfy; none: no evidence is asked for.
    pub gate: Gate,
    /// How many people have to approve, besides the version's author and whoever asks.
    pub approvals: u32,
    /// Who may move the environment, and approve; none are named: anybody.
    pub promoters: Vec<String>,
}

impl Policy {
    const MOST_APPROVALS: u32 = 20;

    /// Refuse a policy that can't be satisfied or means nothing, and bring its names in order.
    pub(crate) fn checked(mut self, environment: &EnvironmentName) -> Result<Self> {
        self.gate.check(&format!("gates.{environment}"))?;
        for name in &mut self.promoters {
            *name = name.trim().to_owned();
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(Error::user("a promoter's name is empty or holds control characters")
                    .hint("name them with commas between: `--promoters alice,bob`"));
            }
        }
        self.promoters.sort();
        self.promoters.dedup();
        if self.approvals > Self::MOST_APPROVALS {
            return Err(Error::user(format!(
                "{} approvals are more than anybody waits for: at most {}",
                self.approvals,
                Self::MOST_APPROVALS
            )));
        }
        if !self.promoters.is_empty() && (self.approvals as usize) > self.promoters.len() {
            return Err(Error::user(format!(
                "{} approvals can't come from {} promoters",
                self.approvals,
                self.promoters.len()
            ))
            .hint("those who approve are promoters too: name more of them, or ask for fewer approvals"));
        }
        if self == Self::default() {
            return Err(Error::user(format!("a policy of {environment} that asks for nothing"))
                .hint(
                    "give it a gate, approvals or promoters; to remove a policy: `mlx env unset`",
                ));
        }
        Ok(self)
    }

    /// SHA-256 in lower-case hex over its JSON.
    pub(crate) fn digest(&self) -> String {
        digest(self)
    }

    /// Whether this person may move the environment.
    pub(crate) fn lets(&self, actor: &str) -> bool {
        self.promoters.is_empty() || self.promoters.iter().any(|name| name == actor)
    }
}

impl Gate {
    /// SHA-256 in lower-case hex over its JSON, which is ordered by metric.
    pub(crate) fn digest(&self) -> String {
        digest(self)
    }
}

fn digest(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("rules have only string keys");
    hex::encode(Sha256::digest(json))
}

/// Which models a policy is for: a name, the start of names (`churn-*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ModelPattern(String);

impl ModelPattern {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0 == "*"
    }

    pub(crate) fn matches(&self, model: &ModelName) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => model.as_str().starts_with(start),
            None => model.as_str() == self.0,
        }
    }

    /// Of two patterns that match a model, the one of the higher rank is meant: its name, else the
    /// longer start. No two patterns that match it have the same.
    fn rank(&self) -> (bool, usize) {
        (!self.0.ends_with('*'), self.0.len())
    }
}

impl FromStr for ModelPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let start = text.strip_suffix('*').unwrap_or(text);
        if text != "*" && start.parse::<ModelName>().is_err() {
            return Err(Error::user(format!("`{text}` is no pattern of model names"))
                .hint("write a name, the start of names as `churn-*`, or `*` for all"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ModelPattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ModelPattern> for String {
    fn from(pattern: ModelPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A policy as the registry keeps it: one revision of what an environment asks for some models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Revision {
    pub environment: EnvironmentName,
    pub models: ModelPattern,
    /// From 1, for this environment and these models; it goes on after a removal.
    pub revision: u64,
    /// Null: this revision removed it.
    pub policy: Option<Policy>,
    /// [`Policy::digest`]; of a removal, empty.
    pub digest: String,
    pub actor: String,
    pub reason: Option<String>,
    /// Milliseconds since 1970.
    pub set_ms: i64,
}

impl Revision {
    /// As messages name it: `the policy of production`, `the policy of production for churn-*`.
    pub(crate) fn named(&self) -> String {
        let Self { environment, models, .. } = self;
        if models.is_all() {
            format!("the policy of {environment}")
        } else {
            format!("the policy of {environment} for {models}")
        }
    }
}

/// An environment as the registry knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub environment: EnvironmentName,
    /// How many models have a version live there.
    pub live: u64,
    /// Requests that wait for approvals.
    pub open_requests: u64,
    /// What holds now, by models.
    pub policies: Vec<Revision>,
}

/// Of an environment's policies, the one that is for this model.
pub(crate) fn of_model<'a>(
    revisions: impl IntoIterator<Item = &'a Revision>,
    model: &ModelName,
) -> Option<(&'a Revision, &'a Policy)> {
    revisions
        .into_iter()
        .filter(|revision| revision.models.matches(model))
        .filter_map(|revision| Some((revision, revision.policy.as_ref()?)))
        .max_by_key(|(revision, _)| revision.models.rank())
}

/// The policy that a move was held against, as its event keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Satisfied {
    pub models: ModelPattern,
    pub revision: u64,
    pub digest: String,
    /// The request that was approved; null where none had to be.
    pub request: Option<String>,
    pub approvals: Vec<Approval>,
}

/// Somebody's yes to a requested promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approval {
    pub actor: String,
    pub reason: Option<String>,
    /// Milliseconds since 1970.
    pub approved_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(approvals: u32, promoters: &[&str]) -> Policy {
        let promoters = promoters.iter().map(|name| (*name).to_owned()).collect();
        Policy { approvals, promoters, ..Policy::default() }
    }

    #[test]
    fn a_policy_that_means_nothing_is_refused() {
        let production = "production".parse().unwrap();
        for wrong in [
            policy(0, &[]),
            policy(21, &[]),
            policy(3, &["ada", "bob"]),
            policy(1, &["ada", "  "]),
            Policy { gate: toml::from_str("auc = {}").unwrap(), ..policy(1, &[]) },
        ] {
            assert!(wrong.clone().checked(&production).is_err(), "{wrong:?}");
        }
        let fine = policy(1, &["bob ", "ada", "bob"]).checked(&production).unwrap();
        assert_eq!(fine.promoters, ["ada", "bob"]);
        assert!(fine.lets("ada") && !fine.lets("eve"));
        assert!(policy(1, &[]).lets("eve"));
    }

    #[test]
    fn a_digest_names_what_is_asked() {
        let gate = |rules: &str| toml::from_str::<Gate>(rules).unwrap();
        let one = gate("auc = { min = 0.8 }\nece = { max = 0.1 }");
        assert_eq!(one.digest(), gate("ece = { max = 0.10 }\nauc = { min = 0.8 }").digest());
        assert_ne!(one.digest(), gate("auc = { min = 0.8 }").digest());
        assert_ne!(policy(1, &[]).digest(), policy(2, &[]).digest());
    }

    #[test]
    fn the_policy_that_is_closest_to_a_models_name_is_its_own() {
        let revision = |models: &str, approvals| Revision {
            environment: "production".parse().unwrap(),
            models: models.parse().unwrap(),
            revision: 1,
            policy: Some(policy(approvals, &[])),
            digest: String::new(),
            actor: "ada".into(),
            reason: None,
            set_ms: 0,
        };
        let mut revisions = [
            revision("*", 1),
            revision("churn*", 2),
            revision("churn-eu*", 3),
            revision("churn", 4),
        ];
        let asks = |revisions: &[Revision], model: &str| {
            of_model(revisions, &model.parse().unwrap()).map(|(_, policy)| policy.approvals)
        };
        assert_eq!(asks(&revisions, "fraud"), Some(1));
        assert_eq!(asks(&revisions, "churn"), Some(4));
        assert_eq!(asks(&revisions, "churn-us"), Some(2));
        assert_eq!(asks(&revisions, "churn-eu-west"), Some(3));
        // What was removed asks nothing; the next one does.
        revisions[3].policy = None;
        assert_eq!(asks(&revisions, "churn"), Some(2));
        assert_eq!(asks(&revisions[3..], "churn"), None);
        for wrong in ["", "**", "a*b", "*a", "a/b"] {
            assert!(wrong.parse::<ModelPattern>().is_err(), "{wrong}");
        }
    }
}
