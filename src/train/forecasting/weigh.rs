//! How much each member counts, from its errors at the same origins.
//!
//! Weights that make the error of many forecasts least are good ones; those of few follow their noise. So
//! they are pulled towards weights that need no search, the more the fewer forecasts there are: a power of
//! each member's own error, as in Bates and Granger, The Combination of Forecasts, 1969, of the members that
//! aren't clearly worse than the best. That simple weights are hard to beat is the rule with few forecasts:
//! Claeskens, Magnus, Vasnev and Wang, The forecast combination puzzle, 2016.

use super::backtest::{View, worth};
use super::score::{Loss, Points, shares};
use crate::error::Result;
use crate::metrics::mean;
use crate::train::blend;

/// Rounds of greedy selection: its weights are multiples of one over it.
const ROUNDS: usize = 20;
/// So many forecasts count as much as the pull.
const PULL: f64 = 20.0;
/// The power: how sharply the pull prefers the better.
const SHARPNESS: f64 = 4.0;
/// How many standard errors of the paired difference a member is behind before it is clearly worse.
const CLEARLY: f64 = 3.0;
/// Members with a smaller share than this are left out.
const LEAST: f64 = 0.03;

/// The weights, and the error of each member alone as a share of the reference's.
pub(super) fn weigh(
    view: &View,
    reference: Points,
    loss: Loss,
    horizon: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let count = view.answers.len();
    let alone = |member: usize| {
        let only: Vec<f64> = (0..count).map(|other| f64::from(u8::from(other == member))).collect();
        shares(&view.judged, reference, loss, |number| view.medians(&only, number))
    };
    let errors: Vec<Vec<f64>> = (0..count).map(alone).collect();
    let worth = worth(&view.judged, horizon);
    let simple = simple(&errors, worth);
    let searched = blend::greedy(count, ROUNDS, |weights| {
        let points = Points::of(&view.judged, |number| view.medians(weights, number));
        Ok(points.relative_to(reference, loss))
    })?;
    let trust = worth / (worth + PULL);
    let mixed = simple.iter().zip(&searched).map(|(simple, own)| simple + trust * (own - simple));
    Ok((without_the_least(mixed.collect()), errors.iter().map(|own| average(own)).collect()))
}

/// Weights by each member's own error, of those that aren't clearly worse than the best.
fn simple(errors: &[Vec<f64>], worth: f64) -> Vec<f64> {
    let means: Vec<f64> = errors.iter().map(|own| average(own)).collect();
    let best = (1..means.len()).fold(0, |best, at| if means[at] < means[best] { at } else { best });
    let raw = means.iter().enumerate().map(|(at, own)| {
        if at != best && falls_short(&errors[at], &errors[best], worth) {
            return 0.0;
        }
        // A best member without an error has all of the weight.
        if *own > 0.0 { (means[best] / own).powf(SHARPNESS) } else { 1.0 }
    });
    scaled(raw.collect())
}

/// Whether these errors are clearly larger than those, forecast by forecast; overlapping ones count as fewer.
fn falls_short(errors: &[f64], than: &[f64], worth: f64) -> bool {
    let differences: Vec<f64> = errors.iter().zip(than).map(|(own, than)| own - than).collect();
    let lead = average(&differences);
    let variance = average(&differences.iter().map(|own| (own - lead).powi(2)).collect::<Vec<_>>());
    worth >= 2.0 && lead > CLEARLY * (variance / (worth - 1.0)).sqrt()
}

fn without_the_least(weights: Vec<f64>) -> Vec<f64> {
    scaled(weights.into_iter().map(|own| if own < LEAST { 0.0 } else { own }).collect())
}

fn scaled(weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|own| own / total).collect()
}

fn average(values: &[f64]) -> f64 {
    mean(values.iter().copied()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_count_by_their_errors_and_the_clearly_worse_not_at_all() {
        let errors = [vec![1.0, 2.0, 1.0, 2.0], vec![2.0, 1.0, 2.0, 1.0], vec![5.0, 6.0, 5.5, 6.5]];
        assert_eq!(simple(&errors, 4.0), [0.5, 0.5, 0.0]);
        // Of one forecast nothing is clear but that a large error counts for little.
        let one = simple(&[vec![1.0], vec![2.0]], 1.0);
        assert!((one[1] - 1.0 / 17.0).abs() < 1e-12, "{one:?}");
        assert_eq!(simple(&[vec![0.0, 0.0], vec![1.0, 1.1]], 2.0), [1.0, 0.0]);
    }

    #[test]
    fn small_shares_are_given_to_the_others() {
        assert_eq!(without_the_least(vec![0.02, 0.49, 0.49]), [0.0, 0.5, 0.5]);
    }
}
