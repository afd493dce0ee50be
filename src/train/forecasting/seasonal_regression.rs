//! `seasonal-regression`: for each series a small robust regression on its seasonal lags.
//!
//! A step of a forecast is the value of its phase in the last season (or the last season of seasons)
//! and a weighted sum of how far other values lie from it; the weights are the series' own. They
//! minimise absolute errors, those of small values counting more, as in sMAPE: least squares, weighed
//! anew a few times by its own errors (iteratively reweighted least squares; Schlossmacher 1973). How
//! strongly the weights are pulled to zero, which is the seasonal naive forecast, is each series' own
//! too: solutions of several strengths are mixed by what they reach on the last steps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::closed::{self, Fitted};
use super::normal::{cholesky, substitute};
use super::prepared::Prepared;
use super::score::Loss;
use crate::data::SeriesSet;
use crate::error::Result;
use crate::model::forecasting::lags::{History, Lags, block, blocks};
use crate::model::forecasting::member::{COEFFICIENTS, regress};
use crate::model::forecasting::{Body, window};
use crate::train::deadline::Deadline;
use crate::train::estimator::Estimator;

/// Strengths of the pull, relative to the features' own size.
const STRENGTHS: [f64; 4] = [1e-5, 1e-4, 1e-3, 1e-2];
/// Rounds of weighing anew before the strengths part.
const ROUNDS: usize = 3;
/// Origins that a series is fitted on, at most.
const ORIGINS: usize = 300;
/// How sharply the mixture of strengths prefers the better: weights are errors to the power of minus this.
const SHARPNESS: i32 = 6;
/// Size, beside a series' mean size, from which on a value's error counts by its share.
const SMALL: f64 = 0.05;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "seasonal-regression",
    about: "robust regression on seasonal lags, series by series",
    keys: &[],
    check: |_| Ok(()),
    build: |request| {
        closed::learner(request, |prepared| {
            let logs = prepared.on_logs();
            let prepared = logs.as_ref().unwrap_or(prepared);
            fit(prepared, &prepared.ends, request.deadline)
        })
    },
    descends: false,
    cpu_only: true,
    takes_steps: false,
};

/// Fits every series on what lies before its end.
pub(super) fn fit(prepared: &Prepared, ends: &[i64], deadline: &Deadline) -> Result<closed::Fit> {
    let Prepared { set, horizon, season, long, loss, .. } = prepared;
    let lags = lags(set, ends, *horizon, *season, *long);
    let each = blocks(*horizon) * lags.count();
    let (pace, count, done) = (deadline.pace(), set.len(), AtomicUsize::new(0));
    let own: Vec<Option<Vec<f64>>> = (0..count)
        .into_par_iter()
        .map(|series| {
            pace.look(done.fetch_add(1, Ordering::Relaxed) as f64 / count as f64)?;
            Ok(Observed::new(set, series, ends[series], *season)
                .and_then(|observed| observed.fit(lags, *horizon, *loss)))
        })
        .collect::<Result<_>>()?;
    let pooled: Vec<f64> = (0..each)
        .map(|at| median(own.iter().flatten().map(|coefficients| coefficients[at]).collect()))
        .collect();
    let mut notices = Vec::new();
    let short = own.iter().filter(|own| own.is_none()).count();
    if short == own.len() {
        notices.push(format!(
            "no series is long enough for a regression on {} steps before {horizon}: it forecasts as the season before",
            lags.reach()
        ));
    } else if short > 0 {
        notices.push(format!(
            "{short} of {} series are too short or too still for a regression of their own and take the others' median",
            own.len()
        ));
    }
    let rows = own.into_iter().map(|own| own.unwrap_or_else(|| pooled.clone()));
    let values: Vec<f32> =
        rows.chain([pooled.clone()]).flatten().map(|value| value as f32).collect();
    let shape = (set.len() + 1, blocks(*horizon), lags.count());
    let weights =
        BTreeMap::from([(COEFFICIENTS.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu)?)]);
    let body = Body::SeasonalRegression { lags, series: set.keys.clone() };
    let fitted: Fitted = closed::banded(prepared, ends, body, weights, deadline)?;
    Ok((fitted, notices))
}

/// The long season where half of the series are long enough to learn from it.
fn lags(set: &SeriesSet, ends: &[i64], horizon: usize, season: usize, long: Option<usize>) -> Lags {
    let mut lengths: Vec<i64> =
        ends.iter().zip(&set.start).map(|(end, start)| end - start).collect();
    lengths.sort_unstable();
    let usual = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    let fits = |lags: &Lags| usual >= (lags.reach() + 2 * horizon + lags.season) as i64;
    let with_long = Lags { season, long };
    if fits(&with_long) { with_long } else { Lags { season, long: None } }
}

/// A series before its end, gaps filled, with what was observed beside it.
struct Observed {
    history: History,
    seen: Vec<bool>,
}

impl Observed {
    fn new(set: &SeriesSet, series: usize, end: i64, season: usize) -> Option<Self> {
        let known = set.before(series, end);
        let first = known.iter().position(|value| !value.is_nan())?;
        let length = known.len() - first;
        let history = History::new(window::filled(set, series, end, length, season)?);
        let seen = known[first..].iter().map(|value| !value.is_nan()).collect();
        Some(Self { history, seen })
    }

    /// The coefficients; none where there is too little to fit them on.
    fn fit(&self, lags: Lags, horizon: usize, loss: Loss) -> Option<Vec<f64>> {
        let count = self.seen.len();
        let all = self.solutions(lags, horizon, loss, count)?;
        let weights = self.weights(lags, horizon, loss);
        let mut mixed = vec![0.0; all[0].len()];
        for (solution, weight) in all.iter().zip(weights) {
            mixed.iter_mut().zip(solution).for_each(|(sum, value)| *sum += weight * value);
        }
        Some(mixed)
    }

    /// How much each strength counts, from forecasts of the last steps.
    fn weights(&self, lags: Lags, horizon: usize, loss: Loss) -> Vec<f64> {
        let even = || vec![1.0 / STRENGTHS.len() as f64; STRENGTHS.len()];
        let count = self.seen.len();
        let Some(cut) = count.checked_sub(2 * horizon) else { return even() };
        let Some(solutions) = self.solutions(lags, horizon, loss, cut) else { return even() };
        let origins = (cut..=count - horizon).step_by((horizon / 4).max(1));
        let errors: Vec<(f64, f64)> = solutions
            .iter()
            .map(|solution| {
                let (mut size, mut share, mut steps) = (0.0, 0.0, 0);
                for origin in origins.clone() {
                    let said = regress(lags, solution, &self.history, origin, horizon);
                    for (said, at) in said.iter().zip(origin..) {
                        if !self.seen[at] {
                            continue;
                        }
                        let came = self.history.values()[at];
                        let miss = (came - said).abs();
                        steps += 1;
                        size += if loss == Loss::Squared { miss * miss } else { miss };
                        share += miss / (came.abs() + said.abs()).max(1e-12);
                    }
                }
                let steps = f64::from(steps.max(1));
                (size / steps, share / steps)
            })
            .collect();
        let least = |of: fn(&(f64, f64)) -> f64| {
            errors.iter().map(of).fold(f64::INFINITY, f64::min).max(1e-12)
        };
        let (size, share) = (least(|error| error.0), least(|error| error.1));
        let mut weights: Vec<f64> = errors
            .iter()
            .map(|error| match loss {
                Loss::Absolute => (error.0 / size + error.1 / share) / 2.0,
                Loss::Squared => (error.0 / size).sqrt(),
                Loss::Logs => error.0 / size,
            })
            .map(|error| error.max(1.0).powi(-SHARPNESS))
            .collect();
        let total: f64 = weights.iter().sum();
        if total <= 0.0 || total.is_nan() {
            return even();
        }
        for weight in &mut weights {
            *weight /= total;
        }
        weights
    }

    /// The coefficients for each strength, from targets before `end`.
    fn solutions(
        &self,
        lags: Lags,
        horizon: usize,
        loss: Loss,
        end: usize,
    ) -> Option<Vec<Vec<f64>>> {
        let (reach, width) = (lags.reach(), lags.count());
        let windows = (end + 1).checked_sub(reach + horizon)?;
        if windows * horizon < 3 * width * blocks(horizon) || windows < 4 {
            return None;
        }
        let stride = windows.div_ceil(ORIGINS).max(1);
        let mut parts = vec![Rows::default(); blocks(horizon)];
        let mut features = vec![0.0; width];
        // Counted from the end: the latest windows are always among them.
        for origin in (0..windows).step_by(stride).map(|back| end - horizon - back) {
            for step in 0..horizon {
                if !self.seen[origin + step] {
                    continue;
                }
                let base = lags.read(&self.history, origin, step, &mut features);
                let value = self.history.values()[origin + step];
                parts[block(step, horizon)].push(&features, value - base, value.abs());
            }
        }
        let size = mean(self.history.values()[..end].iter().map(|value| value.abs()));
        if size <= 0.0 || parts.iter().any(|rows| rows.targets.len() < 3 * width) {
            return None;
        }
        let solved: Vec<Vec<Vec<f64>>> =
            parts.iter().map(|rows| rows.solve(width, size, loss)).collect::<Option<_>>()?;
        let strengths = 0..STRENGTHS.len();
        Some(
            strengths.map(|at| solved.iter().flat_map(|part| part[at].clone()).collect()).collect(),
        )
    }
}

/// Rows of one block of steps.
#[derive(Clone, Debug, Default)]
struct Rows {
    features: Vec<f64>,
    /// What the base leaves to explain.
    targets: Vec<f64>,
    /// The size of the value itself.
    sizes: Vec<f64>,
}

impl Rows {
    fn push(&mut self, features: &[f64], target: f64, size: f64) {
        self.features.extend_from_slice(features);
        self.targets.push(target);
        self.sizes.push(size);
    }

    /// The coefficients for each strength; none where nothing moves. `size` is the series' mean size.
    fn solve(&self, width: usize, size: f64, loss: Loss) -> Option<Vec<Vec<f64>>> {
        let squared = loss == Loss::Squared;
        let fixed: Vec<f64> = match loss {
            // Of logarithms all errors are shares.
            Loss::Squared | Loss::Logs => vec![1.0; self.sizes.len()],
            Loss::Absolute => self.sizes.iter().map(|own| 1.0 / (own / size + SMALL)).collect(),
        };
        let middle = STRENGTHS[STRENGTHS.len() / 2];
        let mut weights = fixed.clone();
        if !squared {
            for _ in 0..ROUNDS {
                let solved = self.weighed(width, &weights, &[middle])?.pop()?;
                weights = self.reweigh(width, &solved, &fixed);
            }
        }
        let solved = self.weighed(width, &weights, &STRENGTHS)?;
        if squared {
            return Some(solved);
        }
        solved
            .iter()
            .zip(STRENGTHS)
            .map(|(solved, strength)| {
                let weights = self.reweigh(width, solved, &fixed);
                self.weighed(width, &weights, &[strength])?.pop()
            })
            .collect()
    }

    /// Weights that make squared errors count as absolute ones.
    fn reweigh(&self, width: usize, solved: &[f64], fixed: &[f64]) -> Vec<f64> {
        let errors: Vec<f64> = self
            .features
            .chunks_exact(width)
            .zip(&self.targets)
            .map(|(row, target)| {
                let said: f64 = row.iter().zip(solved).map(|(value, own)| value * own).sum();
                (target - said).abs()
            })
            .collect();
        // Near zero an error would count without bound.
        let floor = (0.3 * median(errors.clone())).max(1e-9 * mean(self.sizes.iter().copied()));
        errors
            .iter()
            .zip(fixed)
            .map(|(error, fixed)| fixed / error.max(floor).max(1e-300))
            .collect()
    }

    fn weighed(&self, width: usize, weights: &[f64], strengths: &[f64]) -> Option<Vec<Vec<f64>>> {
        let mut gram = vec![0.0; width * width];
        let mut cross = vec![0.0; width];
        for ((row, target), weight) in
            self.features.chunks_exact(width).zip(&self.targets).zip(weights)
        {
            for (at, value) in row.iter().enumerate() {
                let scaled = value * weight;
                cross[at] += scaled * target;
                let sums = &mut gram[at * width..=at * width + at];
                sums.iter_mut().zip(row).for_each(|(sum, other)| *sum += scaled * other);
            }
        }
        let trace: f64 = (0..width).map(|at| gram[at * width + at]).sum();
        if trace <= 0.0 || trace.is_nan() {
            return None;
        }
        strengths
            .iter()
            .map(|strength| {
                let mut factor = gram.clone();
                for at in 0..width {
                    factor[at * width + at] += strength * trace / width as f64;
                }
                cholesky(&mut factor, width)?;
                let mut solved = cross.clone();
                substitute(&factor, width, &mut solved, 1);
                solved.iter().all(|value| value.is_finite()).then_some(solved)
            })
            .collect()
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    crate::metrics::mean(values).unwrap_or(0.0)
}

/// The middle value, the lower of two; zero of none.
fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
