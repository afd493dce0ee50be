//! Models: nets, fitted preprocessing, baselines, and the package that holds them.
//!
//! A [`Model`] is fitted and scores tables; it knows nothing of how it was trained.

pub(crate) mod answers;
pub(crate) mod boosted;
pub(crate) mod choice;
pub(crate) mod classification;
pub(crate) mod contents;
pub(crate) mod example;
pub(crate) mod features;
pub(crate) mod forecasting;
pub(crate) mod labels;
pub(crate) mod lineage;
pub(crate) mod linear;
pub(crate) mod logistic;
pub(crate) mod member;
pub(crate) mod nets;
pub(crate) mod package;
pub(crate) mod predictions;
pub(crate) mod ranking;
pub(crate) mod settings;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, Task};
use crate::error::Result;

pub(crate) use classification::ClassificationModel;
pub(crate) use example::Example;
pub(crate) use forecasting::ForecastingModel;
pub(crate) use lineage::Seen;
pub(crate) use package::Package;
pub(crate) use predictions::{Forecasts, Probabilities};
pub(crate) use ranking::RankingModel;
pub(crate) use settings::ModelSettings;

/// A fitted model of one of the three tasks.
#[derive(Clone, Debug)]
pub(crate) enum Model {
    Classification(ClassificationModel),
    Forecasting(ForecastingModel),
    Ranking(RankingModel),
}

/// Everything of a model but its weights, as `mlx/model.json` holds it: architecture, fitted
/// preprocessing, schema of the input, baselines.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
pub(crate) enum ModelSpec {
    Classification(classification::Spec),
    Forecasting(forecasting::Spec),
    Ranking(ranking::Spec),
}

impl Model {
    pub(crate) fn task(&self) -> Task {
        match self {
            Self::Classification(_) => Task::Classification,
            Self::Forecasting(_) => Task::Forecasting,
            Self::Ranking(_) => Task::Ranking,
        }
    }

    /// How its training data was read, so that other files are read the same way.
    pub(crate) fn read_as(&self) -> (&DataSettings, &BTreeMap<String, ColumnKind>) {
        match self {
            Self::Classification(model) => (&model.spec.data, &model.spec.kinds),
            Self::Forecasting(model) => (&model.spec.data, &model.spec.kinds),
            Self::Ranking(model) => (&model.spec.data, &model.spec.kinds),
        }
    }

    /// How the training data was read and divided.
    pub(crate) fn data(&self) -> &DataSettings {
        match self {
            Self::Classification(model) => &model.spec.data,
            Self::Forecasting(model) => &model.spec.data,
            Self::Ranking(model) => &model.spec.data,
        }
    }

    /// Whether rows that these settings hold out for testing may be among those that this model
    /// learned from: without a test file, the split decides. What the files hold is
    /// [`Package::may_have_seen`]'s to compare.
    fn may_have_seen(&self, settings: &DataSettings) -> bool {
        let trained = self.data();
        trained.test != settings.test
            || (settings.test.is_none()
                && (trained.split != settings.split || trained.stream != settings.stream))
    }

    pub(crate) fn spec(&self) -> ModelSpec {
        match self {
            Self::Classification(model) => ModelSpec::Classification(model.spec.clone()),
            Self::Forecasting(model) => ModelSpec::Forecasting(model.spec.clone()),
            Self::Ranking(model) => ModelSpec::Ranking(model.spec.clone()),
        }
    }

    /// The weights by parameter name, float32.
    pub(crate) fn weights(&self) -> &BTreeMap<String, Tensor> {
        match self {
            Self::Classification(model) => &model.weights,
            Self::Forecasting(model) => &model.weights,
            Self::Ranking(model) => &model.weights,
        }
    }

    /// The model of these parts; weights that do not fit the spec are an error.
    pub(crate) fn from_parts(
        spec: ModelSpec,
        weights: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        Ok(match spec {
            ModelSpec::Classification(spec) => {
                Self::Classification(ClassificationModel::new(spec, weights, device)?)
            }
            ModelSpec::Forecasting(spec) => {
                Self::Forecasting(ForecastingModel::new(spec, weights, device)?)
            }
            ModelSpec::Ranking(spec) => Self::Ranking(RankingModel::new(spec, weights, device)?),
        })
    }
}
