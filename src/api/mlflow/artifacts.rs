//! Files: of runs through `artifacts/list`, and as paths below `/api/2.0/mlflow-artifacts/artifacts`.

use serde::{Deserialize, Serialize};

use super::number;

/// The scheme of files that this server keeps; the path after it is one below the artifact route.
pub(crate) const ARTIFACT_SCHEME: &str = "mlflow-artifacts:/";

/// The route of files: `GET ?path=` lists; `GET`, `PUT`, `DELETE` of a path below it.
pub(crate) const ARTIFACT_ROUTE: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// An upload may say the SHA-256 (lower-case hex) that its bytes must have.
pub(crate) const DIGEST_HEADER: &str = "x-mlx-sha256";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileInfo {
    pub path: String,
    #[serde(default)]
    pub is_dir: bool,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::maybe_whole"
    )]
    pub file_size: Option<i64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ListArtifacts {
    pub run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
}

/// The reply of `artifacts/list` (with `root_uri`) and of the artifact route's list (without).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Files {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileInfo>,
}
