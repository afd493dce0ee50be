//! `nlinear`: one linear map of the window, centred on its last value, learned from nothing (NLinear: Zeng
//! et al., Are Transformers Effective for Time Series Forecasting?, AAAI 2023).

use super::nets::{self, EPOCHS, Keys, LOOK_BACK, Recipe};
use crate::error::Result;
use crate::model::ModelSettings;
use crate::model::forecasting::{Scale, WindowNet};
use crate::train::estimator::Estimator;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "nlinear",
    about: "one linear map of the past, centred on its last value and trained from nothing",
    keys: &[LOOK_BACK, EPOCHS],
    check: |model| recipe(model).map(drop),
    build: |request| nets::learner(request, recipe(request.model)?),
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn recipe(model: &ModelSettings) -> Result<Recipe> {
    linear_map(model, WindowNet::NLinear)
}

/// How a linear map of the window learns; a net that is one.
pub(super) fn linear_map(model: &ModelSettings, net: WindowNet) -> Result<Recipe> {
    let keys = Keys(model);
    Ok(Recipe {
        net,
        scale: Scale::Spread,
        look_back: keys.look_back()?,
        longest: 1024,
        dropout: 0.0,
        epochs: keys.epochs(15)?,
        learning_rate: 2e-3,
        weight_decay: 0.0,
        batch: 256,
    })
}
