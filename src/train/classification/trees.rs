//! Boosted trees that tell classes apart.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{PartSpec, Prepared, validation};
use crate::error::Result;
use crate::model::Model;
use crate::model::boosted::{self, Columns};
use crate::model::features::NumberStyle;
use crate::model::member::Body;
use crate::train::boosting::{Boosted, TreesLearner, check_device};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::{Learner, Validation};
use crate::trees::{Binary, Objective, Softmax};

struct Classes {
    spec: PartSpec,
    labels: Vec<usize>,
    valid_labels: Vec<usize>,
}

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "trees",
    about: "boosted trees",
    keys: boosted::KEYS,
    check: |model| boosted::settings(model).map(drop),
    build,
    descends: false,
    cpu_only: true,
    takes_steps: true,
};

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let Request { seed, device, .. } = *request;
    check_device(device)?;
    let settings = boosted::settings(request.model)?;
    let Prepared { spec, train, labels, valid, valid_labels } =
        Prepared::new(request, NumberStyle::Robust)?;
    let (train, valid) = (Columns::new(&train), Columns::new(&valid));
    let classes = Classes { spec: spec.with(Body::Trees), labels, valid_labels };
    Ok(Box::new(TreesLearner::new(classes, settings, train, valid, seed, device)?))
}

impl Classes {
    fn objective_of(&self, labels: &[usize]) -> Result<Box<dyn Objective>> {
        let classes = self.spec.classes();
        let weights = self.spec.row_weights(labels).unwrap_or_default();
        let smoothing = self.spec.told().smoothing;
        if classes == 2 {
            let labels: Vec<f64> = labels.iter().map(|&label| label as f64).collect();
            return Ok(Box::new(Binary::new(labels)?.told(weights, smoothing)?));
        }
        let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
        Ok(Box::new(Softmax::new(labels, classes)?.told(weights, smoothing)?))
    }
}

impl Boosted for Classes {
    fn objective(&self) -> Result<Box<dyn Objective>> {
        self.objective_of(&self.labels)
    }

    fn valid_objective(&self) -> Result<Box<dyn Objective>> {
        self.objective_of(&self.valid_labels)
    }

    fn units(&self) -> [usize; 2] {
        [self.labels.len(), self.valid_labels.len()]
    }

    fn validation(&self, answers: Vec<f64>) -> Validation {
        let answers = boosted::probabilities(answers, self.spec.classes());
        validation(&self.spec, &self.valid_labels, &answers)
    }

    fn model(&self, weights: BTreeMap<String, Tensor>) -> Result<Model> {
        self.spec.model(weights, &Device::Cpu)
    }
}
