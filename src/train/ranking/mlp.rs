//! `mlp`: several small multilayer perceptrons side by side, over the features of each row.

use super::Prepared;
use super::loss::RankLoss;
use super::net::{NetLearner, Recipe};
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::MlpSettings;
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "mlp",
    about: "small neural nets side by side, averaged",
    keys: &["hidden", "dropout", "members", "embedding", "bins", "loss"],
    check: |model| settings(model).map(drop),
    build,
    descends: true,
    cpu_only: false,
};

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let (loss, mlp) = settings(request.model)?;
    let prepared = Prepared::new(request)?;
    let recipe = Recipe { loss, learning_rate: 1e-3, weight_decay: 0.1 };
    Ok(Box::new(NetLearner::new(prepared, &mlp, &recipe, request.seed, request.device)?))
}

fn settings(model: &ModelSettings) -> Result<(RankLoss, MlpSettings)> {
    let (loss, model) = RankLoss::take(model)?;
    let defaults =
        MlpSettings { hidden: vec![64, 32], dropout: 0.2, members: 8, embedding: 16, bins: 32 };
    Ok((loss, MlpSettings::read(&model, &defaults)?))
}
