//! `resnet`: blocks of layers that each add to what they were given (Gorishniy et al., Revisiting Deep
//! Learning Models for Tabular Data, 2021).

use super::net::{NetLearner, defaults};
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{Body, NetSettings};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "resnet",
    about: "neural nets of residual blocks, averaged",
    keys: &NetSettings::keys_and("width"),
    check: |model| settings(model).map(drop),
    build,
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<NetSettings> {
    let body = Body::Resnet { width: 96, hidden: vec![192, 192] };
    NetSettings::read(model, NetSettings { members: 2, dropout: 0.2, ..defaults(body) })
}

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    Ok(Box::new(NetLearner::new(request, &settings(request.model)?)?))
}
