//! `linear`: a score that is a sum over a row's features, a weight for each number, one for each name.

use super::loss::RankLoss;
use super::net;
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{Body, NetSettings};
use crate::train::estimator::Estimator;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "linear",
    about: "a sum over a row's features",
    keys: &["loss"],
    check: |model| settings(model).map(drop),
    build: |request| net::learner(request, settings(request.model)?, 1e-2),
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<(RankLoss, NetSettings)> {
    let (loss, _) = RankLoss::take(model)?;
    // A net without a hidden layer, to which a name is one number.
    let net = NetSettings { embedding: 1, ..NetSettings::of(Body::Mlp { hidden: vec![] }) };
    Ok((loss, net))
}
