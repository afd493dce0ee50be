//! Is it there, and what is it?

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::{App, Identity};
use crate::api::mlflow::ServerInfo;

/// The MLflow server whose protocol we speak; what ours is says `server-info`.
const MLFLOW_VERSION: &str = "3.17.2";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(async || "OK"))
        .route("/version", get(async || MLFLOW_VERSION))
        .route("/api/3.0/mlflow/server-info", get(server_info))
}

async fn server_info(State(app): State<App>) -> Json<ServerInfo> {
    Json(ServerInfo {
        store_type: "SqlStore".into(),
        mlx_api: Some(1),
        mlx_auth: Some(matches!(app.identity, Identity::Tokens(_))),
        mlx_version: Some(env!("CARGO_PKG_VERSION").into()),
        mlx_features: vec![crate::api::uploads::FEATURE.into()],
        ..ServerInfo::default()
    })
}
