//! `mlx promote`.

use clap::Args;

/// Point an environment at a version, if its gate allows it.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// The version: `churn/7`; `churn` means the latest.
    pub model: String,
    /// The environment, such as `staging` or `production`.
    #[arg(long = "to", value_name = "ENV")]
    pub environment: String,
    /// The version that must be live there now (`none`: nothing); default: what is live when the command starts.
    #[arg(long, value_name = "VERSION|none")]
    pub expect: Option<String>,
    /// Why; kept in the history.
    #[arg(long)]
    pub reason: Option<String>,
    /// Ask no gate: for a version of another project, or an environment whose name is close to a gated
    /// one's. The history says `ungated`.
    #[arg(long)]
    pub ungated: bool,
    /// Check the gate and show the move without making it.
    #[arg(long)]
    pub dry_run: bool,
}
