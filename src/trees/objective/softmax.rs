//! Log loss of several classes, one score each.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{BLOCK, Link, Objective, Slope, mean_over};
use crate::error::{Error, Result};

pub(crate) struct Softmax<'a> {
    labels: Cow<'a, [u32]>,
    classes: usize,
}

impl<'a> Softmax<'a> {
    /// Labels are `0..classes`.
    pub(crate) fn new(labels: impl Into<Cow<'a, [u32]>>, classes: usize) -> Result<Self> {
        let labels = labels.into();
        if classes < 2 {
            return Err(Error::user(format!("{classes} classes are not enough to tell apart")));
        }
        match labels.iter().find(|label| **label as usize >= classes) {
            Some(label) => Err(Error::user(format!("a label is {label}, of {classes} classes"))),
            None => Ok(Self { labels, classes }),
        }
    }
}

impl Objective for Softmax<'_> {
    fn rows(&self) -> usize {
        self.labels.len()
    }

    fn outputs(&self) -> usize {
        self.classes
    }

    fn link(&self) -> Link {
        Link::Softmax
    }

    fn start(&self) -> Vec<f64> {
        let mut counts = vec![0_usize; self.classes];
        self.labels.iter().for_each(|&label| counts[label as usize] += 1);
        let share = |count| count as f64 / self.labels.len() as f64;
        counts.into_iter().map(|count| share(count).max(1e-15).ln()).collect()
    }

    /// The second derivatives are taken K/(K-1) times: as only differences of scores matter, one of the K trees is
    /// idle, and the others' steps are shorter for it (Friedman, Hastie & Tibshirani, Additive Logistic Regression,
    /// 2000, algorithm 6).
    fn slopes(&self, scores: &[f64], slopes: &mut [Slope]) {
        let (rows, classes) = (self.rows(), self.classes);
        // Row by row for the sums over classes, then class by class.
        let mut chances = vec![0.0_f32; rows * classes];
        chances.par_chunks_mut(BLOCK * classes).enumerate().for_each(|(block, chances)| {
            let mut of_row = vec![0.0; classes];
            for (at, chances) in chances.chunks_exact_mut(classes).enumerate() {
                let row = block * BLOCK + at;
                of_row
                    .iter_mut()
                    .enumerate()
                    .for_each(|(k, score)| *score = scores[k * rows + row]);
                softmax(&mut of_row);
                chances.iter_mut().zip(&of_row).for_each(|(into, &chance)| *into = chance as f32);
            }
        });
        let factor = classes as f32 / (classes as f32 - 1.0);
        slopes.par_chunks_mut(rows).enumerate().for_each(|(class, slopes)| {
            let chances = chances.iter().skip(class).step_by(classes);
            for ((slope, &chance), &label) in slopes.iter_mut().zip(chances).zip(&*self.labels) {
                let hit = if label as usize == class { 1.0 } else { 0.0 };
                *slope = [chance - hit, factor * chance * (1.0 - chance)];
            }
        });
    }

    fn loss(&self, scores: &[f64]) -> f64 {
        let rows = self.rows();
        mean_over(rows, |row| {
            let of_row = || (0..self.classes).map(|class| scores[class * rows + row]);
            let most = of_row().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = of_row().map(|score| (score - most).exp()).sum();
            sum.ln() + most - scores[self.labels[row] as usize * rows + row]
        })
    }
}

/// Scores of one row into chances.
pub(in super::super) fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        sum += *score;
    }
    for chance in scores {
        *chance /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_slopes;
    use super::*;

    #[test]
    fn slopes_are_the_differences_of_the_loss() {
        let softmax = Softmax::new(&[0, 2, 1, 2], 3).unwrap();
        let scores = [0.1, -1.0, 2.0, 0.3, 0.0, 0.5, 1.0, -0.2, -0.7, 1.5, 0.4, 0.9];
        check_slopes(&softmax, &scores, 1.5);
        let start = softmax.start();
        assert!((start[2] - 0.5_f64.ln()).abs() < 1e-15);
        assert!(Softmax::new(&[3], 3).is_err() && Softmax::new(&[0], 1).is_err());
    }

    #[test]
    fn a_class_without_rows_and_large_scores_stay_finite() {
        assert!(Softmax::new(&[0, 1], 3).unwrap().start().iter().all(|score| score.is_finite()));
        let mut scores = [1e4, -1e4, 0.0];
        softmax(&mut scores);
        assert_eq!(scores, [1.0, 0.0, 0.0]);
    }
}
