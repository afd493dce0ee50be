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
/// The power: how sharply the pull prefers the better, of few forecasts, and how many forecasts add one to it.
const SHARPNESS: f64 = 4.0;
const SHARPER: f64 = 10.0;
/// Forecasts from which on a blend has to be better than its best member by a standard error of the difference;
/// of fewer a mean is the safer choice, and the error of the error is not known.
const ENOUGH: f64 = 50.0;
/// How many standard errors of the paired difference a member is behind before it is clearly worse.
const CLEARLY: f64 = 3.0;
/// Members with a smaller share than this, or than half of an even one, are left out.
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
        let only = only(member, count);
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
    let mixed = without_the_least(mixed.collect());
    let means: Vec<f64> = errors.iter().map(|own| average(own)).collect();
    let best = least(&means);
    let blended = shares(&view.judged, reference, loss, |number| view.medians(&mixed, number));
    let (lead, error) = difference(&errors[best], &blended, worth);
    let weights = if worth >= ENOUGH && lead < error { only(best, count) } else { mixed };
    // As the blend's own error is told, where some series count in one way and some in another.
    let told = |member: usize| {
        let only = only(member, count);
        Points::of(&view.judged, |number| view.medians(&only, number)).relative_to(reference, loss)
    };
    Ok((weights, (0..count).map(told).collect()))
}

/// All the weight for one member.
fn only(member: usize, count: usize) -> Vec<f64> {
    (0..count).map(|other| f64::from(u8::from(other == member))).collect()
}

fn least(values: &[f64]) -> usize {
    (1..values.len())
        .fold(0, |best, at| if values[at].total_cmp(&values[best]).is_lt() { at } else { best })
}

/// Weights by each member's own error, of those that aren't clearly worse than the best.
fn simple(errors: &[Vec<f64>], worth: f64) -> Vec<f64> {
    let means: Vec<f64> = errors.iter().map(|own| average(own)).collect();
    let best = least(&means);
    let power = SHARPNESS + worth / SHARPER;
    let raw = means.iter().enumerate().map(|(at, own)| {
        if !own.is_finite() || at != best && falls_short(&errors[at], &errors[best], worth) {
            return 0.0;
        }
        // A best member without an error has all of the weight.
        if *own > 0.0 { (means[best] / own).powf(power) } else { 1.0 }
    });
    scaled(raw.collect())
}

/// Whether these errors are clearly larger than those.
fn falls_short(errors: &[f64], than: &[f64], worth: f64) -> bool {
    let (lead, error) = difference(errors, than, worth);
    worth >= 2.0 && lead > CLEARLY * error
}

/// By how much the first errors are larger on average, forecast by forecast, and the standard error of that;
/// overlapping forecasts count as fewer.
fn difference(errors: &[f64], than: &[f64], worth: f64) -> (f64, f64) {
    let differences: Vec<f64> = errors.iter().zip(than).map(|(own, than)| own - than).collect();
    let mean = average(&differences);
    let squares: Vec<f64> = differences.iter().map(|own| (own - mean).powi(2)).collect();
    (mean, (average(&squares) / (worth - 1.0).max(1.0)).sqrt())
}

fn without_the_least(weights: Vec<f64>) -> Vec<f64> {
    let least = LEAST.min(0.5 / weights.len() as f64);
    scaled(weights.into_iter().map(|own| if own < least { 0.0 } else { own }).collect())
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
    use std::sync::Arc;

    use super::*;
    use crate::model::forecasting::LEVELS;
    use crate::train::forecasting::windows::Judged;

    /// Weights of members that are off by so much on average, of so many forecasts of one step. The second's
    /// errors come and go.
    fn weights(errors: [f64; 2], count: i64) -> Vec<f64> {
        let judged = |origin| Judged {
            series: 0,
            origin,
            actual: vec![10.0],
            unit: Some(1.0),
            deviation: Some(1.0),
            percent: false,
        };
        let said = |swing: f64, error: f64| {
            let errors = (0..count).map(|at| error + swing * [1.0, -1.0, 0.0][at as usize % 3]);
            Arc::new(errors.map(|error| vec![[10.0 + error; LEVELS.len()]]).collect::<Vec<_>>())
        };
        let answers = vec![said(0.0, errors[0]), said(1.0, errors[1])];
        let view = View { judged: (0..count).map(judged).collect(), answers };
        let reference = Points { mase: 1.0, smape: 1.0, percent: None, squared: 1.0 };
        weigh(&view, reference, Loss::Absolute, 1).expect("weights").0
    }

    #[test]
    fn few_forecasts_leave_a_mean_and_many_choose() {
        // A search by itself would take the first alone.
        let few = weights([1.0, 1.2], 3);
        assert!(few[1] > 0.2 && few[0] > few[1], "{few:?}");
        assert_eq!(weights([1.0, 1.2], 400), [1.0, 0.0]);
        // What the mean has left of the second doesn't make it better than the first.
        assert_eq!(weights([1.0, 1.02], 99), [1.0, 0.0]);
        // Errors that cancel out do.
        let both = weights([1.0, -1.0], 400);
        assert!(both.iter().all(|own| *own > 0.3), "{both:?}");
    }

    #[test]
    fn members_count_by_their_errors_and_the_clearly_worse_not_at_all() {
        let errors = [vec![1.0, 2.0, 1.0, 2.0], vec![2.0, 1.0, 2.0, 1.0], vec![5.0, 6.0, 5.5, 6.5]];
        assert_eq!(simple(&errors, 4.0), [0.5, 0.5, 0.0]);
        // Of one forecast nothing is clear but that a large error counts for little.
        let one = simple(&[vec![1.0], vec![2.0]], 1.0);
        assert!(one[1] > 0.05 && one[1] < 1.0 / 17.0, "{one:?}");
        assert_eq!(simple(&[vec![0.0, 0.0], vec![1.0, 1.1]], 2.0), [1.0, 0.0]);
    }

    #[test]
    fn small_shares_are_given_to_the_others() {
        assert_eq!(without_the_least(vec![0.02, 0.49, 0.49]), [0.0, 0.5, 0.5]);
        let even = without_the_least(vec![0.02; 50]);
        assert!(even.iter().all(|own| (own - 0.02).abs() < 1e-12), "{even:?}");
    }
}
