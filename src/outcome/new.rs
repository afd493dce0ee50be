//! What `mlx new` and `mlx init` made, or would make.

use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;

#[derive(Debug, Serialize)]
pub(crate) struct NewOutcome {
    pub verb: &'static str,
    pub name: String,
    pub task: &'static str,
    /// The template's name, or where it came from.
    pub template: String,
    pub directory: PathBuf,
    /// The directory as it was typed.
    pub typed: PathBuf,
    pub files: Vec<FileOutcome>,
    pub git: GitOutcome,
    /// What was decided that the user might want otherwise.
    pub notes: Vec<String>,
    pub dry_run: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct FileOutcome {
    pub path: String,
    pub size_bytes: u64,
    pub why: String,
    pub state: FileState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileState {
    Written,
    /// With `--dry-run`: it would be written.
    Planned,
    /// It was there, and stays as it is.
    Skipped,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum GitOutcome {
    /// A repository with a first commit.
    Made { commit: String },
    /// With `--dry-run`: one would be made.
    Planned,
    /// The folder is inside a repository already, and none was nested into it.
    Inside { repository: PathBuf },
    /// `--no-git`.
    Off,
    /// The project is there, and a repository could not be made.
    Failed { why: String },
}

impl Outcome for NewOutcome {
    const SCHEMA: &'static str = "mlx.new/1";
}
