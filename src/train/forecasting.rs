//! Forecasting: its estimators, and what `auto` trains.
//!
//! Most are fitted in closed form and done when they are built ([`closed`]); `linear` goes on from there
//! in steps. How parts become one model is [`finish`]'s to say.

mod calibrate;
mod choose;
mod closed;
mod effect_rows;
mod effect_terms;
mod effects;
mod finish;
mod linear;
mod naive;
mod normal;
mod prepared;
mod ridge;
mod score;
mod seasonal_regression;
mod theta;
mod windows;

use crate::train::course::{ESTIMATORS, SEEDS};
use crate::train::estimator::{Candidate, Offer};

pub(super) const OFFER: Offer = Offer {
    estimators: &[
        naive::NAIVE,
        naive::SEASONAL,
        theta::ESTIMATOR,
        seasonal_regression::ESTIMATOR,
        ridge::ESTIMATOR,
        linear::ESTIMATOR,
    ],
    shared: &[ESTIMATORS, SEEDS, prepared::LOSS, prepared::REFIT],
    check: |shared| {
        prepared::loss(shared)?;
        prepared::refit(shared).map(drop)
    },
    auto: |_| {
        ["naive", "seasonal-naive", "theta", "seasonal-regression", "ridge"]
            .map(|kind| Candidate { kind, share: 1.0 })
            .to_vec()
    },
    folds: |_| 1,
    finish: finish::finish,
};

#[cfg(test)]
mod covariate_tests;
#[cfg(test)]
mod tests;
