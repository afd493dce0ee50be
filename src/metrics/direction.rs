//! Which way a metric is better.

use serde::{Deserialize, Serialize};

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Higher,
    Lower,
    /// The closer to this, the better.
    Near(f64),
}

impl Direction {
    /// By the metric's name, as `mlx eval` writes it.
    pub(crate) fn of(metric: &str) -> Self {
        match metric {
            "logloss" | "brier" | "ece" | "mae" | "rmse" | "smape" | "mase" | "wql" => Self::Lower,
            "coverage_80" => Self::Near(0.8),
            _ => Self::Higher,
        }
    }

    /// How far a value is from perfect, so that values compare: less is better.
    pub(crate) fn loss(self, value: f64) -> f64 {
        match self {
            Self::Higher => -value,
            Self::Lower => value,
            Self::Near(target) => (value - target).abs(),
        }
    }
}
