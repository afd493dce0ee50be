//! `model-versions/transition-stage` and `registered-models/get-latest-versions`, for clients that know
//! no aliases. No rule of mlx reads a stage.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::App;
use super::extract::{Body, Params, required};
use super::failure::{Answer, ApiError};
use super::models::{known_name, version_number};
use crate::api::mlflow::{GetLatestVersions, ModelVersionReply, ModelVersions, TransitionStage};
use crate::store::Stage;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/model-versions/transition-stage", post(transition))
        .route("/registered-models/get-latest-versions", get(latest_by_query).post(latest_by_body))
}

async fn transition(
    State(app): State<App>,
    Body(request): Body<TransitionStage>,
) -> Answer<ModelVersionReply> {
    let name = known_name(&request.name)?;
    let number = version_number(&request.version)?;
    let stage: Stage = required("stage", &request.stage)?.parse()?;
    app.store.set_stage(&name, number, stage, request.archive_existing_versions).await?;
    let model_version = app.store.version(&name, number).await?.into();
    Ok(Json(ModelVersionReply { model_version }))
}

async fn latest_by_query(
    State(app): State<App>,
    Params(request): Params<GetLatestVersions>,
) -> Answer<ModelVersions> {
    latest(&app, request).await
}

async fn latest_by_body(
    State(app): State<App>,
    Body(request): Body<GetLatestVersions>,
) -> Answer<ModelVersions> {
    latest(&app, request).await
}

async fn latest(app: &App, request: GetLatestVersions) -> Answer<ModelVersions> {
    let name = known_name(&request.name)?;
    let stages = request.stages.iter().map(|stage| Ok(stage.parse()?));
    let stages: Vec<Stage> = stages.collect::<Result<_, ApiError>>()?;
    let mut latest = app.store.model(&name).await?.latest;
    latest.retain(|version| stages.is_empty() || stages.contains(&version.stage));
    Ok(Json(ModelVersions {
        model_versions: latest.into_iter().map(Into::into).collect(),
        next_page_token: None,
    }))
}
