//! `mlx tour`.

use std::path::PathBuf;

use clap::Args;

/// The whole road in a sandbox: every command is printed before its output.
#[derive(Debug, Args)]
pub(crate) struct TourArgs {
    /// Only this template: forecasting, classification or ranking.
    #[arg(long)]
    pub template: Option<String>,
    /// Keep the sandbox, and say where it is.
    #[arg(long)]
    pub keep: bool,
    /// Use this folder for the sandbox.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
