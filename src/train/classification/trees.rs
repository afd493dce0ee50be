//! Boosted trees that tell classes apart.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{Prepared, validation};
use crate::data::{DataSettings, Dataset};
use crate::error::Result;
use crate::model::boosted::{self, Columns};
use crate::model::classification::{ClassificationModel, Spec};
use crate::model::logistic::{self, Logistic};
use crate::model::{Model, ModelSettings};
use crate::train::boosting::{Boosted, TreesLearner, check_device};
use crate::train::learner::{Learner, Validation};
use crate::trees::{Binary, Objective, Softmax};

/// Bins of the piecewise encoding, which trees don't read.
const ENCODING_BINS: usize = 2;

struct Classes {
    spec: Spec,
    logistic: Logistic,
    labels: Vec<usize>,
    valid_labels: Vec<usize>,
}

pub(super) fn learner(
    dataset: &Dataset,
    settings: &DataSettings,
    model: &ModelSettings,
    seed: u64,
    device: &Device,
) -> Result<Box<dyn Learner>> {
    check_device(device)?;
    let tree_settings = boosted::settings(model)?;
    let Prepared { spec, logistic, train, labels, valid, valid_labels } =
        Prepared::new("trees", dataset, settings, ENCODING_BINS)?;
    let (train, valid) = (Columns::new(&train), Columns::new(&valid));
    let classes = Classes { spec, logistic, labels, valid_labels };
    Ok(Box::new(TreesLearner::new(classes, tree_settings, train, valid, seed, device)?))
}

impl Classes {
    fn objective_of(&self, labels: &[usize]) -> Result<Box<dyn Objective>> {
        let classes = self.spec.classes.len();
        if classes == 2 {
            let labels: Vec<f64> = labels.iter().map(|&label| label as f64).collect();
            return Ok(Box::new(Binary::new(labels)?));
        }
        let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
        Ok(Box::new(Softmax::new(labels, classes)?))
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
        let answers = boosted::probabilities(answers, self.spec.classes.len());
        validation(&self.spec, &self.valid_labels, &answers)
    }

    fn model(&self, mut weights: BTreeMap<String, Tensor>) -> Result<Model> {
        weights.insert(logistic::WEIGHT.to_owned(), self.logistic.tensor()?);
        let spec = self.spec.clone();
        Ok(Model::Classification(ClassificationModel::new(spec, weights, &Device::Cpu)?))
    }
}
