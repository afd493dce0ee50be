//! Registered models.

use sqlx::Row as _;

use super::search::Searched;
use super::sql::{Dialect, Row, Scope, Sql, Transaction};
use super::{Failure, Page, Pairs, Query, Store, VersionRow, outbox, pairs, tags};
use crate::registry::webhook::Change;
use crate::registry::{ModelName, VersionNumber};
use crate::sys::clock;

#[derive(Clone, Debug)]
pub(crate) struct ModelRow {
    pub name: String,
    pub description: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: Pairs,
    /// Alias and version.
    pub aliases: Vec<(String, u64)>,
    /// The latest version in each stage, and of those in none; lowest first.
    pub latest: Vec<VersionRow>,
}

fn select(dialect: Dialect) -> String {
    let tags = dialect.pairs("key", "value");
    let aliases = dialect.pairs("alias", "version");
    format!(
        "SELECT m.name, m.description, m.created_ms, m.updated_ms, \
         (SELECT {tags} FROM model_tags t WHERE t.model = m.name), \
         (SELECT {aliases} FROM aliases a WHERE a.model = m.name), \
         (SELECT v.version FROM versions v WHERE v.model = m.name AND NOT EXISTS \
         (SELECT 1 FROM stages s WHERE s.model = v.model AND s.version = v.version) \
         ORDER BY v.version DESC LIMIT 1) FROM models m WHERE true"
    )
}

const SEARCHED: Searched = Searched {
    noun: "registered model",
    attributes: &[
        ("name", "m.name"),
        ("creation_timestamp", "m.created_ms"),
        ("last_updated_timestamp", "m.updated_ms"),
        ("timestamp", "m.updated_ms"),
    ],
    tags: "FROM model_tags t WHERE t.model = m.name",
    as_text: &[],
    params: None,
    metrics: None,
    datasets: None,
    tie: "m.name",
};

impl Store {
    pub(crate) async fn create_model(
        &self,
        name: &ModelName,
        description: &str,
        tags: &[(String, String)],
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Model(name)).await?;
        let made = sqlx::query("INSERT INTO models VALUES ($1, $2, $3, $3) ON CONFLICT DO NOTHING")
            .bind(name.as_str())
            .bind(description)
            .bind(clock::now_ms())
            .execute(&mut *transaction)
            .await?;
        if made.rows_affected() == 0 {
            return Err(Failure::Exists(format!("Registered Model (name={name}) already exists.")));
        }
        tags::MODEL.set(&mut transaction, name.as_str(), tags).await?;
        let change = Change::ModelCreated { description, tags };
        outbox::announce(&mut transaction, name, change).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn model(&self, name: &ModelName) -> Result<ModelRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND m.name = ").bind(name.as_str().to_owned());
        let row = sql.query().try_map(model).fetch_optional(self.read()).await?;
        let mut models = self.with_latest(vec![row.ok_or_else(|| missing(name))?]).await?;
        Ok(models.remove(0))
    }

    pub(crate) async fn search_models(&self, query: &Query) -> Result<Page<ModelRow>, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        SEARCHED.filter(&mut sql, self.dialect(), &query.conditions)?;
        SEARCHED.page(&mut sql, query, "m.name")?;
        let found = sql.query().try_map(model).fetch_all(self.read()).await?;
        let page = Page::cut(found, query);
        Ok(Page { items: self.with_latest(page.items).await?, next_offset: page.next_offset })
    }

    /// Models with their latest versions, from models with the number of the latest in no stage.
    async fn with_latest(
        &self,
        models: Vec<(ModelRow, Option<VersionNumber>)>,
    ) -> Result<Vec<ModelRow>, Failure> {
        let names: Vec<String> = models.iter().map(|(model, _)| model.name.clone()).collect();
        let mut latest = self.latest_in_stages(&names).await?;
        latest.extend(
            models.iter().filter_map(|(model, number)| Some((model.name.clone(), (*number)?))),
        );
        let mut versions = self.versions_of(&latest).await?;
        let with = |(mut model, _): (ModelRow, _)| {
            model.latest = versions.remove(&model.name).unwrap_or_default();
            model
        };
        Ok(models.into_iter().map(with).collect())
    }

    pub(crate) async fn describe_model(
        &self,
        name: &ModelName,
        description: &str,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Model(name)).await?;
        let changed =
            sqlx::query("UPDATE models SET description = $2, updated_ms = $3 WHERE name = $1")
                .bind(name.as_str())
                .bind(description)
                .bind(clock::now_ms())
                .execute(&mut *transaction)
                .await?;
        if changed.rows_affected() == 0 {
            return Err(missing(name));
        }
        transaction.commit().await
    }

    /// Remove a model with its versions. Its log stays, and its numbers are not given out again.
    pub(crate) async fn delete_model(&self, name: &ModelName) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Model(name)).await?;
        exists(&mut transaction, name).await?;
        let live: Option<(String, i64)> =
            sqlx::query_as("SELECT alias, version FROM aliases WHERE model = $1 LIMIT 1")
                .bind(name.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        if let Some((alias, version)) = live {
            return Err(Failure::Forbidden(format!(
                "model '{name}' can't be deleted: its environment '{alias}' points to version \
                 {version}. Remove the alias first."
            )));
        }
        sqlx::query("DELETE FROM models WHERE name = $1")
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Set a tag; without a value, remove it.
    pub(crate) async fn tag_model(
        &self,
        name: &ModelName,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Model(name)).await?;
        exists(&mut transaction, name).await?;
        match value {
            Some(value) => {
                let pair = (key.to_owned(), value.to_owned());
                tags::MODEL.set(&mut transaction, name.as_str(), &[pair]).await?;
            }
            None => {
                tags::MODEL.remove(&mut transaction, name.as_str(), key).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// An error unless the model is there.
pub(super) async fn exists(
    transaction: &mut Transaction<'_>,
    name: &ModelName,
) -> Result<(), Failure> {
    let there: Option<i64> = sqlx::query_scalar("SELECT 1 FROM models WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(&mut **transaction)
        .await?;
    there.map(|_| ()).ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &ModelName) -> Failure {
    Failure::Missing(format!("Registered Model with name={name} not found"))
}

/// A model without its latest versions, and the number of the latest in no stage.
fn model(row: Row) -> Result<(ModelRow, Option<VersionNumber>), sqlx::Error> {
    let latest: Option<i64> = row.try_get(6)?;
    let model = ModelRow {
        name: row.try_get(0)?,
        description: row.try_get(1)?,
        created_ms: row.try_get(2)?,
        updated_ms: row.try_get(3)?,
        tags: pairs(row.try_get(4)?),
        aliases: serde_json::from_str(row.try_get(5)?).unwrap_or_default(),
        latest: Vec::new(),
    };
    Ok((model, latest.map(|number| VersionNumber(number as u64))))
}
