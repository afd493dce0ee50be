//! `realmlp`: a perceptron with the recipe of RealMLP (Holzmüller et al., Better by Default: Strong
//! Pre-Tuned MLPs and Boosted Trees on Tabular Data, 2024).

use super::net::{NetLearner, defaults};
use crate::engine::Curve;
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{Body, NetSettings, Numbers};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;

/// What the paper has; its layers learn at a fraction of it.
const LEARNING_RATE: f64 = 0.04;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "realmlp",
    about: "neural nets with scaled inputs, periodic numbers and activations that learn, averaged",
    keys: &NetSettings::keys_and("activation"),
    check: |model| settings(model).map(drop),
    build,
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<NetSettings> {
    let body = Body::RealMlp { hidden: vec![128, 128, 128], activation: Curve::Selu };
    let defaults = NetSettings {
        members: 2,
        dropout: 0.15,
        numbers: Numbers::Periodic,
        number_embedding: 4,
        ..defaults(body)
    };
    NetSettings::read(model, defaults)
}

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let learner = NetLearner::new(request, &settings(request.model)?)?;
    Ok(Box::new(learner.at_rate(LEARNING_RATE)))
}
