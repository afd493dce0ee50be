//! Whether series move in shares of their level: then shared maps are fitted on logarithms.
//!
//! Source: Guerrero, Time-series analysis supported by power transformations, 1993: of two transformations the
//! one is better under which stretches of a series, such as years, vary alike whatever their level. The
//! logarithm is the one where their standard deviation, divided by the level, is the steadier.

use crate::data::SeriesSet;
use crate::metrics;

/// Series looked at.
const SERIES: usize = 500;
/// The shortest stretch, and how many a series needs to say anything.
const SHORTEST: usize = 6;
const STRETCHES: usize = 4;
/// How much steadier shares have to be than differences, in coefficients of variation.
const CLEARLY: f64 = 0.9;

/// The least value of sets whose series mostly move in shares of their level; none of others, and none
/// where a value isn't above zero.
pub(super) fn lowest(set: &SeriesSet, ends: &[i64], season: usize) -> Option<f64> {
    let histories = || (0..set.len()).map(|series| set.before(series, ends[series]));
    let lowest = histories()
        .flatten()
        .copied()
        .filter(|value| !value.is_nan())
        .fold(f64::INFINITY, f64::min);
    if !(lowest > 0.0 && lowest.is_finite()) {
        return None;
    }
    let stride = set.len().div_ceil(SERIES).max(1);
    let votes: Vec<bool> =
        histories().step_by(stride).filter_map(|values| in_shares(values, season)).collect();
    let shares = votes.iter().filter(|vote| **vote).count();
    (2 * shares > votes.len()).then_some(lowest)
}

/// Whether a series moves in shares of its level; none where it is too short or still to say.
fn in_shares(values: &[f64], season: usize) -> Option<bool> {
    let length = season * SHORTEST.div_ceil(season);
    // From the end on: the latest stretch is whole.
    let stretches: Vec<(f64, f64)> = values
        .rchunks_exact(length)
        .filter(|stretch| stretch.iter().all(|value| !value.is_nan()))
        .filter_map(|stretch| {
            let mean = metrics::mean(stretch.iter().copied())?;
            let variance = metrics::mean(stretch.iter().map(|value| (value - mean).powi(2)))?;
            (variance > 0.0).then(|| (mean, variance.sqrt()))
        })
        .collect();
    if stretches.len() < STRETCHES {
        return None;
    }
    let plain = unsteadiness(stretches.iter().map(|(_, deviation)| *deviation))?;
    let shares = unsteadiness(stretches.iter().map(|(mean, deviation)| deviation / mean))?;
    Some(shares < CLEARLY * plain)
}

/// The coefficient of variation.
fn unsteadiness(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let mean = metrics::mean(values.clone())?;
    let variance = metrics::mean(values.map(|value| (value - mean).powi(2)))?;
    Some(variance.sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(at: usize) -> f64 {
        [1.0, 3.0, 2.0, 5.0][at % 4] + (at * 7 % 5) as f64 / 5.0
    }

    #[test]
    fn what_grows_with_its_level_moves_in_shares_and_what_does_not_does_not() {
        let grows: Vec<f64> = (0..80).map(|at| wave(at) * (at as f64 / 20.0).exp()).collect();
        assert_eq!(in_shares(&grows, 4), Some(true));
        let climbs: Vec<f64> = (0..80).map(|at| wave(at) + 10.0 + 5.0 * at as f64).collect();
        assert_eq!(in_shares(&climbs, 4), Some(false));
        let stays: Vec<f64> = (0..80).map(|at| wave(at) + 100.0).collect();
        assert_eq!(in_shares(&stays, 4), Some(false));
        assert_eq!(in_shares(&grows[..20], 4), None);
        assert_eq!(in_shares(&[3.0; 80], 4), None);
    }
}
