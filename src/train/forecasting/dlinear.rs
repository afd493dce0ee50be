//! `dlinear`: a linear map of the window's moving average and one of what is left (DLinear: Zeng et al.,
//! Are Transformers Effective for Time Series Forecasting?, AAAI 2023).

use super::nets::{self, EPOCHS, Keys, LOOK_BACK};
use super::nlinear::linear_map;
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::forecasting::WindowNet;
use crate::train::estimator::Estimator;

const KERNEL: &str = "kernel";

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "dlinear",
    about: "linear maps of the past's moving average and of what is left",
    keys: &[LOOK_BACK, KERNEL, EPOCHS],
    check: |model| net(model).and_then(|net| linear_map(model, net)).map(drop),
    build: |request| nets::learner(request, linear_map(request.model, net(request.model)?)?),
    descends: true,
    cpu_only: false,
    takes_steps: true,
};

fn net(model: &ModelSettings) -> Result<WindowNet> {
    // The paper's: a day and an hour of hourly data.
    let kernel = Keys(model).number(KERNEL, 25, 1..=9_999)?;
    if kernel.is_multiple_of(2) {
        return Err(Error::user(format!("model.{KERNEL} is {kernel}"))
            .hint("it is an odd number: the mean around a step reaches as far to either side"));
    }
    Ok(WindowNet::DLinear { kernel })
}
