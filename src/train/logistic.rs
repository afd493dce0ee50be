//! Fitting the logistic regression: L-BFGS on the exact gradient, in f64, from zero; so deterministic.

use std::collections::VecDeque;

use crate::model::features::Inputs;
use crate::model::logistic::{Design, Logistic, apply};

/// Of the squared weights, intercept left out: the same as scikit-learn's `C = 1`.
const PENALTY: f64 = 1.0;
const ITERATIONS: usize = 200;
/// Pairs of steps and gradient changes that stand for the curvature.
const MEMORY: usize = 10;
/// Done when the largest gradient, a row, is under this.
const TOLERANCE: f64 = 1e-7;

/// The regression that minimises the summed cross-entropy and half the squared weights.
pub(crate) fn fit(design: Design, inputs: &Inputs, labels: &[usize], classes: usize) -> Logistic {
    let rows = Sparse::new(&design, inputs);
    let outputs = Logistic::outputs(classes);
    let start = vec![0.0; design.width() * outputs];
    let weights = minimise(start, inputs.rows as f64 * TOLERANCE, |weights, gradient| {
        objective(&rows, labels, outputs, weights, gradient)
    });
    Logistic { design, weights, classes }
}

/// The design's rows, those entries that are not zero.
struct Sparse {
    entries: Vec<(u32, f64)>,
    ends: Vec<usize>,
}

impl Sparse {
    fn new(design: &Design, inputs: &Inputs) -> Self {
        // A number and a name have an entry each, and so has the intercept. Room that grows by doubling
        // would be the most memory that a run ever takes.
        let width = design.numbers.len() + design.codes.len() + 1;
        let mut entries = Vec::with_capacity(inputs.rows * width);
        let mut ends = Vec::with_capacity(inputs.rows);
        let mut row_entries = Vec::with_capacity(width);
        for row in 0..inputs.rows {
            design.row(inputs, row, &mut row_entries);
            entries.extend_from_slice(&row_entries);
            ends.push(entries.len());
        }
        Self { entries, ends }
    }
}

/// The loss at these weights; its gradient is written.
fn objective(
    rows: &Sparse,
    labels: &[usize],
    outputs: usize,
    weights: &[f64],
    gradient: &mut [f64],
) -> f64 {
    let penalised = weights.len() - outputs;
    let mut loss = 0.0;
    for (at, (weight, gradient)) in weights.iter().zip(gradient.iter_mut()).enumerate() {
        *gradient = if at < penalised { PENALTY * weight } else { 0.0 };
        loss += weight * *gradient / 2.0;
    }

    let mut logits = vec![0.0; outputs];
    let mut start = 0;
    for (&end, &label) in rows.ends.iter().zip(labels) {
        let entries = &rows.entries[start..end];
        start = end;
        apply(weights, entries, &mut logits);
        loss += slopes(&mut logits, label);
        for &(column, value) in entries {
            let gradient = &mut gradient[column as usize * outputs..][..outputs];
            for (gradient, slope) in gradient.iter_mut().zip(&logits) {
                *gradient += value * slope;
            }
        }
    }
    loss
}

/// The cross-entropy of a row; its logits become their own derivatives.
fn slopes(logits: &mut [f64], label: usize) -> f64 {
    if let [logit] = logits {
        let signed = if label == 1 { -*logit } else { *logit };
        let loss = signed.max(0.0) + (-signed.abs()).exp().ln_1p();
        *logit = 1.0 / (1.0 + (-*logit).exp()) - label as f64;
        return loss;
    }
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let loss = sum.ln() + largest - logits[label];
    for logit in logits.iter_mut() {
        *logit = (*logit - largest).exp() / sum;
    }
    logits[label] -= 1.0;
    loss
}

/// L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5) with backtracking.
fn minimise(
    mut point: Vec<f64>,
    tolerance: f64,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(&point, &mut gradient);
    let mut pairs = VecDeque::<(Vec<f64>, Vec<f64>)>::with_capacity(MEMORY + 1);

    for _ in 0..ITERATIONS {
        if gradient.iter().all(|slope| slope.abs() <= tolerance) {
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
    point
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
        let mut rows = Sparse { entries: vec![], ends: vec![] };
        for row in entries {
            rows.entries.extend_from_slice(row);
            rows.ends.push(rows.entries.len());
        }
        minimise(vec![0.0; width * outputs], 1e-10, |weights, gradient| {
            objective(&rows, labels, outputs, weights, gradient)
        })
    }

    #[test]
    fn an_intercept_alone_is_the_log_odds() {
        let weights = fitted(&[&[(0, 1.0)][..]; 4], &[1, 1, 1, 0], 1, 1);
        assert!((weights[0] - 3.0_f64.ln()).abs() < 1e-8);
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
}
