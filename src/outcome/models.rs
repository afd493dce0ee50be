//! What `mlx models …` answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;
use crate::registry::history::Standing;
use crate::registry::{EnvironmentName, ModelName, VersionNumber};

pub(crate) use crate::registry::Event;

#[derive(Debug, Serialize)]
pub(crate) struct ModelsListOutcome {
    pub registry: String,
    pub models: Vec<ListedModel>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ListedModel {
    pub name: String,
    pub latest: Option<VersionNumber>,
    pub latest_yanked: bool,
    /// What is live where.
    pub environments: BTreeMap<String, VersionNumber>,
    pub updated_ms: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelsShowOutcome {
    pub model: String,
    pub project_id: Option<String>,
    pub created_ms: i64,
    pub environments: BTreeMap<String, VersionNumber>,
    /// Newest first; the one version where one was asked for.
    pub versions: Vec<ShownVersion>,
    /// More of the one version that was asked for.
    pub detail: Option<VersionDetail>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ShownVersion {
    pub version: VersionNumber,
    /// The package's digest; null where mlx did not make the version.
    pub digest: Option<String>,
    /// mlx's id of the run that made it.
    pub run: Option<String>,
    pub actor: String,
    pub created_ms: i64,
    pub environments: Vec<String>,
    /// Why it is yanked; null: it isn't.
    pub yanked: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct VersionDetail {
    pub metrics: BTreeMap<String, f64>,
    pub files: Vec<ShownFile>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ShownFile {
    pub path: String,
    pub size_bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelsHistoryOutcome {
    pub model: ModelName,
    /// The one that was asked for; null for all.
    pub environment: Option<EnvironmentName>,
    /// Oldest first.
    pub events: Vec<Event>,
    /// What is live where now.
    pub standings: Vec<Standing>,
    /// Where something was promoted to, if nothing was to the environment that was asked for.
    #[serde(skip)]
    pub elsewhere: Vec<EnvironmentName>,
}

/// What was live at a time.
#[derive(Debug, Serialize)]
pub(crate) struct ModelsStandingOutcome {
    pub model: ModelName,
    /// The one that was asked for; null for all.
    pub environment: Option<EnvironmentName>,
    /// In milliseconds since 1970.
    pub at_ms: i64,
    /// By environment.
    pub standings: Vec<Standing>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelsYankOutcome {
    pub model: ModelName,
    pub version: VersionNumber,
    /// False: a yank was taken back.
    pub yanked: bool,
    /// As the registry wrote it; null where it was so already.
    pub event: Option<Event>,
    /// Where the version is live, which a yank doesn't change.
    pub live: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelsPullOutcome {
    pub model: ModelName,
    pub version: VersionNumber,
    /// The package's digest; null where mlx did not make the version.
    pub digest: Option<String>,
    pub path: PathBuf,
    pub files: usize,
    pub size_bytes: u64,
    /// Every file was held against a digest; false where the registry keeps none, and sizes had to do.
    pub digests_checked: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelsDeleteOutcome {
    pub model: ModelName,
    pub versions: Vec<VersionNumber>,
    /// The model itself went as well.
    pub all: bool,
    pub dry_run: bool,
}

impl Outcome for ModelsListOutcome {
    const SCHEMA: &'static str = "mlx.models.list/1";
}

impl Outcome for ModelsShowOutcome {
    const SCHEMA: &'static str = "mlx.models.show/1";
}

impl Outcome for ModelsHistoryOutcome {
    const SCHEMA: &'static str = "mlx.models.history/1";
}

impl Outcome for ModelsStandingOutcome {
    const SCHEMA: &'static str = "mlx.models.standing/1";
}

impl Outcome for ModelsYankOutcome {
    const SCHEMA: &'static str = "mlx.models.yank/1";
}

impl Outcome for ModelsPullOutcome {
    const SCHEMA: &'static str = "mlx.models.pull/1";
}

impl Outcome for ModelsDeleteOutcome {
    const SCHEMA: &'static str = "mlx.models.delete/1";
}
