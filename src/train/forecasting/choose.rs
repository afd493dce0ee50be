//! The look-back, the scale and the ridge that the net starts from, chosen on the last steps.
//!
//! Ridge pulls towards a map that forecasts by itself: the naive one or the seasonal naive one. With
//! a strong pull it is that forecast, so that what is chosen is no worse than both where it was chosen.

use super::ridge::Normal;
use super::score::Points;
use super::windows::{Judged, Origins, Shape, judged, targets};
use crate::data::SeriesSet;
use crate::error::Result;
use crate::model::forecasting::{Scale, Window, window};

/// The strengths of the pull that are tried, relative to the size of the inputs.
const STRENGTHS: [f64; 6] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];
/// Fewer forecasts than these say little: then more origins before them are judged too.
const ENOUGH: usize = 32;
/// Operations that gathering the equations of one candidate may take, and of the chosen one.
const TRIAL_WORK: usize = 5_000_000_000;
const FINAL_WORK: usize = 20_000_000_000;
/// How much better another scale than the mixed one has to be: it serves one of the two errors alone.
const UNUSUAL_SCALE: f64 = 1.03;
/// A trial this near to the best is as good.
const AS_GOOD: f64 = 1.02;
/// The longest look-back that is tried unasked.
const LONGEST: usize = 1024;

/// What was chosen.
#[derive(Debug)]
pub(super) struct Choice {
    pub shape: Shape,
    /// `[look_back + 1, horizon]`, the constant last.
    pub map: Vec<f64>,
    /// What the user should know about it.
    pub notices: Vec<String>,
}

/// A candidate and how it did, as a share of seasonal naive's error.
#[derive(Clone, Copy, Debug)]
struct Trial {
    shape: Shape,
    strength: Strength,
    towards: usize,
    score: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Strength {
    Finite(f64),
    /// The map that is pulled towards, as it is.
    Full,
}

/// Chooses for a set whose training histories end at `ends`. `look_back` is the user's own, if any.
pub(super) fn choose(
    set: &SeriesSet,
    ends: &[i64],
    horizon: usize,
    season: usize,
    look_back: Option<usize>,
) -> Result<Choice> {
    let shape = |look_back, scale| Shape { look_back, horizon, season, scale };
    let base = shape(season, Scale::Mixed);
    let mut fit_ends = ends.to_vec();
    let mut judges = judged(set, ends, &base, horizon, 20_000);
    // One origin a series is a draw; the steps before validation are judged as well.
    let lengths_now = lengths(set, ends);
    let hold = (2 * horizon).min(lengths_now[lengths_now.len() / 2] / 5) as i64;
    for end in &mut fit_ends {
        *end -= hold;
    }
    let stride = if judges.len() < ENOUGH { 1 } else { horizon };
    let more = judged(set, &fit_ends, &base, stride, 20_000);
    if more.len() > judges.len() {
        judges = more;
    } else {
        fit_ends = ends.to_vec();
    }

    let look_backs = match look_back {
        Some(look_back) => vec![look_back],
        None => look_backs(&lengths(set, &fit_ends), horizon, season),
    };
    let mut trials = Vec::new();
    for look_back in look_backs {
        trials.extend(attempt(set, &fit_ends, &judges, shape(look_back, Scale::Mixed))?);
    }
    if let Some(best) = best(&trials) {
        for scale in [Scale::Change, Scale::Spread] {
            let others = attempt(set, &fit_ends, &judges, shape(best.shape.look_back, scale))?;
            trials.extend(
                others
                    .into_iter()
                    .map(|trial| Trial { score: trial.score * UNUSUAL_SCALE, ..trial }),
            );
        }
    }
    let best = best(&trials).unwrap_or(Trial {
        shape: shape(look_back.unwrap_or(season), Scale::Mixed),
        strength: Strength::Full,
        towards: usize::from(season > 1),
        score: 1.0,
    });

    let towards = maps(&best.shape);
    let towards = &towards[best.towards.min(towards.len() - 1)];
    let solved = match best.strength {
        Strength::Full => None,
        Strength::Finite(strength) => normal(set, ends, &best.shape, FINAL_WORK)?
            .and_then(|normal| normal.solve(strength, std::slice::from_ref(towards)))
            .and_then(|mut maps| maps.pop()),
    };
    let mut notices = Vec::new();
    if solved.is_none() {
        let name = if best.towards == 0 { "naive" } else { "seasonal naive" };
        notices.push(format!(
            "nothing learnt in closed form beat the {name} forecast on validation: the net starts from that"
        ));
    }
    Ok(Choice { shape: best.shape, map: solved.unwrap_or_else(|| towards.clone()), notices })
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
    let mut candidates: Vec<usize> = [1, 2, 3, 4, 7, 14, 21, 28]
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

/// The best trial; of those that are as good, the one that looks back the farthest. Trials are fitted
/// on less than the final map is, which costs a long look-back more than a short one.
fn best(trials: &[Trial]) -> Option<Trial> {
    let order = |a: &&Trial, b: &&Trial| a.score.total_cmp(&b.score);
    let first = trials.iter().min_by(order)?;
    trials
        .iter()
        .filter(|trial| trial.score <= first.score * AS_GOOD)
        .max_by(|a, b| a.shape.look_back.cmp(&b.shape.look_back).then(b.score.total_cmp(&a.score)))
        .copied()
}

/// The maps that are pulled towards: naive, which is zero everywhere, then seasonal naive.
fn maps(shape: &Shape) -> Vec<Vec<f64>> {
    let Shape { look_back, horizon, season, .. } = *shape;
    let naive = vec![0.0; (look_back + 1) * horizon];
    if season < 2 || look_back < season {
        return vec![naive];
    }
    let mut seasonal = naive.clone();
    for step in 0..horizon {
        seasonal[(look_back - season + step % season) * horizon + step] = 1.0;
    }
    vec![naive, seasonal]
}

/// Every strength and pull of one shape, judged.
fn attempt(set: &SeriesSet, ends: &[i64], judges: &[Judged], shape: Shape) -> Result<Vec<Trial>> {
    let work = (shape.look_back * shape.horizon).max(1);
    let most = (20_000_000 / work).clamp(64, judges.len().max(64));
    let step = judges.len().div_ceil(most).max(1);
    let judges: Vec<Judged> = judges.iter().step_by(step).cloned().collect();
    let windows: Vec<Option<Window>> =
        judges.iter().map(|judged| shape.window(set, judged.series, judged.origin)).collect();
    let reference = Points::of(&judges, |number| {
        let Judged { series, origin, .. } = judges[number];
        let season = window::filled(set, series, origin, shape.season, shape.season);
        let season = season.unwrap_or_else(|| vec![0.0; shape.season]);
        (0..shape.horizon).map(|step| season[step % shape.season]).collect()
    });
    let judge = |map: &[f64], strength, towards| {
        let points = Points::of(&judges, |number| match &windows[number] {
            Some(window) => apply(map, window, shape.horizon),
            None => vec![0.0; shape.horizon],
        });
        Trial { shape, strength, towards, score: points.relative_to(reference) }
    };

    let towards = maps(&shape);
    let mut trials: Vec<Trial> = towards
        .iter()
        .enumerate()
        .map(|(number, map)| judge(map, Strength::Full, number))
        .collect();
    if let Some(normal) = normal(set, ends, &shape, TRIAL_WORK)? {
        for strength in STRENGTHS {
            let Some(solved) = normal.solve(strength, &towards) else { continue };
            for (number, map) in solved.iter().enumerate() {
                trials.push(judge(map, Strength::Finite(strength), number));
            }
        }
    }
    Ok(trials)
}

/// What a map forecasts from a window, in the unit of the target.
pub(super) fn apply(map: &[f64], window: &Window, horizon: usize) -> Vec<f64> {
    let (weights, constant) = map.split_at(map.len() - horizon);
    let mut sums = constant.to_vec();
    for (input, row) in window.inputs.iter().zip(weights.chunks_exact(horizon)) {
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
fn normal(set: &SeriesSet, ends: &[i64], shape: &Shape, work: usize) -> Result<Option<Normal>> {
    let each = 2 * shape.look_back * (shape.look_back + shape.horizon);
    let picked = whole(set, ends, shape, (work / each.max(1)).clamp(512, 40_000));
    let made = |number: usize| {
        let (series, origin) = picked[number];
        shape.window(set, series, origin).expect("a whole window has observations before it")
    };
    let largest = |number: usize| {
        let window = made(number);
        scaled_targets(set, ends, picked[number], shape, &window)
            .fold(0.0, |most: f64, value| most.max(value.abs()))
    };
    let sizes: Vec<f64> = (0..picked.len()).map(largest).collect();
    let mut sorted = sizes.clone();
    sorted.sort_by(f64::total_cmp);
    let Some(&usual) = sorted.get(sorted.len() * 95 / 100) else { return Ok(None) };

    // Squares let the wildest twentieth of the windows decide; they are held to the size of the rest.
    Normal::gather(picked.len(), shape.look_back, shape.horizon, |number, inputs, outputs| {
        let window = made(number);
        inputs.copy_from_slice(&window.inputs);
        let values = scaled_targets(set, ends, picked[number], shape, &window);
        outputs.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
        if sizes[number] > usual { usual / sizes[number] } else { 1.0 }
    })
    .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maps_forecast_what_they_are_named_for() {
        let shape = Shape { look_back: 4, horizon: 3, season: 2, scale: Scale::Change };
        let maps = maps(&shape);
        let window =
            Window { inputs: vec![-3.0, -2.0, -1.0, 0.0], centre: 7.0, scale: 2.0, still: false };
        assert_eq!(apply(&maps[0], &window, 3), [7.0, 7.0, 7.0]);
        assert_eq!(apply(&maps[1], &window, 3), [5.0, 7.0, 5.0]);
    }

    #[test]
    fn look_backs_fit_the_data() {
        assert_eq!(look_backs(&[652, 912, 912], 48, 24), [24, 48, 72, 96, 168, 192, 336, 504, 672]);
        assert_eq!(look_backs(&[77], 24, 12), [12, 24, 36]);
        assert_eq!(look_backs(&[5], 4, 7), [1]);
    }
}
