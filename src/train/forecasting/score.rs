//! How good forecasts of validation are: the same metrics as evaluation's, over judged windows.

use super::windows::Judged;
use crate::metrics;

/// Errors of point forecasts, each the mean over windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Points {
    pub mase: f64,
    pub smape: f64,
}

impl Points {
    /// The errors of `forecast`, one row of horizon values a window.
    pub(super) fn of(judged: &[Judged], mut forecast: impl FnMut(usize) -> Vec<f64>) -> Self {
        let (mut mase, mut smape) = (Vec::new(), Vec::new());
        for (number, window) in judged.iter().enumerate() {
            let row = forecast(number);
            let pairs = window.actual.iter().zip(&row).filter(|(actual, _)| !actual.is_nan());
            let (actual, row): (Vec<f64>, Vec<f64>) = pairs.unzip();
            mase.extend(window.unit.and_then(|unit| metrics::mase(&actual, &row, unit)));
            smape.extend(metrics::smape(&actual, &row));
        }
        // Where no series moves, no error can be put in units of its movement.
        Self {
            mase: metrics::mean(mase).unwrap_or(0.0),
            smape: metrics::mean(smape).unwrap_or(f64::INFINITY),
        }
    }

    /// The mean of both errors as shares of another forecast's: M4's overall weighted average.
    pub(super) fn relative_to(self, other: Self) -> f64 {
        let share = |mine: f64, other: f64| mine / other.max(1e-9);
        f64::midpoint(share(self.mase, other.mase), share(self.smape, other.smape))
    }
}
