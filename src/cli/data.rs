//! `mlx data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Look at data.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    Check(DataCheckArgs),
}

/// Read the data as training would; say what it holds and what is wrong with it.
#[derive(Debug, Args)]
pub(crate) struct DataCheckArgs {
    /// Look at this file instead of the project's.
    pub file: Option<PathBuf>,
    /// Set a key of `mlx.toml` for this command, such as `data.target=churned`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
