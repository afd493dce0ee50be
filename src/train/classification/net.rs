//! Nets as learners of classes: rows, a net over their features, cross-entropy.

use candle_core::{Device, Tensor};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::{PartSpec, Prepared, validation};
use crate::engine::loss::CrossEntropy;
use crate::engine::{Mode, Parameters, StepKey};
use crate::error::Result;
use crate::model::Model;
use crate::model::classification::{Body, probabilities};
use crate::model::features::{Features, Inputs};
use crate::model::nets::{Mlp, MlpShape, encoded};
use crate::sys::random::{Purpose, stream};
use crate::train::learner::{Defaults, Learner, Validation};

pub(super) struct NetLearner {
    spec: PartSpec,
    net: Mlp,
    train: Inputs,
    labels: Vec<u32>,
    valid: Inputs,
    valid_labels: Vec<usize>,
}

impl NetLearner {
    /// A net of this shape to train, which leaves this share of hidden values out.
    pub(super) fn new(
        prepared: Prepared,
        shape: MlpShape,
        dropout: f64,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let Prepared { spec, train, labels, valid, valid_labels } = prepared;
        let net = Mlp::init(&shape, dropout, device, &mut stream(seed, Purpose::Init, 0))?;
        let spec = spec.with(Body::Net(shape));
        let labels = labels.into_iter().map(|label| label as u32).collect();
        Ok(Self { spec, net, train, labels, valid, valid_labels })
    }

    fn features(&self) -> &Features {
        self.spec.features()
    }
}

impl Learner for NetLearner {
    fn parameters(&self) -> &Parameters {
        self.net.parameters()
    }

    fn units(&self) -> usize {
        self.train.rows
    }

    fn valid_units(&self) -> usize {
        self.valid.rows
    }

    fn defaults(&self) -> Defaults {
        Defaults { batch: batch(self.train.rows), learning_rate: 2e-3, weight_decay: 0.02 }
    }

    /// The mean of the members' cross-entropies: each member learns as if it were alone.
    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
        let batch = encoded(self.features(), &self.train, units);
        let logits = self.net.forward(batch, Mode::Train(StepKey(random.next_u64())))?;
        let labels = units.iter().map(|&unit| self.labels[unit]).collect();
        CrossEntropy { labels, classes: self.spec.classes() }.of(&logits)
    }

    fn validate(&self) -> Result<Validation> {
        let answer = probabilities(&self.net, self.features(), &self.valid)?;
        Ok(validation(&self.spec, &self.valid_labels, &answer))
    }

    fn model(&self) -> Result<Model> {
        let weights = self.parameters().snapshot()?;
        self.spec.model(weights, self.parameters().device())
    }
}

/// Some sixty steps an epoch, in powers of two.
fn batch(rows: usize) -> usize {
    (rows / 60).next_power_of_two().clamp(64, 512)
}
