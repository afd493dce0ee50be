//! `mlx doctor`.

use clap::Args;

/// Check toolchain, devices, registry and project, and say what to do about each red line.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {}
