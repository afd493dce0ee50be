//! From probabilities to what is said: how sure the model is, which class it names, which it doesn't rule out.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::predictions::Probabilities;

/// From which probability of the positive class on a row is said to be positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Threshold {
    pub value: f64,
    /// What it was chosen by.
    pub by: Criterion,
}

/// What a threshold is chosen by, on validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Criterion {
    /// The harmonic mean of precision and recall of the positive class.
    F1,
    /// Sensitivity and specificity added (Youden, Index for Rating Diagnostic Tests, 1950).
    Youden,
    Accuracy,
    /// What mistakes cost together.
    Cost {
        false_positive: f64,
        false_negative: f64,
    },
    /// The project said it.
    Fixed(f64),
}

impl Criterion {
    pub(crate) fn name(self) -> String {
        match self {
            Self::F1 => "f1".into(),
            Self::Youden => "youden".into(),
            Self::Accuracy => "accuracy".into(),
            Self::Cost { false_positive, false_negative } => format!(
                "costs of {false_positive} for a false positive and {false_negative} for a false negative"
            ),
            Self::Fixed(_) => "the project".into(),
        }
    }
}

/// Divide logits by a temperature: below 1 answers get surer, above 1 less sure (Guo et al., On Calibration of
/// Modern Neural Networks, ICML 2017). Probabilities take the place of logits, for which their logarithms will do.
pub(crate) fn heat(values: &mut [f64], classes: usize, temperature: f64) {
    for row in values.chunks_exact_mut(classes) {
        let largest = row.iter().copied().fold(f64::MIN_POSITIVE, f64::max).ln();
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = ((value.max(1e-300).ln() - largest) / temperature).exp();
            sum += *value;
        }
        for value in row {
            *value /= sum;
        }
    }
}

/// Where conformal scores are among a model's weights.
pub(crate) const CONFORMAL: &str = "conformal.scores";

/// Scores that are kept: more would make no set any better.
const MOST_SCORES: usize = 2000;

/// Split conformal prediction sets by least ambiguous classes (Sadinle, Lei & Wasserman, Least Ambiguous Set-Valued
/// Classifiers, JASA 2019): one minus the probability of what each validation row turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conformal {
    /// Rising.
    scores: Vec<f32>,
}

impl Conformal {
    /// From probabilities of rows that nothing was fitted on, and what they turned out to be.
    pub(crate) fn new(values: &[f64], labels: &[usize], classes: usize) -> Self {
        let rows = values.chunks_exact(classes).zip(labels);
        let mut scores: Vec<f32> = rows.map(|(row, &label)| (1.0 - row[label]) as f32).collect();
        scores.sort_by(f32::total_cmp);
        if scores.len() > MOST_SCORES {
            // Of those left out, each is counted as the next larger one: sets are no smaller for it.
            let count = scores.len();
            let kept = (1..=MOST_SCORES).map(|at| scores[at * count / MOST_SCORES - 1]);
            scores = kept.collect();
        }
        Self { scores }
    }

    pub(crate) fn from_weights(weights: &BTreeMap<String, Tensor>) -> Result<Option<Self>> {
        let Some(tensor) = weights.get(CONFORMAL) else { return Ok(None) };
        let scores: Vec<f32> = tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
        if scores.is_empty() || !scores.is_sorted_by(|one, other| one <= other) {
            return Err(Error::user(format!("the model's `{CONFORMAL}` are damaged")));
        }
        Ok(Some(Self { scores }))
    }

    pub(crate) fn tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.scores.clone(), self.scores.len(), &Device::Cpu)?)
    }

    /// The least probability that a class of a set has, so that sets hold the true class of all but a share `alpha` of
    /// rows like those of validation; 0 where there were too few rows to rule anything out.
    pub(crate) fn least(&self, alpha: f64) -> f64 {
        let count = self.scores.len() as f64;
        let rank = ((count + 1.0) * (1.0 - alpha)).ceil() as usize;
        match self.scores.get(rank.max(1) - 1) {
            Some(score) => 1.0 - f64::from(*score),
            None => 0.0,
        }
    }

    /// The classes of each row's set, the most probable always among them.
    pub(crate) fn sets(&self, answers: &Probabilities, rows: usize, alpha: f64) -> Vec<Vec<usize>> {
        let least = self.least(alpha);
        let set = |row: usize| {
            let (own, top) = (answers.row(row), answers.top(row));
            // A score is a float32: what rounds to it belongs.
            let belongs = |class: &usize| own[*class] >= least - 1e-6 || *class == top;
            (0..own.len()).filter(belongs).collect()
        };
        (0..rows).map(set).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_spreads_and_cold_sharpens() {
        let answer = |temperature| {
            let mut values = [0.8, 0.2, 0.0, 1.0];
            heat(&mut values, 2, temperature);
            values
        };
        let same = answer(1.0);
        assert!((same[0] - 0.8).abs() < 1e-12 && same[3] > 0.999);
        // The odds of 4 become their square root.
        assert!((answer(2.0)[0] - 2.0 / 3.0).abs() < 1e-12);
        assert!(answer(0.5)[0] > 0.9 && answer(0.5).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn sets_hold_their_share_of_rows_like_those_they_were_made_of() {
        // Probabilities that are right: class 0 happens as often as it is said to.
        let row = |at: usize| {
            let chance = (at % 97) as f64 / 97.0;
            ([chance, 1.0 - chance], usize::from((at * 31 % 89) as f64 / 89.0 >= chance))
        };
        for count in [500, 20_000] {
            let (rows, labels): (Vec<[f64; 2]>, Vec<usize>) = (0..count).map(row).unzip();
            let conformal = Conformal::new(&rows.concat(), &labels, 2);
            assert!(conformal.scores.len() <= MOST_SCORES);
            let (rows, labels): (Vec<[f64; 2]>, Vec<usize>) = (count..2 * count).map(row).unzip();
            let answers =
                Probabilities { classes: vec!["a".into(), "b".into()], values: rows.concat() };
            for alpha in [0.05, 0.2] {
                let sets = conformal.sets(&answers, count, alpha);
                let hits = sets.iter().zip(&labels).filter(|(set, label)| set.contains(label));
                let share = hits.count() as f64 / count as f64;
                assert!((share - (1.0 - alpha)).abs() < 0.03, "{count} {alpha} {share}");
            }
        }
        assert_eq!(Conformal { scores: vec![0.3, 0.4] }.least(0.1), 0.0);
    }
}
