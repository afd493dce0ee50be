//! A member of a classification model: what it is, and what it says of rows.

use std::collections::BTreeMap;

use candle_core::{D, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::chunks;
use crate::error::Result;
use crate::model::boosted::{self, Columns};
use crate::model::features::{Features, Inputs};
use crate::model::nets::{Mlp, MlpShape, encoded};
use crate::trees;

/// What `mlx/model.json` holds of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The part of the run that it was; its weights are named `<name>/…`.
    pub name: String,
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// Its share of the model's answer; those of all members add up to one.
    pub weight: f64,
    /// Which of the model's features it reads.
    pub features: usize,
    pub body: Body,
}

/// What computes a member's answers, without its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    Net(MlpShape),
    Trees,
}

/// A member with its weights.
#[derive(Clone, Debug)]
pub(super) enum Scorer {
    Net(Mlp),
    Trees(trees::Model),
}

impl Member {
    /// From the weights of a whole model.
    pub(super) fn scorer(
        &self,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Scorer> {
        let prefix = format!("{}/", self.name);
        let own: BTreeMap<String, Tensor> = weights
            .iter()
            .filter_map(|(name, tensor)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
            })
            .collect();
        Ok(match &self.body {
            Body::Net(shape) => Scorer::Net(Mlp::from_weights(shape, &own, device)?),
            Body::Trees => Scorer::Trees(boosted::from_weights(&own)?),
        })
    }
}

impl Scorer {
    /// Class probabilities, row-major `[rows, classes]`.
    pub(super) fn probabilities(
        &self,
        features: &Features,
        inputs: &Inputs,
        classes: usize,
    ) -> Result<Vec<f64>> {
        match self {
            Self::Net(net) => probabilities(net, features, inputs),
            Self::Trees(trees) => {
                let answers = trees.predict(&Columns::new(inputs).as_columns())?;
                Ok(boosted::probabilities(answers, classes))
            }
        }
    }
}

/// The mean of the probabilities of a net's own members, row-major.
pub(crate) fn probabilities(net: &Mlp, features: &Features, inputs: &Inputs) -> Result<Vec<f64>> {
    let mut answer = Vec::with_capacity(inputs.rows * net.shape().outputs);
    for rows in chunks(inputs.rows) {
        let logits = net.score(encoded(features, inputs, &rows.collect::<Vec<_>>()))?;
        let mean: Vec<f32> =
            candle_nn::ops::softmax(&logits, D::Minus1)?.mean(1)?.flatten_all()?.to_vec1()?;
        for row in mean.chunks_exact(net.shape().outputs) {
            // Divided in f64, a row sums to one as closely as f64 can.
            let sum: f64 = row.iter().map(|&share| f64::from(share)).sum();
            answer.extend(row.iter().map(|&share| f64::from(share) / sum));
        }
    }
    Ok(answer)
}
