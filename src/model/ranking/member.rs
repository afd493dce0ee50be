//! A member of a ranking model: what it is, and how it scores rows.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::boosted::{self, Columns};
use crate::model::features::{EncodedRows, Features, Inputs};
use crate::model::nets::{NetShape, TabularNet};
use crate::trees;

/// What `mlx/model.json` holds of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The part of the run that it was; its weights are named `<name>/…`.
    pub name: String,
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// What its scores are multiplied with before those of all members are added up.
    pub factor: f64,
    /// Which of the model's features it reads.
    pub features: usize,
    pub body: Body,
}

/// What computes a member's scores, without its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    Net(NetShape),
    Trees,
}

/// A member with its weights.
#[derive(Clone, Debug)]
pub(super) enum Scorer {
    Net(TabularNet),
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
        let own = weights.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
        });
        let own: BTreeMap<String, Tensor> = own.collect();
        Ok(match &self.body {
            Body::Net(shape) => Scorer::Net(TabularNet::from_weights(shape, &own, device)?),
            Body::Trees => Scorer::Trees(boosted::from_weights(&own)?),
        })
    }
}

impl Scorer {
    /// A score a row.
    pub(super) fn scores(&self, features: &Features, inputs: &Inputs) -> Result<Vec<f64>> {
        match self {
            Self::Net(net) => scores(net, &features.encode(inputs)),
            Self::Trees(trees) => trees.predict(&Columns::new(inputs).as_columns()),
        }
    }
}

/// The mean of the scores of a net's own members.
pub(crate) fn scores(net: &TabularNet, rows: &EncodedRows) -> Result<Vec<f64>> {
    let members = net.shape().members;
    net.score(rows, 1, |scores, answer| {
        for (scores, answer) in scores.chunks_exact(members).zip(answer) {
            *answer = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / members as f64;
        }
    })
}
