//! `logged-models/…`

use axum::extract::{Path, State};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::experiments::experiment_id;
use super::extract::{Body, Params, given};
use super::failure::{Answer, ApiError};
use super::filter::{Search, logged_model_order};
use super::query::{Limits, query, token};
use super::{App, artifacts, key_values, limits, pairs};
use crate::api::mlflow::{
    CreateLoggedModel, Empty, Files, FinalizeLoggedModel, ListLoggedModelArtifacts, LoggedModel,
    LoggedModelData, LoggedModelDataset, LoggedModelInfo, LoggedModelOrder, LoggedModelParams,
    LoggedModelReply, LoggedModelTags, LoggedModels, Metric, SearchLoggedModels,
};
use crate::store::{LoggedModelRow, MeasuredPoint, NewLoggedModel, OfDataset, Order};
use crate::sys::random;

const LIMITS: Limits = Limits { default: 100, most: 50_000 };

/// A logged model's name is part of the address by which clients load it.
const NOT_IN_NAMES: [char; 6] = ['/', ':', '.', '%', '"', '\''];

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
        .route("/logged-models/{id}", get(show).patch(finalize).delete(remove))
        .route("/logged-models/{id}/tags", patch(set_tags))
        .route("/logged-models/{id}/tags/{key}", delete(delete_tag))
        .route("/logged-models/{id}/artifacts/directories", get(list_artifacts))
        .route("/logged-models/{id}/params", post(log_params))
}

async fn create(
    State(app): State<App>,
    Body(request): Body<CreateLoggedModel>,
) -> Answer<LoggedModelReply> {
    let id = format!("m-{}", random::hex_id(16));
    let name = request.name.filter(|name| !name.is_empty());
    if let Some(name) = name.as_deref().filter(|name| name.contains(NOT_IN_NAMES)) {
        return Err(ApiError::invalid(format!(
            "Invalid model name ('{name}') provided. Model name must be a non-empty string and \
             cannot contain the following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )));
    }
    let new = NewLoggedModel {
        experiment_id: experiment_id(&request.experiment_id)?,
        name: name.unwrap_or_else(|| id.clone()),
        model_type: request.model_type.unwrap_or_default(),
        source_run_id: request.source_run_id.unwrap_or_default(),
        tags: pairs(request.tags),
        params: pairs(request.params),
        id,
    };
    limits::run_tags(&new.tags)?;
    limits::params(&new.params)?;
    app.store.create_logged_model(&new).await?;
    reply(&app, &new.id).await
}

async fn search(
    State(app): State<App>,
    Body(request): Body<SearchLoggedModels>,
) -> Answer<LoggedModels> {
    let SearchLoggedModels { experiment_ids, datasets, filter, max_results, order_by, page_token } =
        request;
    if experiment_ids.is_empty() {
        given("experiment_ids", None::<()>)?;
    }
    let experiments: Vec<i64> =
        experiment_ids.iter().map(|id| experiment_id(id)).collect::<Result<_, _>>()?;
    let page_token = page_token.as_deref();
    let mut query =
        query(Search::LoggedModels, filter.as_deref(), max_results, page_token, LIMITS)?;
    query.order = order_by.into_iter().map(order).collect::<Result<_, _>>()?;
    let datasets: Vec<OfDataset> = datasets.into_iter().map(of_dataset).collect();
    let page = app.store.search_logged_models(&experiments, &datasets, &query).await?;
    Ok(Json(LoggedModels {
        models: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ShowRequest {
    allow_deleted: String,
}

async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Params(request): Params<ShowRequest>,
) -> Answer<LoggedModelReply> {
    if request.allow_deleted.eq_ignore_ascii_case("true") {
        let model = app.store.logged_model_even_deleted(&id).await?.into();
        return Ok(Json(LoggedModelReply { model }));
    }
    reply(&app, &id).await
}

async fn finalize(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<FinalizeLoggedModel>,
) -> Answer<LoggedModelReply> {
    let status = given("status", request.status)?;
    let text = status.as_str().map_or_else(|| status.to_string(), str::to_owned);
    let status = STATUSES
        .iter()
        .find(|(number, name)| text == *name || text == *number)
        .map(|(_, name)| *name)
        .ok_or_else(|| ApiError::invalid(format!("`{text}` is no status of a logged model")))?;
    app.store.finalize_logged_model(&id, status).await?;
    reply(&app, &id).await
}

async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(Empty {}): Body<Empty>,
) -> Answer<Empty> {
    app.store.delete_logged_model(&id).await?;
    Ok(Json(Empty {}))
}

async fn set_tags(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<LoggedModelTags>,
) -> Answer<Empty> {
    let tags = pairs(request.tags);
    limits::run_tags(&tags)?;
    app.store.add_to_logged_model(&id, &tags, &[]).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(
    State(app): State<App>,
    Path((id, key)): Path<(String, String)>,
    Body(Empty {}): Body<Empty>,
) -> Answer<Empty> {
    app.store.delete_logged_model_tag(&id, &key).await?;
    Ok(Json(Empty {}))
}

async fn log_params(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<LoggedModelParams>,
) -> Answer<Empty> {
    let params = pairs(request.params);
    limits::params(&params)?;
    app.store.add_to_logged_model(&id, &[], &params).await?;
    Ok(Json(Empty {}))
}

async fn list_artifacts(
    State(app): State<App>,
    Path(id): Path<String>,
    Params(request): Params<ListLoggedModelArtifacts>,
) -> Answer<Files> {
    let root = app.store.logged_model(&id).await?.artifact_uri;
    artifacts::list_below(&app, root, &request.artifact_directory_path.unwrap_or_default()).await
}

fn order(order: LoggedModelOrder) -> Result<Order, ApiError> {
    let descending = order.ascending == Some(false);
    let digest = order.dataset_digest.filter(|digest| !digest.is_empty());
    let dataset =
        order.dataset_name.filter(|name| !name.is_empty()).map(|name| OfDataset { name, digest });
    logged_model_order(&order.field_name, descending, dataset).map_err(ApiError::invalid)
}

fn of_dataset(dataset: LoggedModelDataset) -> OfDataset {
    let digest = dataset.dataset_digest.filter(|digest| !digest.is_empty());
    OfDataset { name: dataset.dataset_name, digest }
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
            data: LoggedModelData {
                metrics: row.metrics.into_iter().map(metric).collect(),
                params: key_values(row.params),
            },
        }
    }
}

fn metric(measured: MeasuredPoint) -> Metric {
    let MeasuredPoint { point, model_id, run_id, dataset } = measured;
    let (dataset_name, dataset_digest) = match dataset {
        Some(OfDataset { name, digest }) => (Some(name), digest),
        None => (None, None),
    };
    Metric {
        model_id: Some(model_id),
        run_id: Some(run_id),
        dataset_name,
        dataset_digest,
        ..point.into()
    }
}
