//! `mlx models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is registered.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    List(ModelsListArgs),
    Show(ModelsShowArgs),
    History(ModelsHistoryArgs),
    Pull(ModelsPullArgs),
    Delete(ModelsDeleteArgs),
}

/// List models with their versions and environments.
#[derive(Debug, Args)]
pub(crate) struct ModelsListArgs {}

/// Show a model, or one version of it.
#[derive(Debug, Args)]
pub(crate) struct ModelsShowArgs {
    /// `churn`, `churn/7` or `churn@production`.
    pub model: String,
}

/// Show what was live where and when, and who moved it.
#[derive(Debug, Args)]
pub(crate) struct ModelsHistoryArgs {
    /// The model's name.
    pub model: String,
    /// Only this environment.
    #[arg(long = "env", value_name = "ENV")]
    pub environment: Option<String>,
}

/// Download a version's package and verify it.
#[derive(Debug, Args)]
pub(crate) struct ModelsPullArgs {
    /// `churn`, `churn/7` or `churn@production`.
    pub model: String,
    /// Where to; default: a folder named for model and version.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Delete a version, or with `--all` a model. What an environment points to can't be deleted.
#[derive(Debug, Args)]
pub(crate) struct ModelsDeleteArgs {
    /// `churn/7`; with `--all`, `churn`.
    pub model: String,
    /// Delete the model with all its versions.
    #[arg(long)]
    pub all: bool,
    /// Show what would be deleted.
    #[arg(long)]
    pub dry_run: bool,
}
