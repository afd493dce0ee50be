//! What the loop asks of a thing that can be trained.

use std::collections::BTreeMap;

use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;

use super::order::Locality;
use super::schedule::Schedule;
use crate::engine::Parameters;
use crate::error::Result;
use crate::model::Model;

/// A net bound to its training and validation data, and everything that was fitted before the first step.
///
/// A unit is what is shuffled and batched: a row, a forecast window, or a query. Building a learner
/// is deterministic: same data, same settings, same seed, same learner; so a resumed run builds it
/// anew and only its parameters are restored.
pub(crate) trait Learner {
    fn parameters(&self) -> &Parameters;

    /// How many units there are to learn from.
    fn units(&self) -> usize;

    /// How many rows these units hold, for the speed that is shown.
    fn rows_of(&self, units: &[usize]) -> usize {
        units.len()
    }

    /// The rows of the training table that these units were made of; none where they are no rows, as
    /// windows of a series are. Asked when something went wrong, to say where.
    fn table_rows(&self, units: &[usize]) -> Option<Vec<usize>> {
        Some(units.to_vec())
    }

    /// How many units validation looks at.
    fn valid_units(&self) -> usize;

    /// The batch size, peak learning rate and weight decay to use where the settings name none.
    fn defaults(&self) -> Defaults;

    /// How the learning rate goes.
    fn schedule(&self) -> Schedule {
        Schedule::Plateau
    }

    /// How units lie where they are read from a file, which is the order to draw them in; absent where any may
    /// follow any other.
    fn locality(&self) -> Option<Locality> {
        None
    }

    /// How many steps an epoch has, where it is not the batches of all units.
    fn steps_per_epoch(&self) -> Option<usize> {
        None
    }

    /// The most epochs, and the most in a row without a better one, where that isn't the project's to say.
    fn most(&self) -> Option<(usize, usize)> {
        None
    }

    /// One step, and the mean loss that it answered to. Nets go down their loss's gradient, which
    /// `descend` does; what learns otherwise has its own way.
    fn step(
        &self,
        units: &[usize],
        random: &mut ChaCha8Rng,
        descend: &mut dyn FnMut(&Tensor) -> Result<f64>,
    ) -> Result<f64> {
        descend(&self.loss(units, random)?)
    }

    /// All that was learned so far by name.
    fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        self.parameters().snapshot()
    }

    /// What it takes to come back to this state from a later one of the same run.
    fn mark(&self) -> Result<BTreeMap<String, Tensor>> {
        self.snapshot()
    }

    /// Back to a snapshot, or to a mark.
    fn restore(&self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        self.parameters().restore(state)
    }

    /// Whether every epoch is checkpointed; else only now and then, for what is large and soon learned again.
    fn saves_every_epoch(&self) -> bool {
        true
    }

    /// The mean loss over these units as a differentiable scalar. `random` is the stream for
    /// dropout, positioned by the loop so that a resumed run draws the same numbers.
    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor>;

    /// Scores the validation data with the parameters as they are.
    fn validate(&self) -> Result<Validation>;

    /// The fitted model with the parameters as they are. Called once, with the best ones restored.
    fn model(&self) -> Result<Model>;

    /// What the user should know of how this learner was built.
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Defaults {
    pub batch: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
}

/// What validation saw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Validation {
    /// Decides which epoch is best; lower is better.
    pub monitor: f64,
    /// By name, the most telling first.
    pub metrics: Vec<(String, f64)>,
}
