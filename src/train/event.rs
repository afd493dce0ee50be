//! What training tells whoever listens; also the lines of `metrics.jsonl` and of `mlx train --json`.

use serde::{Deserialize, Serialize};

use crate::model::choice::Choice;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Started {
        run: String,
        model: String,
        device: String,
        /// What will be trained, in this order.
        parts: Vec<String>,
        max_epochs: usize,
        /// Epochs without an improvement that end a part.
        #[serde(default)]
        patience: usize,
        /// Whether the run goes on from checkpoints.
        resumed: bool,
    },
    PartStarted {
        part: String,
        /// The estimator.
        kind: String,
        /// Which one this is, from 1, of how many.
        number: usize,
        parts: usize,
        /// Rows, windows or queries to learn from, and to validate on.
        train_units: usize,
        valid_units: usize,
        /// How many epochs it may take; some estimators are laid out for fewer than the run allows.
        #[serde(default)]
        max_epochs: usize,
        parameters: usize,
        /// The epoch a resumed part goes on from; 0 for a fresh one.
        from_epoch: usize,
        /// Its share of the run's budget.
        budget_seconds: Option<f64>,
        /// How much of it was used before this sitting.
        #[serde(default)]
        from_seconds: f64,
        /// What is left of the run's budget for it and the parts after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_budget_seconds: Option<f64>,
        /// How long it and the parts after it are likely to take in all, going by what the same estimators took
        /// with other seeds and in other folds; absent where there is one that was not seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        likely_seconds: Option<f64>,
        /// What the user should know of how its learner was built.
        notices: Vec<String>,
    },
    /// A step ended; sent often, and not written to `metrics.jsonl`.
    StepEnded {
        epoch: usize,
        step: usize,
        steps: usize,
        /// Steps of all epochs.
        total_steps: u64,
        loss: f64,
        /// Of the epoch so far.
        rows_per_second: f64,
    },
    EpochEnded {
        #[serde(default)]
        part: String,
        epoch: usize,
        /// Steps of all epochs.
        #[serde(default)]
        total_steps: u64,
        train_loss: f64,
        /// Validation metrics in the order the learner gives them; the first is the one watched.
        valid: Vec<(String, f64)>,
        best_epoch: usize,
        improved: bool,
        /// Of the epoch's last step; absent where there is no schedule, as with trees.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        learning_rate: Option<f64>,
        seconds: f64,
        rows_per_second: f64,
        /// The most that the process has held at once; absent where the system doesn't tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_memory_bytes: Option<u64>,
    },
    /// A part is trained; told again, from its checkpoint, by a run that is resumed after it.
    PartEnded {
        part: String,
        epochs: usize,
        best_epoch: usize,
        steps: u64,
        valid: Vec<(String, f64)>,
        seconds: f64,
        reason: StopReason,
    },
    /// A part isn't trained, and why.
    PartLeftOut {
        part: String,
        why: String,
    },
    /// How the trained parts became one model.
    Chosen {
        choice: Choice,
    },
    /// The run stopped before its end and can go on from its checkpoint.
    Interrupted {
        #[serde(default)]
        part: String,
        epoch: usize,
        step: usize,
    },
    Finished {
        run: String,
        /// Of the part that counts most.
        best_epoch: usize,
        /// Of all parts together.
        epochs: usize,
        valid: Vec<(String, f64)>,
        seconds: f64,
        reason: StopReason,
        /// The most that the process has held at once; absent where the system doesn't tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_memory_bytes: Option<u64>,
        /// The folder of the package, and the digest that names it.
        package: std::path::PathBuf,
        package_digest: String,
    },
    Error {
        message: String,
        hint: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StopReason {
    /// `max_epochs` were run.
    Completed,
    /// Validation stopped improving.
    Patience,
    /// The budget ran out.
    Budget,
}
