//! The time axis of a set of series: integers to count with, and the texts of the times they stand for.

use serde::{Deserialize, Serialize};

/// A regular grid of times; an index counts its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum TimeAxis {
    /// The time at an index is `origin + index * step`.
    Integer { origin: i64, step: i64 },
    /// Times of the calendar, a fixed duration, business day or number of months apart.
    Calendar {
        /// As in `data.frequency`.
        frequency: String,
        /// How the file writes a time, in chrono's notation.
        format: String,
    },
}

impl TimeAxis {
    /// The time at this index, as the file would write it.
    pub(crate) fn text(&self, index: i64) -> String {
        match self {
            Self::Integer { origin, step } => (origin + index * step).to_string(),
            Self::Calendar { .. } => String::new(),
        }
    }
}
