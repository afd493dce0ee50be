//! `mlp`: several small multilayer perceptrons side by side, over numbers encoded piecewise-linearly and embeddings.

use super::Prepared;
use super::net::NetLearner;
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{MlpSettings, MlpShape};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "mlp",
    about: "small neural nets side by side, averaged",
    keys: MlpSettings::KEYS,
    check: |model| settings(model).map(drop),
    build,
    descends: true,
    cpu_only: false,
};

fn settings(model: &ModelSettings) -> Result<MlpSettings> {
    MlpSettings::read(
        model,
        &MlpSettings { hidden: vec![96, 96], dropout: 0.1, members: 4, embedding: 24, bins: 32 },
    )
}

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let mlp = settings(request.model)?;
    let prepared = Prepared::new(request, mlp.bins)?;
    let shape = MlpShape::new(prepared.spec.features(), &mlp, prepared.spec.classes());
    let learner = NetLearner::new(prepared, shape, mlp.dropout, request.seed, request.device)?;
    Ok(Box::new(learner))
}
