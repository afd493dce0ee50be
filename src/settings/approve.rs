//! What `mlx approve` was asked to do.

use super::promote::reason;
use super::{RegistrySettings, find_project, typed};
use crate::cli::Globals;
use crate::cli::approve::ApproveArgs;
use crate::error::{Error, Result};
use crate::registry::request::Answer;
use crate::registry::{EnvironmentName, ModelName, ModelReference, VersionNumber};

#[derive(Clone, Debug)]
pub(crate) struct ApproveSettings {
    pub which: Which,
    pub answer: Answer,
    pub reason: Option<String>,
    pub registry: RegistrySettings,
}

/// The request that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The start of its id.
    Id(String),
    Of {
        model: ModelName,
        version: VersionNumber,
        environment: EnvironmentName,
    },
}

impl ApproveSettings {
    pub(crate) fn new(globals: &Globals, args: &ApproveArgs) -> Result<Self> {
        let project = find_project(globals, &[])?;
        Ok(Self {
            which: which(args.request.as_deref().unwrap_or_default(), args.environment.as_deref())?,
            answer: match (args.reject, args.withdraw) {
                (true, _) => Answer::Reject,
                (_, true) => Answer::Withdraw,
                _ => Answer::Approve,
            },
            reason: reason(args.reason.as_deref())?,
            registry: RegistrySettings::new(globals, project.as_ref())?,
        })
    }
}

fn which(request: &str, environment: Option<&str>) -> Result<Which> {
    match (environment, typed(request)) {
        (Some(environment), Ok(ModelReference::Version(model, version))) => {
            Ok(Which::Of { model, version, environment: typed(environment)? })
        }
        // What `churn` means may change between reading and approving.
        (Some(environment), Ok(_)) => {
            Err(Error::usage(format!("`{request}` does not name one version"))
                .hint(format!("write `mlx approve NAME/VERSION --to {environment}`")))
        }
        (Some(_), Err(error)) => Err(error),
        (None, Ok(ModelReference::Version(..))) => {
            Err(Error::usage(format!("where `{request}` is to be promoted to is not said"))
                .hint(format!("write `mlx approve {request} --to ENV`")))
        }
        (None, _) => {
            let is_id = !request.is_empty()
                && request.len() <= 16
                && request
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            if !is_id {
                return Err(Error::usage(format!(
                    "`{request}` is neither a version nor a request's id"
                ))
                .hint("see what waits: `mlx approve --list`"));
            }
            Ok(Which::Id(request.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_what_it_asks_or_by_its_id() {
        assert_eq!(which("0a1b", None).ok(), Some(Which::Id("0a1b".into())));
        assert!(matches!(which("churn/7", Some("production")), Ok(Which::Of { .. })));
        for (request, environment) in [
            ("churn/7", None),
            ("churn", Some("production")),
            ("churn@staging", Some("production")),
            ("churn/7", Some("latest")),
            ("XYZ", None),
            ("", None),
        ] {
            assert!(which(request, environment).is_err(), "{request}");
        }
    }
}
