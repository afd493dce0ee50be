//! A member of a classification model: what it is, and what it says of rows.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::engine::simd::{exp, vectorised};
use crate::error::Result;
use crate::model::boosted::{self, Columns};
use crate::model::features::{EncodedRows, Features, Inputs};
use crate::model::linear::Linear;
use crate::model::nets::{NetShape, TabularNet};
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
    Net(NetShape),
    Trees,
    Linear,
}

/// A member with its weights.
#[derive(Clone, Debug)]
pub(super) enum Scorer {
    Net(TabularNet),
    Trees(trees::Model),
    Linear(Linear),
}

impl Member {
    /// From the weights of a whole model.
    pub(super) fn scorer(
        &self,
        features: &Features,
        classes: usize,
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
            Body::Net(shape) => Scorer::Net(TabularNet::from_weights(shape, &own, device)?),
            Body::Trees => Scorer::Trees(boosted::from_weights(&own)?),
            Body::Linear => Scorer::Linear(Linear::from_weights(features, classes, &own)?),
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
            Self::Net(net) => probabilities(net, &features.encode(inputs)),
            Self::Trees(trees) => {
                let answers = trees.predict(&Columns::new(inputs).as_columns())?;
                Ok(boosted::probabilities(answers, classes))
            }
            Self::Linear(linear) => Ok(linear.probabilities(features, inputs)),
        }
    }
}

/// The mean of the probabilities of a net's own members, row-major.
pub(crate) fn probabilities(net: &TabularNet, rows: &EncodedRows) -> Result<Vec<f64>> {
    let classes = net.shape().outputs;
    let members = net.shape().members;
    net.score(rows, classes, |logits, answer| {
        vectorised(
            #[inline(always)]
            || {
                let answers = answer.chunks_exact_mut(classes);
                for (logits, answer) in logits.chunks_exact_mut(members * classes).zip(answers) {
                    for logits in logits.chunks_exact_mut(classes) {
                        softmax(logits);
                    }
                    for (class, answer) in answer.iter_mut().enumerate() {
                        let shares = logits[class..].iter().step_by(classes);
                        *answer = shares.map(|&share| f64::from(share)).sum();
                    }
                    // Divided in f64, a row sums to one as closely as f64 can.
                    let sum: f64 = answer.iter().sum();
                    for answer in answer {
                        *answer /= sum;
                    }
                }
            },
        );
    })
}

#[inline(always)]
fn softmax(logits: &mut [f32]) {
    let most = logits.iter().fold(f32::NEG_INFINITY, |most, &logit| most.max(logit));
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = exp(*logit - most);
        sum += *logit;
    }
    for logit in logits {
        *logit /= sum;
    }
}
