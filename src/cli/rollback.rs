//! `mlx rollback`.

use clap::Args;

/// Point an environment back at its last known good version.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The model's name.
    pub model: String,
    /// The environment, such as `production`.
    #[arg(long = "env", value_name = "ENV")]
    pub environment: String,
    /// The version to go back to; default: the one that was live there before, which leaves out those
    /// that were rolled back from.
    #[arg(long)]
    pub version: Option<u64>,
    /// Why; kept in the history.
    #[arg(long)]
    pub reason: Option<String>,
    /// Verify and show the move without making it.
    #[arg(long)]
    pub dry_run: bool,
}
