//! `mlx login` and `mlx logout`.

use clap::Args;

/// Keep what a registry knows you by; the token is asked for, or read from stdin.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The registry's address; default: the one in use.
    pub url: Option<String>,
    /// Log in with this user and a password instead of a token, as MLflow's own servers want it.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// Forget what a registry knows you by.
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// The registry's address; default: the one in use.
    pub url: Option<String>,
}
