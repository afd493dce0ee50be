//! What `mlx config show` answers.

use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;

#[derive(Debug, Serialize)]
pub(crate) struct ConfigOutcome {
    /// The project's folder, where there is one.
    pub project: Option<PathBuf>,
    /// The registry that commands would speak to: an address or a folder.
    pub registry: String,
    /// Where what a remote registry is told of who asks comes from, never what it is.
    pub login: Option<String>,
    /// Tokens and passwords that are another registry's, a sentence each.
    pub passed_over: Vec<String>,
    pub settings: Vec<Setting>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    /// Dotted, as `--set` takes it.
    pub key: String,
    /// As TOML writes it; null where nothing is set.
    pub value: Option<String>,
    /// `default`, a file, a variable or `command line`.
    pub origin: String,
}

impl Outcome for ConfigOutcome {
    const SCHEMA: &'static str = "mlx.config.show/1";
}
