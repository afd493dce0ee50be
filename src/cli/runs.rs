//! `mlx runs`.

use clap::{Args, Subcommand};

/// What was trained.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    List(RunsListArgs),
    Show(RunsShowArgs),
    Compare(RunsCompareArgs),
    Rm(RunsRmArgs),
}

/// List the project's runs, newest first.
#[derive(Debug, Args)]
pub(crate) struct RunsListArgs {}

/// Show one run: settings, data, epochs, result.
#[derive(Debug, Args)]
pub(crate) struct RunsShowArgs {
    /// The run, by its id or the start of it; default: the latest.
    pub run: Option<String>,
    /// Draw its curves: training loss and validation metrics by epoch.
    #[arg(long)]
    pub plot: bool,
}

/// Show where runs differ, in settings and in results.
#[derive(Debug, Args)]
pub(crate) struct RunsCompareArgs {
    /// Two or more runs; default: the two latest.
    pub runs: Vec<String>,
    /// Draw their curves together; with --json, give the numbers of them.
    #[arg(long)]
    pub plot: bool,
}

/// Remove runs from disk. Registered versions are not touched.
#[derive(Debug, Args)]
pub(crate) struct RunsRmArgs {
    /// The runs to remove.
    #[arg(required_unless_present = "older_than")]
    pub runs: Vec<String>,
    /// Remove all runs that ended longer ago than this, such as `30d` or `12h`.
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
    /// Show what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}
