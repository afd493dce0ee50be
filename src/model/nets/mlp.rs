//! Several small multilayer perceptrons side by side, over dense values and embeddings that they share.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::engine::{Activation, Batch, Linear, Mode, Net, NetBuilder, Parameters};
use crate::error::Result;
use crate::model::features::{Features, Inputs};

use super::MlpSettings;

/// What a net is, without its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MlpShape {
    pub dense: usize,
    pub embeddings: Vec<EmbeddingShape>,
    pub hidden: Vec<usize>,
    pub outputs: usize,
    pub members: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EmbeddingShape {
    pub codes: usize,
    pub size: usize,
}

impl MlpShape {
    pub(crate) fn new(features: &Features, settings: &MlpSettings, outputs: usize) -> Self {
        let embeddings = features
            .levels
            .iter()
            .map(|level| {
                let codes = level.encoder.codes();
                // A rule of thumb (fastai's): about the square root, and no more than there are levels.
                let size = (1.6 * (codes as f64).powf(0.56)).round() as usize;
                EmbeddingShape { codes, size: size.min(codes).clamp(1, settings.embedding) }
            })
            .collect();
        Self {
            dense: features.dense_width(),
            embeddings,
            hidden: settings.hidden.clone(),
            outputs,
            members: settings.members,
        }
    }

    /// The steps of the net. All members read the same input, so their first layer is one matrix.
    fn net(&self, dropout: f64) -> Arc<Net> {
        let mut net = NetBuilder::new(self.dense, self.embeddings.len());
        let tables: Vec<(usize, usize)> =
            self.embeddings.iter().map(|embedding| (embedding.codes, embedding.size)).collect();
        // The codes of the missing and the unseen stay zero, which is the mean, until a row teaches them.
        let mut value = net.gather("embeddings", &tables, 2);
        for (layer, &width) in self.hidden.iter().chain([&self.outputs]).enumerate() {
            let last = layer == self.hidden.len();
            let linear = Linear {
                width,
                members: self.members,
                shared_input: layer == 0,
                activation: if last { Activation::None } else { Activation::Relu },
                dropout: if last { 0.0 } else { dropout },
            };
            value = net.linear(&format!("layers.{layer}"), value, linear);
        }
        net.finish(value)
    }
}

/// Gathers and encodes rows.
pub(crate) fn encoded(features: &Features, inputs: &Inputs, rows: &[usize]) -> Arc<Batch> {
    let codes = rows.iter().flat_map(|&row| inputs.codes(row).iter().copied()).collect();
    let dense = features.dense(inputs, rows);
    Arc::new(Batch { rows: rows.len(), dense, codes })
}

/// A net with its weights, which are a run's variables or a package's tensors.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    shape: MlpShape,
    parameters: Parameters,
}

impl Mlp {
    /// A net to train, which leaves this share of hidden values out: U(±1/√inputs) for matrices and
    /// biases, as PyTorch's `Linear`.
    pub(crate) fn init(
        shape: &MlpShape,
        dropout: f64,
        device: &Device,
        random: &mut impl Rng,
    ) -> Result<Self> {
        let parameters = Parameters::init(&shape.net(dropout), device, random)?;
        Ok(Self { shape: shape.clone(), parameters })
    }

    /// From a package's weights; one that is missing or of another shape is an error.
    pub(crate) fn from_weights(
        shape: &MlpShape,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let parameters = Parameters::from_weights(&shape.net(0.0), weights, device)?;
        Ok(Self { shape: shape.clone(), parameters })
    }

    pub(crate) fn shape(&self) -> &MlpShape {
        &self.shape
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// `[rows, members × outputs]`.
    pub(crate) fn forward(&self, batch: Arc<Batch>, mode: Mode) -> Result<Tensor> {
        self.parameters.forward(batch, mode)
    }

    /// What the net says of rows when it is asked and not taught: `[rows, members, outputs]`.
    pub(crate) fn score(&self, batch: Arc<Batch>) -> Result<Tensor> {
        let rows = batch.rows;
        let output = self.forward(batch, Mode::Score)?.detach();
        Ok(output.reshape((rows, self.shape.members, self.shape.outputs))?)
    }
}
