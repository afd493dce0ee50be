//! The classification learner: rows, a net over their features, cross-entropy; or boosted trees.

mod trees;

use candle_core::{Device, Tensor};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use crate::data::{DataSettings, Dataset, Task};
use crate::engine::loss::CrossEntropy;
use crate::engine::{Mode, Parameters, StepKey};
use crate::error::{Error, Result};
use crate::metrics::{accuracy, auc, log_loss, top_classes};
use crate::model::classification::{ClassificationModel, Spec, probabilities};
use crate::model::features::{Features, Inputs, NumberStyle};
use crate::model::labels::{class_indices, classes_of, positive_of};
use crate::model::logistic::{self, Design, Logistic};
use crate::model::nets::{Mlp, MlpSettings, MlpShape, encoded, estimator};
use crate::model::{Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::train::learner::{Defaults, Learner, Validation};
use crate::train::logistic::fit;

struct ClassificationLearner {
    kind: &'static str,
    spec: Spec,
    logistic: Logistic,
    net: Mlp,
    train: Inputs,
    labels: Vec<u32>,
    valid: Inputs,
    valid_labels: Vec<usize>,
}

/// A learner for the project's classification data; everything up to the first step happens here.
pub(crate) fn learner(
    dataset: &Dataset,
    settings: &DataSettings,
    model: &ModelSettings,
    seed: u64,
    device: &Device,
) -> Result<Box<dyn Learner>> {
    match estimator(model, &["mlp", "trees"])? {
        "trees" => trees::learner(dataset, settings, model, seed, device),
        kind => net(kind, dataset, settings, model, seed, device),
    }
}

fn net(
    kind: &'static str,
    dataset: &Dataset,
    settings: &DataSettings,
    model: &ModelSettings,
    seed: u64,
    device: &Device,
) -> Result<Box<dyn Learner>> {
    let mlp = MlpSettings::read(
        model,
        &MlpSettings { hidden: vec![96, 96], dropout: 0.1, members: 4, embedding: 24, bins: 32 },
    )?;
    let Prepared { mut spec, logistic, train, labels, valid, valid_labels } =
        Prepared::new(kind, dataset, settings, mlp.bins)?;
    let shape = MlpShape::new(&spec.features, &mlp, spec.classes.len());
    let net = Mlp::init(&shape, mlp.dropout, device, &mut stream(seed, Purpose::Init, 0))?;
    spec.net = Some(shape);
    let labels = labels.into_iter().map(|label| label as u32).collect();
    Ok(Box::new(ClassificationLearner {
        kind,
        spec,
        logistic,
        net,
        train,
        labels,
        valid,
        valid_labels,
    }))
}

/// What every classifier has before it learns: classes, features, baselines, and the rows as it reads them.
struct Prepared {
    /// Without a net.
    spec: Spec,
    logistic: Logistic,
    train: Inputs,
    labels: Vec<usize>,
    valid: Inputs,
    valid_labels: Vec<usize>,
}

impl Prepared {
    fn new(kind: &str, dataset: &Dataset, settings: &DataSettings, bins: usize) -> Result<Self> {
        if dataset.valid.rows == 0 {
            return Err(Error::user("no rows are held out for validation")
                .hint("raise `valid` of `data.split`, or give more data"));
        }

        let classes = classes_of(&dataset.train, &settings.target)?;
        let labels = class_indices(&dataset.train, &settings.target, &classes)?;
        let valid_labels = class_indices(&dataset.valid, &settings.target, &classes)?;
        let positive = positive_of(settings, &classes, &labels)?;

        let names = dataset.features(settings, Task::Classification);
        let style = NumberStyle::Piecewise { bins };
        let features = Features::fit(&dataset.train, &names, style)?;
        let train = Inputs::read(&features, &dataset.train, 0..dataset.train.rows)?;
        let valid = Inputs::read(&features, &dataset.valid, 0..dataset.valid.rows)?;

        let logistic = fit(Design::fit(&features, &train), &train, &labels, classes.len());
        let prior = (0..classes.len())
            .map(|class| {
                labels.iter().filter(|label| **label == class).count() as f64 / labels.len() as f64
            })
            .collect();

        let spec = Spec {
            kind: kind.into(),
            data: settings.clone(),
            kinds: dataset.kinds(),
            classes,
            positive,
            features,
            net: None,
            prior,
            logistic: logistic.design.clone(),
        };
        Ok(Self { spec, logistic, train, labels, valid, valid_labels })
    }
}

impl Learner for ClassificationLearner {
    fn kind(&self) -> &'static str {
        self.kind
    }

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
        let batch = encoded(&self.spec.features, &self.train, units);
        let logits = self.net.forward(batch, Mode::Train(StepKey(random.next_u64())))?;
        let labels = units.iter().map(|&unit| self.labels[unit]).collect();
        CrossEntropy { labels, classes: self.spec.classes.len() }.of(&logits)
    }

    fn validate(&self) -> Result<Validation> {
        let answer = probabilities(&self.net, &self.spec.features, &self.valid)?;
        Ok(validation(&self.spec, &self.valid_labels, &answer))
    }

    fn model(&self) -> Result<Model> {
        let mut weights = self.parameters().snapshot()?;
        weights.insert(logistic::WEIGHT.to_owned(), self.logistic.tensor()?);
        let device = self.parameters().device();
        Ok(Model::Classification(ClassificationModel::new(self.spec.clone(), weights, device)?))
    }
}

/// What these probabilities of the validation rows are worth.
fn validation(spec: &Spec, labels: &[usize], answer: &[f64]) -> Validation {
    let classes = spec.classes.len();
    let loss =
        log_loss(labels, answer, classes).filter(|loss| loss.is_finite()).unwrap_or(f64::INFINITY);
    let mut metrics = vec![("logloss".to_owned(), loss)];
    if let Some(positive) = spec.positive {
        let is_positive: Vec<bool> = labels.iter().map(|label| *label == positive).collect();
        let scores: Vec<f64> = answer.chunks_exact(classes).map(|row| row[positive]).collect();
        metrics.extend(auc(&is_positive, &scores).map(|value| ("auc".to_owned(), value)));
    }
    metrics.extend(
        accuracy(labels, &top_classes(answer, classes)).map(|value| ("accuracy".to_owned(), value)),
    );
    Validation { monitor: loss, metrics }
}

/// Some sixty steps an epoch, in powers of two.
fn batch(rows: usize) -> usize {
    (rows / 60).next_power_of_two().clamp(64, 512)
}
