//! `attention`: each row is scored in sight of the others of its query, as the encoder of a transformer sees words
//! (Pobrotyn et al., Context-Aware Learning to Rank with Self-Attention, 2020; Pang et al., SetRank, SIGIR 2020).

use super::loss::RankLoss;
use super::net;
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::nets::{Body, NetSettings};
use crate::train::estimator::Estimator;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "attention",
    about: "a transformer over the rows of a query",
    // Those of nets but `members`: `model.seeds` and `model.folds` train several.
    keys: &[
        "loss",
        "width",
        "heads",
        "hidden",
        "dropout",
        "embedding",
        "embedding_dropout",
        "numbers",
        "bins",
        "number_embedding",
        "cosines",
        "epochs",
    ],
    check: |model| settings(model).map(drop),
    build: |request| net::learner(request, settings(request.model)?, 1e-3),
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<(RankLoss, NetSettings)> {
    let (loss, model) = RankLoss::take(model)?;
    let body = Body::Attention { width: 64, heads: 2, hidden: vec![128, 128] };
    let defaults = NetSettings { dropout: 0.2, ..NetSettings::of(body) };
    Ok((loss, NetSettings::read(&model, defaults)?))
}
