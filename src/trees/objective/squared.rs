//! Half the squared error; the score is the mean.

use std::borrow::Cow;

use super::{Link, Objective, Slope, check_targets, fill, mean_over};
use crate::error::Result;

pub(crate) struct Squared<'a> {
    targets: Cow<'a, [f64]>,
}

impl<'a> Squared<'a> {
    pub(crate) fn new(targets: impl Into<Cow<'a, [f64]>>) -> Result<Self> {
        let targets = targets.into();
        check_targets(&targets)?;
        Ok(Self { targets })
    }
}

impl Objective for Squared<'_> {
    fn rows(&self) -> usize {
        self.targets.len()
    }

    fn link(&self) -> Link {
        Link::Identity
    }

    fn start(&self) -> Vec<f64> {
        vec![self.targets.iter().sum::<f64>() / self.targets.len() as f64]
    }

    fn slopes(&self, scores: &[f64], slopes: &mut [Slope]) {
        fill(slopes, |row| [scores[row] - self.targets[row], 1.0]);
    }

    fn loss(&self, scores: &[f64]) -> f64 {
        mean_over(self.rows(), |row| (scores[row] - self.targets[row]).powi(2) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_slopes;
    use super::*;

    #[test]
    fn slopes_are_the_differences_of_the_loss() {
        let squared = Squared::new(&[1.0, -2.0, 0.5]).unwrap();
        check_slopes(&squared, &[0.0, 1.0, 0.25], 1.0);
        assert!((squared.start()[0] + 1.0 / 6.0).abs() < 1e-15);
    }
}
