//! `mlp`: several small multilayer perceptrons side by side, over the features of each row.

use super::loss::RankLoss;
use super::net;
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{Body, NetSettings};
use crate::train::estimator::Estimator;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "mlp",
    about: "small neural nets side by side, averaged",
    keys: &NetSettings::keys_and("loss"),
    check: |model| settings(model).map(drop),
    build: |request| net::learner(request, settings(request.model)?, 1e-3),
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<(RankLoss, NetSettings)> {
    let (loss, model) = RankLoss::take(model)?;
    let body = Body::Mlp { hidden: vec![64, 32] };
    let defaults = NetSettings { dropout: 0.2, members: 8, ..NetSettings::of(body) };
    Ok((loss, NetSettings::read(&model, defaults)?))
}
