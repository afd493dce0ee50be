//! Experiments.

use sqlx::Row as _;

use super::search::Searched;
use super::sql::{Dialect, Row, Scope, Sql, Transaction};
use super::{Failure, Page, Pairs, Query, Stages, Store, pairs, tags};
use crate::sys::clock;

#[derive(Clone, Debug)]
pub(crate) struct ExperimentRow {
    pub id: i64,
    pub name: String,
    pub artifact_location: String,
    /// `active` or `deleted`.
    pub stage: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: Pairs,
}

fn select(dialect: Dialect) -> String {
    let tags = dialect.pairs("key", "value");
    format!(
        "SELECT e.id, e.name, e.artifact_location, e.stage, e.created_ms, e.updated_ms, \
         (SELECT {tags} FROM experiment_tags t WHERE t.experiment_id = e.id) \
         FROM experiments e WHERE true"
    )
}

const SEARCHED: Searched = Searched {
    noun: "experiment",
    attributes: &[
        ("name", "e.name"),
        ("experiment_id", "e.id"),
        ("creation_time", "e.created_ms"),
        ("last_update_time", "e.updated_ms"),
    ],
    as_text: &[("experiment_id", "CAST(e.id AS TEXT)")],
    tags: "FROM experiment_tags t WHERE t.experiment_id = e.id",
    params: None,
    metrics: None,
    datasets: None,
    tie: "e.id DESC",
};

impl Store {
    pub(crate) async fn create_experiment(
        &self,
        name: &str,
        artifact_location: Option<&str>,
        tags: &[(String, String)],
    ) -> Result<i64, Failure> {
        let now = clock::now_ms();
        let mut transaction = self.write(Scope::Experiments).await?;
        let stage: Option<String> =
            sqlx::query_scalar("SELECT stage FROM experiments WHERE name = $1")
                .bind(name)
                .fetch_optional(&mut *transaction)
                .await?;
        match stage.as_deref() {
            None => {}
            Some("deleted") => {
                return Err(Failure::Exists(format!(
                    "Experiment '{name}' already exists in deleted state. Restore it, or choose \
                     another name."
                )));
            }
            Some(_) => {
                return Err(Failure::Exists(format!("Experiment '{name}' already exists.")));
            }
        }
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO experiments (name, artifact_location, created_ms, updated_ms) \
             VALUES ($1, '', $2, $2) RETURNING id",
        )
        .bind(name)
        .bind(now)
        .fetch_one(&mut *transaction)
        .await?;
        let location =
            artifact_location.map_or_else(|| format!("mlflow-artifacts:/{id}"), str::to_owned);
        sqlx::query("UPDATE experiments SET artifact_location = $1 WHERE id = $2")
            .bind(location)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        tags::EXPERIMENT.set(&mut transaction, id, tags).await?;
        transaction.commit().await?;
        Ok(id)
    }

    pub(crate) async fn experiment(&self, id: i64) -> Result<ExperimentRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND e.id = ").bind(id);
        let row = sql.query().try_map(experiment).fetch_optional(self.read()).await?;
        row.ok_or_else(|| missing(id))
    }

    pub(crate) async fn experiment_by_name(&self, name: &str) -> Result<ExperimentRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND e.name = ").bind(name.to_owned());
        let row = sql.query().try_map(experiment).fetch_optional(self.read()).await?;
        row.ok_or_else(|| Failure::Missing(format!("Could not find experiment with name '{name}'")))
    }

    pub(crate) async fn search_experiments(
        &self,
        query: &Query,
    ) -> Result<Page<ExperimentRow>, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        match query.stages {
            Stages::Active => sql.push(" AND e.stage = 'active'"),
            Stages::Deleted => sql.push(" AND e.stage = 'deleted'"),
            Stages::All => &mut sql,
        };
        SEARCHED.filter(&mut sql, self.dialect(), &query.conditions)?;
        SEARCHED.page(&mut sql, query, "e.updated_ms DESC")?;
        let found = sql.query().try_map(experiment).fetch_all(self.read()).await?;
        Ok(Page::cut(found, query))
    }

    /// Mark an experiment and its runs `deleted`, or `active` again. One that is so already is
    /// not there to be marked.
    pub(crate) async fn set_experiment_stage(&self, id: i64, stage: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Experiments).await?;
        let changed = sqlx::query(
            "UPDATE experiments SET stage = $1, updated_ms = $2 WHERE id = $3 AND stage != $1",
        )
        .bind(stage)
        .bind(clock::now_ms())
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(missing(id));
        }
        sqlx::query("UPDATE runs SET stage = $1, deleted_ms = $3 WHERE experiment_id = $2")
            .bind(stage)
            .bind(id)
            .bind(super::runs::deleted_ms(stage))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn rename_experiment(&self, id: i64, name: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Experiments).await?;
        if stage(&mut transaction, id).await? != "active" {
            return Err(Failure::Forbidden("Cannot rename a non-active experiment.".into()));
        }
        let taken: Option<i64> =
            sqlx::query_scalar("SELECT id FROM experiments WHERE name = $1 AND id != $2")
                .bind(name)
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await?;
        if taken.is_some() {
            return Err(Failure::Exists(format!("Experiment '{name}' already exists.")));
        }
        sqlx::query("UPDATE experiments SET name = $1, updated_ms = $2 WHERE id = $3")
            .bind(name)
            .bind(clock::now_ms())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn set_experiment_tag(
        &self,
        id: i64,
        key: &str,
        value: &str,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Experiments).await?;
        active(&mut transaction, id).await?;
        let pair = (key.to_owned(), value.to_owned());
        tags::EXPERIMENT.set(&mut transaction, id, &[pair]).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn delete_experiment_tag(&self, id: i64, key: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Experiments).await?;
        active(&mut transaction, id).await?;
        if !tags::EXPERIMENT.remove(&mut transaction, id, key).await? {
            return Err(Failure::Missing(format!(
                "No tag with name: {key} in experiment with id {id}"
            )));
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn stage(transaction: &mut Transaction<'_>, id: i64) -> Result<String, Failure> {
    let stage: Option<String> = sqlx::query_scalar("SELECT stage FROM experiments WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **transaction)
        .await?;
    stage.ok_or_else(|| missing(id))
}

/// An error unless the experiment is there and not deleted.
async fn active(transaction: &mut Transaction<'_>, id: i64) -> Result<(), Failure> {
    match stage(transaction, id).await?.as_str() {
        "active" => Ok(()),
        stage => Err(Failure::Invalid(format!(
            "The experiment {id} must be in the 'active' state. Current state is {stage}."
        ))),
    }
}

fn missing(id: i64) -> Failure {
    Failure::Missing(format!("No Experiment with id={id} exists"))
}

fn experiment(row: Row) -> Result<ExperimentRow, sqlx::Error> {
    Ok(ExperimentRow {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        artifact_location: row.try_get(2)?,
        stage: row.try_get(3)?,
        created_ms: row.try_get(4)?,
        updated_ms: row.try_get(5)?,
        tags: pairs(row.try_get(6)?),
    })
}
