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
    Yank(ModelsYankArgs),
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
///
///   mlx models history churn --env production
///   mlx models history churn --at 2026-11-23T21:15:40Z
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ModelsHistoryArgs {
    /// The model's name.
    pub model: String,
    /// Only this environment.
    #[arg(long = "env", value_name = "ENV")]
    pub environment: Option<String>,
    /// What was live at this time, and where a rollback would have gone: `2026-11-23T21:15:40Z`, a day,
    /// milliseconds since 1970, or `now`.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Only the last events, as many as this (at most 1000).
    #[arg(long, value_name = "N", conflicts_with = "at",
          value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: Option<u64>,
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

/// Let no environment be moved to a version anymore; its files stay, and so does what is live.
///
/// A yanked version can't be promoted, nor rolled back to, until the yank is taken back.
///
///   mlx models yank churn/7 --reason "trained on leaked labels"
///   mlx models yank churn/7 --undo
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ModelsYankArgs {
    /// The version: `churn/7`.
    pub model: String,
    /// Why; kept in the history and shown with the version.
    #[arg(long, required_unless_present = "undo")]
    pub reason: Option<String>,
    /// Take a yank back.
    #[arg(long)]
    pub undo: bool,
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
