//! The forecasting model: fitted preprocessing and a net, from a table to predictions.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// What `mlx/model.json` holds of a forecasting model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The estimator, as in `model.kind`.
    pub kind: String,
}

#[derive(Clone, Debug)]
pub(crate) struct ForecastingModel {
    pub spec: Spec,
    pub weights: BTreeMap<String, Tensor>,
}

impl ForecastingModel {
    pub(crate) fn new(
        spec: Spec,
        weights: BTreeMap<String, Tensor>,
        _device: &Device,
    ) -> Result<Self> {
        Ok(Self { spec, weights })
    }
}
