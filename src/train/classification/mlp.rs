//! `mlp`: several small multilayer perceptrons side by side, over numbers encoded piecewise-linearly and embeddings.

use super::net::{NetLearner, defaults};
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{Body, NetSettings};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "mlp",
    about: "small neural nets side by side, averaged",
    keys: NetSettings::KEYS,
    check: |model| settings(model).map(drop),
    build,
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<NetSettings> {
    NetSettings::read(model, defaults(Body::Mlp { hidden: vec![96, 96] }))
}

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    Ok(Box::new(NetLearner::new(request, &settings(request.model)?)?))
}
