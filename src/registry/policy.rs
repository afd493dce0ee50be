//! What an environment asks of those who move it, as the events of moves tell of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ModelName;
use crate::error::{Error, Result};

/// Which models a policy is for: a name, the start of names (`churn-*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ModelPattern(String);

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
