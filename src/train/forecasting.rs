//! Forecasting: its estimators, and what `auto` trains.
//!
//! Some are fitted in closed form and done when they are built ([`closed`]); `linear` goes on from there in
//! steps, and nets start from nothing ([`descent`]). How parts become one model is [`finish`]'s to say.

mod backtest;
mod calibrate;
mod choose;
mod closed;
mod effect_rows;
mod effect_terms;
mod effects;
mod ets;
mod descent;
mod dlinear;
mod finish;
mod growth;
mod linear;
mod naive;
mod nelder_mead;
mod nets;
mod nhits;
mod nlinear;
mod normal;
mod patchtst;
mod prepared;
mod ridge;
mod score;
mod seasonal_regression;
mod theta;
mod trees;
mod weigh;
mod windows;

use std::sync::{Arc, OnceLock};

use toml::Table;

use crate::data::{DataSettings, Dataset, SeriesSet};
use crate::error::Result;
use crate::train::course::{ESTIMATORS, SEEDS, Situation};
use crate::train::estimator::{Candidate, Offer};

pub(super) const OFFER: Offer = Offer {
    estimators: &[
        naive::NAIVE,
        naive::SEASONAL,
        theta::ESTIMATOR,
        ets::ESTIMATOR,
        seasonal_regression::ESTIMATOR,
        ridge::ESTIMATOR,
        linear::ESTIMATOR,
        nlinear::ESTIMATOR,
        dlinear::ESTIMATOR,
        nhits::ESTIMATOR,
        patchtst::ESTIMATOR,
        trees::ESTIMATOR,
    ],
    shared: &[ESTIMATORS, SEEDS, prepared::LOSS, prepared::LOGS, prepared::REFIT],
    check: |shared| {
        prepared::loss(shared)?;
        prepared::on_logs(shared)?;
        prepared::refit(shared).map(drop)
    },
    auto,
    folds: |_| 1,
    finish: finish::finish,
    stand_in: Some(naive::SEASONAL.kind),
};

/// What every part begins with, made once: the series, and what covariates add to them.
#[derive(Default)]
pub(crate) struct Common(OnceLock<Arc<prepared::Prepared>>);

impl Common {
    /// The first to ask makes it; all parts of a run have the same data and the same shared settings.
    fn prepared(
        &self,
        dataset: &Dataset,
        data: &DataSettings,
        shared: &Table,
    ) -> Result<Arc<prepared::Prepared>> {
        if let Some(made) = self.0.get() {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(prepared::Prepared::new(dataset, data, shared)?);
        Ok(Arc::clone(self.0.get_or_init(|| made)))
    }
}

/// Steps of a series from which on it has more to learn from than smoothing looks at, and steps of all series
/// up to which a form of smoothing for each is a matter of seconds.
const LONG: usize = 2000;
const SMOOTHED: usize = 100_000;

fn auto(situation: &Situation<'_>) -> Vec<Candidate> {
    // What can't be read as series is told when the first part is built.
    let set = SeriesSet::from_tables(&[&situation.dataset.train], situation.data, None).ok();
    let mut lengths: Vec<usize> = set.iter().flat_map(|set| &set.values).map(Vec::len).collect();
    lengths.sort_unstable();
    let is_short = lengths.get(lengths.len() / 2).is_none_or(|usual| *usual < LONG);
    let is_small = lengths.iter().sum::<usize>() <= SMOOTHED;
    let mut kinds = vec!["naive", "seasonal-naive"];
    if is_short {
        kinds.push("theta");
    }
    if is_short && is_small {
        kinds.push("ets");
    }
    kinds.extend(["seasonal-regression", "ridge"]);
    // Trees are the ones that read what is known of a step together with all else.
    let data = situation.data;
    if !data.known_future.is_empty() || !data.static_columns.is_empty() {
        kinds.push("trees");
    }
    kinds.into_iter().map(|kind| Candidate { kind, share: 1.0 }).collect()
}

#[cfg(test)]
mod budget_tests;
#[cfg(test)]
mod covariate_tests;
#[cfg(test)]
mod tests;
