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
    /// That of MASE where values are logarithms, of which sMAPE says nothing.
    Logs,
}

/// Errors of point forecasts, each the mean over windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Points {
    pub mase: f64,
    pub smape: f64,
    /// sMAPE of the series whose errors in per cent mean anything; none where there are none. Near zero and
    /// below it they tell forecasts apart by nothing but their being zero (Hyndman and Koehler, Another look
    /// at measures of forecast accuracy, 2006).
    pub percent: Option<f64>,
    /// In squares of the training history's standard deviation.
    pub squared: f64,
}

impl Points {
    /// The errors of `forecast`, one row of horizon values a window.
    pub(super) fn of(judged: &[Judged], mut forecast: impl FnMut(usize) -> Vec<f64>) -> Self {
        let (mut mase, mut smape, mut squared) = (Vec::new(), Vec::new(), Vec::new());
        let mut percent = Vec::new();
        for (number, window) in judged.iter().enumerate() {
            let row = forecast(number);
            let pairs = window.actual.iter().zip(&row).filter(|(actual, _)| !actual.is_nan());
            let (actual, row): (Vec<f64>, Vec<f64>) = pairs.unzip();
            mase.extend(window.unit.and_then(|unit| metrics::mase(&actual, &row, unit)));
            let own = metrics::smape(&actual, &row);
            smape.extend(own);
            percent.extend(own.filter(|_| window.percent));
            squared.extend(window.deviation.and_then(|deviation| {
                metrics::rmse(&actual, &row).map(|error| (error / deviation).powi(2))
            }));
        }
        // Where no series moves, no error can be put in units of its movement.
        Self {
            mase: metrics::mean(mase).unwrap_or(0.0),
            smape: metrics::mean(smape).unwrap_or(f64::INFINITY),
            percent: metrics::mean(percent),
            squared: metrics::mean(squared).unwrap_or(0.0),
        }
    }

    /// The error as a share of another forecast's. Absolute: the mean of both errors' shares, which is
    /// M4's overall weighted average; that of MASE alone where per cents mean nothing.
    pub(super) fn relative_to(self, other: Self, loss: Loss) -> f64 {
        let share = |mine: f64, other: f64| mine / other.max(1e-9);
        match loss {
            Loss::Absolute => {
                let mase = share(self.mase, other.mase);
                let percent = self.percent.zip(other.percent);
                percent.map_or(mase, |(own, theirs)| f64::midpoint(mase, share(own, theirs)))
            }
            Loss::Squared => share(self.squared, other.squared),
            Loss::Logs => share(self.mase, other.mase),
        }
    }
}

/// The error of each forecast as a share of the reference's mean one; their mean is
/// [`Points::relative_to`] where no part of an error is without a unit.
pub(super) fn shares(
    judged: &[Judged],
    reference: Points,
    loss: Loss,
    mut forecast: impl FnMut(usize) -> Vec<f64>,
) -> Vec<f64> {
    let share = |number: usize| {
        let one = std::slice::from_ref(&judged[number]);
        Points::of(one, |_| forecast(number)).relative_to(reference, loss)
    };
    (0..judged.len()).map(share).collect()
}
