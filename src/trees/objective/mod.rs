//! What boosting brings down: a loss of the scores, with its first two derivatives by each.
//!
//! Scores and slopes lie output by output: that of `row` and `output` at `output * rows + row`.

use super::histogram::Slope;
use crate::error::{Error, Result};

mod binary;
mod lambda_rank;
mod quantile;
mod softmax;
mod squared;

pub(crate) use binary::Binary;
pub(crate) use lambda_rank::LambdaRank;
pub(crate) use quantile::Quantile;
pub(crate) use softmax::Softmax;
pub(super) use softmax::softmax;
pub(crate) use squared::Squared;

use super::model::Link;

pub(crate) trait Objective: Send + Sync {
    fn rows(&self) -> usize;

    /// How many scores a row has; a tree is grown for each in every round.
    fn outputs(&self) -> usize {
        1
    }

    /// From scores to what a model answers.
    fn link(&self) -> Link;

    /// The best scores that are the same for all rows, one an output.
    fn start(&self) -> Vec<f64>;

    /// First and second derivatives of each row's loss.
    fn slopes(&self, scores: &[f64], slopes: &mut [Slope]);

    /// The mean loss of the rows.
    fn loss(&self, scores: &[f64]) -> f64;

    /// What a leaf of these rows should add to their scores, where the slopes don't tell it.
    fn answer(&self, _rows: &[u32], _scores: &[f64]) -> Option<f64> {
        None
    }
}

/// Rows that one thread works on at a time; sums are added up block by block, whoever made them.
const BLOCK: usize = 1 << 12;

/// Targets have slopes that single precision can hold, with room for sums.
fn check_targets(targets: &[f64]) -> Result<()> {
    const MOST: f64 = 1e30;
    let Some(row) = targets.iter().position(|target| !(-MOST..=MOST).contains(target)) else {
        return Ok(());
    };
    let target = targets[row];
    let error = Error::user(format!("the target of row {row} is {target}"));
    Err(if target.is_nan() {
        error.hint("give every row a target, or leave the row out")
    } else {
        error.hint(format!("trees learn targets between -{MOST:e} and {MOST:e}"))
    })
}

/// The mean over rows of what `loss` makes of a row's number.
fn mean_over(rows: usize, loss: impl Fn(usize) -> f64 + Sync) -> f64 {
    use rayon::prelude::*;
    let blocks: Vec<f64> = (0..rows.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| (block * BLOCK..rows.min((block + 1) * BLOCK)).map(&loss).sum())
        .collect();
    blocks.iter().sum::<f64>() / rows as f64
}

/// Fill in the slopes of every row.
fn fill(slopes: &mut [Slope], slope: impl Fn(usize) -> [f64; 2] + Sync) {
    use rayon::prelude::*;
    slopes.par_chunks_mut(BLOCK).enumerate().for_each(|(block, slopes)| {
        for (at, into) in slopes.iter_mut().enumerate() {
            *into = slope(block * BLOCK + at).map(|slope| slope as f32);
        }
    });
}

/// By how much a row counts; all the same where there are no weights.
fn weight(weights: &[f64], row: usize) -> f64 {
    weights.get(row).copied().unwrap_or(1.0)
}

/// Weights are none, or one above zero for each row.
fn check_weights(weights: &[f64], rows: usize) -> Result<()> {
    if !weights.is_empty() && weights.len() != rows {
        return Err(Error::user(format!("{} weights for {rows} rows", weights.len())));
    }
    match weights.iter().position(|weight| !(*weight > 0.0 && *weight <= 1e12)) {
        Some(row) => Err(Error::user(format!("the weight of row {row} is {}", weights[row]))
            .hint("weights are above 0")),
        None => Ok(()),
    }
}

/// ln(1 + eˣ) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hold the slopes against differences of the summed loss; `curvature_factor` is by how much an
    /// objective claims more curvature than it has.
    pub(super) fn check_slopes(objective: &dyn Objective, scores: &[f64], curvature_factor: f64) {
        let mut slopes = vec![[0.0; 2]; scores.len()];
        objective.slopes(scores, &mut slopes);
        let total = |at: usize, by: f64| {
            let mut scores = scores.to_vec();
            scores[at] += by;
            objective.loss(&scores) * objective.rows() as f64
        };
        let step = 1e-4;
        for (at, slope) in slopes.iter().enumerate() {
            let (above, here, below) = (total(at, step), total(at, 0.0), total(at, -step));
            let first = (above - below) / (2.0 * step);
            let second = (above - 2.0 * here + below) / (step * step) * curvature_factor;
            assert!((first - f64::from(slope[0])).abs() < 1e-5, "{at}: {first} {slope:?}");
            assert!((second - f64::from(slope[1])).abs() < 1e-5, "{at}: {second} {slope:?}");
        }
    }

    #[test]
    fn targets_that_are_no_numbers_are_refused() {
        for target in [f64::NAN, f64::INFINITY, -1e31] {
            let targets = [1.0, target];
            assert!(Squared::new(&targets).is_err());
            assert!(Quantile::new(&targets, 0.5).is_err());
            assert!(Binary::new(&targets).is_err());
            assert!(LambdaRank::new(&targets, &[2]).is_err());
        }
        let error = Squared::new(&[1.0, f64::NAN]).err().unwrap();
        assert_eq!(error.message(), "the target of row 1 is NaN");
    }
}
