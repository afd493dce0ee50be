//! Boosted trees as a learner: a step is a round of boosting, and an epoch a few rounds.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::{Prepared, validation};
use crate::data::{DataSettings, Dataset};
use crate::engine::{NetBuilder, Parameters};
use crate::error::{Error, Result};
use crate::model::boosted::{self, Columns};
use crate::model::classification::{ClassificationModel, Spec};
use crate::model::logistic::{self, Logistic};
use crate::model::{Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::train::learner::{Defaults, Learner, Validation};
use crate::trees::{Binary, Booster, Objective, Settings, Softmax};

/// Rounds between two looks at validation, which decides when to stop: a patience of 16 epochs is 80 rounds.
const ROUNDS_PER_EPOCH: usize = 5;

/// Bins of the piecewise encoding, which trees don't read.
const ENCODING_BINS: usize = 2;

/// Where a mark says how many rounds it stands for.
const ROUNDS: &str = "rounds";

struct TreesLearner {
    spec: Spec,
    logistic: Logistic,
    settings: Settings,
    train: Columns,
    labels: Vec<usize>,
    valid: Columns,
    valid_labels: Vec<usize>,
    booster: Mutex<Booster<'static>>,
    /// Trees have none of a net's.
    parameters: Parameters,
}

pub(super) fn learner(
    dataset: &Dataset,
    settings: &DataSettings,
    model: &ModelSettings,
    seed: u64,
    device: &Device,
) -> Result<Box<dyn Learner>> {
    if !device.is_cpu() {
        return Err(Error::user("trees are grown on the CPU alone")
            .hint("train them with `--device cpu`, or another `model.kind`"));
    }
    let tree_settings = boosted::settings(model)?;
    let Prepared { spec, logistic, train, labels, valid, valid_labels } =
        Prepared::new("trees", dataset, settings, ENCODING_BINS)?;
    let (train, valid) = (Columns::new(&train), Columns::new(&valid));
    let random = &mut stream(seed, Purpose::Init, 0);
    let classes = spec.classes.len();
    let mut booster = Booster::new(
        tree_settings.clone(),
        &train.as_columns(),
        objective(&labels, classes)?,
        random,
    )?;
    booster.watch(&valid.as_columns(), objective(&valid_labels, classes)?)?;
    let parameters =
        Parameters::init(&NetBuilder::new(0, 0).finish_without_output(), device, random)?;
    Ok(Box::new(TreesLearner {
        spec,
        logistic,
        settings: tree_settings,
        train,
        labels,
        valid,
        valid_labels,
        booster: Mutex::new(booster),
        parameters,
    }))
}

fn objective(labels: &[usize], classes: usize) -> Result<Box<dyn Objective>> {
    if classes == 2 {
        let labels: Vec<f64> = labels.iter().map(|&label| label as f64).collect();
        return Ok(Box::new(Binary::new(labels)?));
    }
    let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
    Ok(Box::new(Softmax::new(labels, classes)?))
}

impl TreesLearner {
    fn booster(&self) -> MutexGuard<'_, Booster<'static>> {
        self.booster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Learner for TreesLearner {
    fn kind(&self) -> &'static str {
        "trees"
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn units(&self) -> usize {
        self.labels.len()
    }

    fn rows_of(&self, _: &[usize]) -> usize {
        self.labels.len()
    }

    fn valid_units(&self) -> usize {
        self.valid_labels.len()
    }

    fn defaults(&self) -> Defaults {
        let learning_rate = self.settings.learning_rate;
        Defaults { batch: self.labels.len(), learning_rate, weight_decay: 0.0 }
    }

    fn steps_per_epoch(&self) -> Option<usize> {
        Some(ROUNDS_PER_EPOCH)
    }

    fn step(
        &self,
        _: &[usize],
        random: &mut ChaCha8Rng,
        _: &mut dyn FnMut(&Tensor) -> Result<f64>,
    ) -> Result<f64> {
        let mut booster = self.booster();
        booster.step(random);
        Ok(booster.loss())
    }

    fn loss(&self, _: &[usize], _: &mut ChaCha8Rng) -> Result<Tensor> {
        Err(Error::bug("trees learn by no gradient"))
    }

    fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        let trees = boosted::to_tensor(self.booster().model())?;
        Ok(BTreeMap::from([(boosted::TREES.to_owned(), trees)]))
    }

    /// Earlier rounds are a part of later ones: their number is enough to come back to.
    fn mark(&self) -> Result<BTreeMap<String, Tensor>> {
        let rounds = self.booster().model().rounds() as u32;
        Ok(BTreeMap::from([(ROUNDS.to_owned(), Tensor::new(rounds, &Device::Cpu)?)]))
    }

    fn restore(&self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let model = match state.get(ROUNDS) {
            Some(rounds) => {
                let mut model = self.booster().model().clone();
                model.truncate(rounds.to_scalar::<u32>()? as usize);
                model
            }
            None => boosted::from_weights(state)?,
        };
        let classes = self.spec.classes.len();
        let objective_of = |labels: &[usize]| objective(labels, classes);
        let mut booster = Booster::resume(
            self.settings.clone(),
            &self.train.as_columns(),
            objective_of(&self.labels)?,
            model,
        )?;
        booster.watch(&self.valid.as_columns(), objective_of(&self.valid_labels)?)?;
        *self.booster() = booster;
        Ok(())
    }

    fn saves_every_epoch(&self) -> bool {
        false
    }

    fn validate(&self) -> Result<Validation> {
        let answers = self.booster().watched_answers();
        let answers = answers.ok_or_else(|| Error::bug("trees watch their validation rows"))?;
        let answers = boosted::probabilities(answers, self.spec.classes.len());
        Ok(validation(&self.spec, &self.valid_labels, &answers))
    }

    fn model(&self) -> Result<Model> {
        let mut weights = self.snapshot()?;
        weights.insert(logistic::WEIGHT.to_owned(), self.logistic.tensor()?);
        let spec = self.spec.clone();
        Ok(Model::Classification(ClassificationModel::new(spec, weights, &Device::Cpu)?))
    }
}
