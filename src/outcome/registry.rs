//! What `mlx registry …` answers.

use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;
use crate::error::ExitCode;
use crate::registry::{EnvironmentName, ModelName, VersionNumber};

/// Which registry is in use, and what it promises.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusOutcome {
    /// `embedded`, `mlx` (a server of ours) or `mlflow`.
    pub kind: Kind,
    /// Its folder or address.
    pub place: String,
    /// The version of mlx that answers; absent where it is another server.
    pub mlx_version: Option<String>,
    /// The version of a plain MLflow server, where it says one.
    pub mlflow_version: Option<String>,
    /// How many there are; absent where the registry was not made yet.
    pub models: Option<u64>,
    pub promises: Vec<Promise>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Embedded,
    Mlx,
    Mlflow,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Promise {
    pub what: &'static str,
    pub kept: bool,
    /// What holds instead, where it isn't kept.
    pub instead: Option<&'static str>,
}

impl Outcome for StatusOutcome {
    const SCHEMA: &'static str = "mlx.registry.status/1";
}

/// What was checked, and what is wrong.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VerifyOutcome {
    pub place: String,
    #[serde(flatten)]
    pub checked: Checked,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Checked {
    pub models: u64,
    pub versions: u64,
    pub files: u64,
    pub bytes: u64,
    pub events: u64,
    pub aliases: u64,
    pub problems: Vec<String>,
}

impl Outcome for VerifyOutcome {
    const SCHEMA: &'static str = "mlx.registry.verify/1";

    fn exit_code(&self) -> ExitCode {
        if self.checked.problems.is_empty() { ExitCode::Done } else { ExitCode::Failed }
    }
}

/// How aliases stand to the history, and what was done about it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReconcileOutcome {
    pub place: String,
    /// The server keeps aliases and history apart; one of ours moves both in one transaction.
    pub apart: bool,
    pub models: Vec<ReconciledModel>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReconciledModel {
    pub model: ModelName,
    pub environments: Vec<ReconciledEnvironment>,
    /// What is wrong with the history itself, a sentence each.
    pub damage: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReconciledEnvironment {
    pub environment: EnvironmentName,
    /// What the alias pointed to.
    pub alias: Option<VersionNumber>,
    /// What the history had live.
    pub logged: Option<VersionNumber>,
    pub found: Found,
    /// What was done; null: nothing.
    pub done: Option<Done>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Found {
    InStep,
    /// Logged, and not yet shown in the alias.
    Unfinished,
    /// Moved past the history.
    Outside,
    /// An alias of another client's, of which the history says nothing.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Done {
    Finished,
    Adopted,
    Restored,
}

impl Outcome for ReconcileOutcome {
    const SCHEMA: &'static str = "mlx.registry.reconcile/1";

    /// What is still apart, or damaged, is for somebody to look at.
    fn exit_code(&self) -> ExitCode {
        let open = |environment: &ReconciledEnvironment| {
            matches!(environment.found, Found::Unfinished | Found::Outside)
                && environment.done.is_none()
        };
        let settled = |model: &ReconciledModel| {
            model.damage.is_empty() && !model.environments.iter().any(open)
        };
        if self.models.iter().all(settled) { ExitCode::Done } else { ExitCode::Failed }
    }
}

/// What nothing referred to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GcOutcome {
    pub place: String,
    pub dry_run: bool,
    /// What was younger was left alone.
    pub older_than_seconds: u64,
    /// Ids of deleted runs that were removed for good.
    pub runs: Vec<String>,
    pub logged_models: Vec<String>,
    pub experiments: Vec<i64>,
    /// Deleted runs that stay, because versions came from them.
    pub kept_runs: u64,
    pub uploads: Vec<Removed>,
    pub objects: Vec<Removed>,
    pub size_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Removed {
    /// A digest, or an upload's id or file.
    pub name: String,
    pub size_bytes: u64,
}

impl Outcome for GcOutcome {
    const SCHEMA: &'static str = "mlx.registry.gc/1";
}

/// A copy that was made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BackupOutcome {
    /// Where it is: a folder, or a database and a bucket.
    pub registry: String,
    pub backup: PathBuf,
    pub checked: Checked,
}

impl Outcome for BackupOutcome {
    const SCHEMA: &'static str = "mlx.registry.backup/1";
}

/// A registry that was put back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RestoreOutcome {
    pub backup: PathBuf,
    pub registry: PathBuf,
    /// Where what was there is now.
    pub kept: Option<PathBuf>,
    pub checked: Checked,
}

impl Outcome for RestoreOutcome {
    const SCHEMA: &'static str = "mlx.registry.restore/1";
}

/// A registry that was made from an MLflow server's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ImportOutcome {
    /// Its folder, or where its parts are.
    pub registry: String,
    pub experiments: u64,
    pub runs: u64,
    /// Values of metrics, with their history.
    pub points: u64,
    pub models: u64,
    pub versions: u64,
    pub files: u64,
    pub bytes: u64,
    /// What could not be brought, a sentence each.
    pub left: Vec<String>,
    pub checked: Checked,
}

impl Outcome for ImportOutcome {
    const SCHEMA: &'static str = "mlx.registry.import/1";

    fn exit_code(&self) -> ExitCode {
        if self.checked.problems.is_empty() { ExitCode::Done } else { ExitCode::Failed }
    }
}
