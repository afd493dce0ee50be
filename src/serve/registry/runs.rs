//! `runs/…` and `metrics/…`

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::access::Caller;
use super::experiments::experiment_id;
use super::extract::{Body, Params, required};
use super::failure::{Answer, ApiError};
use super::query::{Limits, query, stages, token};
use super::{App, key_values, pairs};
use crate::api::mlflow::{
    CreateRun, Empty, LogBatch, LogMetric, LogOutputs, Metric, MetricHistory, Metrics, ModelOutput,
    Run, RunData, RunIdentity, RunInfo, RunInfoReply, RunKeyValue, RunOutputs, RunReply, Runs,
    SearchRuns, UpdateRun,
};
use crate::store::{MetricPoint, NewRun, RunRow};
use crate::sys::{clock, random};

const LIMITS: Limits = Limits { default: 1000, most: 50_000 };
const HISTORY_LIMITS: Limits = Limits { default: 1_000_000, most: 1_000_000 };

/// MLflow's limits on a batch and its parts.
const METRICS_AT_ONCE: usize = 1000;
const PARAMS_AT_ONCE: usize = 100;
const TAGS_AT_ONCE: usize = 100;
const KEY_BYTES: usize = 250;
const PARAM_CHARACTERS: usize = 6000;

const STATUSES: &[&str] = &["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/runs/create", post(create))
        .route("/runs/get", get(show))
        .route("/runs/search", post(search))
        .route("/runs/update", post(update))
        .route("/runs/delete", post(delete))
        .route("/runs/restore", post(restore))
        .route("/runs/log-batch", post(log_batch))
        .route("/runs/log-metric", post(log_metric))
        .route("/runs/log-parameter", post(log_parameter))
        .route("/runs/set-tag", post(set_tag))
        .route("/runs/delete-tag", post(delete_tag))
        .route("/runs/outputs", post(log_outputs))
        .route("/metrics/get-history", get(history))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<CreateRun>,
) -> Answer<RunReply> {
    let experiment = match request.experiment_id.as_str() {
        "" => 0,
        text => experiment_id(text)?,
    };
    let id = random::hex_id(16);
    let mut tags = pairs(request.tags);
    let tag =
        |key: &str| tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    let name = request
        .run_name
        .filter(|name| !name.is_empty())
        .or_else(|| tag("mlflow.runName"))
        .unwrap_or_else(|| format!("run-{}", &id[..8]));
    let claimed = request.user_id.filter(|user| !user.is_empty()).or_else(|| tag("mlflow.user"));
    tags.retain(|(key, _)| key != "mlflow.runName");
    tags.push(("mlflow.runName".into(), name.clone()));
    let run = NewRun {
        id: id.parse()?,
        experiment_id: experiment,
        name,
        user: caller.actor(claimed.as_deref()),
        start_ms: request.start_time.unwrap_or_else(clock::now_ms),
        tags,
    };
    app.store.create_run(&run).await?;
    Ok(Json(RunReply { run: app.store.run(&id).await?.into() }))
}

async fn show(State(app): State<App>, Params(request): Params<RunIdentity>) -> Answer<RunReply> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    Ok(Json(RunReply { run: app.store.run(id).await?.into() }))
}

async fn search(State(app): State<App>, Body(request): Body<SearchRuns>) -> Answer<Runs> {
    let SearchRuns { experiment_ids, filter, run_view_type, max_results, order_by, page_token } =
        request;
    let experiments: Vec<i64> =
        experiment_ids.iter().map(|id| experiment_id(id)).collect::<Result<_, _>>()?;
    let mut query =
        query(filter.as_deref(), &order_by, max_results, page_token.as_deref(), LIMITS)?;
    query.stages = stages(run_view_type.as_deref())?;
    let page = app.store.search_runs(&experiments, &query).await?;
    Ok(Json(Runs {
        runs: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

async fn update(State(app): State<App>, Body(request): Body<UpdateRun>) -> Answer<RunInfoReply> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    let status = request.status.as_deref();
    if let Some(status) = status.filter(|status| !STATUSES.contains(status)) {
        return Err(ApiError::invalid(format!(
            "`{status}` is no status of a run: it is one of {}",
            STATUSES.join(", ")
        )));
    }
    let name = request.run_name.as_deref().filter(|name| !name.is_empty());
    app.store.update_run(id, status, request.end_time, name).await?;
    Ok(Json(RunInfoReply { run_info: Run::from(app.store.run(id).await?).info }))
}

async fn delete(State(app): State<App>, Body(request): Body<RunIdentity>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    app.store.set_run_stage(id, "deleted").await?;
    Ok(Json(Empty {}))
}

async fn restore(State(app): State<App>, Body(request): Body<RunIdentity>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    app.store.set_run_stage(id, "active").await?;
    Ok(Json(Empty {}))
}

async fn log_batch(State(app): State<App>, Body(request): Body<LogBatch>) -> Answer<Empty> {
    let LogBatch { run_id, metrics, params, tags } = request;
    for (what, count, most) in [
        ("metrics", metrics.len(), METRICS_AT_ONCE),
        ("params", params.len(), PARAMS_AT_ONCE),
        ("tags", tags.len(), TAGS_AT_ONCE),
    ] {
        if count > most {
            return Err(ApiError::invalid(format!(
                "A batch logging request can contain at most {most} {what}. Got {count} {what}."
            )));
        }
    }
    log(&app, required("run_id", &run_id)?, metrics, pairs(params), pairs(tags)).await
}

async fn log_metric(State(app): State<App>, Body(request): Body<LogMetric>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    log(&app, id, vec![request.metric], vec![], vec![]).await
}

async fn log_parameter(State(app): State<App>, Body(request): Body<RunKeyValue>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    log(&app, id, vec![], vec![(request.key, request.value)], vec![]).await
}

async fn set_tag(State(app): State<App>, Body(request): Body<RunKeyValue>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    log(&app, id, vec![], vec![], vec![(request.key, request.value)]).await
}

async fn delete_tag(State(app): State<App>, Body(request): Body<RunKeyValue>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    app.store.delete_run_tag(id, &request.key).await?;
    Ok(Json(Empty {}))
}

async fn log_outputs(State(app): State<App>, Body(request): Body<LogOutputs>) -> Answer<Empty> {
    let models = request.models.into_iter().map(|output| (output.model_id, output.step));
    let models: Vec<_> = models.collect();
    app.store.log_outputs(required("run_id", &request.run_id)?, &models).await?;
    Ok(Json(Empty {}))
}

async fn log(
    app: &App,
    run_id: &str,
    metrics: Vec<Metric>,
    params: Vec<(String, String)>,
    tags: Vec<(String, String)>,
) -> Answer<Empty> {
    let keys = metrics.iter().map(|metric| &metric.key);
    for key in keys.chain(params.iter().chain(&tags).map(|(key, _)| key)) {
        check_key(key)?;
    }
    for (key, value) in &params {
        if value.chars().count() > PARAM_CHARACTERS {
            return Err(ApiError::invalid(format!(
                "Param value '{key}' exceeds the maximum length of {PARAM_CHARACTERS} characters"
            )));
        }
    }
    let metrics: Vec<MetricPoint> = metrics.into_iter().map(Into::into).collect();
    app.store.log_batch(run_id, &metrics, &params, &tags).await?;
    Ok(Json(Empty {}))
}

async fn history(
    State(app): State<App>,
    Params(request): Params<MetricHistory>,
) -> Answer<Metrics> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    let key = required("metric_key", &request.metric_key)?;
    let token_text = request.page_token.as_deref();
    let query = query(None, &[], request.max_results, token_text, HISTORY_LIMITS)?;
    let page = app.store.metric_history(id, key, &query).await?;
    Ok(Json(Metrics {
        metrics: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

/// Clients of MLflow 1 say `run_uuid`.
fn run_id<'a>(run_id: &'a str, run_uuid: Option<&'a str>) -> Result<&'a str, ApiError> {
    required("run_id", if run_id.is_empty() { run_uuid.unwrap_or_default() } else { run_id })
}

/// A key is part of paths and of filters in other tools, so MLflow's rule is ours.
fn check_key(key: &str) -> Result<(), ApiError> {
    required("key", key)?;
    if key.len() > KEY_BYTES {
        return Err(ApiError::invalid(format!(
            "the key '{}…' is longer than {KEY_BYTES} bytes",
            key.chars().take(40).collect::<String>()
        )));
    }
    if key.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("the key {key:?} has a control character")));
    }
    Ok(())
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        Self {
            info: RunInfo {
                run_id: row.id.clone(),
                run_uuid: row.id,
                run_name: row.name,
                experiment_id: row.experiment_id.to_string(),
                user_id: row.user,
                status: row.status,
                start_time: row.start_ms,
                end_time: row.end_ms,
                artifact_uri: row.artifact_uri,
                lifecycle_stage: row.stage,
            },
            data: RunData {
                metrics: row.metrics.into_iter().map(Into::into).collect(),
                params: key_values(row.params),
                tags: key_values(row.tags),
            },
            inputs: serde_json::Map::new(),
            outputs: RunOutputs {
                model_outputs: row
                    .outputs
                    .into_iter()
                    .map(|(model_id, step)| ModelOutput { model_id, step })
                    .collect(),
            },
        }
    }
}

impl From<MetricPoint> for Metric {
    fn from(point: MetricPoint) -> Self {
        let MetricPoint { key, value, timestamp_ms, step } = point;
        Self { key, value, timestamp: timestamp_ms, step }
    }
}

impl From<Metric> for MetricPoint {
    fn from(metric: Metric) -> Self {
        let Metric { key, value, timestamp, step } = metric;
        Self { key, value, timestamp_ms: timestamp, step }
    }
}
