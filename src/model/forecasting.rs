//! The forecasting model: fitted preprocessing and a net, from a table to predictions.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, SeriesSet, Table, TimeAxis};
use crate::error::{Error, Result};
use crate::model::Forecasts;

/// What `mlx/model.json` holds of a forecasting model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// How the training data was read, so that new files are read the same way.
    pub data: DataSettings,
    pub kinds: BTreeMap<String, ColumnKind>,
    pub axis: TimeAxis,
    pub horizon: usize,
    pub season: usize,
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

    pub(crate) fn horizon(&self) -> usize {
        self.spec.horizon
    }

    pub(crate) fn season(&self) -> usize {
        self.spec.season
    }

    /// The series of tables that follow each other, on the model's own axis.
    pub(crate) fn series(&self, tables: &[&Table]) -> Result<SeriesSet> {
        SeriesSet::from_tables(tables, &self.spec.data, Some(&self.spec.axis))
    }

    /// Forecasts of `(series, time index of the first step)`, from the values before that index only.
    pub(crate) fn forecast(
        &self,
        _set: &SeriesSet,
        _origins: &[(usize, i64)],
    ) -> Result<Forecasts> {
        Err(Error::bug("forecasts are not made yet"))
    }

    /// The naive and the seasonal naive forecast of the same origins.
    pub(crate) fn baselines(
        &self,
        _set: &SeriesSet,
        _origins: &[(usize, i64)],
    ) -> Result<Vec<(String, Forecasts)>> {
        Err(Error::bug("baselines are not made yet"))
    }
}
