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
            "logloss" | "brier" | "ece" | "mae" | "rmse" | "smape" | "mase" | "wql"
            | "mse_scaled" | "mae_scaled" => Self::Lower,
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

    /// How far `value` is behind `reference`, in the metric's unit; below zero it is ahead.
    pub(crate) fn behind(self, value: f64, reference: f64) -> f64 {
        self.loss(value) - self.loss(reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_is_worse_whichever_way_is_better() {
        for (metric, better, worse) in
            [("auc", 0.9, 0.8), ("logloss", 0.3, 0.4), ("coverage_80", 0.84, 0.95)]
        {
            let direction = Direction::of(metric);
            assert!(direction.behind(worse, better) > 0.0, "{metric}");
            assert!(direction.behind(better, worse) < 0.0, "{metric}");
        }
        assert!(Direction::of("coverage_80").behind(0.84, 0.75) < 0.0, "nearer, on the other side");
    }
}
