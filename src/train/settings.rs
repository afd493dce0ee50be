//! The `[train]` table of `mlx.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::Precision;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrainSettings {
    /// `auto`, `cpu`, `cuda`, `cuda:N` or `metal`. Only `auto` may choose; a device that is absent is an error.
    pub device: String,
    /// Stop after this many epochs at the latest.
    pub max_epochs: usize,
    /// Stop when validation has not improved for this many epochs.
    pub patience: usize,
    /// The seed that every random stream of the run is derived from; the split has its own, `data.split.seed`.
    pub seed: u64,
    /// By when the command ends, from its start to the package, such as `90s`, `10m` or `2h`. Absent: when all is done.
    pub budget: Option<String>,
    /// How many threads train; the model is the same with any number. Absent: one a core.
    pub threads: Option<usize>,
    /// Rows (classification), windows (forecasting) or queries (ranking) a step. Absent: chosen from the size of the data.
    pub batch: Option<usize>,
    /// The peak learning rate. Absent: the estimator's own.
    pub learning_rate: Option<f64>,
    /// Decoupled weight decay, on matrices only. Absent: the estimator's own.
    pub weight_decay: Option<f64>,
    /// What matrix products are taken in on a GPU: `float32`, `bfloat16`, or `float16` with scaled losses.
    pub precision: Precision,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            max_epochs: 200,
            patience: 16,
            seed: 7,
            budget: None,
            threads: None,
            batch: None,
            learning_rate: None,
            weight_decay: None,
            precision: Precision::Float32,
        }
    }
}
