//! Names and numbers of the registry, as types that hold only valid values.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A registered model: 1 to 200 letters and digits of any script, spaces and `_ - .`, starting with a
/// letter or digit and not ending with a space.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ModelName(String);

/// An environment, which the registry holds as an alias: `staging`, `production`, any name but
/// MLflow's reserved `latest` and `v<digits>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct EnvironmentName(String);

/// A run: 32 lower-case hexadecimal digits, as MLflow writes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RunId(String);

/// A version of a model, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct VersionNumber(pub u64);

impl ModelName {
    /// What a name may be.
    pub(crate) const RULE: &'static str =
        "use 1 to 200 letters, digits, spaces, `_`, `-` and `.`, starting with a letter or digit";
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        // MLflow takes all but `/` and `:`. What has a meaning in addresses, paths, filters or shells
        // stays out, since names go into all of these.
        let fits = (1..=200).contains(&name.chars().count())
            && name.starts_with(char::is_alphanumeric)
            && !name.ends_with(' ')
            && name.chars().all(|c| c.is_alphanumeric() || " _-.".contains(c));
        if fits {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::user(format!("`{name}` is not a valid model name")).hint(Self::RULE))
    }
}

impl FromStr for EnvironmentName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let reserved = name == "latest"
            || name.strip_prefix(['v', 'V']).is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
            });
        if reserved {
            return Err(Error::user(format!(
                "`{name}` is reserved and cannot name an environment"
            ))
            .hint("use a name such as `staging` or `production`"));
        }
        if is_plain_name(name, 200) {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::user(format!("`{name}` is not a valid environment name")).hint(
            "use 1 to 200 letters, digits, `_`, `-` and `.`, starting with a letter or digit",
        ))
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self> {
        if id.len() == 32
            && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        {
            return Ok(Self(id.to_owned()));
        }
        Err(Error::user(format!("`{id}` is not a run id")).hint("list the runs: `mlx runs list`"))
    }
}

impl FromStr for VersionNumber {
    type Err = Error;

    fn from_str(number: &str) -> Result<Self> {
        match number.parse() {
            Ok(number @ 1..) => Ok(Self(number)),
            _ => Err(Error::user(format!("`{number}` is not a version number"))
                .hint("versions are whole numbers from 1, such as `churn/7`")),
        }
    }
}

fn is_plain_name(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_type!(ModelName);
text_type!(EnvironmentName);
text_type!(RunId);

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_break_urls_or_paths_are_refused() {
        for name in ["", "a/b", "../x", " a", "a ", ".hidden", "a@b", "a'b", "a%b", "a\nb", "a:b"] {
            assert!(name.parse::<ModelName>().is_err(), "{name}");
        }
        assert!("größe 2".parse::<ModelName>().is_ok());
        assert_eq!(
            "churn-2.v1".parse::<ModelName>().map(String::from).ok().as_deref(),
            Some("churn-2.v1")
        );
    }

    #[test]
    fn aliases_that_mlflow_reserves_are_refused() {
        assert!("latest".parse::<EnvironmentName>().is_err());
        assert!("v12".parse::<EnvironmentName>().is_err());
        assert!("v12-canary".parse::<EnvironmentName>().is_ok());
    }
}
