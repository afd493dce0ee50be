//! The linear map of the window that forecasts best on the last steps: a mixture of ridge solutions.
//!
//! Ridge pulls towards a map that forecasts by itself: the naive one or the seasonal naive one. With
//! a strong pull it is that forecast, so that what is chosen is no worse than both where it was chosen.
//! Solutions of several look-backs and strengths err differently, and a mean of them is a linear map
//! again: a mixture costs a forecast nothing.

use rayon::prelude::*;

use super::normal::Normal;
use super::prepared::Prepared;
use super::score::{Loss, Points};
use super::windows::{Judged, Origins, Shape, deviation, judged, stride, targets};
use crate::data::SeriesSet;
use crate::error::Result;
use crate::model::forecasting::{Scale, Term, Window};
use crate::train::blend;
use crate::train::deadline::Deadline;

/// The strengths of the pull that are tried, relative to the size of the inputs.
const STRENGTHS: [f64; 6] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];
/// Fewer forecasts than these say little: then more origins before them are judged too.
const ENOUGH: usize = 32;
/// Operations that gathering the equations of the trials may take, and of the chosen ones.
const TRIAL_WORK: usize = 20_000_000_000;
const FINAL_WORK: usize = 60_000_000_000;
/// Forecast steps that trials are judged on.
const JUDGED_STEPS: usize = 300_000;
/// How much better another scale than the mixed one has to be: it serves one of the two errors alone.
const UNUSUAL_SCALE: f64 = 1.03;
/// The longest look-back that is tried unasked.
const LONGEST: usize = 1024;
/// Solutions that a mixture is looked for among, and rounds of looking: the weights are multiples of
/// one over the rounds.
const MIXED: usize = 16;
const ROUNDS: usize = 12;

/// What was chosen.
#[derive(Debug)]
pub(super) struct Choice {
    /// Of the longest look-back.
    pub shape: Shape,
    pub terms: Vec<Term>,
    /// What the user should know about it.
    pub notices: Vec<String>,
}

/// A candidate, what it says of what is judged, and how it did as a share of seasonal naive's error.
#[derive(Clone, Debug)]
struct Trial {
    term: Term,
    said: Vec<f32>,
    score: f64,
}

/// Chooses for histories that end at `ends`. `look_back` is the user's own, if any.
pub(super) fn choose(
    prepared: &Prepared,
    ends: &[i64],
    look_back: Option<usize>,
    deadline: &Deadline,
) -> Result<Choice> {
    let Prepared { set, horizon, season, loss, .. } = prepared;
    let (horizon, season) = (*horizon, *season);
    let base = prepared.shape(season, Scale::Mixed);
    let mut fit_ends = ends.to_vec();
    let stride = stride(set, ends, horizon);
    let mut judges = judged(set, ends, &base, stride, 20_000);
    // One origin a series is a draw; the steps before validation are judged as well.
    let lengths_now = lengths(set, ends);
    let hold = (2 * horizon).min(lengths_now[lengths_now.len() / 2] / 5) as i64;
    for end in &mut fit_ends {
        *end -= hold;
    }
    let nearer = if judges.len() < ENOUGH { 1 } else { horizon };
    let more = judged(set, &fit_ends, &base, nearer, 20_000);
    if more.len() > judges.len() && stride == horizon {
        judges = more;
    } else {
        fit_ends = ends.to_vec();
    }
    let most = (JUDGED_STEPS / horizon).max(64);
    let step = judges.len().div_ceil(most).max(1);
    let judges: Vec<Judged> = judges.into_iter().step_by(step).collect();

    let look_backs = match look_back {
        Some(look_back) => vec![look_back],
        None => look_backs(&lengths(set, &fit_ends), horizon, season),
    };
    let longest = look_backs.iter().copied().max().unwrap_or(season);
    let scales: &[Scale] = match loss {
        // A linear map of centred windows is the same in every scale.
        Loss::Squared => &[Scale::Change],
        // Logarithms have no level.
        Loss::Logs => &[Scale::Change, Scale::Spread],
        Loss::Absolute => &[Scale::Mixed, Scale::Change, Scale::Spread],
    };
    let mut best: Option<(f64, Shape, Vec<Trial>)> = None;
    for &scale in scales {
        let shape = prepared.shape(longest, scale);
        let trials = attempt(prepared, &fit_ends, &judges, shape, &look_backs, deadline)?;
        let least = trials.iter().map(|trial| trial.score).fold(f64::INFINITY, f64::min);
        let unusual = if scale == scales[0] { 1.0 } else { UNUSUAL_SCALE };
        if best.as_ref().is_none_or(|(score, ..)| least * unusual < *score) {
            best = Some((least * unusual, shape, trials));
        }
    }
    let Some((_, shape, trials)) = best else {
        return Err(crate::error::Error::bug("no scale of windows to choose from"));
    };
    let terms = mixture(prepared, &judges, trials, deadline)?;
    let mut notices = Vec::new();
    if terms.iter().all(|term| term.strength.is_none()) {
        let name = if terms.iter().all(|term| term.seasonal) { "seasonal naive" } else { "naive" };
        notices.push(format!(
            "nothing learnt in closed form beat the {name} forecast on validation: the linear map starts from that"
        ));
    }
    Ok(Choice { shape, terms, notices })
}

/// The map of these terms, fitted on all windows before `ends`: `[look_back + 1, horizon]`, the
/// constant last.
pub(super) fn map(
    prepared: &Prepared,
    ends: &[i64],
    shape: &Shape,
    terms: &[Term],
    deadline: &Deadline,
) -> Result<Vec<f64>> {
    let needed = terms.iter().any(|term| term.strength.is_some());
    let normal = if needed { normal(prepared, ends, shape, FINAL_WORK, deadline)? } else { None };
    let solved: Vec<Vec<f64>> = terms
        .par_iter()
        .map(|term| {
            deadline.look()?;
            let own = Shape { look_back: term.look_back, ..*shape };
            let towards = towards(&own, term.seasonal);
            let fitted = normal.as_ref().zip(term.strength).and_then(|(normal, strength)| {
                let towards = std::slice::from_ref(&towards);
                normal.last(term.look_back).solve(strength, towards)?.pop()
            });
            Ok(fitted.unwrap_or(towards))
        })
        .collect::<Result<_>>()?;
    let mut map = vec![0.0; (shape.look_back + 1) * shape.horizon];
    for (term, solved) in terms.iter().zip(solved) {
        let skipped = (shape.look_back - term.look_back) * shape.horizon;
        let cells = map[skipped..].iter_mut().zip(solved);
        cells.for_each(|(sum, value)| *sum += term.weight * value);
    }
    Ok(map)
}

/// The weights of the best mixture; what counts for nothing is left out.
fn mixture(
    prepared: &Prepared,
    judges: &[Judged],
    mut trials: Vec<Trial>,
    deadline: &Deadline,
) -> Result<Vec<Term>> {
    trials.sort_by(|a, b| a.score.total_cmp(&b.score));
    // The best two strengths of each look-back and pull: what resembles the best adds little to it.
    let mut taken: Vec<Trial> = Vec::new();
    for trial in trials {
        let alike = |other: &&Trial| {
            other.term.look_back == trial.term.look_back
                && other.term.seasonal == trial.term.seasonal
        };
        if taken.len() < MIXED && taken.iter().filter(alike).count() < 2 {
            taken.push(trial);
        }
    }
    // A handful of forecasts can't weigh sixteen candidates.
    if judges.len() * prepared.horizon < 200 {
        taken.truncate(1);
    }
    let mut mean = vec![0.0; taken.first().map_or(0, |trial| trial.said.len())];
    let weights = blend::greedy(taken.len(), ROUNDS, |weights| {
        deadline.look()?;
        mean.fill(0.0);
        for (trial, weight) in taken.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            mean.iter_mut()
                .zip(&trial.said)
                .for_each(|(sum, value)| *sum += weight * f64::from(*value));
        }
        Ok(judge(prepared, judges, |number| row(&mean, prepared.horizon, number)))
    })?;
    let counted = taken.into_iter().zip(weights).filter(|(_, weight)| *weight > 0.0);
    Ok(counted.map(|(trial, weight)| Term { weight, ..trial.term }).collect())
}

fn row(values: &[f64], horizon: usize, number: usize) -> Vec<f64> {
    values[number * horizon..][..horizon].to_vec()
}

fn judge(prepared: &Prepared, judges: &[Judged], forecast: impl FnMut(usize) -> Vec<f64>) -> f64 {
    // The denominators are the same for all: any reference orders the trials.
    Points::of(judges, forecast).relative_to(prepared.reference, prepared.loss)
}

/// The lengths of the training histories, sorted; never empty.
fn lengths(set: &SeriesSet, ends: &[i64]) -> Vec<usize> {
    let mut lengths: Vec<usize> = ends
        .iter()
        .enumerate()
        .map(|(series, end)| usize::try_from(end - set.start[series]).unwrap_or(0))
        .collect();
    lengths.sort_unstable();
    if lengths.is_empty() { vec![0] } else { lengths }
}

/// Multiples of the season and the horizon that leave half of the series a tenth of their windows.
fn look_backs(lengths: &[usize], horizon: usize, season: usize) -> Vec<usize> {
    let room = (lengths[lengths.len() / 2] * 9 / 10).saturating_sub(horizon).min(LONGEST);
    let unit = if season > 1 { season } else { horizon.div_ceil(2).max(4) };
    let mut candidates: Vec<usize> = [1, 2, 3, 4, 7, 14, 21, 30]
        .iter()
        .map(|times| times * unit)
        .chain([2, 4].iter().map(|times| (times * horizon).next_multiple_of(unit)))
        .filter(|look_back| *look_back <= room)
        .collect();
    candidates.sort_unstable();
    candidates.dedup();
    if candidates.is_empty() {
        candidates.push(room.clamp(1, unit));
    }
    candidates
}

/// The map that is pulled towards: naive, which is zero everywhere, or seasonal naive.
fn towards(shape: &Shape, seasonal: bool) -> Vec<f64> {
    let Shape { look_back, horizon, season, .. } = *shape;
    let mut map = vec![0.0; (look_back + 1) * horizon];
    if seasonal {
        for step in 0..horizon {
            map[(look_back - season + step % season) * horizon + step] = 1.0;
        }
    }
    map
}

/// Every look-back, strength and pull, judged. Windows are those of the longest look-back.
fn attempt(
    prepared: &Prepared,
    ends: &[i64],
    judges: &[Judged],
    shape: Shape,
    look_backs: &[usize],
    deadline: &Deadline,
) -> Result<Vec<Trial>> {
    let Shape { horizon, season, .. } = shape;
    let windows: Vec<Window> = judges
        .iter()
        .map(|judged| {
            shape
                .window(&prepared.set, judged.series, judged.origin)
                .expect("what is judged has observations before it")
        })
        .collect();
    let normal = normal(prepared, ends, &shape, TRIAL_WORK, deadline)?;
    let pulls = |look_back: usize| -> &[bool] {
        if season > 1 && look_back >= season { &[false, true] } else { &[false] }
    };
    // As they are, the maps that are pulled towards are the same for every look-back.
    let plain = look_backs.iter().copied().find(|own| pulls(*own).len() > 1);
    let mut jobs = vec![(plain.unwrap_or(look_backs[0]), None)];
    if normal.is_some() {
        let fitted = look_backs.iter().flat_map(|&own| STRENGTHS.map(|strength| (own, strength)));
        jobs.extend(fitted.map(|(own, strength)| (own, Some(strength))));
    }
    let trials: Vec<Vec<Trial>> = jobs
        .into_par_iter()
        .map(|(look_back, strength)| {
            deadline.look()?;
            let own = Shape { look_back, ..shape };
            let pulls = pulls(look_back);
            let towards: Vec<Vec<f64>> =
                pulls.iter().map(|seasonal| towards(&own, *seasonal)).collect();
            let maps = match (strength, &normal) {
                (Some(strength), Some(normal)) => {
                    normal.last(look_back).solve(strength, &towards).unwrap_or_default()
                }
                _ => towards,
            };
            let judged = maps
                .iter()
                .zip(pulls)
                .map(|(map, &seasonal)| {
                    let mut said = Vec::with_capacity(judges.len() * horizon);
                    for window in &windows {
                        said.extend(apply(map, window, horizon).into_iter().map(|v| v as f32));
                    }
                    let score = judge(prepared, judges, |number| {
                        said[number * horizon..][..horizon].iter().map(|v| f64::from(*v)).collect()
                    });
                    let term = Term { look_back, strength, seasonal, weight: 1.0 };
                    Trial { term, said, score }
                })
                .collect();
            Ok(judged)
        })
        .collect::<Result<_>>()?;
    Ok(trials.into_iter().flatten().collect())
}

/// What a map of the window's last steps forecasts, in the unit of the target.
pub(super) fn apply(map: &[f64], window: &Window, horizon: usize) -> Vec<f64> {
    let (weights, constant) = map.split_at(map.len() - horizon);
    let skipped = window.inputs.len() - weights.len() / horizon;
    let mut sums = constant.to_vec();
    for (input, row) in window.inputs[skipped..].iter().zip(weights.chunks_exact(horizon)) {
        for (sum, weight) in sums.iter_mut().zip(row) {
            *sum += input * weight;
        }
    }
    sums.into_iter().map(|sum| window.centre + window.scale * sum).collect()
}

/// The windows with every target observed and something moving, at most `most`, spread evenly.
pub(super) fn whole(
    set: &SeriesSet,
    ends: &[i64],
    shape: &Shape,
    most: usize,
) -> Vec<(usize, i64)> {
    let mut picked = Origins::new(set, ends, shape).spread(most);
    picked.retain(|&(series, origin)| {
        targets(set, series, origin, ends[series], shape.horizon).all(|value| !value.is_nan())
            && shape.window(set, series, origin).is_some_and(|window| !window.still)
    });
    picked
}

/// The targets of a window in its own scale.
pub(super) fn scaled_targets<'a>(
    set: &'a SeriesSet,
    ends: &[i64],
    (series, origin): (usize, i64),
    shape: &Shape,
    window: &'a Window,
) -> impl Iterator<Item = f64> + 'a {
    targets(set, series, origin, ends[series], shape.horizon)
        .map(|value| (value - window.centre) / window.scale)
}

/// The normal equations of a shape; none where there are no whole windows.
fn normal(
    prepared: &Prepared,
    ends: &[i64],
    shape: &Shape,
    work: usize,
    deadline: &Deadline,
) -> Result<Option<Normal>> {
    let set = &prepared.set;
    let each = 2 * shape.look_back * (shape.look_back + shape.horizon);
    let picked = whole(set, ends, shape, (work / each.max(1)).clamp(512, 60_000));
    let made = |number: usize| {
        let (series, origin) = picked[number];
        shape.window(set, series, origin).expect("a whole window has observations before it")
    };
    let weigh = weights(prepared, ends, shape, &picked);
    let Some(weigh) = weigh else { return Ok(None) };
    let fill = |number: usize, inputs: &mut [f64], outputs: &mut [f64]| {
        let window = made(number);
        inputs.copy_from_slice(&window.inputs);
        let values = scaled_targets(set, ends, picked[number], shape, &window);
        outputs.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
        weigh[number]
    };
    Normal::gather(picked.len(), shape.look_back, shape.horizon, deadline, fill).map(Some)
}

/// How much each window's errors count. None of no windows.
fn weights(
    prepared: &Prepared,
    ends: &[i64],
    shape: &Shape,
    picked: &[(usize, i64)],
) -> Option<Vec<f64>> {
    let set = &prepared.set;
    let made = |&(series, origin): &(usize, i64)| {
        shape.window(set, series, origin).expect("a whole window has observations before it")
    };
    if picked.is_empty() {
        return None;
    }
    if prepared.loss == Loss::Squared {
        // From the window's own scale to the series'.
        let units: Vec<f64> = (0..set.len())
            .map(|series| deviation(set.before(series, ends[series])).unwrap_or(f64::INFINITY))
            .collect();
        return Some(picked.iter().map(|of| made(of).scale / units[of.0]).collect());
    }
    // Squares let the wildest twentieth of the windows decide; they are held to the size of the rest.
    let largest = |of: &(usize, i64)| {
        let window = made(of);
        scaled_targets(set, ends, *of, shape, &window)
            .fold(0.0, |most: f64, value| most.max(value.abs()))
    };
    let sizes: Vec<f64> = picked.iter().map(largest).collect();
    let mut sorted = sizes.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() * 95 / 100];
    Some(sizes.iter().map(|size| if *size > usual { usual / size } else { 1.0 }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maps_forecast_what_they_are_named_for() {
        let shape = Shape { look_back: 4, horizon: 3, season: 2, scale: Scale::Change };
        let window =
            Window { inputs: vec![-3.0, -2.0, -1.0, 0.0], centre: 7.0, scale: 2.0, still: false };
        assert_eq!(apply(&towards(&shape, false), &window, 3), [7.0, 7.0, 7.0]);
        assert_eq!(apply(&towards(&shape, true), &window, 3), [5.0, 7.0, 5.0]);
        let short = Shape { look_back: 2, ..shape };
        assert_eq!(apply(&towards(&short, true), &window, 3), [5.0, 7.0, 5.0]);
    }

    #[test]
    fn look_backs_fit_the_data() {
        assert_eq!(look_backs(&[652, 912, 912], 48, 24), [24, 48, 72, 96, 168, 192, 336, 504, 720]);
        assert_eq!(look_backs(&[77], 24, 12), [12, 24, 36]);
        assert_eq!(look_backs(&[5], 4, 7), [1]);
    }
}
