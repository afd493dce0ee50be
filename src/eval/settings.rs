//! The `[eval]` table of `mlx.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvalSettings {
    /// The metrics to show first. Absent: all that fit the task.
    pub metrics: Vec<String>,
}
