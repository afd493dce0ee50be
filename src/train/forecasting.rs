//! Forecasting: its estimators, and what `auto` trains.
//!
//! Most are fitted in closed form and done when they are built ([`closed`]); `linear` goes on from there
//! in steps. How parts become one model is [`finish`]'s to say.

mod backtest;
mod calibrate;
mod choose;
mod closed;
mod effect_rows;
mod effect_terms;
mod effects;
mod ets;
mod finish;
mod growth;
mod linear;
mod naive;
mod nelder_mead;
mod normal;
mod prepared;
mod ridge;
mod score;
mod seasonal_regression;
mod theta;
mod weigh;
mod windows;

use crate::train::course::{ESTIMATORS, SEEDS};
use crate::train::estimator::{Candidate, Offer};

/// Rows up to which `auto` smooths exponentially: a form for every series is a matter of seconds then, and long
/// histories have more to learn from.
const SMOOTHED_ROWS: usize = 100_000;

pub(super) const OFFER: Offer = Offer {
    estimators: &[
        naive::NAIVE,
        naive::SEASONAL,
        theta::ESTIMATOR,
        ets::ESTIMATOR,
        seasonal_regression::ESTIMATOR,
        ridge::ESTIMATOR,
        linear::ESTIMATOR,
    ],
    shared: &[ESTIMATORS, SEEDS, prepared::LOSS, prepared::LOGS, prepared::REFIT],
    check: |shared| {
        prepared::loss(shared)?;
        prepared::on_logs(shared)?;
        prepared::refit(shared).map(drop)
    },
    auto: |situation| {
        let small = situation.dataset.train.rows <= SMOOTHED_ROWS;
        ["naive", "seasonal-naive", "theta", "ets", "seasonal-regression", "ridge"]
            .into_iter()
            .filter(|kind| small || *kind != "ets")
            .map(|kind| Candidate { kind, share: 1.0 })
            .collect()
    },
    folds: |_| 1,
    finish: finish::finish,
};

#[cfg(test)]
mod covariate_tests;
#[cfg(test)]
mod tests;
