//! How good forecasts of validation are: the same metrics as evaluation's, over judged windows.

use super::windows::Judged;
use crate::metrics;

/// Which error of a point forecast is made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// That of MASE and sMAPE.
    Absolute,
    /// That of MSE, each series in units of its standard deviation.
    Squared,
}

/// Errors of point forecasts, each the mean over windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Points {
    pub mase: f64,
    pub smape: f64,
    /// In squares of the training history's standard deviation.
    pub squared: f64,
}

impl Points {
    /// The errors of `forecast`, one row of horizon values a window.
    pub(super) fn of(judged: &[Judged], mut forecast: impl FnMut(usize) -> Vec<f64>) -> Self {
        let (mut mase, mut smape, mut squared) = (Vec::new(), Vec::new(), Vec::new());
        for (number, window) in judged.iter().enumerate() {
            let row = forecast(number);
            let pairs = window.actual.iter().zip(&row).filter(|(actual, _)| !actual.is_nan());
            let (actual, row): (Vec<f64>, Vec<f64>) = pairs.unzip();
            mase.extend(window.unit.and_then(|unit| metrics::mase(&actual, &row, unit)));
            smape.extend(metrics::smape(&actual, &row));
            squared.extend(window.deviation.and_then(|deviation| {
                metrics::rmse(&actual, &row).map(|error| (error / deviation).powi(2))
            }));
        }
        // Where no series moves, no error can be put in units of its movement.
        Self {
            mase: metrics::mean(mase).unwrap_or(0.0),
            smape: metrics::mean(smape).unwrap_or(f64::INFINITY),
            squared: metrics::mean(squared).unwrap_or(0.0),
        }
    }

    /// The error as a share of another forecast's. Absolute: the mean of both errors' shares, which is
    /// M4's overall weighted average.
    pub(super) fn relative_to(self, other: Self, loss: Loss) -> f64 {
        let share = |mine: f64, other: f64| mine / other.max(1e-9);
        match loss {
            Loss::Absolute => {
                f64::midpoint(share(self.mase, other.mase), share(self.smape, other.smape))
            }
            Loss::Squared => share(self.squared, other.squared),
        }
    }
}
