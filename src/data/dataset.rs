//! A project's data as read: three tables that share no row, and the digests of the files behind them.

use serde::{Deserialize, Serialize};

use super::Table;

/// A file that was read, by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// As `mlx.toml` names it; a glob gives one source a file.
    pub path: String,
    pub sha256: String,
    pub size_bytes: u64,
    pub rows: usize,
}

/// What a project trains on.
///
/// The three tables have the same columns of the same kinds and share no row. For
/// forecasting they follow each other in time: `train` then `valid` then `test`, and each is the
/// history of the next.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    pub train: Table,
    pub valid: Table,
    pub test: Table,
    pub sources: Vec<Source>,
    /// What the reader noticed that the user should know, such as columns left out and why.
    pub notices: Vec<String>,
}
