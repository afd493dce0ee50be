//! The shapes of MLflow's REST API 2.0, as `/api/2.0/mlflow/` speaks them.
//!
//! Versions are strings, timestamps numbers of milliseconds; empty lists are left out. A shape is
//! named for what it holds; a request for its route (`runs/create` is [`CreateRun`]). Every field
//! of a request has a default: what must be there is the server's to say.

mod artifacts;
mod experiments;
mod inputs;
mod logged_models;
mod models;
mod number;
mod runs;
mod versions;
mod webhooks;

use serde::{Deserialize, Serialize};

pub(crate) use artifacts::*;
pub(crate) use experiments::*;
pub(crate) use inputs::*;
pub(crate) use logged_models::*;
pub(crate) use models::*;
pub(crate) use runs::*;
pub(crate) use versions::*;
pub(crate) use webhooks::*;

/// The body of every failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    pub error_code: String,
    pub message: String,
}

/// The `error_code`s that we answer.
pub(crate) mod code {
    pub(crate) const DOES_NOT_EXIST: &str = "RESOURCE_DOES_NOT_EXIST";
    pub(crate) const ALREADY_EXISTS: &str = "RESOURCE_ALREADY_EXISTS";
    pub(crate) const INVALID_PARAMETER: &str = "INVALID_PARAMETER_VALUE";
    pub(crate) const INVALID_STATE: &str = "INVALID_STATE";
    pub(crate) const PERMISSION_DENIED: &str = "PERMISSION_DENIED";
    pub(crate) const EXHAUSTED: &str = "RESOURCE_EXHAUSTED";
    pub(crate) const UNAVAILABLE: &str = "TEMPORARILY_UNAVAILABLE";
    pub(crate) const NO_SUCH_ENDPOINT: &str = "ENDPOINT_NOT_FOUND";
    pub(crate) const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    pub(crate) const INTERNAL: &str = "INTERNAL_ERROR";
}

/// A tag of anything, or a parameter of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeyValue {
    pub key: String,
    pub value: String,
}

impl KeyValue {
    pub(crate) fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// A reply without content: `{}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Empty {}

/// `GET /api/3.0/mlflow/server-info`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServerInfo {
    /// `SqlStore` or `FileStore`; some servers say null.
    #[serde(deserialize_with = "null_as_empty")]
    pub store_type: String,
    pub workspaces_enabled: bool,
    pub multipart_uploads_enabled: bool,
    pub multipart_downloads_enabled: bool,
    pub presigned_upload_run_id_supported: bool,
    /// The highest `/api/mlx/N/` of a server that is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlx_api: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlx_version: Option<String>,
    /// Whether a server that is ours wants a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlx_auth: Option<bool>,
    /// What it has beyond the lifecycle, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mlx_features: Vec<String>,
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
