//! The forecasting learner: windows of many series, one linear map for all of them.

use candle_core::Device;

use crate::data::{DataSettings, Dataset};
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::train::Learner;

/// A learner for the project's forecasting data; everything up to the first step happens here.
pub(crate) fn learner(
    _dataset: &Dataset,
    _settings: &DataSettings,
    _model: &ModelSettings,
    _seed: u64,
    _device: &Device,
) -> Result<Box<dyn Learner>> {
    Err(Error::bug("forecasting is not trained yet"))
}
