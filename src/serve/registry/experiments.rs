//! `experiments/…`

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::extract::{Body, Params, required};
use super::failure::{Answer, ApiError};
use super::filter::Search;
use super::query::{Limits, order, query, stages, token};
use super::{App, key_values, limits, pairs};
use crate::api::mlflow::{
    CreateExperiment, CreatedExperiment, Empty, Experiment, ExperimentId, ExperimentName,
    ExperimentReply, ExperimentTag, Experiments, SearchExperiments, UpdateExperiment,
};
use crate::store::ExperimentRow;

const LIMITS: Limits = Limits { default: 1000, most: 50_000 };

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/experiments/create", post(create))
        .route("/experiments/get", get(show))
        .route("/experiments/get-by-name", get(show_by_name))
        .route("/experiments/search", post(search))
        .route("/experiments/update", post(update))
        .route("/experiments/delete", post(delete))
        .route("/experiments/restore", post(restore))
        .route("/experiments/set-experiment-tag", post(set_tag))
        .route("/experiments/delete-experiment-tag", post(delete_tag))
}

async fn create(
    State(app): State<App>,
    Body(request): Body<CreateExperiment>,
) -> Answer<CreatedExperiment> {
    let name = required("name", &request.name)?;
    limits::experiment_name(name)?;
    let tags = pairs(request.tags);
    limits::experiment_tags(&tags)?;
    let location = request.artifact_location.as_deref().filter(|location| !location.is_empty());
    let id = app.store.create_experiment(name, location, &tags).await?;
    Ok(Json(CreatedExperiment { experiment_id: id.to_string() }))
}

async fn show(
    State(app): State<App>,
    Params(request): Params<ExperimentId>,
) -> Answer<ExperimentReply> {
    let row = app.store.experiment(experiment_id(&request.experiment_id)?).await?;
    Ok(Json(ExperimentReply { experiment: row.into() }))
}

async fn show_by_name(
    State(app): State<App>,
    Params(request): Params<ExperimentName>,
) -> Answer<ExperimentReply> {
    let name = required("experiment_name", &request.experiment_name)?;
    let row = app.store.experiment_by_name(name).await?;
    Ok(Json(ExperimentReply { experiment: row.into() }))
}

async fn search(
    State(app): State<App>,
    Body(request): Body<SearchExperiments>,
) -> Answer<Experiments> {
    let SearchExperiments { max_results, page_token, filter, order_by, view_type } = request;
    let page_token = page_token.as_deref();
    let mut query = query(Search::Experiments, filter.as_deref(), max_results, page_token, LIMITS)?;
    query.order = order(Search::Experiments, &order_by)?;
    query.stages = stages(view_type.as_deref())?;
    let page = app.store.search_experiments(&query).await?;
    Ok(Json(Experiments {
        experiments: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

async fn update(State(app): State<App>, Body(request): Body<UpdateExperiment>) -> Answer<Empty> {
    let id = experiment_id(&request.experiment_id)?;
    let name = request.new_name.unwrap_or_default();
    limits::experiment_name(required("new_name", &name)?)?;
    app.store.rename_experiment(id, &name).await?;
    Ok(Json(Empty {}))
}

async fn delete(State(app): State<App>, Body(request): Body<ExperimentId>) -> Answer<Empty> {
    app.store.set_experiment_stage(experiment_id(&request.experiment_id)?, "deleted").await?;
    Ok(Json(Empty {}))
}

async fn restore(State(app): State<App>, Body(request): Body<ExperimentId>) -> Answer<Empty> {
    app.store.set_experiment_stage(experiment_id(&request.experiment_id)?, "active").await?;
    Ok(Json(Empty {}))
}

async fn set_tag(State(app): State<App>, Body(request): Body<ExperimentTag>) -> Answer<Empty> {
    let ExperimentTag { experiment_id, key, value } = request;
    let id = self::experiment_id(&experiment_id)?;
    required("key", &key)?;
    let tag = vec![(key, value)];
    limits::experiment_tags(&tag)?;
    app.store.set_experiment_tag(id, &tag[0].0, &tag[0].1).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(app): State<App>, Body(request): Body<ExperimentTag>) -> Answer<Empty> {
    let id = experiment_id(&request.experiment_id)?;
    app.store.delete_experiment_tag(id, required("key", &request.key)?).await?;
    Ok(Json(Empty {}))
}

/// Ids are numbers here, and texts on the wire.
pub(super) fn experiment_id(text: &str) -> Result<i64, ApiError> {
    required("experiment_id", text)?.parse().map_err(|_| {
        ApiError::invalid(format!(
            "Invalid experiment ID '{text}'. Experiment ID must be a valid integer."
        ))
    })
}

impl From<ExperimentRow> for Experiment {
    fn from(row: ExperimentRow) -> Self {
        Self {
            experiment_id: row.id.to_string(),
            name: row.name,
            artifact_location: row.artifact_location,
            lifecycle_stage: row.stage,
            last_update_time: row.updated_ms,
            creation_time: row.created_ms,
            tags: key_values(row.tags),
        }
    }
}
