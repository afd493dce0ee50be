//! Where quantiles start, and how intervals are widened to hold what they say.

use rayon::prelude::*;

use super::choose::{scaled_targets, whole};
use super::prepared::Prepared;
use super::windows::{Judged, Origins, Shape, targets};
use crate::data::SeriesSet;
use crate::error::Result;
use crate::model::forecasting::{LEVELS, Levels, MEDIAN, Member, Scale};
use crate::train::deadline::Deadline;

/// Windows whose errors the first offsets are read from.
const WINDOWS: usize = 2000;
/// The same for bands.
const BAND_WINDOWS: usize = 4000;
/// From so many windows on, which are worth so many that don't overlap, each step is calibrated by itself.
const STEPWISE: usize = 200;
const STEPWISE_WORTH: f64 = 50.0;
/// The quantiles of the normal distribution at [`LEVELS`], the median left out.
pub(super) const NORMAL: [f64; LEVELS.len() - 1] =
    [-1.2816, -0.8416, -0.5244, -0.2533, 0.2533, 0.5244, 0.8416, 1.2816];

/// The offset of each level but the median from what the map says, a row of steps a level.
pub(super) fn offsets(set: &SeriesSet, ends: &[i64], shape: &Shape, map: &[f64]) -> Vec<f64> {
    let horizon = shape.horizon;
    let (weights, constant) = map.split_at(shape.look_back * horizon);
    let mut errors = vec![Vec::new(); horizon];
    for of in whole(set, ends, shape, WINDOWS) {
        let Some(window) = shape.window(set, of.0, of.1) else { continue };
        let mut said = constant.to_vec();
        for (input, row) in window.inputs.iter().zip(weights.chunks_exact(horizon)) {
            said.iter_mut().zip(row).for_each(|(sum, weight)| *sum += input * weight);
        }
        let values = scaled_targets(set, ends, of, shape, &window);
        for ((errors, said), value) in errors.iter_mut().zip(said).zip(values) {
            errors.push(value - said);
        }
    }
    from_errors(errors)
}

/// The quantiles of the errors of each step, a row of steps a level.
fn from_errors(mut errors: Vec<Vec<f64>>) -> Vec<f64> {
    let horizon = errors.len();
    let levels: Vec<f64> =
        (0..LEVELS.len()).filter(|level| *level != MEDIAN).map(|level| LEVELS[level]).collect();
    let mut offsets = vec![0.0; levels.len() * horizon];
    for (step, errors) in errors.iter_mut().enumerate() {
        errors.sort_by(f64::total_cmp);
        for (row, level) in levels.iter().enumerate() {
            offsets[row * horizon + step] =
                if errors.len() < 10 { NORMAL[row] } else { quantile(errors, *level) };
        }
    }
    offsets
}

/// The same for a member that says no more than a point, from its errors before `ends` in units of
/// its band.
pub(super) fn band(
    prepared: &Prepared,
    ends: &[i64],
    member: &Member,
    look_back: usize,
    deadline: &Deadline,
) -> Result<Vec<f32>> {
    let Prepared { set, horizon, .. } = prepared;
    let shape = prepared.shape(look_back, Scale::Change);
    let errors: Vec<Vec<f64>> = Origins::new(set, ends, &shape)
        .spread(BAND_WINDOWS)
        .into_par_iter()
        .filter_map(|(series, origin)| {
            if let Err(late) = deadline.look() {
                return Some(Err(late));
            }
            let said = member.levels(set, series, origin)?;
            let unit = member.unit(set, series, origin).filter(|unit| *unit > 0.0)?;
            let came = targets(set, series, origin, ends[series], *horizon);
            Some(Ok(came.zip(said).map(|(value, row)| (value - row[MEDIAN]) / unit).collect()))
        })
        .collect::<Result<_>>()?;
    let mut steps = vec![Vec::new(); *horizon];
    for errors in errors {
        let seen = steps.iter_mut().zip(errors).filter(|(_, error)| error.is_finite());
        seen.for_each(|(step, error)| step.push(error));
    }
    Ok(from_errors(steps).into_iter().map(|offset| offset as f32).collect())
}

/// By how much each pair of levels has to move from the median to hold its share of what validation
/// saw: split-conformal prediction with the distance in half-widths as its score. Source: Romano,
/// Patterson and Candès, Conformalized Quantile Regression, 2019. `worth` is how many forecasts that don't
/// overlap these are: errors of one forecast go together, and the correction for a finite sample is that of
/// so few.
pub(super) fn widening(
    judged: &[Judged],
    answers: &[Levels],
    horizon: usize,
    worth: f64,
) -> Vec<Vec<f64>> {
    // How many half-widths out each value lies, by pair of levels and step.
    let mut scores = vec![vec![Vec::new(); horizon]; MEDIAN];
    for (judged, rows) in judged.iter().zip(answers) {
        for (step, (row, actual)) in rows.iter().zip(&judged.actual).enumerate() {
            // Nothing moves in the window of a forecast that is so sure.
            let size = row[MEDIAN].abs().max(1e-12);
            if actual.is_nan() || row[LEVELS.len() - 1] - row[0] <= 1e-6 * size {
                continue;
            }
            for (pair, scores) in scores.iter_mut().enumerate() {
                let (low, high) = (row[pair], row[LEVELS.len() - 1 - pair]);
                let width =
                    if *actual < row[MEDIAN] { row[MEDIAN] - low } else { high - row[MEDIAN] };
                let distance = (actual - row[MEDIAN]).abs();
                if width > 0.0 {
                    scores[step].push(distance / width);
                }
            }
        }
    }
    scores
        .into_iter()
        .enumerate()
        .map(|(pair, steps)| {
            let share = LEVELS[LEVELS.len() - 1 - pair] - LEVELS[pair];
            if judged.len() >= STEPWISE && worth >= STEPWISE_WORTH {
                let each = |scores: Vec<f64>| factor(share, scores.len() as f64, scores);
                return steps.into_iter().map(each).collect();
            }
            vec![factor(share, worth, steps.into_iter().flatten().collect()); horizon]
        })
        .collect()
}

/// The score that this share of values lies within, with the correction for a sample of this size.
fn factor(share: f64, sample: f64, mut scores: Vec<f64>) -> f64 {
    if scores.len() < 10 {
        return 1.0;
    }
    scores.sort_by(f64::total_cmp);
    // Of a few forecasts that would be the farthest error of all; halfway to it is far enough.
    let share = (share * (1.0 + 1.0 / sample.max(1.0))).min(f64::midpoint(share, 1.0));
    let rank = (scores.len() as f64 * share).ceil() as usize;
    scores[rank.clamp(1, scores.len()) - 1].clamp(0.5, 5.0)
}

/// Linear between the order statistics, as in numpy.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = place.ceil() as usize;
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}
