//! Pinball loss; the score is a quantile, at the level of a half the median and the loss half the absolute error.
//!
//! Its second derivative is zero, so trees are grown as if it were one, and their leaves then answer with the quantile
//! of what is left over in them (Friedman, Greedy Function Approximation, 2001, algorithm 3).

use std::borrow::Cow;

use super::{Link, Objective, Slope, check_targets, fill, mean_over};
use crate::error::{Error, Result};

pub(crate) struct Quantile<'a> {
    targets: Cow<'a, [f64]>,
    level: f64,
}

impl<'a> Quantile<'a> {
    pub(crate) fn new(targets: impl Into<Cow<'a, [f64]>>, level: f64) -> Result<Self> {
        let targets = targets.into();
        check_targets(&targets)?;
        if level > 0.0 && level < 1.0 {
            return Ok(Self { targets, level });
        }
        Err(Error::user(format!("a quantile's level is {level}, not between 0 and 1")))
    }
}

impl Objective for Quantile<'_> {
    fn rows(&self) -> usize {
        self.targets.len()
    }

    fn link(&self) -> Link {
        Link::Identity
    }

    fn start(&self) -> Vec<f64> {
        vec![quantile(self.targets.to_vec(), self.level)]
    }

    fn slopes(&self, scores: &[f64], slopes: &mut [Slope]) {
        fill(slopes, |row| {
            let above = scores[row] >= self.targets[row];
            [if above { 1.0 - self.level } else { -self.level }, 1.0]
        });
    }

    fn loss(&self, scores: &[f64]) -> f64 {
        mean_over(self.rows(), |row| {
            let short = self.targets[row] - scores[row];
            (self.level * short).max((self.level - 1.0) * short)
        })
    }

    fn answer(&self, rows: &[u32], scores: &[f64]) -> Option<f64> {
        let left_over =
            rows.iter().map(|&row| self.targets[row as usize] - scores[row as usize]).collect();
        Some(quantile(left_over, self.level))
    }
}

/// Linear between the two nearest (Hyndman & Fan 1996, definition 7); zero of nothing.
fn quantile(mut values: Vec<f64>, level: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let at = level * last as f64;
    let below = at.floor() as usize;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + (high - low) * (at - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_slopes_are_the_differences_of_the_loss() {
        let targets = [1.0, -2.0, 0.5];
        let scores = [0.0, 1.0, 0.25];
        let objective = Quantile::new(&targets, 0.8).unwrap();
        let mut slopes = [[0.0; 2]; 3];
        objective.slopes(&scores, &mut slopes);
        for at in 0..3 {
            let loss = |by: f64| {
                let mut scores = scores;
                scores[at] += by;
                objective.loss(&scores) * 3.0
            };
            let difference = (loss(1e-3) - loss(-1e-3)) / 2e-3;
            assert!((difference - f64::from(slopes[at][0])).abs() < 1e-6);
        }
    }

    #[test]
    fn the_start_and_the_leaves_are_quantiles() {
        let targets = [4.0, 1.0, 2.0, 3.0, 10.0];
        let median = Quantile::new(&targets, 0.5).unwrap();
        assert_eq!(median.start(), [3.0]);
        assert_eq!(median.answer(&[0, 4], &[1.0; 5]), Some(6.0));
        assert_eq!(Quantile::new(&targets, 0.875).unwrap().start(), [7.0]);
        assert!(Quantile::new(&targets, 1.0).is_err());
        assert_eq!(quantile(vec![], 0.5), 0.0);
    }
}
