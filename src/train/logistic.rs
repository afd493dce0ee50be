//! Fitting the logistic regression: L-BFGS on the exact gradient, in f64, from zero; so deterministic.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::features::Inputs;
use crate::model::logistic::{Design, Logistic, apply};

/// Of the squared weights, intercept left out: the same as scikit-learn's `C = 1`.
const PENALTY: f64 = 1.0;
const ITERATIONS: usize = 200;
/// Pairs of steps and gradient changes that stand for the curvature.
const MEMORY: usize = 10;
/// Done when the largest gradient, a row, is under this.
const TOLERANCE: f64 = 1e-7;

/// The regression that minimises the summed cross-entropy and half the squared weights, or how far it got by the
/// iteration that `goes_on` doesn't want.
pub(crate) fn fit(
    design: Design,
    inputs: &Inputs,
    labels: &[usize],
    classes: usize,
    goes_on: impl FnMut(usize) -> Result<bool>,
) -> Result<Logistic> {
    // A number and a name have an entry each, and so has the intercept.
    let width = design.numbers.len() + design.codes.len() + 1;
    let mut rows = Sparse::with_room(inputs.rows, width);
    let mut entries = Vec::with_capacity(width);
    for row in 0..inputs.rows {
        design.row(inputs, row, &mut entries);
        rows.push(&entries);
    }
    let outputs = Logistic::outputs(classes);
    let problem = Problem { rows: &rows, labels, weights: None, smoothing: 0.0, outputs };
    let start = vec![0.0; design.width() * outputs];
    let weights = problem.solve(start, PENALTY, TOLERANCE, goes_on)?;
    Ok(Logistic { design, weights, classes })
}

/// Rows of a design, those entries that are not zero.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    entries: Vec<(u32, f64)>,
    ends: Vec<usize>,
}

impl Sparse {
    /// With room for rows of so many entries.
    pub(crate) fn with_room(rows: usize, width: usize) -> Self {
        // Room that grows by doubling would be the most memory that a run ever takes.
        Self { entries: Vec::with_capacity(rows * width), ends: Vec::with_capacity(rows) }
    }

    pub(crate) fn push(&mut self, row: &[(u32, f64)]) {
        self.entries.extend_from_slice(row);
        self.ends.push(self.entries.len());
    }

    fn row(&self, row: usize) -> &[(u32, f64)] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.entries[start..self.ends[row]]
    }
}

/// What a regression is fitted to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem<'a> {
    pub rows: &'a Sparse,
    pub labels: &'a [usize],
    /// By how much each row counts; all the same where absent.
    pub weights: Option<&'a [f64]>,
    /// The share of each row's label that is spread over all classes.
    pub smoothing: f64,
    /// One for two classes, else one a class.
    pub outputs: usize,
}

impl Problem<'_> {
    /// The weights that are least in penalised loss, searched from `start` on until no gradient, a row, is over
    /// `tolerance`, or `goes_on` doesn't want the iteration of this number. The intercepts, which come last, are not
    /// penalised.
    pub(crate) fn solve(
        &self,
        start: Vec<f64>,
        penalty: f64,
        tolerance: f64,
        goes_on: impl FnMut(usize) -> Result<bool>,
    ) -> Result<Vec<f64>> {
        let rows = self.labels.len() as f64;
        let loss = |weights: &[f64], gradient: &mut [f64]| self.loss(weights, penalty, gradient);
        minimise(start, rows * tolerance, loss, goes_on)
    }

    /// The loss without its penalty, a row.
    pub(crate) fn mean_loss(&self, weights: &[f64]) -> f64 {
        let mut gradient = vec![0.0; weights.len()];
        self.loss(weights, 0.0, &mut gradient) / self.labels.len().max(1) as f64
    }

    /// The loss at these weights; its gradient is written. Rows are added up in pieces whose number is always the
    /// same, and the pieces in their order, so that threads change no digit.
    fn loss(&self, weights: &[f64], penalty: f64, gradient: &mut [f64]) -> f64 {
        const PIECES: usize = 16;
        let count = self.labels.len();
        let pieces: Vec<(f64, Vec<f64>)> = (0..PIECES.min(count))
            .into_par_iter()
            .map(|piece| {
                let pieces = PIECES.min(count);
                self.piece(weights, piece * count / pieces..(piece + 1) * count / pieces)
            })
            .collect();
        let penalised = weights.len() - self.outputs;
        let mut loss = 0.0;
        for (at, (weight, gradient)) in weights.iter().zip(gradient.iter_mut()).enumerate() {
            *gradient = if at < penalised { penalty * weight } else { 0.0 };
            loss += weight * *gradient / 2.0;
        }
        for (own, slopes) in pieces {
            loss += own;
            gradient.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
        }
        loss
    }

    fn piece(&self, weights: &[f64], rows: Range<usize>) -> (f64, Vec<f64>) {
        let outputs = self.outputs;
        let mut gradient = vec![0.0; weights.len()];
        let mut logits = vec![0.0; outputs];
        let mut loss = 0.0;
        for row in rows {
            let entries = self.rows.row(row);
            apply(weights, entries, &mut logits);
            let own = slopes(&mut logits, self.labels[row], self.smoothing);
            let counts = self.weights.map_or(1.0, |weights| weights[row]);
            loss += counts * own;
            for &(column, value) in entries {
                let gradient = &mut gradient[column as usize * outputs..][..outputs];
                for (gradient, slope) in gradient.iter_mut().zip(&logits) {
                    *gradient += counts * value * slope;
                }
            }
        }
        (loss, gradient)
    }
}

/// The cross-entropy of a row with a label of which a share is spread over all classes; its logits become their
/// own derivatives.
fn slopes(logits: &mut [f64], label: usize, smoothing: f64) -> f64 {
    if let [logit] = logits {
        let target = label as f64 * (1.0 - smoothing) + smoothing / 2.0;
        let loss = logit.max(0.0) - *logit * target + (-logit.abs()).exp().ln_1p();
        *logit = 1.0 / (1.0 + (-*logit).exp()) - target;
        return loss;
    }
    let spread = smoothing / logits.len() as f64;
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let meant = (1.0 - smoothing) * logits[label] + spread * logits.iter().sum::<f64>();
    for logit in logits.iter_mut() {
        *logit = (*logit - largest).exp() / sum - spread;
    }
    logits[label] -= 1.0 - smoothing;
    sum.ln() + largest - meant
}

/// L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5) with backtracking.
fn minimise(
    mut point: Vec<f64>,
    tolerance: f64,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    mut goes_on: impl FnMut(usize) -> Result<bool>,
) -> Result<Vec<f64>> {
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(&point, &mut gradient);
    let mut pairs = VecDeque::<(Vec<f64>, Vec<f64>)>::with_capacity(MEMORY + 1);

    for iteration in 0..ITERATIONS {
        if gradient.iter().all(|slope| slope.abs() <= tolerance) || !goes_on(iteration)? {
            break;
        }
        let direction = descent(&gradient, &pairs);
        let slope = dot(&direction, &gradient);
        // The first step has no curvature to go by.
        let mut length =
            if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt() } else { 1.0 };
        let mut next_gradient = vec![0.0; point.len()];
        let accepted = (0..40).find_map(|_| {
            let next: Vec<f64> =
                point.iter().zip(&direction).map(|(at, step)| at + length * step).collect();
            let next_value = function(&next, &mut next_gradient);
            if next_value <= value + 1e-4 * length * slope {
                return Some((next, next_value));
            }
            length /= 2.0;
            None
        });
        let Some((next, next_value)) = accepted else { break };

        let step = difference(&next, &point);
        let change = difference(&next_gradient, &gradient);
        if dot(&step, &change) > 1e-12 * dot(&change, &change) {
            pairs.push_back((step, change));
            if pairs.len() > MEMORY {
                pairs.pop_front();
            }
        }
        (point, value, gradient) = (next, next_value, next_gradient);
    }
    Ok(point)
}

/// The two-loop recursion.
fn descent(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for (step, change) in pairs.iter().rev() {
        let share = dot(step, &direction) / dot(step, change);
        add(&mut direction, -share, change);
        shares.push(share);
    }
    if let Some((step, change)) = pairs.back() {
        let scale = dot(step, change) / dot(change, change);
        for value in &mut direction {
            *value *= scale;
        }
    }
    for ((step, change), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let correction = share - dot(change, &direction) / dot(step, change);
        add(&mut direction, correction, step);
    }
    direction
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += times * what;
    }
}

fn difference(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one - other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(
        entries: &[&[(u32, f64)]],
        labels: &[usize],
        width: usize,
        outputs: usize,
    ) -> Vec<f64> {
        let mut rows = Sparse::default();
        for row in entries {
            rows.push(row);
        }
        let problem = Problem { rows: &rows, labels, weights: None, smoothing: 0.0, outputs };
        let start = vec![0.0; width * outputs];
        problem.solve(start, PENALTY, 1e-10, |_| Ok(true)).expect("nothing fails")
    }

    #[test]
    fn an_intercept_alone_is_the_log_odds() {
        let weights = fitted(&[&[(0, 1.0)][..]; 4], &[1, 1, 1, 0], 1, 1);
        assert!((weights[0] - 3.0_f64.ln()).abs() < 1e-8);
    }

    #[test]
    fn iterations_end_where_they_are_told_to() {
        let mut rows = Sparse::default();
        for value in [-1.0, 0.2, 0.9] {
            rows.push(&[(0, value), (1, 1.0)]);
        }
        let problem =
            Problem { rows: &rows, labels: &[0, 1, 1], weights: None, smoothing: 0.0, outputs: 1 };
        let after = |count: usize| {
            problem.solve(vec![0.0; 2], PENALTY, 1e-10, |at| Ok(at < count)).expect("no failure")
        };
        assert_eq!(after(0), [0.0, 0.0]);
        assert!(problem.mean_loss(&after(1)) < problem.mean_loss(&after(0)));
        assert_ne!(after(1), after(100));
    }

    #[test]
    fn two_points_meet_the_condition_of_the_minimum() {
        // Minimises 2 ln(1 + e^-w) + w²/2, so w = 2 / (1 + e^w).
        let weights = fitted(&[&[(0, -1.0), (1, 1.0)], &[(0, 1.0), (1, 1.0)]], &[0, 1], 2, 1);
        assert!((weights[0] - 2.0 / (1.0 + weights[0].exp())).abs() < 1e-8);
        assert!(weights[1].abs() < 1e-8);
    }

    #[test]
    fn three_classes_without_features_are_their_shares() {
        let weights = fitted(&[&[(0, 1.0)][..]; 6], &[0, 1, 1, 2, 2, 2], 1, 3);
        assert!((weights[2] - weights[0] - 3.0_f64.ln()).abs() < 1e-8);
        assert!((weights[1] - weights[0] - 2.0_f64.ln()).abs() < 1e-8);
    }

    #[test]
    fn a_row_that_counts_twice_is_two_rows_and_a_smoothed_label_is_a_share_of_both() {
        let (one, other) = ([(0, 0.5), (1, 1.0)], [(0, -1.0), (1, 1.0)]);
        let fit = |rows: &[&[(u32, f64)]], labels: &[usize], weights: Option<&[f64]>, smoothing| {
            let mut sparse = Sparse::default();
            for row in rows {
                sparse.push(row);
            }
            let problem = Problem { rows: &sparse, labels, weights, smoothing, outputs: 1 };
            problem.solve(vec![0.0; 2], PENALTY, 1e-10, |_| Ok(true)).expect("nothing fails")
        };
        let twice = fit(&[&one, &one, &other], &[1, 1, 0], None, 0.0);
        let weighed = fit(&[&one, &other], &[1, 0], Some(&[2.0, 1.0]), 0.0);
        let smooth = fit(&[&one, &other], &[1, 0], None, 0.2);
        let shares =
            fit(&[&one, &one, &other, &other], &[1, 0, 0, 1], Some(&[0.9, 0.1, 0.9, 0.1]), 0.0);
        for (left, right) in twice.iter().zip(&weighed).chain(smooth.iter().zip(&shares)) {
            assert!((left - right).abs() < 1e-7, "{left} {right}");
        }
    }
}
