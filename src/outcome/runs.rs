//! What `mlx runs` answers.

use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;
use crate::data::Source;
use crate::train::Event;
use crate::train::run::RunManifest;

/// A run in a list; times are as people read them, in UTC.
#[derive(Debug, Serialize)]
pub(crate) struct RunRow {
    pub id: String,
    pub status: &'static str,
    pub name: String,
    pub kind: String,
    pub started: String,
    pub seconds: f64,
    pub epochs: usize,
    pub best_epoch: usize,
    /// The watched metric, once there is one.
    pub valid: Option<(String, f64)>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RunsListOutcome {
    pub runs: Vec<RunRow>,
}

impl Outcome for RunsListOutcome {
    const SCHEMA: &'static str = "mlx.runs.list/1";
}

#[derive(Debug, Serialize)]
pub(crate) struct RunsShowOutcome {
    pub started: String,
    pub ended: Option<String>,
    pub folder: PathBuf,
    pub run: RunManifest,
    /// One a passed epoch.
    pub epochs: Vec<Event>,
    /// The settings that training reads, by dotted key.
    pub settings: Vec<(String, String)>,
    /// Whether the text draws curves; their numbers are the epochs'.
    #[serde(skip)]
    pub plot: bool,
}

impl Outcome for RunsShowOutcome {
    const SCHEMA: &'static str = "mlx.runs.show/1";
}

/// Runs side by side: where they differ.
#[derive(Debug, Serialize)]
pub(crate) struct RunsCompareOutcome {
    pub runs: Vec<String>,
    /// Settings and data that are not the same in all of them; absent where a run has no such key.
    pub differences: Vec<Compared>,
    /// Validation metrics of each run's best epoch.
    pub metrics: Vec<ComparedMetric>,
    /// What each run took.
    pub cost: Vec<RunCost>,
    /// The epochs of each run, where curves were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curves: Option<Vec<Vec<Event>>>,
}

/// What a run took to come to its best epoch and to its end.
#[derive(Debug, Serialize)]
pub(crate) struct RunCost {
    pub status: &'static str,
    pub best_epoch: usize,
    pub epochs: usize,
    pub steps: u64,
    pub seconds: f64,
    pub peak_memory_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub key: String,
    pub values: Vec<Option<String>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ComparedMetric {
    pub name: String,
    pub values: Vec<Option<f64>>,
    /// Which runs have the best value, as places in `runs`: several where they are equal, and none
    /// where one run alone has a value.
    pub best: Vec<usize>,
}

impl Outcome for RunsCompareOutcome {
    const SCHEMA: &'static str = "mlx.runs.compare/1";
}

#[derive(Debug, Serialize)]
pub(crate) struct RunsRmOutcome {
    pub removed: Vec<RunRow>,
    /// Runs that are old enough and are being worked on.
    pub kept: Vec<RunRow>,
    pub dry_run: bool,
}

impl Outcome for RunsRmOutcome {
    const SCHEMA: &'static str = "mlx.runs.rm/1";
}

/// What a file was, in a few words.
pub(crate) fn describe(source: &Source) -> String {
    format!("{} rows, {}", source.rows, source.sha256.get(..12).unwrap_or(&source.sha256))
}
