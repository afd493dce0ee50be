//! Several small multilayer perceptrons side by side, over dense values and embeddings that they share.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use rand::{Rng, RngCore};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::Parameters;
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

    fn input(&self) -> usize {
        self.dense + self.embeddings.iter().map(|embedding| embedding.size).sum::<usize>()
    }

    /// The widths from the input to the outputs.
    fn widths(&self) -> Vec<usize> {
        std::iter::once(self.input())
            .chain(self.hidden.iter().copied())
            .chain([self.outputs])
            .collect()
    }

    /// The shape of every weight by name.
    fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let mut weights = vec![];
        for (at, embedding) in self.embeddings.iter().enumerate() {
            weights.push((format!("embeddings.{at}"), vec![embedding.codes, embedding.size]));
        }
        for (at, width) in self.widths().windows(2).enumerate() {
            // All members read the same input, so their first layer is one matrix.
            let shape = if at == 0 {
                vec![width[0], self.members * width[1]]
            } else {
                vec![self.members, width[0], width[1]]
            };
            weights.push((format!("layers.{at}.weight"), shape));
            weights.push((format!("layers.{at}.bias"), vec![self.members * width[1]]));
        }
        weights
    }
}

/// Rows on their way into a net.
pub(crate) struct Batch {
    rows: usize,
    dense: Option<Tensor>,
    codes: Vec<Tensor>,
}

impl Batch {
    /// Gathers and encodes rows.
    pub(crate) fn new(
        features: &Features,
        inputs: &Inputs,
        rows: &[usize],
        device: &Device,
    ) -> Result<Self> {
        let width = features.dense_width();
        let dense = if width == 0 {
            None
        } else {
            let values = features.dense(inputs, rows.iter().copied());
            Some(Tensor::from_vec(values, (rows.len(), width), device)?)
        };
        let codes = (0..features.levels.len())
            .map(|at| {
                let codes: Vec<u32> = rows.iter().map(|&row| inputs.codes(row)[at]).collect();
                Ok(Tensor::from_vec(codes, rows.len(), device)?)
            })
            .collect::<Result<_>>()?;
        Ok(Self { rows: rows.len(), dense, codes })
    }
}

/// A net with its weights, which are a run's variables or a package's tensors.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    shape: MlpShape,
    weights: BTreeMap<String, Tensor>,
}

impl Mlp {
    /// New weights: U(±1/√inputs) for matrices and biases, as PyTorch's `Linear`.
    pub(crate) fn init(
        shape: &MlpShape,
        parameters: &mut Parameters,
        random: &mut impl Rng,
    ) -> Result<Self> {
        let widths = shape.widths();
        let mut weights = BTreeMap::new();
        for (name, dimensions) in shape.weights() {
            let tensor = if name.starts_with("embeddings.") {
                let (codes, size) = (dimensions[0], dimensions[1]);
                let bound = 1.0 / (size as f32).sqrt();
                // The codes of the missing and the unseen stay zero, which is the mean, until a row teaches them.
                let values = (0..codes * size)
                    .map(|at| {
                        let drawn = (random.random::<f32>() * 2.0 - 1.0) * bound;
                        if at < 2 * size { 0.0 } else { drawn }
                    })
                    .collect();
                parameters.create(&name, values, dimensions)?
            } else {
                let layer = layer_of(&name);
                let bound = 1.0 / (widths[layer] as f32).sqrt();
                parameters.uniform(&name, dimensions, bound, random)?
            };
            weights.insert(name, tensor);
        }
        Ok(Self { shape: shape.clone(), weights })
    }

    /// From a package's weights; one that is missing or of another shape is an error.
    pub(crate) fn from_weights(
        shape: &MlpShape,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let mut own = BTreeMap::new();
        for (name, dimensions) in shape.weights() {
            let tensor = weights
                .get(&name)
                .ok_or_else(|| Error::user(format!("the model's weights lack `{name}`")))?;
            if tensor.dims() != dimensions {
                return Err(Error::user(format!(
                    "the model's weights hold `{name}` as {:?}, and its spec says {dimensions:?}",
                    tensor.dims()
                )));
            }
            own.insert(name, tensor.to_device(device)?);
        }
        Ok(Self { shape: shape.clone(), weights: own })
    }

    pub(crate) fn shape(&self) -> &MlpShape {
        &self.shape
    }

    /// `[members, rows, outputs]`. With a share and a generator, hidden values are dropped out.
    pub(crate) fn forward(
        &self,
        batch: &Batch,
        mut dropout: Option<(f64, &mut dyn RngCore)>,
    ) -> Result<Tensor> {
        let mut parts: Vec<Tensor> = batch.dense.iter().cloned().collect();
        for (at, codes) in batch.codes.iter().enumerate() {
            parts.push(self.weight(&format!("embeddings.{at}")).index_select(codes, 0)?);
        }
        let mut values = if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 1)? };

        let layers = self.shape.hidden.len() + 1;
        for layer in 0..layers {
            let weight = self.weight(&format!("layers.{layer}.weight"));
            let bias = self.weight(&format!("layers.{layer}.bias"));
            let width = bias.elem_count() / self.shape.members;
            values = if layer == 0 {
                values
                    .matmul(weight)?
                    .broadcast_add(bias)?
                    .reshape((batch.rows, self.shape.members, width))?
                    .transpose(0, 1)?
                    .contiguous()?
            } else {
                let bias = bias.reshape((self.shape.members, 1, width))?;
                values.matmul(weight)?.broadcast_add(&bias)?
            };
            if layer + 1 < layers {
                values = values.relu()?;
                if let Some((share, random)) = &mut dropout {
                    values = drop_out(&values, *share, &mut **random)?;
                }
            }
        }
        Ok(values)
    }

    fn weight(&self, name: &str) -> &Tensor {
        self.weights.get(name).expect("every weight of the shape was put in place")
    }
}

/// Leaves values out and scales the rest up. The share is rounded to 1/256, so that a byte decides.
fn drop_out(values: &Tensor, share: f64, random: &mut dyn RngCore) -> Result<Tensor> {
    let dropped = (share * 256.0).round() as u16;
    if dropped == 0 {
        return Ok(values.clone());
    }
    let mut bytes = vec![0; values.elem_count()];
    random.fill_bytes(&mut bytes);
    let kept = 256.0 / f32::from(256 - dropped);
    let mask: Vec<f32> =
        bytes.into_iter().map(|byte| if u16::from(byte) < dropped { 0.0 } else { kept }).collect();
    Ok((values * Tensor::from_vec(mask, values.shape(), values.device())?)?)
}

fn layer_of(name: &str) -> usize {
    name.split('.').nth(1).and_then(|at| at.parse().ok()).expect("layers are numbered")
}
