//! `ets`: exponential smoothing in the form that suits each series.
//!
//! Every form is fitted by maximum likelihood and the one with the least corrected information criterion
//! (AICc) is taken: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008, chapters
//! 5 and 7. Parameters lie between the usual bounds (section 2.5.1 there); states at the beginning are
//! backcast rather than searched for, and count as parameters all the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::closed::{self, Fitted};
use super::nelder_mead::minimise;
use super::prepared::Prepared;
use crate::error::Result;
use crate::model::forecasting::Body;
use crate::model::forecasting::ets::{Form, Noise, Season, Smoothed, Smoothing, Trend};
use crate::model::forecasting::member::{SMOOTHING, observed};
use crate::train::deadline::Deadline;
use crate::train::estimator::Estimator;

/// Seasons that are looked back on, and steps at least: older values say little of how a series moves now.
const SEASONS: usize = 30;
const LEAST_STEPS: usize = 120;
/// Likelihoods that are worked out for each form, by parameter.
const VALUES: usize = 40;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "ets",
    about: "exponential smoothing in the form that suits each series",
    keys: &[],
    check: |_| Ok(()),
    build: |request| {
        closed::learner(request, |prepared| {
            Ok((fit(prepared, &prepared.ends, None, request.deadline)?, vec![]))
        })
    },
    descends: false,
    cpu_only: true,
    takes_steps: false,
};

/// Fits every series on what lies before its end: in the form that is known, or in the one that suits best.
pub(super) fn fit(
    prepared: &Prepared,
    ends: &[i64],
    known: Option<&[Form]>,
    deadline: &Deadline,
) -> Result<Fitted> {
    let look_back = look_back(prepared.season);
    let (pace, count, done) = (deadline.pace(), prepared.set.len(), AtomicUsize::new(0));
    let own: Vec<Option<(Form, Smoothing)>> = (0..count)
        .into_par_iter()
        .map(|series| {
            pace.look(done.fetch_add(1, Ordering::Relaxed) as f64 / count as f64)?;
            let set = &prepared.set;
            let values = observed(set, series, ends[series], look_back, prepared.season);
            Ok(values.and_then(|values| {
                let smoothed = Smoothed::new(&values, prepared.season);
                known.map_or_else(
                    || choose(&smoothed),
                    |forms| Some(smoothing(&smoothed, forms[series])),
                )
            }))
        })
        .collect::<Result<_>>()?;
    let pooled = pooled(own.iter().flatten());
    let all: Vec<(Form, Smoothing)> =
        own.into_iter().map(|own| own.unwrap_or(pooled)).chain([pooled]).collect();
    let numbers = |(_, by): &(Form, Smoothing)| [by.alpha, by.beta, by.gamma, by.phi];
    let values: Vec<f32> = all.iter().flat_map(numbers).map(|value| value as f32).collect();
    let weights = BTreeMap::from([(
        SMOOTHING.to_owned(),
        Tensor::from_vec(values, (all.len(), 4), &Device::Cpu)?,
    )]);
    let forms = all.into_iter().map(|(form, _)| form).collect();
    let body = Body::Ets { look_back, series: prepared.set.keys.clone(), forms };
    closed::banded(prepared, ends, body, weights, deadline)
}

/// Steps that are smoothed for a forecast.
pub(super) fn look_back(season: usize) -> usize {
    (SEASONS * season).max(LEAST_STEPS)
}

/// For series that are too short, or that training doesn't have: the form that most have, with the medians
/// of its parameters.
fn pooled<'a>(own: impl Iterator<Item = &'a (Form, Smoothing)> + Clone) -> (Form, Smoothing) {
    let count = |form: Form| own.clone().filter(|(other, _)| *other == form).count();
    // Of equally frequent ones the simplest, which come first.
    let usual = Form::all().fold((Form::SIMPLE, count(Form::SIMPLE)), |best, form| {
        let found = count(form);
        if found > best.1 { (form, found) } else { best }
    });
    let (form, found) = usual;
    if found == 0 {
        return (Form::SIMPLE, Smoothing { alpha: 0.8, beta: 0.0, gamma: 0.0, phi: 1.0 });
    }
    let median = |of: fn(&Smoothing) -> f64| {
        let mut values: Vec<f64> =
            own.clone().filter(|(other, _)| *other == form).map(|(_, by)| of(by)).collect();
        values.sort_by(f64::total_cmp);
        values[(values.len() - 1) / 2]
    };
    let by = Smoothing {
        alpha: median(|by| by.alpha),
        beta: median(|by| by.beta),
        gamma: median(|by| by.gamma),
        phi: median(|by| by.phi),
    };
    (form, by)
}

/// The form with the least AICc; none where the values are too few for any.
fn choose(smoothed: &Smoothed) -> Option<(Form, Smoothing)> {
    let count = smoothed.len() as f64;
    let mut best: Option<(f64, Form, Smoothing)> = None;
    for form in Form::all().filter(|form| fits(*form, smoothed)) {
        let states = match form.season {
            Season::None => 0,
            // They add up to nothing, or to one a step.
            _ => smoothed.season() - 1,
        };
        let trend = usize::from(form.trend != Trend::None);
        // The variance and the level count too.
        let parameters = (free(form) + states + trend + 2) as f64;
        if count - parameters - 1.0 <= 0.0 {
            continue;
        }
        let (by, criterion) = likeliest(smoothed, form);
        let corrected = criterion
            + 2.0 * parameters
            + 2.0 * parameters * (parameters + 1.0) / (count - parameters - 1.0);
        if corrected.is_finite() && best.is_none_or(|(least, ..)| corrected < least) {
            best = Some((corrected, form, by));
        }
    }
    best.map(|(_, form, by)| (form, by))
}

/// The parameters of a form that is known.
fn smoothing(smoothed: &Smoothed, form: Form) -> (Form, Smoothing) {
    let fitting = if fits(form, smoothed) { form } else { Form::SIMPLE };
    (form, likeliest(smoothed, fitting).0)
}

fn fits(form: Form, smoothed: &Smoothed) -> bool {
    let seasonal = form.season != Season::None;
    let room = smoothed.season() > 1 && smoothed.len() > 2 * smoothed.season();
    (!seasonal || room) && (!form.is_multiplicative() || smoothed.is_positive())
}

/// How many numbers are searched for.
fn free(form: Form) -> usize {
    let trend = match form.trend {
        Trend::None => 0,
        Trend::Additive => 1,
        Trend::Damped => 2,
    };
    1 + trend + usize::from(form.season != Season::None)
}

/// The parameters of maximum likelihood, and minus twice its logarithm but for what is the same for all forms.
fn likeliest(smoothed: &Smoothed, form: Form) -> (Smoothing, f64) {
    let start = [0.35, 0.1, 0.1, 0.9];
    let count = smoothed.len() as f64;
    // Those that a form has, in order: alpha, gamma, beta, phi.
    let size = free(form);
    let (point, value) = minimise(&start_of(form, start)[..size], VALUES * size, |point| {
        let (_, errors) = smoothed.run(form, of_unit(form, point));
        let scale = if form.noise == Noise::Additive { 1e-300 } else { 1e-30 };
        count * errors.squares.max(scale).ln() + 2.0 * errors.logs
    });
    (of_unit(form, &point), value)
}

/// Where the search starts, in the order of [`of_unit`].
fn start_of(form: Form, [alpha, gamma, beta, phi]: [f64; 4]) -> [f64; 4] {
    if form.season == Season::None { [alpha, beta, phi, 0.0] } else { [alpha, gamma, beta, phi] }
}

/// From numbers between zero and one to parameters between their bounds: 0 < β < α < 1, 0 < γ < 1 − α and
/// .8 ≤ φ ≤ .98.
fn of_unit(form: Form, point: &[f64]) -> Smoothing {
    let within = |number: f64, least: f64, most: f64| least + number * (most - least);
    let alpha = within(point[0], 1e-4, 0.9999);
    let seasonal = usize::from(form.season != Season::None);
    let gamma = if seasonal > 0 { within(point[1], 1e-4, 1.0) * (1.0 - alpha) } else { 0.0 };
    let beta = point.get(1 + seasonal).map_or(0.0, |own| within(*own, 1e-4, 0.9999) * alpha);
    let phi = point.get(2 + seasonal).map_or(1.0, |own| within(*own, 0.8, 0.98));
    Smoothing { alpha, beta, gamma, phi }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::random::{Purpose, stream};

    fn noise(count: usize, size: f64) -> Vec<f64> {
        let random = &mut stream(11, Purpose::Sample, 0);
        (0..count)
            .map(|_| {
                let draws = (0..12).map(|_| rand::Rng::random::<f64>(random)).sum::<f64>();
                size * (draws - 6.0)
            })
            .collect()
    }

    fn chosen(values: &[f64], season: usize) -> (Form, Smoothing) {
        choose(&Smoothed::new(values, season)).expect("a form")
    }

    #[test]
    fn the_form_is_that_of_the_series() {
        let noise = noise(120, 1.0);
        let level: Vec<f64> = noise.iter().map(|noise| 50.0 + noise).collect();
        let (form, by) = chosen(&level, 1);
        assert!(form.trend == Trend::None && by.alpha < 0.2, "{form:?} {by:?}");
        let line = |at: usize| 20.0 + at as f64;
        let trend: Vec<f64> =
            noise.iter().enumerate().map(|(at, noise)| line(at) + noise).collect();
        assert_ne!(chosen(&trend, 1).0.trend, Trend::None);
        let factor = |at: usize| [0.6, 1.5, 1.1, 0.8][at % 4];
        let season: Vec<f64> = noise
            .iter()
            .enumerate()
            .map(|(at, noise)| line(at) * factor(at) * (1.0 + noise / 50.0))
            .collect();
        let (form, by) = chosen(&season, 4);
        assert_eq!((form.noise, form.season), (Noise::Multiplicative, Season::Multiplicative));
        let said = Smoothed::new(&season, 4).forecast(form, by, 8);
        for (step, said) in said.iter().enumerate() {
            let came = line(120 + step) * factor(step);
            assert!((said - came).abs() < 0.06 * came, "step {step}: {said} for {came}");
        }
        let walk: Vec<f64> = noise
            .iter()
            .scan(100.0, |level, noise| {
                *level += noise;
                Some(*level)
            })
            .collect();
        assert!(chosen(&walk, 1).1.alpha > 0.8);
    }

    #[test]
    fn values_that_are_too_few_or_the_same_have_no_form_or_the_simplest() {
        assert!(choose(&Smoothed::new(&[1.0, 2.0, 3.0], 4)).is_none());
        let (form, _) = chosen(&[5.0; 30], 4);
        assert_eq!(Smoothed::new(&[5.0; 30], 4).forecast(form, pooled([].iter()).1, 2), [5.0, 5.0]);
        assert_eq!(pooled([].iter()).0, Form::SIMPLE);
    }

    #[test]
    fn parameters_keep_their_bounds() {
        for form in Form::all() {
            for corner in [0.0, 1.0] {
                let by = of_unit(form, &vec![corner; free(form)]);
                assert!(by.alpha > 0.0 && by.alpha < 1.0 && by.beta < by.alpha, "{by:?}");
                assert!(by.gamma >= 0.0 && by.gamma <= 1.0 - by.alpha, "{by:?}");
                assert!((0.8..=1.0).contains(&by.phi), "{by:?}");
            }
        }
    }
}
