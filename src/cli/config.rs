//! `mlx config`.

use clap::{Args, Subcommand};

/// What mlx would do with the settings as they are.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Show(ConfigShowArgs),
}

/// Print every setting with its value and where the value comes from.
#[derive(Debug, Args)]
pub(crate) struct ConfigShowArgs {
    /// Only keys that start with this, such as `train`.
    pub prefix: Option<String>,
    /// Set a key of `mlx.toml` for this command.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
