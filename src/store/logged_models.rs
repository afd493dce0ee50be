//! Logged models: a model's files beside its run, as clients of MLflow 3 keep them.

use sqlx::Row as _;

use super::search::Searched;
use super::sql::{Dialect, Row, Scope, Sql};
use super::{Failure, Page, Pairs, Query, Store, pairs, tags};
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
    ],
    tags: "FROM logged_model_tags t WHERE t.model_id = m.id",
    params: Some("FROM logged_model_params t WHERE t.model_id = m.id"),
    metrics: None,
    tie: "m.id",
};

impl Store {
    pub(crate) async fn create_logged_model(&self, new: &NewLoggedModel) -> Result<(), Failure> {
        let location = self.experiment(new.experiment_id).await?.artifact_location;
        let mut transaction = self.write(Scope::LoggedModel(&new.id)).await?;
        sqlx::query(
            "INSERT INTO logged_models VALUES ($1, $2, $3, $4, $5, $6, 'LOGGED_MODEL_PENDING', $7, $7)",
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
        sql.push(" AND m.id = ").bind(id.to_owned());
        let row = sql.query().try_map(logged_model).fetch_optional(self.read()).await?;
        row.ok_or_else(|| missing(id))
    }

    pub(crate) async fn search_logged_models(
        &self,
        experiments: &[i64],
        query: &Query,
    ) -> Result<Page<LoggedModelRow>, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND m.experiment_id IN ").bind_list(experiments.iter().copied());
        SEARCHED.filter(&mut sql, self.dialect(), &query.conditions)?;
        SEARCHED.page(&mut sql, query, "m.created_ms DESC")?;
        let found = sql.query().try_map(logged_model).fetch_all(self.read()).await?;
        Ok(Page::cut(found, query))
    }

    pub(crate) async fn finalize_logged_model(
        &self,
        id: &str,
        status: &str,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::LoggedModel(id)).await?;
        let changed =
            sqlx::query("UPDATE logged_models SET status = $2, updated_ms = $3 WHERE id = $1")
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
        self.logged_model(id).await?;
        let mut transaction = self.write(Scope::LoggedModel(id)).await?;
        tags::LOGGED_MODEL.set(&mut transaction, id, tags).await?;
        tags::LOGGED_MODEL_PARAMS.set(&mut transaction, id, params).await?;
        transaction.commit().await?;
        Ok(())
    }
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
    })
}
