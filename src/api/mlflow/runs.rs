//! Runs, their parameters, metrics and tags.

use serde::{Deserialize, Serialize};

use super::{DatasetInput, KeyValue, ModelInput, number};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Run {
    pub info: RunInfo,
    pub data: RunData,
    pub inputs: RunInputs,
    pub outputs: RunOutputs,
}

/// What a run was given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunInputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dataset_inputs: Vec<DatasetInput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_inputs: Vec<ModelInput>,
}

/// The logged models that a run made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunOutputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_outputs: Vec<ModelOutput>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModelOutput {
    pub model_id: String,
    #[serde(deserialize_with = "number::whole")]
    pub step: i64,
}

/// The request of `runs/outputs`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LogOutputs {
    pub run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelOutput>>,
}

/// The request of `runs/log-model`: clients of MLflow 2 write down what a logged model is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LogModel {
    pub run_id: String,
    pub model_json: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunInfo {
    pub run_id: String,
    /// The same, for clients of MLflow 1.
    pub run_uuid: String,
    pub run_name: String,
    pub experiment_id: String,
    pub user_id: String,
    /// `RUNNING`, `SCHEDULED`, `FINISHED`, `FAILED` or `KILLED`.
    pub status: String,
    #[serde(deserialize_with = "number::whole")]
    pub start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number::maybe_whole")]
    pub end_time: Option<i64>,
    /// Where the run's files are: upload under it.
    pub artifact_uri: String,
    pub lifecycle_stage: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunData {
    /// The last value of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeyValue>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Metric {
    pub key: String,
    #[serde(with = "number::real")]
    pub value: f64,
    #[serde(deserialize_with = "number::whole")]
    pub timestamp: i64,
    #[serde(deserialize_with = "number::whole")]
    pub step: i64,
    /// The logged model that it is of, and the data that it was measured on, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
    /// Among a logged model's metrics: the run that measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
}

/// A point to be logged: one of a batch, or (with its run) the request of `runs/log-metric`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NewMetric {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_uuid: Option<String>,
    pub key: String,
    #[serde(with = "number::maybe_real")]
    pub value: Option<f64>,
    #[serde(deserialize_with = "number::maybe_whole")]
    pub timestamp: Option<i64>,
    #[serde(deserialize_with = "number::whole")]
    pub step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
}

impl From<Metric> for NewMetric {
    fn from(metric: Metric) -> Self {
        let Metric { key, value, timestamp, step, model_id, dataset_name, dataset_digest, .. } =
            metric;
        let (value, timestamp) = (Some(value), Some(timestamp));
        let (run_id, run_uuid) = (String::new(), None);
        Self {
            run_id,
            run_uuid,
            key,
            value,
            timestamp,
            step,
            model_id,
            dataset_name,
            dataset_digest,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CreateRun {
    pub experiment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number::maybe_whole")]
    pub start_time: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeyValue>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RunReply {
    pub run: Run,
}

/// The request of `runs/get`, `delete` and `restore`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunIdentity {
    pub run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_uuid: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateRun {
    pub run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number::maybe_whole")]
    pub end_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RunInfoReply {
    pub run_info: RunInfo,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SearchRuns {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiment_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_view_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number::maybe_whole")]
    pub max_results: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Runs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LogBatch {
    pub run_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<NewMetric>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeyValue>,
}

/// The request of `runs/log-parameter`, `set-tag` and `delete-tag`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunKeyValue {
    pub run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_uuid: Option<String>,
    pub key: String,
    pub value: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MetricHistory {
    pub run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_uuid: Option<String>,
    pub metric_key: String,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number::maybe_whole")]
    pub max_results: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Metrics {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}
