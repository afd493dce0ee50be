//! `patchtst`: a small transformer over patches of the window, the same for every series (PatchTST: Nie et
//! al., A Time Series is Worth 64 Words, ICLR 2023).

use super::nets::{self, EPOCHS, Keys, LOOK_BACK, Recipe};
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::forecasting::{Scale, WindowNet};
use crate::train::estimator::Estimator;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "patchtst",
    about: "a transformer over patches of the past",
    keys: &[LOOK_BACK, "patch", "stride", "width", "heads", "layers", "hidden", "dropout", EPOCHS],
    check: |model| recipe(model).map(drop),
    build: |request| nets::learner(request, recipe(request.model)?),
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

/// The paper's settings for small sets, ETTh1 among them.
fn recipe(model: &ModelSettings) -> Result<Recipe> {
    let keys = Keys(model);
    let patch = keys.number("patch", 16, 1..=1024)?;
    let stride = keys.number("stride", patch.div_ceil(2), 1..=1024)?;
    if stride > patch {
        return Err(Error::user(format!(
            "model.stride is {stride}, and a patch has {patch} steps"
        ))
        .hint("a stride is no longer than a patch, or steps between two are left out"));
    }
    let width = keys.number("width", 16, 1..=1024)?;
    let heads = keys.number("heads", 4, 1..=64)?;
    if !width.is_multiple_of(heads) {
        return Err(Error::user(format!("model.width is {width} and model.heads is {heads}"))
            .hint("heads divide the width evenly, such as width = 32 and heads = 4"));
    }
    let net = WindowNet::PatchTst {
        patch,
        stride,
        width,
        heads,
        layers: keys.number("layers", 3, 1..=16)?,
        hidden: keys.number("hidden", 128, 1..=8192)?,
    };
    Ok(Recipe {
        net,
        scale: Scale::Deviation,
        look_back: keys.look_back()?,
        longest: 512,
        dropout: keys.dropout(0.2)?,
        epochs: keys.epochs(15)?,
        learning_rate: 1e-3,
        weight_decay: 0.01,
        // Many steps: a transformer learns slowly from few windows.
        batch: 64,
    })
}
