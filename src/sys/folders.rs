//! Where mlx keeps what belongs to the user: settings and the embedded registry.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use crate::error::{Error, Result};

/// The user's configuration file by convention: `~/.config/mlx/config.toml` on Linux.
pub(crate) fn user_config() -> Result<PathBuf> {
    Ok(base()?.config_dir().join("mlx").join("config.toml"))
}

/// The embedded registry's folder by convention: `~/.local/share/mlx/registry` on Linux.
pub(crate) fn registry_data() -> Result<PathBuf> {
    Ok(base()?.data_dir().join("mlx").join("registry"))
}

/// Where what can be fetched again is kept: `~/.cache/mlx` on Linux.
pub(crate) fn cache() -> Result<PathBuf> {
    Ok(base()?.cache_dir().join("mlx"))
}

fn base() -> Result<impl BaseStrategy> {
    etcetera::choose_base_strategy().map_err(|error| {
        Error::user(format!("cannot tell the home folder: {error}"))
            .hint("set HOME, or MLX_CONFIG, MLX_REGISTRY_DATA and MLX_CACHE")
    })
}

/// The operating system's user, who is the actor of what is done on the embedded registry.
pub(crate) fn user_name() -> String {
    whoami::username().unwrap_or_else(|_| "unknown".into())
}
