//! The linear classifier: logistic regression over a model's encoded numbers and one column a name.
//!
//! Piecewise-linear encodings make it additive in curves rather than lines: each number has a slope of its own
//! between any two edges of its bins.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::engine::MISSING_POSITION;
use crate::error::{Error, Result};
use crate::model::features::{Features, Inputs};
use crate::model::logistic::{Logistic, apply, into_probabilities};

/// Where the weights are among a member's, `[width, outputs]`; the last row is the intercepts'.
pub(crate) const WEIGHT: &str = "weight";

/// How rows become the columns of the regression: of each number its scaled value, how much of each of its bins lies
/// below it (Gorishniy et al. 2022), and whether it is missing; then one column a name.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// How many bins each number has.
    bins: Vec<usize>,
    /// How many codes each column of names has.
    codes: Vec<usize>,
}

impl Columns {
    /// Of features whose numbers are positions among bins.
    pub(crate) fn of(features: &Features) -> Result<Self> {
        let bins = features.bins().ok_or_else(|| {
            Error::user("the linear model's features have no bins")
                .hint("its mlx/model.json was changed or cut short: `mlx models verify`")
        })?;
        let codes = features.levels.iter().map(|level| level.encoder.codes()).collect();
        Ok(Self { bins, codes })
    }

    /// How many columns there are; the last is the intercept's.
    pub(crate) fn width(&self) -> usize {
        let numbers: usize = self.bins.iter().map(|bins| bins + 2).sum();
        numbers + self.codes.iter().sum::<usize>() + 1
    }

    /// How many columns of a row are not zero at the most.
    pub(crate) fn filled(&self) -> usize {
        self.bins.iter().map(|bins| bins + 1).sum::<usize>() + self.codes.len() + 1
    }

    /// The columns of each row that are not zero, told one row after the other.
    pub(crate) fn rows(
        &self,
        features: &Features,
        inputs: &Inputs,
        mut told: impl FnMut(&[(u32, f64)]),
    ) {
        let encoded = features.encode(inputs);
        let rows = encoded.range(0..encoded.len());
        let mut entries = Vec::with_capacity(self.filled());
        for row in 0..rows.rows {
            entries.clear();
            let mut start = 0;
            let numbers = rows.dense[row * 2 * self.bins.len()..].chunks_exact(2);
            for (number, &bins) in numbers.zip(&self.bins) {
                let (scaled, position) = (f64::from(number[0]), f64::from(number[1]));
                if number[1] == MISSING_POSITION {
                    entries.push((start + bins as u32 + 1, 1.0));
                } else {
                    entries.push((start, scaled));
                    let below = |bin: u32| (position - f64::from(bin)).clamp(0.0, 1.0);
                    let bins = (0..bins as u32).map(|bin| (bin, below(bin)));
                    let bins = bins.take_while(|(_, share)| *share > 0.0);
                    entries.extend(bins.map(|(bin, share)| (start + 1 + bin, share)));
                }
                start += bins as u32 + 2;
            }
            let codes = &rows.codes[row * self.codes.len()..];
            for (&code, codes) in codes.iter().zip(&self.codes) {
                entries.push((start + code, 1.0));
                start += *codes as u32;
            }
            entries.push((start, 1.0));
            told(&entries);
        }
    }
}

/// A fitted regression.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    columns: Columns,
    /// Row-major `[width, outputs]`: one output for two classes, else one a class.
    weights: Vec<f64>,
    classes: usize,
}

impl Linear {
    pub(crate) fn new(columns: Columns, weights: Vec<f64>, classes: usize) -> Self {
        Self { columns, weights, classes }
    }

    /// From a member's weights; those that are missing or of another shape are an error.
    pub(crate) fn from_weights(
        features: &Features,
        classes: usize,
        weights: &BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        let columns = Columns::of(features)?;
        let tensor = weights
            .get(WEIGHT)
            .ok_or_else(|| Error::user(format!("the linear model's weights lack `{WEIGHT}`")))?;
        if tensor.dims() != [columns.width(), Logistic::outputs(classes)] {
            return Err(Error::user(format!(
                "the linear model's `{WEIGHT}` does not fit its spec"
            )));
        }
        let weights: Vec<f32> = tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
        Ok(Self { columns, weights: weights.into_iter().map(f64::from).collect(), classes })
    }

    /// Row-major `[rows, classes]`.
    pub(crate) fn probabilities(&self, features: &Features, inputs: &Inputs) -> Vec<f64> {
        let mut answer = Vec::with_capacity(inputs.rows * self.classes);
        let mut logits = vec![0.0; Logistic::outputs(self.classes)];
        self.columns.rows(features, inputs, |entries| {
            apply(&self.weights, entries, &mut logits);
            into_probabilities(&logits, &mut answer);
        });
        answer
    }
}
