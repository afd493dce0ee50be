//! Runs, their parameters, metrics and tags.

use std::collections::{BTreeMap, HashMap};

use sqlx::Row as _;

use super::search::Searched;
use super::sql::{Dialect, Row, Scope, Sql, Transaction};
use super::{
    Failure, Inputs, MeasuredPoint, Page, Pairs, Query, Stages, Store, logged_models, pairs, tags,
};
use crate::registry::RunId;
use crate::sys::clock;

#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    pub id: String,
    pub experiment_id: i64,
    pub name: String,
    pub user: String,
    pub status: String,
    pub start_ms: i64,
    pub end_ms: Option<i64>,
    pub artifact_uri: String,
    pub stage: String,
    pub params: Pairs,
    pub tags: Pairs,
    /// The last point of each metric.
    pub metrics: Vec<MetricPoint>,
    /// The logged models that it made, each with the step at which.
    pub outputs: Vec<(String, i64)>,
    pub inputs: Inputs,
}

/// What is logged at once: all of it, or nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub metrics: Vec<MetricPoint>,
    /// Those of them that are of a logged model.
    pub measured: Vec<MeasuredPoint>,
    pub params: Pairs,
    pub tags: Pairs,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricPoint {
    pub key: String,
    pub value: f64,
    pub timestamp_ms: i64,
    pub step: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct NewRun {
    pub id: RunId,
    pub experiment_id: i64,
    pub name: String,
    pub user: String,
    pub start_ms: i64,
    pub tags: Pairs,
}

fn select(dialect: Dialect) -> String {
    let pairs = dialect.pairs("key", "value");
    let outputs = dialect.pairs("model_id", "step");
    let inputs = dialect.list("model_id");
    format!(
        "SELECT r.id, r.experiment_id, r.name, r.user_id, r.status, r.start_ms, r.end_ms, \
         r.artifact_uri, r.stage, (SELECT {pairs} FROM params t WHERE t.run_id = r.id), \
         (SELECT {pairs} FROM run_tags t WHERE t.run_id = r.id), \
         (SELECT {outputs} FROM run_outputs t WHERE t.run_id = r.id), \
         (SELECT {inputs} FROM run_model_inputs t WHERE t.run_id = r.id), \
         (SELECT count(*) FROM run_datasets t WHERE t.run_id = r.id) FROM runs r WHERE true"
    )
}

/// The tag that is a run's name.
const RUN_NAME: &str = "mlflow.runName";

const SEARCHED: Searched = Searched {
    noun: "run",
    attributes: &[
        ("run_id", "r.id"),
        ("run_name", "r.name"),
        ("user_id", "r.user_id"),
        ("status", "r.status"),
        ("start_time", "r.start_ms"),
        ("end_time", "r.end_ms"),
        ("artifact_uri", "r.artifact_uri"),
    ],
    as_text: &[],
    tags: "FROM run_tags t WHERE t.run_id = r.id",
    params: Some("FROM params t WHERE t.run_id = r.id"),
    metrics: Some(("FROM latest_metrics t WHERE t.run_id = r.id", "")),
    datasets: Some((
        "FROM run_datasets t WHERE t.run_id = r.id",
        "FROM run_dataset_tags t WHERE t.run_id = r.id AND t.key = 'mlflow.data.context'",
    )),
    tie: "r.start_ms DESC, r.id",
};

impl Store {
    pub(crate) async fn create_run(&self, run: &NewRun) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Run(run.id.as_str())).await?;
        let experiment: Option<(String, String)> =
            sqlx::query_as("SELECT artifact_location, stage FROM experiments WHERE id = $1")
                .bind(run.experiment_id)
                .fetch_optional(&mut *transaction)
                .await?;
        let id = run.experiment_id;
        let location = match experiment {
            None => {
                return Err(Failure::Missing(format!("No Experiment with id={id} exists")));
            }
            Some((_, stage)) if stage == "deleted" => {
                return Err(Failure::Invalid(format!(
                    "The experiment {id} must be in the 'active' state. Current state is deleted."
                )));
            }
            Some((location, _)) => location,
        };
        sqlx::query(
            "INSERT INTO runs (id, experiment_id, name, user_id, status, start_ms, artifact_uri) \
             VALUES ($1, $2, $3, $4, 'RUNNING', $5, $6)",
        )
        .bind(run.id.as_str())
        .bind(id)
        .bind(&run.name)
        .bind(&run.user)
        .bind(run.start_ms)
        .bind(format!("{}/{}/artifacts", location.trim_end_matches('/'), run.id))
        .execute(&mut *transaction)
        .await?;
        tags::RUN.set(&mut transaction, run.id.as_str(), &run.tags).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn run(&self, id: &str) -> Result<RunRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND r.id = ").bind(id.to_owned());
        let row = sql.query().try_map(run).fetch_optional(self.read()).await?;
        let mut runs = vec![row.ok_or_else(|| missing(id))?];
        self.add_rest(&mut runs).await?;
        Ok(runs.remove(0).0)
    }

    pub(crate) async fn search_runs(
        &self,
        experiments: &[i64],
        query: &Query,
    ) -> Result<Page<RunRow>, Failure> {
        if experiments.is_empty() {
            return Ok(Page { items: Vec::new(), next_offset: None });
        }
        let mut sql = Sql::new(select(self.dialect()));
        match query.stages {
            Stages::Active => sql.push(" AND r.stage = 'active'"),
            Stages::Deleted => sql.push(" AND r.stage = 'deleted'"),
            Stages::All => &mut sql,
        };
        sql.push(" AND r.experiment_id IN ").bind_list(experiments.iter().copied());
        SEARCHED.filter(&mut sql, self.dialect(), &query.conditions)?;
        SEARCHED.page(&mut sql, query, "r.start_ms DESC")?;
        let found = sql.query().try_map(run).fetch_all(self.read()).await?;
        let mut page = Page::cut(found, query);
        self.add_rest(&mut page.items).await?;
        let items = page.items.into_iter().map(|(run, _)| run).collect();
        Ok(Page { items, next_offset: page.next_offset })
    }

    /// What the first statement did not bring: metrics, and the datasets of runs that have some.
    async fn add_rest(&self, runs: &mut [(RunRow, i64)]) -> Result<(), Failure> {
        for some in runs.chunks_mut(ROWS) {
            self.add_metrics(some).await?;
            let with: Vec<&str> = some
                .iter()
                .filter(|(_, datasets)| *datasets > 0)
                .map(|(run, _)| run.id.as_str())
                .collect();
            let mut datasets = self.datasets_of(&with).await?;
            for (run, _) in some {
                run.inputs.datasets = datasets.remove(&run.id).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// The last point of each metric of these runs. Not through JSON as the tags are: SQLite
    /// writes 15 digits of a number there, and two runs may differ in the 16th.
    async fn add_metrics(&self, runs: &mut [(RunRow, i64)]) -> Result<(), Failure> {
        let mut sql = Sql::new(
            "SELECT value, is_nan, timestamp_ms, step, key, run_id FROM latest_metrics \
             WHERE run_id IN ",
        );
        sql.bind_list(runs.iter().map(|(run, _)| run.id.clone())).push(" ORDER BY run_id, key");
        let points = sql
            .query()
            .try_map(|row: Row| Ok((row.try_get::<String, _>(5)?, point(&row, row.try_get(4)?)?)))
            .fetch_all(self.read())
            .await?;
        let mut places: HashMap<String, &mut RunRow> =
            runs.iter_mut().map(|(run, _)| (run.id.clone(), run)).collect();
        for (id, point) in points {
            if let Some(run) = places.get_mut(&id) {
                run.metrics.push(point);
            }
        }
        Ok(())
    }

    /// Change what is given. A name is a tag of its run too, as MLflow's clients expect.
    pub(crate) async fn update_run(
        &self,
        id: &str,
        status: Option<&str>,
        end_ms: Option<i64>,
        name: Option<&str>,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Run(id)).await?;
        active(&mut transaction, id).await?;
        sqlx::query(
            "UPDATE runs SET status = coalesce($2, status), end_ms = coalesce($3, end_ms), \
             name = coalesce($4, name) WHERE id = $1",
        )
        .bind(id)
        .bind(status)
        .bind(end_ms)
        .bind(name)
        .execute(&mut *transaction)
        .await?;
        if let Some(name) = name {
            let tag = (RUN_NAME.to_owned(), name.to_owned());
            tags::RUN.set(&mut transaction, id, &[tag]).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn set_run_stage(&self, id: &str, stage: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Run(id)).await?;
        let changed = sqlx::query("UPDATE runs SET stage = $1, deleted_ms = $3 WHERE id = $2")
            .bind(stage)
            .bind(id)
            .bind(deleted_ms(stage))
            .execute(&mut *transaction)
            .await?;
        if changed.rows_affected() == 0 {
            return Err(missing(id));
        }
        transaction.commit().await
    }

    /// Everything of a batch, or nothing. The tag of a run's name is its name.
    pub(crate) async fn log_batch(&self, id: &str, batch: &Batch) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Run(id)).await?;
        active(&mut transaction, id).await?;
        log_params(&mut transaction, id, &batch.params).await?;
        log_metrics(&mut transaction, id, &batch.metrics).await?;
        logged_models::log_metrics(&mut transaction, &batch.measured).await?;
        tags::RUN.set(&mut transaction, id, &batch.tags).await?;
        if let Some((_, name)) = batch.tags.iter().rfind(|(key, _)| key == RUN_NAME) {
            sqlx::query("UPDATE runs SET name = $2 WHERE id = $1")
                .bind(id)
                .bind(name)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Add to the list that a tag holds as JSON, for clients of MLflow 2, what a model is that a run
    /// logged.
    pub(crate) async fn note_logged_model(
        &self,
        id: &str,
        tag: &str,
        model: serde_json::Value,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Run(id)).await?;
        active(&mut transaction, id).await?;
        let held: Option<String> =
            sqlx::query_scalar("SELECT value FROM run_tags WHERE run_id = $1 AND key = $2")
                .bind(id)
                .bind(tag)
                .fetch_optional(&mut *transaction)
                .await?;
        let mut models: Vec<serde_json::Value> =
            held.and_then(|held| serde_json::from_str(&held).ok()).unwrap_or_default();
        models.push(model);
        let pair = (tag.to_owned(), serde_json::Value::from(models).to_string());
        tags::RUN.set(&mut transaction, id, &[pair]).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn log_outputs(
        &self,
        id: &str,
        models: &[(String, i64)],
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Run(id)).await?;
        active(&mut transaction, id).await?;
        for (model, step) in models {
            sqlx::query("INSERT INTO run_outputs VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(id)
                .bind(model)
                .bind(step)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn delete_run_tag(&self, id: &str, key: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Run(id)).await?;
        active(&mut transaction, id).await?;
        if !tags::RUN.remove(&mut transaction, id, key).await? {
            return Err(Failure::Missing(format!("No tag with name: {key} in run with id {id}")));
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Every point of a metric, in the order of time.
    pub(crate) async fn metric_history(
        &self,
        id: &str,
        key: &str,
        query: &Query,
    ) -> Result<Page<MetricPoint>, Failure> {
        let there: Option<i64> = sqlx::query_scalar("SELECT 1 FROM runs WHERE id = $1")
            .bind(id)
            .fetch_optional(self.read())
            .await?;
        if there.is_none() {
            return Err(missing(id));
        }
        let found = sqlx::query(
            "SELECT value, is_nan, timestamp_ms, step FROM metrics WHERE run_id = $1 AND key = $2 \
             ORDER BY timestamp_ms, step, value LIMIT $3 OFFSET $4",
        )
        .bind(id)
        .bind(key)
        .bind(query.limit as i64 + 1)
        .bind(query.offset as i64)
        .try_map(|row: Row| point(&row, key.to_owned()))
        .fetch_all(self.read())
        .await?;
        Ok(Page::cut(found, query))
    }
}

/// An error unless the run is there and not deleted.
pub(super) async fn active(transaction: &mut Transaction<'_>, id: &str) -> Result<(), Failure> {
    let stage: Option<String> = sqlx::query_scalar("SELECT stage FROM runs WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **transaction)
        .await?;
    match stage.as_deref() {
        None => Err(missing(id)),
        Some("active") => Ok(()),
        Some(stage) => Err(Failure::Invalid(format!(
            "The run {id} must be in the 'active' state. Current state is {stage}."
        ))),
    }
}

/// A parameter is written once; the same value again is no change, another is an error.
async fn log_params(
    transaction: &mut Transaction<'_>,
    id: &str,
    params: &[(String, String)],
) -> Result<(), Failure> {
    for some in params.chunks(ROWS) {
        let mut sql = Sql::new("INSERT INTO params (run_id, key, value) VALUES ");
        for (place, (key, value)) in some.iter().enumerate() {
            sql.push(if place == 0 { "(" } else { ", (" }).bind(id.to_owned());
            sql.push(", ").bind(key.clone()).push(", ").bind(value.clone()).push(")");
        }
        sql.push(" ON CONFLICT DO NOTHING");
        sql.query().execute(&mut **transaction).await?;
        let mut sql = Sql::new("SELECT key, value FROM params WHERE run_id = ");
        sql.bind(id.to_owned()).push(" AND key IN ");
        sql.bind_list(some.iter().map(|(key, _)| key.clone()));
        let held: HashMap<String, String> = sql
            .query()
            .try_map(|row: Row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .fetch_all(&mut **transaction)
            .await?
            .into_iter()
            .collect();
        for (key, value) in some {
            let held = held.get(key).map_or("", String::as_str);
            if held != value {
                return Err(Failure::Invalid(format!(
                    "Changing param values is not allowed. Param with key='{key}' was already \
                     logged with value='{held}' for run ID='{id}'. Attempted logging new value \
                     '{value}'."
                )));
            }
        }
    }
    Ok(())
}

/// Points are a set, so a batch that is repeated after a lost answer changes nothing.
async fn log_metrics(
    transaction: &mut Transaction<'_>,
    id: &str,
    metrics: &[MetricPoint],
) -> Result<(), Failure> {
    for some in metrics.chunks(ROWS) {
        let mut sql = Sql::new(
            "INSERT INTO metrics (run_id, key, timestamp_ms, step, value, is_nan) VALUES ",
        );
        points(&mut sql, id, some.iter());
        sql.push(" ON CONFLICT DO NOTHING");
        sql.query().execute(&mut **transaction).await?;
    }
    // The last is the one of the highest step, then time, then value; of this batch first, since
    // one statement may touch a row once.
    let mut last: BTreeMap<&str, &MetricPoint> = BTreeMap::new();
    for point in metrics {
        last.entry(&point.key)
            .and_modify(|held| {
                if order(point) >= order(held) {
                    *held = point;
                }
            })
            .or_insert(point);
    }
    let last: Vec<&MetricPoint> = last.into_values().collect();
    for some in last.chunks(ROWS) {
        let mut sql = Sql::new(
            "INSERT INTO latest_metrics AS held (run_id, key, timestamp_ms, step, value, is_nan) \
             VALUES ",
        );
        points(&mut sql, id, some.iter().copied());
        sql.push(
            " ON CONFLICT (run_id, key) DO UPDATE SET timestamp_ms = excluded.timestamp_ms, \
             step = excluded.step, value = excluded.value, is_nan = excluded.is_nan \
             WHERE (excluded.step, excluded.timestamp_ms, excluded.value) >= \
             (held.step, held.timestamp_ms, held.value)",
        );
        sql.query().execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Rows of one statement: each has six values, and a statement takes 32,766.
const ROWS: usize = 1_000;

/// Add `(…), (…)`: the columns `run_id, key, timestamp_ms, step, value, is_nan` of each point.
fn points<'p>(sql: &mut Sql, id: &str, points: impl Iterator<Item = &'p MetricPoint>) {
    for (place, point) in points.enumerate() {
        sql.push(if place == 0 { "(" } else { ", (" }).bind(id.to_owned());
        sql.push(", ").bind(point.key.clone()).push(", ").bind(point.timestamp_ms);
        sql.push(", ").bind(point.step).push(", ").bind(stored(point.value));
        sql.push(", ").bind(i64::from(point.value.is_nan())).push(")");
    }
}

/// As MLflow does: SQL has no infinities that every reader understands. NaN is told apart by its
/// own column.
pub(super) fn stored(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) }
}

/// What decides which of two points is the last.
fn order(point: &MetricPoint) -> (i64, i64, f64) {
    (point.step, point.timestamp_ms, stored(point.value))
}

fn missing(id: &str) -> Failure {
    Failure::Missing(format!("Run with id={id} not found"))
}

/// A run without its metrics and datasets, and how many of these it has.
fn run(row: Row) -> Result<(RunRow, i64), sqlx::Error> {
    let models = serde_json::from_str(row.try_get(12)?).unwrap_or_default();
    let run = RunRow {
        id: row.try_get(0)?,
        experiment_id: row.try_get(1)?,
        name: row.try_get(2)?,
        user: row.try_get(3)?,
        status: row.try_get(4)?,
        start_ms: row.try_get(5)?,
        end_ms: row.try_get(6)?,
        artifact_uri: row.try_get(7)?,
        stage: row.try_get(8)?,
        params: pairs(row.try_get(9)?),
        tags: pairs(row.try_get(10)?),
        metrics: Vec::new(),
        outputs: serde_json::from_str(row.try_get(11)?).unwrap_or_default(),
        inputs: Inputs { datasets: Vec::new(), models },
    };
    Ok((run, row.try_get(13)?))
}

/// Columns `value, is_nan, timestamp_ms, step` of a row.
pub(super) fn point(row: &Row, key: String) -> Result<MetricPoint, sqlx::Error> {
    let is_nan = row.try_get::<i64, _>(1)? != 0;
    Ok(MetricPoint {
        key,
        value: if is_nan { f64::NAN } else { row.try_get(0)? },
        timestamp_ms: row.try_get(2)?,
        step: row.try_get(3)?,
    })
}

/// When a run that is in this stage from now on was deleted.
pub(super) fn deleted_ms(stage: &str) -> Option<i64> {
    (stage == "deleted").then(clock::now_ms)
}
