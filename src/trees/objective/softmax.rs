//! Log loss of several classes, one score each.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{BLOCK, Link, Objective, Slope, check_weights, mean_over, weight};
use crate::error::{Error, Result};

pub(crate) struct Softmax<'a> {
    labels: Cow<'a, [u32]>,
    classes: usize,
    weights: Vec<f64>,
    smoothing: f64,
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
            None => Ok(Self { labels, classes, weights: Vec::new(), smoothing: 0.0 }),
        }
    }

    /// Count each row this often, and spread a share of each label over all classes.
    pub(crate) fn told(self, weights: Vec<f64>, smoothing: f64) -> Result<Self> {
        check_weights(&weights, self.labels.len())?;
        Ok(Self { weights, smoothing, ..self })
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
        let mut counts = vec![0.0; self.classes];
        for (row, &label) in self.labels.iter().enumerate() {
            counts[label as usize] += weight(&self.weights, row);
        }
        let total: f64 = counts.iter().sum();
        let spread = self.smoothing / self.classes as f64;
        let share = |count: f64| count / total * (1.0 - self.smoothing) + spread;
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
            let spread = (self.smoothing / self.classes as f64) as f32;
            let sure = 1.0 - self.smoothing as f32;
            for (row, (slope, &chance)) in slopes.iter_mut().zip(chances).enumerate() {
                let hit = if self.labels[row] as usize == class { sure } else { 0.0 };
                let own = [chance - hit - spread, factor * chance * (1.0 - chance)];
                *slope = own.map(|own| weight(&self.weights, row) as f32 * own);
            }
        });
    }

    fn loss(&self, scores: &[f64]) -> f64 {
        let rows = self.rows();
        mean_over(rows, |row| {
            let of_row = || (0..self.classes).map(|class| scores[class * rows + row]);
            let most = of_row().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = of_row().map(|score| (score - most).exp()).sum();
            let mut meant = (1.0 - self.smoothing) * scores[self.labels[row] as usize * rows + row];
            if self.smoothing > 0.0 {
                meant += self.smoothing / self.classes as f64 * of_row().sum::<f64>();
            }
            weight(&self.weights, row) * (sum.ln() + most - meant)
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
    fn rows_count_as_told_and_labels_are_as_sure_as_told() {
        let told = Softmax::new(&[0, 2, 1], 3).unwrap().told(vec![0.5, 1.0, 3.0], 0.3).unwrap();
        let scores = [0.1, -1.0, 2.0, 0.3, 0.0, 0.5, 1.0, -0.2, -0.7];
        check_slopes(&told, &scores, 1.5);
        let start = told.start();
        assert!((start.iter().map(|start| start.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(start[1] > start[2] && start[2] > start[0]);
    }

    #[test]
    fn a_class_without_rows_and_large_scores_stay_finite() {
        assert!(Softmax::new(&[0, 1], 3).unwrap().start().iter().all(|score| score.is_finite()));
        let mut scores = [1e4, -1e4, 0.0];
        softmax(&mut scores);
        assert_eq!(scores, [1.0, 0.0, 0.0]);
    }
}
