//! `linear`: a score that is a sum over a row's features, a weight for each number, one for each name.

use super::loss::RankLoss;
use super::net::{NetLearner, Recipe};
use crate::error::Result;
use crate::model::nets::{Body, NetSettings};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "linear",
    about: "a sum over a row's features",
    keys: &["loss"],
    check: |model| RankLoss::take(model).map(drop),
    build,
    descends: true,
    cpu_only: false,
};

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let (loss, _) = RankLoss::take(request.model)?;
    // A net without a hidden layer, to which a name is one number.
    let net = NetSettings { embedding: 1, ..NetSettings::of(Body::Mlp { hidden: vec![] }) };
    let recipe = Recipe { loss, learning_rate: 1e-2, weight_decay: 0.1 };
    Ok(Box::new(NetLearner::new(request, &net, &recipe)?))
}
