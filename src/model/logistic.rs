//! Logistic regression, the baseline that every classifier has to beat: one-hot names, standardised numbers.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::features::{Features, Inputs};

/// Where the fitted weights are among a model's.
pub(crate) const WEIGHT: &str = "baseline.logistic.weight";

/// How rows become the columns of the regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Design {
    /// Mean and standard deviation of each number; a missing one is the mean, and flagged.
    pub numbers: Vec<(f64, f64)>,
    /// How many codes each column of names has.
    pub codes: Vec<usize>,
}

impl Design {
    pub(crate) fn fit(features: &Features, inputs: &Inputs) -> Self {
        let numbers = (0..features.numbers.len())
            .map(|at| {
                let values = (0..inputs.rows)
                    .map(|row| f64::from(inputs.numbers(row)[at]))
                    .filter(|value| !value.is_nan());
                let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
                for value in values.clone() {
                    count += 1.0;
                    sum += value;
                }
                let mean = if count > 0.0 { sum / count } else { 0.0 };
                for value in values {
                    squares += (value - mean).powi(2);
                }
                let deviation = if squares > 0.0 { (squares / count).sqrt() } else { 1.0 };
                (mean, deviation)
            })
            .collect();
        let codes = features.levels.iter().map(|level| level.encoder.codes()).collect();
        Self { numbers, codes }
    }

    /// How many columns there are; the last is the intercept's.
    pub(crate) fn width(&self) -> usize {
        2 * self.numbers.len() + self.codes.iter().sum::<usize>() + 1
    }

    /// The columns of a row that are not zero.
    pub(crate) fn row(&self, inputs: &Inputs, row: usize, entries: &mut Vec<(u32, f64)>) {
        entries.clear();
        for (at, (&value, (mean, deviation))) in
            inputs.numbers(row).iter().zip(&self.numbers).enumerate()
        {
            if value.is_nan() {
                entries.push((2 * at as u32 + 1, 1.0));
            } else {
                entries.push((2 * at as u32, (f64::from(value) - mean) / deviation));
            }
        }
        let mut start = 2 * self.numbers.len();
        for (&code, codes) in inputs.codes(row).iter().zip(&self.codes) {
            entries.push(((start + code as usize) as u32, 1.0));
            start += codes;
        }
        entries.push((start as u32, 1.0));
    }
}

/// A fitted regression: one column of weights for two classes, else one a class.
#[derive(Clone, Debug)]
pub(crate) struct Logistic {
    pub design: Design,
    /// Row-major `[width, outputs]`.
    pub weights: Vec<f64>,
    pub classes: usize,
}

impl Logistic {
    pub(crate) fn outputs(classes: usize) -> usize {
        if classes == 2 { 1 } else { classes }
    }

    pub(crate) fn from_weights(
        design: &Design,
        classes: usize,
        weights: &BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        let tensor = weights
            .get(WEIGHT)
            .ok_or_else(|| Error::user(format!("the model's weights lack `{WEIGHT}`")))?;
        if tensor.dims() != [design.width(), Self::outputs(classes)] {
            return Err(Error::user(format!("the model's `{WEIGHT}` does not fit its spec")));
        }
        let weights: Vec<f32> = tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
        let weights = weights.into_iter().map(f64::from).collect();
        Ok(Self { design: design.clone(), weights, classes })
    }

    pub(crate) fn tensor(&self) -> Result<Tensor> {
        let values: Vec<f32> = self.weights.iter().map(|&weight| weight as f32).collect();
        let shape = (self.design.width(), Self::outputs(self.classes));
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Row-major `[rows, classes]`.
    pub(crate) fn probabilities(&self, inputs: &Inputs) -> Vec<f64> {
        let outputs = Self::outputs(self.classes);
        let mut answer = Vec::with_capacity(inputs.rows * self.classes);
        let mut entries = vec![];
        let mut logits = vec![0.0; outputs];
        for row in 0..inputs.rows {
            self.design.row(inputs, row, &mut entries);
            apply(&self.weights, &entries, &mut logits);
            into_probabilities(&logits, &mut answer);
        }
        answer
    }
}

/// Adds the probabilities of a row's classes: of one logit by the sigmoid, of several by softmax.
pub(crate) fn into_probabilities(logits: &[f64], answer: &mut Vec<f64>) {
    if let [logit] = logits {
        let positive = 1.0 / (1.0 + (-logit).exp());
        answer.extend([1.0 - positive, positive]);
    } else {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        answer.extend(logits.iter().map(|logit| (logit - largest).exp() / sum));
    }
}

/// The products of a sparse row with each column of weights.
pub(crate) fn apply(weights: &[f64], entries: &[(u32, f64)], logits: &mut [f64]) {
    logits.fill(0.0);
    let outputs = logits.len();
    for &(column, value) in entries {
        let weights = &weights[column as usize * outputs..][..outputs];
        for (logit, weight) in logits.iter_mut().zip(weights) {
            *logit += value * weight;
        }
    }
}
