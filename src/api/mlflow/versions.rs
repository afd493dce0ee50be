//! Versions of registered models.

use serde::{Deserialize, Serialize};

use super::{KeyValue, number};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModelVersion {
    pub name: String,
    pub version: String,
    #[serde(deserialize_with = "number::whole")]
    pub creation_timestamp: i64,
    #[serde(deserialize_with = "number::whole")]
    pub last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_id: String,
    /// `None` (the text), `Staging`, `Production` or `Archived`, for clients that know no aliases.
    pub current_stage: String,
    pub description: String,
    /// Where the files were when the version was made.
    pub source: String,
    pub run_id: String,
    /// Always `READY`: a version exists only once its bytes do.
    pub status: String,
    pub run_link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CreateModelVersion {
    pub name: String,
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ModelVersionReply {
    pub model_version: ModelVersion,
}

/// The request of `model-versions/get`, `delete` and `get-download-uri`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VersionIdentity {
    pub name: String,
    pub version: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateModelVersion {
    pub name: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The request of `model-versions/set-tag` and `delete-tag`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VersionKeyValue {
    pub name: String,
    pub version: String,
    pub key: String,
    pub value: String,
}

/// The request of `model-versions/transition-stage`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TransitionStage {
    pub name: String,
    pub version: String,
    pub stage: String,
    /// Versions that are in the stage go to `Archived`.
    pub archive_existing_versions: bool,
}

/// The reply of `model-versions/search` and `registered-models/get-latest-versions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModelVersions {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_versions: Vec<ModelVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// The reply of `model-versions/get-download-uri`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DownloadUri {
    pub artifact_uri: String,
}
