//! `mlx env`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

/// What environments ask of those who move them: gates, approvals and promoters, kept by the registry.
#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    List(EnvListArgs),
    Show(EnvShowArgs),
    Set(EnvSetArgs),
    Unset(EnvUnsetArgs),
}

/// List environments with their policies and what waits for approval.
#[derive(Debug, Args)]
pub(crate) struct EnvListArgs {}

/// Show an environment's policies, who set them, and the requests that wait.
#[derive(Debug, Args)]
pub(crate) struct EnvShowArgs {
    /// The environment, such as `production`.
    pub environment: String,
}

/// Give an environment a policy, or change what is given; the rest of it stays as it is.
///
/// From then on the registry checks every promotion to it, in the transaction that makes the move: that
/// its evidence is of these bytes and of this gate, that enough other people approved, and who asks. A
/// plain MLflow client can't move its alias anymore.
///
///   mlx env set production --gate mlx.toml --approvals 1 --promoters alice,bob
///   mlx env set production --model 'churn-*' --gate churn-gate.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
#[command(group = ArgGroup::new("what").required(true).multiple(true)
    .args(["gate", "no_gate", "approvals", "promoters", "anybody"]))]
pub(crate) struct EnvSetArgs {
    /// The environment, such as `production`.
    pub environment: String,
    /// For these models alone: a name, or the start of names such as `churn-*`. Of several policies that
    /// are for a model, the closest to its name holds.
    #[arg(long = "model", value_name = "PATTERN", default_value = "*")]
    pub models: String,
    /// The rules that a promotion's evidence has to satisfy: a file with `auc = { min = 0.8 }` and the
    /// like, or an mlx.toml with `[gates.ENV]`.
    #[arg(long, value_name = "FILE")]
    pub gate: Option<PathBuf>,
    /// Ask for no gate anymore; projects' own gates are still asked.
    #[arg(long, conflicts_with = "gate")]
    pub no_gate: bool,
    /// How many people have to approve a promotion, besides the version's author and whoever asks.
    #[arg(long, value_name = "N")]
    pub approvals: Option<u32>,
    /// Who may promote, roll back and approve, with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub promoters: Vec<String>,
    /// Let anybody promote, roll back and approve.
    #[arg(long, conflicts_with = "promoters")]
    pub anybody: bool,
    /// Why; kept with the policy.
    #[arg(long)]
    pub reason: Option<String>,
}

/// Remove an environment's policy.
#[derive(Debug, Args)]
pub(crate) struct EnvUnsetArgs {
    /// The environment, such as `production`.
    pub environment: String,
    /// The models that the policy is for, as `mlx env show` names them.
    #[arg(long = "model", value_name = "PATTERN", default_value = "*")]
    pub models: String,
    /// Why; kept with the policy.
    #[arg(long)]
    pub reason: Option<String>,
}
