//! Boosted trees as a learner, whatever the task: a step is a round of boosting, an epoch a few rounds.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::learner::{Defaults, Learner, Validation};
use crate::engine::{NetBuilder, Parameters};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::boosted::{self, Columns};
use crate::sys::random::{Purpose, stream};
use crate::trees::{Booster, Objective, Settings};

/// Rounds between two looks at validation, which decides when to stop: a patience of 16 epochs is 80 rounds.
const ROUNDS_PER_EPOCH: usize = 5;

/// Where a mark says how many rounds it stands for.
const ROUNDS: &str = "rounds";

/// What trees are grown for.
pub(super) trait Boosted {
    /// What the training rows ask for, row by row as their columns have them.
    fn objective(&self) -> Result<Box<dyn Objective>>;

    /// The same of the validation rows.
    fn valid_objective(&self) -> Result<Box<dyn Objective>>;

    /// How many rows, windows or queries there are to learn from, and to validate on.
    fn units(&self) -> [usize; 2];

    /// What these answers for the validation rows are worth.
    fn validation(&self, answers: Vec<f64>) -> Validation;

    /// The model of these weights, among them the trees.
    fn model(&self, weights: BTreeMap<String, Tensor>) -> Result<Model>;
}

/// Trees that grow on some columns.
pub(super) struct TreesLearner<B> {
    boosted: B,
    settings: Settings,
    train: Columns,
    valid: Columns,
    booster: Mutex<Booster<'static>>,
    /// Trees have none of a net's.
    parameters: Parameters,
}

/// Trees know no other device than the CPU.
pub(super) fn check_device(device: &Device) -> Result<()> {
    if device.is_cpu() {
        return Ok(());
    }
    Err(Error::user("trees are grown on the CPU alone")
        .hint("train them with `--device cpu`, or another `model.kind`"))
}

impl<B: Boosted> TreesLearner<B> {
    pub(super) fn new(
        boosted: B,
        settings: Settings,
        train: Columns,
        valid: Columns,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let random = &mut stream(seed, Purpose::Init, 0);
        let columns = train.as_columns();
        let mut booster = Booster::new(settings.clone(), &columns, boosted.objective()?, random)?;
        booster.watch(&valid.as_columns(), boosted.valid_objective()?)?;
        let parameters =
            Parameters::init(&NetBuilder::new(0, 0).finish_without_output(), device, random)?;
        let booster = Mutex::new(booster);
        Ok(Self { boosted, settings, train, valid, booster, parameters })
    }

    fn booster(&self) -> MutexGuard<'_, Booster<'static>> {
        self.booster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Boosted> Learner for TreesLearner<B> {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn units(&self) -> usize {
        self.boosted.units()[0]
    }

    /// Every step looks at all rows.
    fn rows_of(&self, _: &[usize]) -> usize {
        self.train.rows()
    }

    fn table_rows(&self, _: &[usize]) -> Option<Vec<usize>> {
        Some((0..self.train.rows()).collect())
    }

    fn valid_units(&self) -> usize {
        self.boosted.units()[1]
    }

    fn defaults(&self) -> Defaults {
        let learning_rate = self.settings.learning_rate;
        Defaults { batch: self.units(), learning_rate, weight_decay: 0.0 }
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
        boosted::to_weights(self.booster().model())
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
        let objective = self.boosted.objective()?;
        let columns = self.train.as_columns();
        let mut booster = Booster::resume(self.settings.clone(), &columns, objective, model)?;
        booster.watch(&self.valid.as_columns(), self.boosted.valid_objective()?)?;
        *self.booster() = booster;
        Ok(())
    }

    fn saves_every_epoch(&self) -> bool {
        false
    }

    fn validate(&self) -> Result<Validation> {
        let answers = self.booster().watched_answers();
        let answers = answers.ok_or_else(|| Error::bug("trees watch their validation rows"))?;
        Ok(self.boosted.validation(answers))
    }

    fn model(&self) -> Result<Model> {
        self.boosted.model(self.snapshot()?)
    }
}
