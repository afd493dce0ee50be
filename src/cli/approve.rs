//! `mlx approve`.

use clap::Args;

/// Approve a promotion that somebody asked for; the last approval that it needs makes the move.
///
/// Whoever asked and whoever registered the version can't approve it. An approval is for these bytes,
/// this gate and what is live now: when any of them changes, the request is stale and has to be made
/// again.
///
///   mlx promote churn/7 --to production --request
///   mlx approve --list
///   mlx approve churn/7 --to production --reason "looked at the slices"
///   mlx approve churn/7 --to production --reject --reason "too many false alarms"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ApproveArgs {
    /// The version, with `--to`, or the request's id (or the start of it).
    #[arg(required_unless_present = "list")]
    pub request: Option<String>,
    /// The environment that it is to be promoted to.
    #[arg(long = "to", value_name = "ENV")]
    pub environment: Option<String>,
    /// List the requests that wait.
    #[arg(long, conflicts_with_all = ["reject", "withdraw", "reason"])]
    pub list: bool,
    /// Say no: the request is closed.
    #[arg(long, conflicts_with = "withdraw")]
    pub reject: bool,
    /// Take back a request of your own.
    #[arg(long)]
    pub withdraw: bool,
    /// Why; kept with the approval.
    #[arg(long)]
    pub reason: Option<String>,
}
