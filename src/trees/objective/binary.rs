//! Log loss of two classes; the score is the log of the odds.

use std::borrow::Cow;

use super::{Link, Objective, Slope, check_targets, fill, mean_over, softplus};
use crate::error::{Error, Result};

pub(crate) struct Binary<'a> {
    labels: Cow<'a, [f64]>,
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
            None => Ok(Self { labels }),
        }
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
        let share = self.labels.iter().sum::<f64>() / self.labels.len() as f64;
        // With one class alone the odds are without end.
        let share = share.clamp(1e-15, 1.0 - 1e-15);
        vec![(share / (1.0 - share)).ln()]
    }

    fn slopes(&self, scores: &[f64], slopes: &mut [Slope]) {
        fill(slopes, |row| {
            let chance = 1.0 / (1.0 + (-scores[row]).exp());
            [chance - self.labels[row], chance * (1.0 - chance)]
        });
    }

    fn loss(&self, scores: &[f64]) -> f64 {
        mean_over(self.rows(), |row| {
            softplus(if self.labels[row] == 1.0 { -scores[row] } else { scores[row] })
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
    fn one_class_alone_is_all_but_certain() {
        let start = Binary::new(&[1.0, 1.0]).unwrap().start()[0];
        assert!(start > 30.0 && start.is_finite());
    }
}
