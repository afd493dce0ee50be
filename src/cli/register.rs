//! `mlx register`.

use clap::Args;

/// Make a run's package the next version of a model.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The run, by its id or the start of it; default: the latest finished one.
    pub run: Option<String>,
    /// The model's name; default: the project's.
    #[arg(long)]
    pub name: Option<String>,
    /// Register under a name that belongs to another project.
    #[arg(long)]
    pub adopt: bool,
    /// Show what would be registered.
    #[arg(long)]
    pub dry_run: bool,
}
