//! What `mlx register` answers.

use serde::Serialize;

use super::Outcome;
use crate::registry::{ModelName, VersionNumber};

#[derive(Debug, Serialize)]
pub(crate) struct RegisterOutcome {
    pub model: ModelName,
    /// Null in a dry run of what is not registered yet.
    pub version: Option<VersionNumber>,
    /// mlx's id of the run.
    pub run: String,
    pub digest: String,
    pub files: usize,
    pub size_bytes: u64,
    /// The registry had this package as that version already.
    pub already_registered: bool,
    /// The name belonged to another project, and `--adopt` took it.
    pub adopted: bool,
    pub dry_run: bool,
    pub registry: String,
}

impl Outcome for RegisterOutcome {
    const SCHEMA: &'static str = "mlx.register/1";
}
