//! How a model is written: `churn`, `churn/7`, `churn@production`, `run:ID`, a path, or MLflow's `models:/…`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{EnvironmentName, ModelName, VersionNumber};
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModelReference {
    /// The latest version of a model.
    Latest(ModelName),
    Version(ModelName, VersionNumber),
    Environment(ModelName, EnvironmentName),
    /// A local run, by its id or the start of it.
    Run(String),
    /// A package directory. Anything that starts with `.` or `/`.
    Path(PathBuf),
}

impl FromStr for ModelReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with(['.', '/', '\\']) || PathBuf::from(text).is_absolute() {
            return Ok(Self::Path(text.into()));
        }
        if let Some(run) = text.strip_prefix("run:") {
            if run.is_empty() || run.len() > 32 || !run.bytes().all(|byte| byte.is_ascii_hexdigit())
            {
                return Err(Error::user(format!("`{run}` is not a run id"))
                    .hint("list the runs: `mlx runs list`"));
            }
            return Ok(Self::Run(run.to_ascii_lowercase()));
        }
        let name = text.strip_prefix("models:/").unwrap_or(text);
        if name.is_empty() || name.starts_with(['@', '/']) {
            return Err(Error::user(format!("`{text}` names no model"))
                .hint("write `NAME`, `NAME/VERSION` or `NAME@ENVIRONMENT`"));
        }
        if let Some((name, environment)) = name.split_once('@') {
            return Ok(Self::Environment(name.parse()?, environment.parse()?));
        }
        if let Some((name, version)) = name.split_once('/') {
            return Ok(Self::Version(name.parse()?, version.parse()?));
        }
        Ok(Self::Latest(name.parse()?))
    }
}

impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest(name) => write!(f, "{name}"),
            Self::Version(name, version) => write!(f, "{name}/{version}"),
            Self::Environment(name, environment) => write!(f, "{name}@{environment}"),
            Self::Run(run) => write!(f, "run:{run}"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_it_is_written() {
        for text in
            ["churn", "churn/7", "churn@production", "run:3f2a", "./package", "/tmp/package"]
        {
            let reference: ModelReference = text.parse().expect(text);
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in [
            "",
            "models:/",
            "models://7",
            "@production",
            "churn/",
            "churn/0",
            "churn/x",
            "run:",
            "a'b",
        ] {
            assert!(text.parse::<ModelReference>().is_err(), "{text}");
        }
    }

    #[test]
    fn mlflow_uris_mean_the_same() {
        for (ours, theirs) in
            [("churn/7", "models:/churn/7"), ("churn@production", "models:/churn@production")]
        {
            assert_eq!(ours.parse::<ModelReference>().ok(), theirs.parse::<ModelReference>().ok());
        }
    }
}
