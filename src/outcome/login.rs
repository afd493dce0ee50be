//! What `mlx login` and `mlx logout` answer.

use serde::Serialize;

use super::Outcome;
use crate::registry::access::Role;

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct LoginOutcome {
    /// Scheme, host and port: what the login is for.
    pub registry: String,
    /// Whom the registry takes you for; null where it doesn't say.
    pub name: Option<String>,
    /// Null where the registry has none.
    pub roles: Option<Vec<Role>>,
    pub expires_ms: Option<i64>,
    /// `the keyring`, or a file.
    pub kept: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LogoutOutcome {
    pub registry: String,
}

impl Outcome for LoginOutcome {
    const SCHEMA: &'static str = "mlx.login/1";
}

impl Outcome for LogoutOutcome {
    const SCHEMA: &'static str = "mlx.logout/1";
}
