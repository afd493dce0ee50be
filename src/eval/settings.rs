//! The `[eval]` table of `mlx.toml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvalSettings {
    /// The metrics to show first. Absent: all that fit the task.
    pub metrics: Vec<String>,
    /// Forecasting: steps from one forecast of the test data to the next. Absent: the horizon, so that
    /// each step is forecast once; 1 forecasts every window.
    pub stride: Option<usize>,
}

impl EvalSettings {
    /// Steps from one forecast to the next; 0 is an error.
    pub(crate) fn stride(&self) -> Result<Option<usize>> {
        match self.stride {
            Some(0) => Err(Error::user("`eval.stride` is 0, which would never move on")
                .hint("give it 1 or more: `--set eval.stride=1`")),
            stride => Ok(stride),
        }
    }
}
