//! Nets as learners of classes: rows, a net over their features, cross-entropy.

use candle_core::Tensor;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::{PartSpec, Prepared, validation};
use crate::engine::loss::CrossEntropy;
use crate::engine::{Batch, Parameters, StepKey};
use crate::error::Result;
use crate::model::Model;
use crate::model::classification::probabilities;
use crate::model::features::EncodedRows;
use crate::model::member;
use crate::model::nets::{Body, NetSettings, NetShape, Numbers, TabularNet};
use crate::sys::random::{Purpose, stream};
use crate::train::estimator::Request;
use crate::train::learner::{Defaults, Learner, Validation};
use crate::train::order::Locality;
use crate::train::rows::RowFile;
use crate::train::schedule::Schedule;

pub(super) struct NetLearner {
    spec: PartSpec,
    net: TabularNet,
    schedule: Schedule,
    learning_rate: f64,
    train: TrainRows,
    valid: EncodedRows,
    valid_labels: Vec<usize>,
}

/// The rows to learn from, as the net reads them, with their classes.
enum TrainRows {
    Memory(EncodedRows, Vec<u32>),
    File(RowFile),
}

impl TrainRows {
    fn len(&self) -> usize {
        match self {
            Self::Memory(rows, _) => rows.len(),
            Self::File(rows) => rows.len(),
        }
    }

    /// Adds these rows to a batch, and answers with the class of each.
    fn gather(&self, units: &[usize], batch: &mut Batch) -> Result<Vec<u32>> {
        match self {
            Self::Memory(rows, labels) => {
                rows.gather(units, batch);
                Ok(units.iter().map(|&unit| labels[unit]).collect())
            }
            Self::File(rows) => rows.gather(units, batch),
        }
    }
}

/// The settings of a net for classes where nothing else is said.
pub(super) fn defaults(body: Body) -> NetSettings {
    NetSettings {
        dropout: 0.1,
        members: 4,
        embedding: 24,
        embedding_dropout: 0.1,
        numbers: Numbers::Piecewise,
        bins: 64,
        ..NetSettings::of(body)
    }
}

impl NetLearner {
    pub(super) fn new(request: &Request<'_>, settings: &NetSettings) -> Result<Self> {
        let Prepared { spec, train, labels, valid, valid_labels } =
            Prepared::new(request, settings.style())?;
        let shape = NetShape::new(spec.features(), settings, spec.classes());
        let random = &mut stream(request.seed, Purpose::Init, 0);
        let net = TabularNet::init(&shape, settings, request.device, random)?;
        let train = match &request.dataset.stream {
            Some(stream) => {
                let (target, classes) = (&request.data.target, &spec.spec.classes);
                TrainRows::File(RowFile::of(stream, spec.features(), target, classes)?)
            }
            None => {
                let labels = labels.into_iter().map(|label| label as u32).collect();
                TrainRows::Memory(spec.features().encode(&train), labels)
            }
        };
        Ok(Self {
            net,
            schedule: Schedule::Cosines {
                epochs: settings.epochs.unwrap_or_else(|| epochs(spec.classes())),
            },
            learning_rate: learning_rate(train.len()),
            train,
            valid: spec.features().encode(&valid),
            valid_labels,
            spec: spec.with(member::Body::Net(shape)),
        })
    }

    /// The same, to learn at this rate where nothing is said.
    pub(super) fn at_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate, ..self }
    }
}

impl Learner for NetLearner {
    fn parameters(&self) -> &Parameters {
        self.net.parameters()
    }

    fn units(&self) -> usize {
        self.train.len()
    }

    fn locality(&self) -> Option<Locality> {
        match &self.train {
            TrainRows::Memory(..) => None,
            TrainRows::File(rows) => Some(rows.locality()),
        }
    }

    fn valid_units(&self) -> usize {
        self.valid.len()
    }

    fn defaults(&self) -> Defaults {
        let batch = batch(self.train.len());
        Defaults { batch, learning_rate: self.learning_rate, weight_decay: 0.02 }
    }

    fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// The mean of the members' cross-entropies: each member learns as if it were alone.
    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
        let mut batch = self.parameters().spare_batch();
        let labels = self.train.gather(units, &mut batch)?;
        let logits = self.net.train(batch, StepKey(random.next_u64()))?;
        let weights = self.spec.weights().map_or_else(Vec::new, |weights| {
            labels.iter().map(|&label| weights[label as usize] as f32).collect()
        });
        let smoothing = self.spec.told().smoothing as f32;
        CrossEntropy { labels, classes: self.spec.classes(), weights, smoothing }.of(&logits)
    }

    fn validate(&self) -> Result<Validation> {
        let answer = probabilities(&self.net, &self.valid)?;
        Ok(validation(&self.spec, &self.valid_labels, &answer))
    }

    fn model(&self) -> Result<Model> {
        let weights = self.parameters().snapshot()?;
        self.spec.model(weights, self.parameters().device())
    }
}

/// More for more classes, each of which is learned from its own rows.
fn epochs(classes: usize) -> usize {
    ((15.0 * (classes as f64 / 2.0).sqrt()) as usize).clamp(15, 30)
}

/// Smaller for few rows, whose noise large steps would learn.
fn learning_rate(rows: usize) -> f64 {
    (6e-5 * (rows as f64).sqrt()).clamp(4e-3, 8e-3)
}

/// A hundred steps an epoch and more, in powers of two.
fn batch(rows: usize) -> usize {
    (rows / 128).next_power_of_two().clamp(16, 256)
}
