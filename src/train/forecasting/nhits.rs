//! `nhits`: blocks of layers that each see the window and forecast at a pace of their own (N-HiTS: Challu
//! et al., Neural Hierarchical Interpolation for Time Series Forecasting, AAAI 2023).

use super::nets::{self, EPOCHS, Keys, LOOK_BACK, Recipe};
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::forecasting::{Scale, WindowNet};
use crate::train::estimator::Estimator;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "nhits",
    about: "blocks of layers that see the past and forecast at several paces",
    keys: &[LOOK_BACK, "pools", "ratios", "hidden", "dropout", EPOCHS],
    check: |model| recipe(model).map(drop),
    build: |request| nets::learner(request, recipe(request.model)?),
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn recipe(model: &ModelSettings) -> Result<Recipe> {
    let keys = Keys(model);
    let pools = keys.numbers("pools", &[16, 8, 1])?;
    let ratios = keys.numbers("ratios", &[24, 12, 1])?;
    if pools.len() != ratios.len() {
        let (pools, ratios) = (pools.len(), ratios.len());
        return Err(Error::user(format!(
            "model.pools names {pools} blocks and model.ratios {ratios}"
        ))
        .hint("each block has a number in both, such as pools = [8, 1] and ratios = [12, 1]"));
    }
    let hidden = keys.numbers("hidden", &[128, 128])?;
    Ok(Recipe {
        net: WindowNet::NHits { pools, ratios, hidden },
        scale: Scale::Spread,
        look_back: keys.look_back()?,
        longest: 1024,
        dropout: keys.dropout(0.3)?,
        epochs: keys.epochs(15)?,
        learning_rate: 5e-4,
        weight_decay: 0.01,
        batch: 256,
    })
}
