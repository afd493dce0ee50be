//! What the server at the other end is, asked once a command.

use super::failure::Failure;
use super::request::Remote;
use crate::api::mlflow::{LoggedModelReply, ServerInfo};
use crate::error::Result;

/// What a server says of itself, and what follows from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capabilities {
    /// It keeps the log of moves and pins files: it answers `/api/mlx/1/`.
    pub lifecycle: bool,
    /// It finds out for itself who asks.
    pub knows_callers: bool,
    /// Of a server that is ours.
    pub mlx_version: Option<String>,
    /// How MLflow keeps its registry: `SqlStore` or `FileStore`; empty where it doesn't say.
    pub store: String,
    /// What a server that is ours has beyond the lifecycle, by name.
    pub features: Vec<String>,
}

impl Remote {
    /// What the server can do.
    pub(crate) async fn capabilities(&self) -> Result<&Capabilities> {
        self.capabilities
            .get_or_try_init(async || {
                let info = self.server_info().await?;
                Ok(Capabilities {
                    lifecycle: info.mlx_api.is_some_and(|highest| highest >= 1),
                    knows_callers: info.mlx_auth == Some(true),
                    mlx_version: info.mlx_version,
                    store: info.store_type,
                    features: info.mlx_features,
                })
            })
            .await
    }

    /// Whether it is a plain MLflow server: no log, no compare-and-set, nothing pinned.
    pub(crate) async fn is_plain(&self) -> Result<bool> {
        Ok(!self.capabilities().await?.lifecycle)
    }

    /// What the server says of itself. One without the route is an MLflow server of before 3.6.
    pub(crate) async fn server_info(&self) -> Result<ServerInfo> {
        match self.get("/api/3.0/mlflow/server-info", vec![]).await {
            Ok(info) => Ok(info),
            Err(failure) if failure.is_absent() || failure.is_unknown_route() => {
                Ok(ServerInfo::default())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The version of MLflow that a server says it is, where it says one.
    pub(crate) async fn mlflow_version(&self) -> Option<String> {
        let text = self.bytes("/version", vec![]).await.ok()?;
        let text = String::from_utf8(text).ok()?;
        let version = text.trim();
        let plain = !version.is_empty()
            && version.len() <= 40
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
        plain.then(|| version.to_owned())
    }

    /// Whether the server has logged models, as MLflow has from version 3 on.
    pub(super) async fn has_logged_models(&self) -> Result<bool> {
        // No such model: a server that has the route says so in MLflow's words, another with a page.
        let path = format!("/api/2.0/mlflow/logged-models/m-{}", "0".repeat(32));
        match self.get::<LoggedModelReply>(path, vec![]).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_absent() => Ok(true),
            Err(failure) if failure.is_unknown_route() => Ok(false),
            Err(Failure::Refused(refusal)) if refusal.status.as_u16() == 405 => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }
}
