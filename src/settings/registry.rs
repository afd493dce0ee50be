//! How to reach the registry: which one, as whom, and how long to wait.

use std::time::Duration;

use super::{Project, RegistryTarget, env};
use crate::cli::Globals;
use crate::error::Result;
use crate::sys::secret::Secret;
use crate::sys::{clock, folders};

#[derive(Clone, Debug)]
pub(crate) struct RegistrySettings {
    pub target: RegistryTarget,
    pub login: Login,
    /// How long a remote registry may be silent.
    pub timeout: Duration,
    /// Who asks, as the history will say.
    pub actor: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Login {
    None,
    Token(Secret),
    Password { user: String, password: Secret },
}

const TIMEOUT: Duration = Duration::from_secs(30);

impl RegistrySettings {
    pub(crate) fn new(globals: &Globals, project: Option<&Project>) -> Result<Self> {
        let timeout = match env::text(env::REGISTRY_TIMEOUT) {
            Some(text) => clock::parse_duration(&text)
                .map_err(|error| error.context(env::REGISTRY_TIMEOUT))?,
            None => TIMEOUT,
        };
        Ok(Self {
            target: super::registry(globals, project)?,
            login: login(),
            timeout,
            actor: folders::user_name(),
        })
    }
}

/// Our own token first; of MLflow's, user and password win over the token, as they do there.
fn login() -> Login {
    if let Some(token) = env::text(env::REGISTRY_TOKEN) {
        return Login::Token(Secret::new(token));
    }
    let user = env::text(env::MLFLOW_TRACKING_USERNAME);
    let password = env::text(env::MLFLOW_TRACKING_PASSWORD);
    match (user, password, env::text(env::MLFLOW_TRACKING_TOKEN)) {
        (Some(user), Some(password), _) => {
            Login::Password { user, password: Secret::new(password) }
        }
        (_, _, Some(token)) => Login::Token(Secret::new(token)),
        _ => Login::None,
    }
}
