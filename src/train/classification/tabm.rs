//! `tabm`: many nets in one that share all but scales and biases (Gorishniy et al., TabM: Advancing
//! Tabular Deep Learning With Parameter-Efficient Ensembling, 2025).

use super::net::{NetLearner, defaults};
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{Body, NetSettings};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "tabm",
    about: "many neural nets that share most weights",
    keys: NetSettings::KEYS,
    check: |model| settings(model).map(drop),
    build,
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<NetSettings> {
    let body = Body::Tabm { hidden: vec![128, 128] };
    NetSettings::read(model, NetSettings { members: 16, ..defaults(body) })
}

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    Ok(Box::new(NetLearner::new(request, &settings(request.model)?)?))
}
