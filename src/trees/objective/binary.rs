//! Log loss of two classes; the score is the log of the odds.

use std::borrow::Cow;

use super::{
    Link, Objective, Slope, check_targets, check_weights, fill, mean_over, softplus, weight,
};
use crate::error::{Error, Result};

pub(crate) struct Binary<'a> {
    labels: Cow<'a, [f64]>,
    weights: Vec<f64>,
    smoothing: f64,
}

impl<'a> Binary<'a> {
    /// Labels are 0 and 1.
    pub(crate) fn new(labels: impl Into<Cow<'a, [f64]>>) -> Result<Self> {
        let labels = labels.into();
        check_targets(&labels)?;
        match labels.iter().find(|label| **label != 0.0 && **label != 1.0) {
            Some(label) => {
                Err(Error::user(format!("a label of two classes is {label}, not 0 or 1")))
            }
            None => Ok(Self { labels, weights: Vec::new(), smoothing: 0.0 }),
        }
    }

    /// Count each row this often, and spread a share of each label over both classes.
    pub(crate) fn told(self, weights: Vec<f64>, smoothing: f64) -> Result<Self> {
        check_weights(&weights, self.labels.len())?;
        Ok(Self { weights, smoothing, ..self })
    }

    fn target(&self, row: usize) -> f64 {
        self.labels[row] * (1.0 - self.smoothing) + self.smoothing / 2.0
    }
}

impl Objective for Binary<'_> {
    fn rows(&self) -> usize {
        self.labels.len()
    }

    fn link(&self) -> Link {
        Link::Sigmoid
    }

    fn start(&self) -> Vec<f64> {
        let rows = 0..self.labels.len();
        let total: f64 = rows.clone().map(|row| weight(&self.weights, row)).sum();
        let share =
            rows.map(|row| weight(&self.weights, row) * self.target(row)).sum::<f64>() / total;
        // With one class alone the odds are without end.
        let share = share.clamp(1e-15, 1.0 - 1e-15);
        vec![(share / (1.0 - share)).ln()]
    }

    fn slopes(&self, scores: &[f64], slopes: &mut [Slope]) {
        fill(slopes, |row| {
            let chance = 1.0 / (1.0 + (-scores[row]).exp());
            let slope = [chance - self.target(row), chance * (1.0 - chance)];
            slope.map(|slope| weight(&self.weights, row) * slope)
        });
    }

    fn loss(&self, scores: &[f64]) -> f64 {
        mean_over(self.rows(), |row| {
            weight(&self.weights, row) * (softplus(scores[row]) - self.target(row) * scores[row])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_slopes;
    use super::*;

    #[test]
    fn slopes_are_the_differences_of_the_loss() {
        let binary = Binary::new(&[0.0, 1.0, 1.0, 0.0]).unwrap();
        check_slopes(&binary, &[0.3, -2.0, 1.5, 0.0], 1.0);
        assert_eq!(binary.start(), [0.0]);
        assert!(binary.loss(&[-1e3, 1e3, 1e3, -1e3]) < 1e-12);
        assert!(Binary::new(&[2.0]).is_err());
    }

    #[test]
    fn rows_count_as_told_and_labels_are_as_sure_as_told() {
        let twice = Binary::new(&[0.0, 1.0, 1.0]).unwrap();
        let weighed = || Binary::new(&[0.0, 1.0]).unwrap().told(vec![1.0, 2.0], 0.0).unwrap();
        assert!((twice.start()[0] - weighed().start()[0]).abs() < 1e-12);
        let sums = 3.0 * twice.loss(&[0.2, -1.0, -1.0]) - 2.0 * weighed().loss(&[0.2, -1.0]);
        assert!(sums.abs() < 1e-12);
        check_slopes(&weighed(), &[0.2, -1.0], 1.0);
        let smooth = Binary::new(&[0.0, 1.0]).unwrap().told(vec![0.5, 1.5], 0.2).unwrap();
        check_slopes(&smooth, &[0.2, -1.0], 1.0);
        assert!(Binary::new(&[0.0, 1.0]).unwrap().told(vec![1.0], 0.0).is_err());
        assert!(Binary::new(&[0.0, 1.0]).unwrap().told(vec![1.0, -1.0], 0.0).is_err());
    }

    #[test]
    fn one_class_alone_is_all_but_certain() {
        let start = Binary::new(&[1.0, 1.0]).unwrap().start()[0];
        assert!(start > 30.0 && start.is_finite());
    }
}
