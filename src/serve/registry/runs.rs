//! `runs/…` and `metrics/…`

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::access::Caller;
use super::experiments::experiment_id;
use super::extract::{Body, Params, given, required};
use super::failure::{Answer, ApiError};
use super::filter::Search;
use super::query::{Limits, order, page, query, stages, token};
use super::{App, inputs, key_values, limits, pairs};
use crate::api::mlflow::{
    CreateRun, Empty, LogBatch, Metric, MetricHistory, Metrics, ModelOutput, NewMetric, Run,
    RunData, RunIdentity, RunInfo, RunInfoReply, RunKeyValue, RunOutputs, RunReply, Runs,
    SearchRuns, UpdateRun,
};
use crate::store::{Batch, MeasuredPoint, MetricPoint, NewRun, OfDataset, Pairs, RunRow};
use crate::sys::{clock, random};

const LIMITS: Limits = Limits { default: 1000, most: 50_000 };
const HISTORY_LIMITS: Limits = Limits { default: 1_000_000, most: 1_000_000 };

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
    limits::run_tags(&tags)?;
    let tag =
        |key: &str| tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    let named = request.run_name.filter(|name| !name.is_empty());
    let name = match (named, tag("mlflow.runName")) {
        (Some(name), Some(other)) if name != other => {
            return Err(ApiError::invalid(format!(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with \
                 different values (run_name='{name}', mlflow.runName='{other}')."
            )));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => format!("run-{}", &id[..8]),
    };
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
    let page_token = page_token.as_deref();
    let mut query = query(Search::Runs, filter.as_deref(), max_results, page_token, LIMITS)?;
    query.order = order(Search::Runs, &order_by)?;
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
    required("run_id", &run_id)?;
    limits::batch(metrics.len(), params.len(), tags.len())?;
    let at = |place: usize, field: &str| format!("metrics[{place}].{field}");
    for (place, metric) in metrics.iter().enumerate() {
        required(&at(place, "key"), &metric.key)?;
        given(&at(place, "value"), metric.value)?;
        given(&at(place, "timestamp"), metric.timestamp)?;
    }
    log(&app, &run_id, metrics, pairs(params), pairs(tags)).await
}

async fn log_metric(State(app): State<App>, Body(request): Body<NewMetric>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?.to_owned();
    required("key", &request.key)?;
    given("value", request.value)?;
    given("timestamp", request.timestamp)?;
    log(&app, &id, vec![request], vec![], vec![]).await
}

async fn log_parameter(State(app): State<App>, Body(request): Body<RunKeyValue>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    required("key", &request.key)?;
    log(&app, id, vec![], vec![(request.key, request.value)], vec![]).await
}

async fn set_tag(State(app): State<App>, Body(request): Body<RunKeyValue>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    required("key", &request.key)?;
    log(&app, id, vec![], vec![], vec![(request.key, request.value)]).await
}

async fn delete_tag(State(app): State<App>, Body(request): Body<RunKeyValue>) -> Answer<Empty> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    app.store.delete_run_tag(id, required("key", &request.key)?).await?;
    Ok(Json(Empty {}))
}

async fn log(
    app: &App,
    run_id: &str,
    metrics: Vec<NewMetric>,
    params: Pairs,
    tags: Pairs,
) -> Answer<Empty> {
    metrics.iter().try_for_each(|metric| limits::metric_key(&metric.key))?;
    limits::params(&params)?;
    limits::run_tags(&tags)?;
    let mut batch = Batch { params, tags, ..Batch::default() };
    for metric in metrics {
        let NewMetric { key, value, timestamp, step, model_id, .. } = metric;
        let (value, timestamp_ms) = (value.unwrap_or_default(), timestamp.unwrap_or_default());
        let point = MetricPoint { key, value, timestamp_ms, step };
        batch.metrics.push(point.clone());
        if let Some(model_id) = model_id.filter(|id| !id.is_empty()) {
            let digest = metric.dataset_digest.filter(|digest| !digest.is_empty());
            let dataset = metric
                .dataset_name
                .filter(|name| !name.is_empty())
                .map(|name| OfDataset { name, digest });
            let run_id = run_id.to_owned();
            batch.measured.push(MeasuredPoint { point, model_id, run_id, dataset });
        }
    }
    app.store.log_batch(run_id, &batch).await?;
    Ok(Json(Empty {}))
}

async fn history(
    State(app): State<App>,
    Params(request): Params<MetricHistory>,
) -> Answer<Metrics> {
    let id = run_id(&request.run_id, request.run_uuid.as_deref())?;
    let key = required("metric_key", &request.metric_key)?;
    let token_text = request.page_token.as_deref();
    let query = page(request.max_results, token_text, HISTORY_LIMITS)?;
    let page = app.store.metric_history(id, key, &query).await?;
    Ok(Json(Metrics {
        metrics: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

/// Clients of MLflow 1 say `run_uuid`.
pub(super) fn run_id<'a>(run_id: &'a str, run_uuid: Option<&'a str>) -> Result<&'a str, ApiError> {
    required("run_id", if run_id.is_empty() { run_uuid.unwrap_or_default() } else { run_id })
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
            inputs: inputs::wire(row.inputs),
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
        Self { key, value, timestamp: timestamp_ms, step, ..Self::default() }
    }
}
