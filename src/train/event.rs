//! What training tells whoever listens; also the lines of `metrics.jsonl` and of `mlx train --json`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Started {
        run: String,
        model: String,
        device: String,
        /// Rows, windows or queries to learn from, and to validate on.
        train_units: usize,
        valid_units: usize,
        parameters: usize,
        max_epochs: usize,
        /// The epoch a resumed run goes on from; 0 for a fresh one.
        from_epoch: usize,
    },
    /// A step ended; sent often, and not written to `metrics.jsonl`.
    StepEnded {
        epoch: usize,
        step: usize,
        steps: usize,
        loss: f64,
    },
    EpochEnded {
        epoch: usize,
        train_loss: f64,
        /// Validation metrics in the order the learner gives them; the first is the one watched.
        valid: Vec<(String, f64)>,
        best_epoch: usize,
        improved: bool,
        seconds: f64,
        rows_per_second: f64,
    },
    /// The run stopped before its end and can go on from its checkpoint.
    Interrupted {
        epoch: usize,
        step: usize,
    },
    Finished {
        run: String,
        best_epoch: usize,
        epochs: usize,
        valid: Vec<(String, f64)>,
        seconds: f64,
        reason: StopReason,
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
