//! Logged models: a model's files beside its run, as clients of MLflow 3 keep them.

use std::collections::HashMap;

use sqlx::Row as _;

use super::runs::{point, stored};
use super::search::{Field, OfDataset, Searched, on_dataset};
use super::sql::{Dialect, Row, Scope, Sql, Transaction};
use super::{Failure, MetricPoint, Page, Pairs, Query, Store, pairs, tags};
use crate::sys::clock;

#[derive(Clone, Debug)]
pub(crate) struct LoggedModelRow {
    pub id: String,
    pub experiment_id: i64,
    pub name: String,
    pub model_type: String,
    pub source_run_id: String,
    pub artifact_uri: String,
    pub status: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: Pairs,
    pub params: Pairs,
    /// Every point that runs logged of it, in the order of time.
    pub metrics: Vec<MeasuredPoint>,
}

/// A metric of a logged model, measured by a run and perhaps on a dataset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MeasuredPoint {
    pub point: MetricPoint,
    pub model_id: String,
    pub run_id: String,
    pub dataset: Option<OfDataset>,
}

#[derive(Clone, Debug)]
pub(crate) struct NewLoggedModel {
    pub id: String,
    pub experiment_id: i64,
    pub name: String,
    pub model_type: String,
    pub source_run_id: String,
    pub tags: Pairs,
    pub params: Pairs,
}

fn select(dialect: Dialect) -> String {
    let pairs = dialect.pairs("key", "value");
    format!(
        "SELECT m.id, m.experiment_id, m.name, m.model_type, m.source_run_id, m.artifact_uri, \
         m.status, m.created_ms, m.updated_ms, \
         (SELECT {pairs} FROM logged_model_tags t WHERE t.model_id = m.id), \
         (SELECT {pairs} FROM logged_model_params t WHERE t.model_id = m.id) \
         FROM logged_models m WHERE true"
    )
}

/// The tag of a logged model that lists the versions made from it.
const MODEL_VERSIONS: &str = "mlflow.modelVersions";

/// Models whose metrics are read in one statement.
const AT_ONCE: usize = 1_000;

const SEARCHED: Searched = Searched {
    noun: "logged model",
    attributes: &[
        ("model_id", "m.id"),
        ("name", "m.name"),
        ("model_type", "m.model_type"),
        ("source_run_id", "m.source_run_id"),
        ("status", "m.status"),
        ("creation_time", "m.created_ms"),
        ("creation_timestamp", "m.created_ms"),
        ("last_updated_timestamp", "m.updated_ms"),
        ("last_updated_time", "m.updated_ms"),
        ("experiment_id", "m.experiment_id"),
    ],
    as_text: &[("experiment_id", "CAST(m.experiment_id AS TEXT)")],
    tags: "FROM logged_model_tags t WHERE t.model_id = m.id",
    params: Some("FROM logged_model_params t WHERE t.model_id = m.id"),
    metrics: Some((
        "FROM logged_model_metrics t WHERE t.model_id = m.id",
        " ORDER BY t.timestamp_ms DESC, t.step DESC, t.run_id LIMIT 1",
    )),
    datasets: None,
    tie: "m.created_ms DESC, m.id",
};

impl Store {
    pub(crate) async fn create_logged_model(&self, new: &NewLoggedModel) -> Result<(), Failure> {
        let experiment = self.experiment(new.experiment_id).await?;
        if experiment.stage != "active" {
            return Err(Failure::Invalid(format!(
                "The experiment {} must be in the 'active' state. Current state is {}.",
                experiment.id, experiment.stage
            )));
        }
        let location = experiment.artifact_location;
        let mut transaction = self.write(Scope::LoggedModel(&new.id)).await?;
        sqlx::query(
            "INSERT INTO logged_models (id, experiment_id, name, model_type, source_run_id, \
             artifact_uri, status, created_ms, updated_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, 'LOGGED_MODEL_PENDING', $7, $7)",
        )
        .bind(&new.id)
        .bind(new.experiment_id)
        .bind(&new.name)
        .bind(&new.model_type)
        .bind(&new.source_run_id)
        .bind(format!("{}/models/{}/artifacts", location.trim_end_matches('/'), new.id))
        .bind(clock::now_ms())
        .execute(&mut *transaction)
        .await?;
        tags::LOGGED_MODEL.set(&mut transaction, new.id.as_str(), &new.tags).await?;
        tags::LOGGED_MODEL_PARAMS.set(&mut transaction, new.id.as_str(), &new.params).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn logged_model(&self, id: &str) -> Result<LoggedModelRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND m.stage = 'active' AND m.id = ").bind(id.to_owned());
        let row = sql.query().try_map(logged_model).fetch_optional(self.read()).await?;
        self.measured(vec![row.ok_or_else(|| missing(id))?]).await.map(|mut found| found.remove(0))
    }

    /// As [`Store::logged_model`], and one that was deleted too.
    pub(crate) async fn logged_model_even_deleted(
        &self,
        id: &str,
    ) -> Result<LoggedModelRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND m.id = ").bind(id.to_owned());
        let row = sql.query().try_map(logged_model).fetch_optional(self.read()).await?;
        self.measured(vec![row.ok_or_else(|| missing(id))?]).await.map(|mut found| found.remove(0))
    }

    /// Search these experiments; where datasets are given, only among the models with a metric on
    /// one of them that fits the query's conditions on metrics.
    pub(crate) async fn search_logged_models(
        &self,
        experiments: &[i64],
        datasets: &[OfDataset],
        query: &Query,
    ) -> Result<Page<LoggedModelRow>, Failure> {
        if experiments.is_empty() {
            return Ok(Page { items: Vec::new(), next_offset: None });
        }
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND m.stage = 'active' AND m.experiment_id IN ");
        sql.bind_list(experiments.iter().copied());
        let (on_metrics, others): (Vec<_>, Vec<_>) = query
            .conditions
            .iter()
            .cloned()
            .partition(|condition| matches!(condition.field, Field::Metric(_)));
        SEARCHED.filter(&mut sql, self.dialect(), &others)?;
        if datasets.is_empty() {
            SEARCHED.filter(&mut sql, self.dialect(), &on_metrics)?;
        } else {
            sql.push(" AND (false");
            for dataset in datasets {
                sql.push(" OR (EXISTS (SELECT 1 FROM logged_model_metrics t WHERE t.model_id = m.id AND ");
                on_dataset(&mut sql, dataset);
                sql.push(")");
                let on_it: Vec<_> = on_metrics
                    .iter()
                    .cloned()
                    .map(|mut condition| {
                        if let Field::Metric(key) = condition.field {
                            condition.field = Field::MetricOn(key, dataset.clone());
                        }
                        condition
                    })
                    .collect();
                SEARCHED.filter(&mut sql, self.dialect(), &on_it)?;
                sql.push(")");
            }
            sql.push(")");
        }
        SEARCHED.page(&mut sql, query, "m.created_ms DESC")?;
        let found = sql.query().try_map(logged_model).fetch_all(self.read()).await?;
        let mut page = Page::cut(found, query);
        page.items = self.measured(page.items).await?;
        Ok(page)
    }

    /// These models with their metrics.
    async fn measured(
        &self,
        mut models: Vec<LoggedModelRow>,
    ) -> Result<Vec<LoggedModelRow>, Failure> {
        let mut places: HashMap<String, usize> = HashMap::new();
        for (place, model) in models.iter().enumerate() {
            places.insert(model.id.clone(), place);
        }
        let ids: Vec<String> = models.iter().map(|model| model.id.clone()).collect();
        for some in ids.chunks(AT_ONCE) {
            let mut sql = Sql::new(
                "SELECT t.value, t.is_nan, t.timestamp_ms, t.step, t.key, t.model_id, t.run_id, \
                 t.dataset_name, t.dataset_digest FROM logged_model_metrics t WHERE t.model_id IN ",
            );
            sql.bind_list(some.iter().cloned());
            sql.push(" ORDER BY t.model_id, t.key, t.timestamp_ms, t.step, t.run_id");
            let found = sql.query().try_map(measured_point).fetch_all(self.read()).await?;
            for point in found {
                if let Some(place) = places.get(&point.model_id) {
                    models[*place].metrics.push(point);
                }
            }
        }
        Ok(models)
    }

    /// Delete a logged model. It is kept, out of sight, as a deleted run is.
    pub(crate) async fn delete_logged_model(&self, id: &str) -> Result<(), Failure> {
        let changed = sqlx::query(
            "UPDATE logged_models SET stage = 'deleted', updated_ms = $2 WHERE id = $1",
        )
        .bind(id)
        .bind(clock::now_ms())
        .execute(&self.database.writer)
        .await?;
        if changed.rows_affected() == 0 { Err(missing(id)) } else { Ok(()) }
    }

    pub(crate) async fn delete_logged_model_tag(&self, id: &str, key: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::LoggedModel(id)).await?;
        active(&mut transaction, id).await?;
        if !tags::LOGGED_MODEL.remove(&mut transaction, id, key).await? {
            return Err(Failure::Missing(format!(
                "No tag with key '{key}' found for model with ID '{id}'."
            )));
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn finalize_logged_model(
        &self,
        id: &str,
        status: &str,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::LoggedModel(id)).await?;
        let changed =
            sqlx::query("UPDATE logged_models SET status = $2, updated_ms = $3 WHERE id = $1 AND stage = 'active'")
                .bind(id)
                .bind(status)
                .bind(clock::now_ms())
                .execute(&mut *transaction)
                .await?;
        if changed.rows_affected() == 0 {
            return Err(missing(id));
        }
        transaction.commit().await
    }

    pub(crate) async fn add_to_logged_model(
        &self,
        id: &str,
        tags: &[(String, String)],
        params: &[(String, String)],
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::LoggedModel(id)).await?;
        active(&mut transaction, id).await?;
        tags::LOGGED_MODEL.set(&mut transaction, id, tags).await?;
        refuse_changed(&mut transaction, id, params).await?;
        tags::LOGGED_MODEL_PARAMS.set(&mut transaction, id, params).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Write down the metrics of logged models that a run logs, in the transaction that logs them.
pub(super) async fn log_metrics(
    transaction: &mut Transaction<'_>,
    points: &[MeasuredPoint],
) -> Result<(), Failure> {
    for measured in points {
        active(transaction, &measured.model_id).await?;
        let MeasuredPoint { point, model_id, run_id, dataset } = measured;
        sqlx::query(
            "INSERT INTO logged_model_metrics (model_id, key, timestamp_ms, step, run_id, value, \
             is_nan, dataset_name, dataset_digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (model_id, key, timestamp_ms, step, run_id) DO UPDATE SET \
             value = excluded.value, is_nan = excluded.is_nan, \
             dataset_name = excluded.dataset_name, dataset_digest = excluded.dataset_digest",
        )
        .bind(model_id)
        .bind(&point.key)
        .bind(point.timestamp_ms)
        .bind(point.step)
        .bind(run_id)
        .bind(stored(point.value))
        .bind(i64::from(point.value.is_nan()))
        .bind(dataset.as_ref().map(|dataset| dataset.name.as_str()))
        .bind(dataset.as_ref().and_then(|dataset| dataset.digest.as_deref()))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Note in a logged model's tag, where its clients look for it, that a version was made from it.
pub(super) async fn note_version(
    transaction: &mut Transaction<'_>,
    id: &str,
    model: &str,
    version: i64,
) -> Result<(), Failure> {
    let known: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM logged_models WHERE id = $1 AND stage = 'active'")
            .bind(id)
            .fetch_optional(&mut **transaction)
            .await?;
    if known.is_none() {
        return Ok(());
    }
    let noted: Option<String> =
        sqlx::query_scalar("SELECT value FROM logged_model_tags WHERE model_id = $1 AND key = $2")
            .bind(id)
            .bind(MODEL_VERSIONS)
            .fetch_optional(&mut **transaction)
            .await?;
    // What a client wrote there may be anything; it is not ours to repair.
    let mut versions: Vec<serde_json::Value> =
        noted.and_then(|noted| serde_json::from_str(&noted).ok()).unwrap_or_default();
    versions.push(serde_json::json!({"name": model, "version": version}));
    let tag = (MODEL_VERSIONS.to_owned(), serde_json::Value::from(versions).to_string());
    tags::LOGGED_MODEL.set(transaction, id, &[tag]).await
}

/// A parameter is written once, as a run's is; the same value again is no change.
async fn refuse_changed(
    transaction: &mut Transaction<'_>,
    id: &str,
    params: &[(String, String)],
) -> Result<(), Failure> {
    for (key, value) in params {
        let held: Option<String> = sqlx::query_scalar(
            "SELECT value FROM logged_model_params WHERE model_id = $1 AND key = $2",
        )
        .bind(id)
        .bind(key)
        .fetch_optional(&mut **transaction)
        .await?;
        if let Some(held) = held.filter(|held| held != value) {
            return Err(Failure::Invalid(format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged \
                 with value='{held}' for model ID='{id}'. Attempted logging new value '{value}'."
            )));
        }
    }
    Ok(())
}

/// An error unless the model is there and not deleted.
async fn active(transaction: &mut Transaction<'_>, id: &str) -> Result<(), Failure> {
    let there: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM logged_models WHERE id = $1 AND stage = 'active'")
            .bind(id)
            .fetch_optional(&mut **transaction)
            .await?;
    there.map(|_| ()).ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Failure {
    Failure::Missing(format!("Logged model with ID '{id}' not found."))
}

fn logged_model(row: Row) -> Result<LoggedModelRow, sqlx::Error> {
    Ok(LoggedModelRow {
        id: row.try_get(0)?,
        experiment_id: row.try_get(1)?,
        name: row.try_get(2)?,
        model_type: row.try_get(3)?,
        source_run_id: row.try_get(4)?,
        artifact_uri: row.try_get(5)?,
        status: row.try_get(6)?,
        created_ms: row.try_get(7)?,
        updated_ms: row.try_get(8)?,
        tags: pairs(row.try_get(9)?),
        params: pairs(row.try_get(10)?),
        metrics: Vec::new(),
    })
}

fn measured_point(row: Row) -> Result<MeasuredPoint, sqlx::Error> {
    let name: Option<String> = row.try_get(7)?;
    let digest = row.try_get(8)?;
    Ok(MeasuredPoint {
        point: point(&row, row.try_get(4)?)?,
        model_id: row.try_get(5)?,
        run_id: row.try_get(6)?,
        dataset: name.map(|name| OfDataset { name, digest }),
    })
}
