//! `mlx schema`.

use clap::Args;

/// Print the JSON schema of a file that mlx reads, for editors.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The file: `mlx.toml`.
    #[arg(default_value = "mlx.toml")]
    pub file: String,
}
