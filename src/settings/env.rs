//! The environment variables that mlx reads: all of them, and nowhere else.

use std::path::PathBuf;

/// The address of the registry.
pub(crate) const REGISTRY_URL: &str = "MLX_REGISTRY_URL";
/// The folder of the embedded registry.
pub(crate) const REGISTRY_DATA: &str = "MLX_REGISTRY_DATA";
/// The user's configuration file.
pub(crate) const CONFIG: &str = "MLX_CONFIG";
/// The device to train on.
pub(crate) const DEVICE: &str = "MLX_DEVICE";
/// MLflow's address of the registry, read where `MLX_REGISTRY_URL` is not set.
pub(crate) const MLFLOW_TRACKING_URI: &str = "MLFLOW_TRACKING_URI";
/// No colour (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Set by continuous integration: no moving bars.
pub(crate) const CI: &str = "CI";

/// A variable that is set and not empty.
pub(crate) fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
