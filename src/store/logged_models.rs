//! Logged models: a model's files beside its run, as clients of MLflow 3 keep them.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::search::Searched;
use super::{Failure, Page, Pairs, Query, Store, pairs};
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

const SELECT: &str = "SELECT m.id, m.experiment_id, m.name, m.model_type, m.source_run_id, \
     m.artifact_uri, m.status, m.created_ms, m.updated_ms, \
     (SELECT json_group_array(json_array(key, value)) FROM logged_model_tags t \
      WHERE t.model_id = m.id), \
     (SELECT json_group_array(json_array(key, value)) FROM logged_model_params t \
      WHERE t.model_id = m.id) \
     FROM logged_models m WHERE 1";

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
        let mut transaction = self.write().await?;
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
        for (key, value) in &new.tags {
            sqlx::query("INSERT OR REPLACE INTO logged_model_tags VALUES ($1, $2, $3)")
                .bind(&new.id)
                .bind(key)
                .bind(value)
                .execute(&mut *transaction)
                .await?;
        }
        for (key, value) in &new.params {
            sqlx::query("INSERT OR REPLACE INTO logged_model_params VALUES ($1, $2, $3)")
                .bind(&new.id)
                .bind(key)
                .bind(value)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn logged_model(&self, id: &str) -> Result<LoggedModelRow, Failure> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND m.id = ").push_bind(id);
        let row = sql.build().try_map(logged_model).fetch_optional(self.read()).await?;
        row.ok_or_else(|| missing(id))
    }

    pub(crate) async fn search_logged_models(
        &self,
        experiments: &[i64],
        query: &Query,
    ) -> Result<Page<LoggedModelRow>, Failure> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND m.experiment_id IN (");
        let mut list = sql.separated(", ");
        for id in experiments {
            list.push_bind(*id);
        }
        sql.push(")");
        SEARCHED.filter(&mut sql, &query.conditions)?;
        SEARCHED.page(&mut sql, query, "m.created_ms DESC")?;
        let found = sql.build().try_map(logged_model).fetch_all(self.read()).await?;
        Ok(Page::cut(found, query))
    }

    pub(crate) async fn finalize_logged_model(
        &self,
        id: &str,
        status: &str,
    ) -> Result<(), Failure> {
        let changed =
            sqlx::query("UPDATE logged_models SET status = $2, updated_ms = $3 WHERE id = $1")
                .bind(id)
                .bind(status)
                .bind(clock::now_ms())
                .execute(&self.database.writer)
                .await?;
        if changed.rows_affected() == 0 { Err(missing(id)) } else { Ok(()) }
    }

    pub(crate) async fn add_to_logged_model(
        &self,
        id: &str,
        tags: &[(String, String)],
        params: &[(String, String)],
    ) -> Result<(), Failure> {
        self.logged_model(id).await?;
        let mut transaction = self.write().await?;
        for (key, value) in tags {
            sqlx::query("INSERT OR REPLACE INTO logged_model_tags VALUES ($1, $2, $3)")
                .bind(id)
                .bind(key)
                .bind(value)
                .execute(&mut *transaction)
                .await?;
        }
        for (key, value) in params {
            sqlx::query("INSERT OR REPLACE INTO logged_model_params VALUES ($1, $2, $3)")
                .bind(id)
                .bind(key)
                .bind(value)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn missing(id: &str) -> Failure {
    Failure::Missing(format!("Logged model with ID '{id}' not found."))
}

fn logged_model(row: SqliteRow) -> Result<LoggedModelRow, sqlx::Error> {
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
