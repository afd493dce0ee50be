//! `mlx eval`.

use std::path::PathBuf;

use clap::Args;

/// Score a model on the test data, beside its baselines.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The model: `churn`, `churn/7`, `churn@production`, `run:ID` or a path; default: the latest finished run.
    pub model: Option<String>,
    /// Evaluate on this file instead of the project's test split.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Set a key of `mlx.toml` for this command.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
