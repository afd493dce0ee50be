//! Logged models, by which clients of MLflow 3 keep a model's files beside its run's.

use serde::{Deserialize, Serialize};

use super::{KeyValue, number};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LoggedModel {
    pub info: LoggedModelInfo,
    pub data: LoggedModelData,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LoggedModelInfo {
    /// `m-` and 32 hexadecimal digits.
    pub model_id: String,
    pub experiment_id: String,
    pub name: String,
    #[serde(deserialize_with = "number::whole")]
    pub creation_timestamp_ms: i64,
    #[serde(deserialize_with = "number::whole")]
    pub last_updated_timestamp_ms: i64,
    pub artifact_uri: String,
    /// `LOGGED_MODEL_PENDING`, `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`.
    pub status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_run_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeyValue>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LoggedModelData {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<KeyValue>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CreateLoggedModel {
    pub experiment_id: String,
    pub name: Option<String>,
    pub model_type: Option<String>,
    pub source_run_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeyValue>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LoggedModelReply {
    pub model: LoggedModel,
}

/// The request of `PATCH logged-models/{id}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FinalizeLoggedModel {
    /// The route's again: MLflow's server asks for it.
    #[serde(default)]
    pub model_id: String,
    pub status: String,
}

/// The request of `PATCH logged-models/{id}/tags`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LoggedModelTags {
    #[serde(default)]
    pub tags: Vec<KeyValue>,
}

/// The request of `POST logged-models/{id}/params`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LoggedModelParams {
    #[serde(default)]
    pub params: Vec<KeyValue>,
}

/// The request of `logged-models/search`. Its order is one of objects, unlike every other search's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SearchLoggedModels {
    pub experiment_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "number::maybe_whole")]
    pub max_results: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<LoggedModelOrder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LoggedModelOrder {
    pub field_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ascending: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LoggedModels {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<LoggedModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}
