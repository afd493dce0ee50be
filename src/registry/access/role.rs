//! Roles, and the one rule that holds an action against them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, closest};
use crate::registry::{EnvironmentName, ModelName};

/// What the holder of a token may do, written `reader`, `writer`, `promoter:ENVIRONMENT[:MODEL]` or `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Role {
    /// Look at everything and download it.
    Reader,
    /// What a reader may, and log runs, upload files, and register, describe and delete models and versions.
    Writer,
    /// What a reader may, and move the pointers of these environments of these models.
    Promoter { environments: Pattern, models: Pattern },
    /// Everything, the rules of environments and what concerns the registry as a whole included.
    Admin,
}

/// What an action needs of whoever asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need<'a> {
    Read,
    Write,
    /// Move what is live in this environment of this model.
    Move {
        environment: &'a EnvironmentName,
        model: &'a ModelName,
    },
    Administer,
}

/// Whether one of the roles covers the need.
pub(crate) fn allows(roles: &[Role], need: Need<'_>) -> bool {
    roles.iter().any(|role| match (role, need) {
        (Role::Admin, _) | (_, Need::Read) | (Role::Writer, Need::Write) => true,
        (Role::Promoter { environments, models }, Need::Move { environment, model }) => {
            environments.matches(environment.as_str()) && models.matches(model.as_str())
        }
        _ => false,
    })
}

impl Role {
    const NAMES: [&str; 4] = ["reader", "writer", "promoter", "admin"];
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let scope: Vec<&str> = parts.collect();
        match (name, scope.as_slice()) {
            ("reader", []) => Ok(Self::Reader),
            ("writer", []) => Ok(Self::Writer),
            ("admin", []) => Ok(Self::Admin),
            ("promoter", [environments, models @ ..]) if models.len() <= 1 => Ok(Self::Promoter {
                environments: environments.parse()?,
                models: models.first().unwrap_or(&"*").parse()?,
            }),
            ("promoter", []) => Err(Error::user("a promoter is one of named environments").hint(
                "write `promoter:staging`, `promoter:production:churn-*`, or `promoter:*` for all",
            )),
            (known, _) if Self::NAMES.contains(&known) => Err(Error::user(format!(
                "`{text}` is not a role: it says too much after `{known}`"
            ))
            .hint("write `promoter:ENVIRONMENT:MODEL`; the other roles stand alone")),
            _ => {
                let error = Error::user(format!("`{text}` is not a role"));
                Err(match closest(name, Self::NAMES) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(
                        "roles are `reader`, `writer`, `promoter:ENVIRONMENT[:MODEL]` and `admin`",
                    ),
                })
            }
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reader => f.write_str("reader"),
            Self::Writer => f.write_str("writer"),
            Self::Promoter { environments, models } if models.0 == "*" => {
                write!(f, "promoter:{}", environments.0)
            }
            Self::Promoter { environments, models } => {
                write!(f, "promoter:{}:{}", environments.0, models.0)
            }
            Self::Admin => f.write_str("admin"),
        }
    }
}

impl fmt::Display for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("`reader`"),
            Self::Write => f.write_str("`writer`"),
            Self::Move { environment, model } => write!(f, "`promoter:{environment}:{model}`"),
            Self::Administer => f.write_str("`admin`"),
        }
    }
}

impl TryFrom<String> for Role {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.to_string()
    }
}

/// Names of environments or models, in which `*` stands for any characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// In time of at most pattern times text: where letters differ, only the last star gives way.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut at, mut seen) = (0, 0);
        let mut last_star = None;
        while seen < text.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    last_star = Some((at, seen));
                    at += 1;
                }
                Some(&letter) if letter == b'?' || letter == text[seen] => {
                    at += 1;
                    seen += 1;
                }
                _ => match last_star {
                    Some((star, from)) => {
                        last_star = Some((star, from + 1));
                        at = star + 1;
                        seen = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|&letter| letter == b'*')
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.*?".contains(&byte);
        if (1..=200).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::user(format!("`{text}` is not a pattern of names"))
            .hint("use the letters of names, `*` for any of them and `?` for one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(texts: &[&str]) -> Vec<Role> {
        texts.iter().map(|text| text.parse().expect("a role")).collect()
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for text in ["reader", "writer", "admin", "promoter:staging", "promoter:prod*:churn-?"] {
            assert_eq!(text.parse::<Role>().expect("a role").to_string(), text);
        }
        assert_eq!(roles(&["promoter:staging:*"])[0].to_string(), "promoter:staging");
        for text in
            ["", "promoter", "promoter:", "promoter:a:b:c", "admin:x", "promoter:a/b", "root"]
        {
            assert!(text.parse::<Role>().is_err(), "{text}");
        }
        let error = "reeder".parse::<Role>().expect_err("a typo");
        assert_eq!(error.hint_text(), Some("did you mean `reader`?"));
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, text, expected) in [
            ("*", "churn", true),
            ("*", "", true),
            ("churn", "churn", true),
            ("churn", "churn2", false),
            ("churn", "chur", false),
            ("churn-*", "churn-eu", true),
            ("churn-*", "churn", false),
            ("*-eu", "churn-eu-eu", true),
            ("a*b*c", "axxbyybzzc", true),
            ("a*b*c", "axxbyybzz", false),
            ("chur?", "churn", true),
            ("chur?", "chur", false),
            ("**", "x", true),
            ("Production", "production", false),
        ] {
            let matched = pattern.parse::<Pattern>().expect("a pattern").matches(text);
            assert_eq!(matched, expected, "{pattern} of {text}");
        }
        // What takes time exponential in the stars elsewhere.
        let hard: Pattern = "*a".repeat(60).parse().expect("a pattern");
        assert!(!hard.matches(&format!("{}b", "a".repeat(199))));
    }

    /// Every role against every need.
    #[test]
    fn what_each_role_allows() {
        let (production, staging) = ("production".parse().unwrap(), "staging".parse().unwrap());
        let (churn, fraud) = ("churn".parse().unwrap(), "fraud".parse().unwrap());
        let needs = [
            Need::Read,
            Need::Write,
            Need::Move { environment: &staging, model: &churn },
            Need::Move { environment: &production, model: &churn },
            Need::Move { environment: &production, model: &fraud },
            Need::Administer,
        ];
        for (role, expected) in [
            (&["reader"][..], [true, false, false, false, false, false]),
            (&["writer"], [true, true, false, false, false, false]),
            (&["promoter:staging"], [true, false, true, false, false, false]),
            (&["promoter:production:churn"], [true, false, false, true, false, false]),
            (&["promoter:*:ch*"], [true, false, true, true, false, false]),
            (&["promoter:*"], [true, false, true, true, true, false]),
            (&["writer", "promoter:staging"], [true, true, true, false, false, false]),
            (&["admin"], [true; 6]),
            (&[], [false; 6]),
        ] {
            let roles = roles(role);
            assert_eq!(needs.map(|need| allows(&roles, need)), expected, "{role:?}");
        }
    }
}
