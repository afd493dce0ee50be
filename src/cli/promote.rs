//! `mlx promote`.

use clap::Args;

/// Point an environment at a version, if its gate allows it.
///
/// The gate is that of the environment's policy in the registry (`mlx env show ENV`), and the project's
/// `[gates.ENV]`; where there are both, both have to pass. Where the policy asks for approvals, ask for
/// them with `--request`; the last `mlx approve` that is needed makes the move.
///
///   mlx promote churn/7 --to staging
///   mlx promote churn/7 --to production --request --reason "0.02 more AUC"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
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
    /// Ask others to approve it, with what the gate saw; nothing moves until they do.
    #[arg(long)]
    pub request: bool,
    /// Ask no gate: for a version of another project, or an environment whose name is close to a gated
    /// one's. The history says `ungated`. A gate of the environment's policy is always asked.
    #[arg(long)]
    pub ungated: bool,
    /// Check the gate and show the move without making it.
    #[arg(long)]
    pub dry_run: bool,
}
