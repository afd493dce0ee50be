//! Several small multilayer perceptrons side by side, over the features of each row.

use candle_core::Device;

use super::Prepared;
use super::loss::RankLoss;
use super::net::{NetLearner, Recipe};
use crate::data::{DataSettings, Dataset};
use crate::error::Result;
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
    let (loss, model) = RankLoss::take(model)?;
    let defaults =
        MlpSettings { hidden: vec![64, 32], dropout: 0.2, members: 8, embedding: 16, bins: 32 };
    let mlp = MlpSettings::read(&model, &defaults)?;
    let prepared = Prepared::new("mlp", dataset, settings)?;
    let recipe = Recipe { loss, learning_rate: 1e-3, weight_decay: 0.1 };
    Ok(Box::new(NetLearner::new("mlp", prepared, &mlp, &recipe, seed, device)?))
}
