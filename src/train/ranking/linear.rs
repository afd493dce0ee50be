//! A score that is a sum over a row's features: a weight for each number, one for each name.

use candle_core::Device;

use super::Prepared;
use super::loss::RankLoss;
use super::net::{NetLearner, Recipe};
use crate::data::{DataSettings, Dataset};
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::nets::MlpSettings;
use crate::train::learner::Learner;

pub(super) fn learner(
    dataset: &Dataset,
    settings: &DataSettings,
    model: &ModelSettings,
    seed: u64,
    device: &Device,
) -> Result<Box<dyn Learner>> {
    let (loss, rest) = RankLoss::take(model)?;
    if let Some(key) = rest.settings.keys().next() {
        return Err(Error::user(format!("there is no setting `model.{key}`"))
            .hint("`linear` for ranking has `loss` alone"));
    }
    // A net without a hidden layer, to which a name is one number.
    let mlp = MlpSettings { hidden: vec![], dropout: 0.0, members: 1, embedding: 1, bins: 2 };
    let prepared = Prepared::new("linear", dataset, settings)?;
    let recipe = Recipe { loss, learning_rate: 1e-2, weight_decay: 0.1 };
    Ok(Box::new(NetLearner::new("linear", prepared, &mlp, &recipe, seed, device)?))
}
