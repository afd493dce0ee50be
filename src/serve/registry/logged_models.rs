//! `logged-models/…`, as far as logging and registering a model with MLflow 3 needs it.

use axum::extract::{Path, State};
use axum::routing::{get, patch, post};
use axum::{Json, Router};

use super::experiments::experiment_id;
use super::extract::Body;
use super::failure::{Answer, ApiError};
use super::query::{Limits, query, token};
use super::{App, key_values, pairs};
use crate::api::mlflow::{
    CreateLoggedModel, FinalizeLoggedModel, LoggedModel, LoggedModelData, LoggedModelInfo,
    LoggedModelParams, LoggedModelReply, LoggedModelTags, LoggedModels, SearchLoggedModels,
};
use crate::store::{LoggedModelRow, NewLoggedModel};
use crate::sys::random;

const LIMITS: Limits = Limits { default: 100, most: 1000 };

/// The statuses that clients know, and the numbers by which some send them.
const STATUSES: &[(&str, &str)] = &[
    ("1", "LOGGED_MODEL_PENDING"),
    ("2", "LOGGED_MODEL_READY"),
    ("3", "LOGGED_MODEL_UPLOAD_FAILED"),
];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/logged-models", post(create))
        .route("/logged-models/search", post(search))
        .route("/logged-models/{id}", get(show).patch(finalize))
        .route("/logged-models/{id}/tags", patch(set_tags))
        .route("/logged-models/{id}/params", post(log_params))
}

async fn create(
    State(app): State<App>,
    Body(request): Body<CreateLoggedModel>,
) -> Answer<LoggedModelReply> {
    let id = format!("m-{}", random::hex_id(16));
    let new = NewLoggedModel {
        experiment_id: experiment_id(&request.experiment_id)?,
        name: request.name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone()),
        model_type: request.model_type.unwrap_or_default(),
        source_run_id: request.source_run_id.unwrap_or_default(),
        tags: pairs(request.tags),
        params: pairs(request.params),
        id,
    };
    app.store.create_logged_model(&new).await?;
    reply(&app, &new.id).await
}

async fn search(
    State(app): State<App>,
    Body(request): Body<SearchLoggedModels>,
) -> Answer<LoggedModels> {
    let SearchLoggedModels { experiment_ids, filter, max_results, order_by, page_token } = request;
    let experiments: Vec<i64> =
        experiment_ids.iter().map(|id| experiment_id(id)).collect::<Result<_, _>>()?;
    let order_by: Vec<String> = order_by
        .into_iter()
        .map(|order| match order.ascending {
            Some(false) => format!("{} DESC", order.field_name),
            _ => order.field_name,
        })
        .collect();
    let query = query(filter.as_deref(), &order_by, max_results, page_token.as_deref(), LIMITS)?;
    let page = app.store.search_logged_models(&experiments, &query).await?;
    Ok(Json(LoggedModels {
        models: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Answer<LoggedModelReply> {
    reply(&app, &id).await
}

async fn finalize(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<FinalizeLoggedModel>,
) -> Answer<LoggedModelReply> {
    let status = STATUSES
        .iter()
        .find(|(number, name)| request.status == *name || request.status == *number)
        .map(|(_, name)| *name)
        .ok_or_else(|| ApiError::invalid(format!("`{}` is no status", request.status)))?;
    app.store.finalize_logged_model(&id, status).await?;
    reply(&app, &id).await
}

async fn set_tags(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<LoggedModelTags>,
) -> Answer<LoggedModelReply> {
    app.store.add_to_logged_model(&id, &pairs(request.tags), &[]).await?;
    reply(&app, &id).await
}

async fn log_params(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<LoggedModelParams>,
) -> Answer<LoggedModelReply> {
    app.store.add_to_logged_model(&id, &[], &pairs(request.params)).await?;
    reply(&app, &id).await
}

async fn reply(app: &App, id: &str) -> Answer<LoggedModelReply> {
    Ok(Json(LoggedModelReply { model: app.store.logged_model(id).await?.into() }))
}

impl From<LoggedModelRow> for LoggedModel {
    fn from(row: LoggedModelRow) -> Self {
        Self {
            info: LoggedModelInfo {
                model_id: row.id,
                experiment_id: row.experiment_id.to_string(),
                name: row.name,
                creation_timestamp_ms: row.created_ms,
                last_updated_timestamp_ms: row.updated_ms,
                artifact_uri: row.artifact_uri,
                status: row.status,
                model_type: row.model_type,
                source_run_id: row.source_run_id,
                tags: key_values(row.tags),
            },
            data: LoggedModelData { params: key_values(row.params) },
        }
    }
}
