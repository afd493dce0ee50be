//! Classification: its estimators, what `auto` trains, and what they all begin with.

mod calibrate;
mod finish;
mod linear;
mod mlp;
mod net;
mod realmlp;
mod resnet;
mod tabm;
mod told;
mod trees;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use self::told::Told;
use super::estimator::{Candidate, Offer, Request};
use super::learner::Validation;
use crate::data::Task;
use crate::error::{Error, Result};
use crate::metrics::{accuracy, auc, log_loss};
use crate::model::Model;
use crate::model::classification::{ClassificationModel, Spec};
use crate::model::features::{Classes, Features, Inputs, NumberStyle};
use crate::model::labels::{class_indices, classes_of, positive_of};
use crate::model::member::{Body, Member};
use crate::train::course::{Deal, ESTIMATORS, FOLDS, SEEDS, Situation};

pub(super) const OFFER: Offer = Offer {
    estimators: &[
        linear::ESTIMATOR,
        mlp::ESTIMATOR,
        tabm::ESTIMATOR,
        resnet::ESTIMATOR,
        realmlp::ESTIMATOR,
        trees::ESTIMATOR,
    ],
    shared: &[
        ESTIMATORS,
        SEEDS,
        FOLDS,
        told::CLASS_WEIGHT,
        told::LABEL_SMOOTHING,
        told::CALIBRATE,
        told::THRESHOLD,
    ],
    check: |shared| Told::read(shared).map(drop),
    auto: candidates,
    folds: |situation| if is_small(situation) { 5 } else { 1 },
    finish: finish::finish,
    stand_in: None,
};

/// What learns by batches, where rows are streamed. Else trees and nets, which err in different rows; before them the regression, where rows are few enough that it is often
/// among the best, and that a path of penalties takes seconds.
fn candidates(situation: &Situation<'_>) -> Vec<Candidate> {
    const MOST: usize = 200_000;
    if situation.dataset.stream.is_some() {
        return vec![Candidate { kind: "mlp", share: 1.0 }];
    }
    let linear = (work(situation) <= MOST).then_some(Candidate { kind: "linear", share: 1.0 });
    let others = [Candidate { kind: "trees", share: 2.0 }, Candidate { kind: "mlp", share: 4.0 }];
    linear.into_iter().chain(others).collect()
}

/// Whether there are so few rows that one validation set is too small to choose by, and so little work that it may
/// well be done for several.
fn is_small(situation: &Situation<'_>) -> bool {
    const FEW: usize = 50_000;
    let Situation { dataset, data } = *situation;
    dataset.stream.is_none()
        && work(situation) <= FEW
        && dataset.valid.rows > 0
        && Deal::Rows.possible(dataset, data, 5)
}

/// Rows times classes.
fn work(situation: &Situation<'_>) -> usize {
    let Situation { dataset, data } = *situation;
    let classes = classes_of(&dataset.train, &data.target).map_or(0, |classes| classes.len());
    (dataset.train.rows + dataset.valid.rows) * classes
}

/// The description of a part's model.
#[derive(Clone, Debug)]
struct PartSpec {
    spec: Spec,
    told: Told,
    /// By how much a row of each class counts; absent where all count the same.
    weights: Option<Vec<f64>>,
}

impl PartSpec {
    /// What the one member is.
    fn with(mut self, body: Body) -> Self {
        self.spec.members = vec![Member::only(&self.spec.kind, body)];
        self
    }

    fn features(&self) -> &Features {
        &self.spec.features[0]
    }

    fn classes(&self) -> usize {
        self.spec.classes.len()
    }

    fn told(&self) -> &Told {
        &self.told
    }

    fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// By how much each of these rows counts.
    fn row_weights(&self, labels: &[usize]) -> Option<Vec<f64>> {
        let weights = self.weights()?;
        Some(labels.iter().map(|label| weights[*label]).collect())
    }

    /// The part as a model of one member with these weights.
    fn model(&self, weights: BTreeMap<String, Tensor>, device: &Device) -> Result<Model> {
        let weights = match &self.spec.members[..] {
            [only] => only.named(weights),
            _ => return Err(Error::bug("a part is a model of one member")),
        };
        Ok(Model::Classification(ClassificationModel::new(self.spec.clone(), weights, device)?))
    }
}

/// What every classifier has before it learns: classes, features, and the rows as it reads them.
struct Prepared {
    /// Without its member.
    spec: PartSpec,
    train: Inputs,
    labels: Vec<usize>,
    valid: Inputs,
    valid_labels: Vec<usize>,
}

impl Prepared {
    fn new(request: &Request<'_>, style: NumberStyle) -> Result<Self> {
        let Request { dataset, data, .. } = *request;
        if dataset.valid.rows == 0 {
            return Err(Error::user("no rows are held out for validation")
                .hint("raise `valid` of `data.split`, or give more data"));
        }

        let classes = classes_of(&dataset.train, &data.target)?;
        let labels = class_indices(&dataset.train, &data.target, &classes)?;
        let valid_labels = class_indices(&dataset.valid, &data.target, &classes)?;
        let positive = positive_of(data, &classes, &labels)?;

        let names = dataset.features(data, Task::Classification);
        let known = Classes { labels: &labels, count: classes.len() };
        let features = Features::fit(&dataset.train, &names, style, Some(known))?;
        let train = Inputs::read(&features, &dataset.train, 0..dataset.train.rows)?;
        let valid = Inputs::read(&features, &dataset.valid, 0..dataset.valid.rows)?;

        let prior = shares(&labels, classes.len());
        let told = Told::read(request.shared)?;
        let weights = told.weights(&classes, &labels)?;
        let spec = Spec {
            kind: request.model.kind.clone(),
            data: data.clone(),
            kinds: dataset.kinds(),
            classes,
            positive,
            features: vec![features],
            members: vec![],
            prior,
            logistic: None,
            temperature: None,
            threshold: None,
        };
        let spec = PartSpec { spec, told, weights };
        Ok(Self { spec, train, labels, valid, valid_labels })
    }
}

/// The share of each class.
fn shares(labels: &[usize], classes: usize) -> Vec<f64> {
    let count = |class: usize| labels.iter().filter(|label| **label == class).count();
    (0..classes).map(|class| count(class) as f64 / labels.len() as f64).collect()
}

/// What these probabilities of the validation rows are worth.
fn validation(spec: &PartSpec, labels: &[usize], answer: &[f64]) -> Validation {
    measured(&spec.spec, spec.weights(), labels, answer)
}

fn measured(spec: &Spec, weights: Option<&[f64]>, labels: &[usize], answer: &[f64]) -> Validation {
    let classes = spec.classes.len();
    let loss =
        log_loss(labels, answer, classes).filter(|loss| loss.is_finite()).unwrap_or(f64::INFINITY);
    let mut metrics = vec![("logloss".to_owned(), loss)];
    let mut monitor = loss;
    if let Some(weights) = weights {
        monitor = weighted_loss(labels, answer, weights);
        metrics.insert(0, (WEIGHTED.to_owned(), monitor));
    }
    if let Some(positive) = spec.positive {
        let is_positive: Vec<bool> = labels.iter().map(|label| *label == positive).collect();
        let scores: Vec<f64> = answer.chunks_exact(classes).map(|row| row[positive]).collect();
        metrics.extend(auc(&is_positive, &scores).map(|value| ("auc".to_owned(), value)));
    }
    metrics
        .extend(accuracy(labels, &spec.named(answer)).map(|value| ("accuracy".to_owned(), value)));
    Validation { monitor, metrics }
}

/// What decides where classes count differently.
const WEIGHTED: &str = "weighted_logloss";

/// The log loss of rows that count as their classes do.
fn weighted_loss(labels: &[usize], answer: &[f64], weights: &[f64]) -> f64 {
    let rows = answer.chunks_exact(weights.len()).zip(labels);
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, &label) in rows {
        sum -= weights[label] * row[label].max(f64::EPSILON).ln();
        total += weights[label];
    }
    sum / total
}
