//! What `mlx train` came to, or with `--dry-run` would begin with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;
use crate::data::{ColumnKind, Source, Task};
use crate::train::Event;
use crate::train::course::{Choice, PartRecord};
use crate::train::event::StopReason;

#[derive(Debug, Serialize)]
pub(crate) struct TrainOutcome {
    pub run: String,
    pub model: String,
    pub task: Task,
    pub kind: String,
    pub epochs: usize,
    pub steps: u64,
    pub best_epoch: usize,
    pub reason: StopReason,
    pub seconds: f64,
    /// The most memory that the process held at once; absent where the system doesn't tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Validation metrics of the model, the most telling first.
    pub valid: Vec<(String, f64)>,
    pub parts: Vec<PartRecord>,
    pub choice: Option<Choice>,
    pub package: PathBuf,
    pub package_digest: String,
    /// `mlx.lock` was obeyed, and not written.
    pub locked: bool,
}

impl TrainOutcome {
    /// The same as the last event of the run.
    pub(crate) fn event(&self) -> Event {
        Event::Finished {
            run: self.run.clone(),
            best_epoch: self.best_epoch,
            epochs: self.epochs,
            valid: self.valid.clone(),
            seconds: self.seconds,
            reason: self.reason,
            peak_memory_bytes: self.peak_memory_bytes,
            package: self.package.clone(),
            package_digest: self.package_digest.clone(),
        }
    }
}

impl Outcome for TrainOutcome {
    const SCHEMA: &'static str = "mlx.train/2";
}

#[derive(Debug, Serialize)]
pub(crate) struct TrainPlanOutcome {
    pub model: String,
    pub task: Task,
    pub kind: String,
    pub device: String,
    pub sources: Vec<Source>,
    /// To train on, to validate on, to test on.
    pub rows: [usize; 3],
    pub columns: BTreeMap<String, ColumnKind>,
    /// In the order of training.
    pub parts: Vec<PlannedPart>,
    pub max_epochs: usize,
    pub patience: usize,
    /// Whether the steps of `mlx.lock` are replayed.
    pub locked: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct PlannedPart {
    pub part: String,
    pub kind: String,
    pub about: &'static str,
    pub seed: u64,
    pub parameters: usize,
    /// Rows, windows or queries.
    pub train_units: usize,
    pub valid_units: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// As `mlx.lock` records.
    pub last_step: Option<u64>,
}

impl Outcome for TrainPlanOutcome {
    const SCHEMA: &'static str = "mlx.train.plan/2";
}
