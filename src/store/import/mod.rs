//! A registry made from what an MLflow server kept: its database and its folder of artifacts.
//!
//! Files come first, each under its digest; then all rows in one transaction. Stopped before that, the
//! registry is as empty as it was, and the next attempt finds the files that are there already. Ids,
//! numbers and times stay what they were, so that what refers to them goes on working.

mod mlflow;
mod places;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Row as _};
use tokio_util::io::ReaderStream;

use super::sql::{Dialect, Row, Scope, Sql, Transaction};
use super::{Failure, Files, Object, Pairs, Store, Verification, events, moves, versions};
use crate::error::{Context, Error, Result};
use crate::registry::history::NewEvent;
use crate::registry::{ArtifactPath, EnvironmentName, EventKind, ModelName, VersionNumber};
use crate::sys::{clock, random};
use mlflow::Mlflow;
use places::{Place, Places};

/// What was brought over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Imported {
    pub experiments: u64,
    pub runs: u64,
    pub points: u64,
    pub models: u64,
    pub versions: u64,
    pub files: u64,
    pub bytes: u64,
    /// What could not be, a sentence each.
    pub left: Vec<String>,
    pub checked: Verification,
}

/// What an import takes from.
#[derive(Clone, Debug)]
pub(crate) struct ImportSource {
    /// `sqlite:////path/mlflow.db` or `postgresql://…`.
    pub database: String,
    /// What a relative path is relative to.
    pub working: PathBuf,
    /// The folder that the server keeps artifacts in, for addresses that it resolves itself.
    pub artifacts: Option<PathBuf>,
    /// What the events of the environments say who made them.
    pub actor: String,
}

/// A file that was stored, and where it goes.
struct Stored {
    path: ArtifactPath,
    object: Object,
}

impl Store {
    /// Bring over everything of an MLflow server into this registry, which must be empty.
    pub(crate) async fn import(&self, source: &ImportSource) -> Result<Imported> {
        self.refuse_unless_empty().await?;
        // Files come long before the rows that name them.
        let _alone = self.alone_with_copies().await?;
        let mut theirs = Mlflow::open(&source.database, &source.working).await?;
        let places = theirs.places(source.artifacts.as_deref()).await?;
        let mut imported = Imported::default();
        let mut stored = Vec::new();
        for place in places.folders() {
            self.bring_files(&place, &mut stored, &mut imported).await?;
        }
        let mut transaction = self.write(Scope::Experiments).await.map_err(Failure::into_error)?;
        let mut rows = Rows {
            theirs: &mut theirs,
            places: &places,
            actor: &source.actor,
            dialect: self.dialect(),
        };
        let written = rows.write(&mut transaction, &stored, &mut imported).await;
        written.map_err(Failure::into_error)?;
        transaction.commit().await.map_err(Failure::into_error)?;
        theirs.close().await;
        imported.checked = self.verify().await.map_err(Failure::into_error)?;
        Ok(imported)
    }

    async fn refuse_unless_empty(&self) -> Result<()> {
        for (what, sql) in [
            ("runs", "SELECT count(*) FROM runs"),
            ("models", "SELECT count(*) FROM models"),
            ("experiments", "SELECT count(*) FROM experiments WHERE id != 0"),
        ] {
            let count: i64 = sqlx::query_scalar(sql)
                .fetch_one(self.read())
                .await
                .map_err(|error| Failure::from(error).into_error())?;
            if count > 0 {
                return Err(Error::user(format!(
                    "the registry to import into holds {what} already ({count}), and an import keeps \
                     ids and numbers as they are"
                ))
                .hint("name a folder that has no registry yet: `--data DIR`"));
            }
        }
        Ok(())
    }

    /// Store every file below a folder.
    async fn bring_files(
        &self,
        place: &Place,
        stored: &mut Vec<Stored>,
        imported: &mut Imported,
    ) -> Result<()> {
        for (file, within) in places::files(&place.folder)? {
            let Some(within) = within else {
                imported.left.push(format!(
                    "{} is no plain file, or has a name that a client could not use",
                    file.display()
                ));
                continue;
            };
            let path = place.path.join(&within);
            let open = tokio::fs::File::open(&file).await;
            let open = open.map_err(|error| Error::file("read", &file, error))?;
            let content = ReaderStream::with_capacity(open, 512 << 10)
                .map_err(|error| Failure::from(Error::file("read", &file, error)));
            let put = self
                .objects
                .put(content, None)
                .await
                .map_err(Failure::into_error)
                .context(|| format!("cannot import {}", file.display()))?;
            imported.files += 1;
            imported.bytes += put.object.size_bytes;
            stored.push(Stored { path, object: put.object });
        }
        Ok(())
    }
}

/// What writes the rows.
struct Rows<'a> {
    theirs: &'a mut Mlflow,
    places: &'a Places,
    actor: &'a str,
    dialect: Dialect,
}

/// Rows of one statement: none has more than twelve values, and a statement takes 32,766.
const ROWS: usize = 1_000;

impl Rows<'_> {
    async fn write(
        &mut self,
        to: &mut Transaction<'_>,
        stored: &[Stored],
        imported: &mut Imported,
    ) -> Result<(), Failure> {
        self.files(to, stored).await?;
        imported.experiments = self.experiments(to).await?;
        imported.runs = self.runs(to).await?;
        imported.points = self.pairs_of_runs(to).await?;
        self.logged_models(to).await?;
        self.models(to, imported).await?;
        Ok(())
    }

    async fn files(&self, to: &mut Transaction<'_>, stored: &[Stored]) -> Result<(), Failure> {
        let now = clock::now_ms();
        for some in stored.chunks(ROWS) {
            let mut sql = Sql::new("INSERT INTO objects (sha256, size_bytes, created_ms) VALUES ");
            for (place, file) in some.iter().enumerate() {
                sql.push(if place == 0 { "(" } else { ", (" });
                sql.bind(file.object.sha256.clone()).push(", ");
                sql.bind(file.object.size_bytes as i64).push(", ").bind(now).push(")");
            }
            sql.push(" ON CONFLICT DO NOTHING");
            sql.query().execute(&mut **to).await?;
            let mut sql =
                Sql::new("INSERT INTO artifacts (path, sha256, size_bytes, modified_ms) VALUES ");
            for (place, file) in some.iter().enumerate() {
                sql.push(if place == 0 { "(" } else { ", (" });
                sql.bind(file.path.as_str().to_owned()).push(", ");
                sql.bind(file.object.sha256.clone()).push(", ");
                sql.bind(file.object.size_bytes as i64).push(", ").bind(now).push(")");
            }
            sql.query().execute(&mut **to).await?;
        }
        Ok(())
    }

    async fn experiments(&mut self, to: &mut Transaction<'_>) -> Result<u64, Failure> {
        let places = self.places;
        sqlx::query("DELETE FROM experiments").execute(&mut **to).await?;
        let count = self
            .copy(
                to,
                "SELECT experiment_id, name, artifact_location, lifecycle_stage, \
                 coalesce(creation_time, 0), coalesce(last_update_time, 0) FROM experiments \
                 ORDER BY experiment_id",
                "INSERT INTO experiments \
                 (id, name, artifact_location, stage, created_ms, updated_ms) VALUES ",
                |sql, row| {
                    let id: i64 = row.try_get(0)?;
                    sql.bind(id).push(", ").bind(row.try_get::<String, _>(1)?).push(", ");
                    let location: Option<String> = row.try_get(2)?;
                    sql.bind(places.address(&location.unwrap_or_default())).push(", ");
                    let stage: Option<String> = row.try_get(3)?;
                    sql.bind(stage.unwrap_or_else(|| "active".into())).push(", ");
                    sql.bind(row.try_get::<i64, _>(4)?).push(", ");
                    sql.bind(row.try_get::<i64, _>(5)?);
                    Ok(())
                },
            )
            .await?;
        self.pairs(
            to,
            "experiment_tags",
            "experiment_id",
            "key",
            "value",
            "experiment_tags",
            "experiment_id",
        )
        .await?;
        if let Some(sql) = self.dialect.after_given_ids("experiments", "id") {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut **to).await?;
        }
        Ok(count)
    }

    async fn runs(&mut self, to: &mut Transaction<'_>) -> Result<u64, Failure> {
        let places = self.places;
        self.copy(
            to,
            "SELECT run_uuid, experiment_id, coalesce(name, ''), coalesce(user_id, ''), \
             coalesce(status, 'FINISHED'), coalesce(start_time, 0), end_time, \
             coalesce(artifact_uri, ''), coalesce(lifecycle_stage, 'active') FROM runs",
            "INSERT INTO runs (id, experiment_id, name, user_id, status, start_ms, end_ms, \
             artifact_uri, stage) VALUES ",
            |sql, row| {
                sql.bind(row.try_get::<String, _>(0)?).push(", ");
                sql.bind(row.try_get::<i64, _>(1)?).push(", ");
                sql.bind(row.try_get::<String, _>(2)?).push(", ");
                sql.bind(row.try_get::<String, _>(3)?).push(", ");
                sql.bind(row.try_get::<String, _>(4)?).push(", ");
                sql.bind(row.try_get::<i64, _>(5)?).push(", ");
                sql.bind(row.try_get::<Option<i64>, _>(6)?).push(", ");
                sql.bind(places.address(row.try_get(7)?)).push(", ");
                sql.bind(row.try_get::<String, _>(8)?);
                Ok(())
            },
        )
        .await
    }

    /// Metrics with their history, parameters, tags, and which models runs made. How many points.
    async fn pairs_of_runs(&mut self, to: &mut Transaction<'_>) -> Result<u64, Failure> {
        self.pairs(to, "params", "run_uuid", "key", "value", "params", "run_id").await?;
        self.pairs(to, "tags", "run_uuid", "key", "value", "run_tags", "run_id").await?;
        let mut points = 0;
        for (table, conflict) in [("metrics", " ON CONFLICT DO NOTHING"), ("latest_metrics", "")] {
            let count = self
                .copy_with(
                    to,
                    &format!(
                        "SELECT run_uuid, key, coalesce(timestamp, 0), step, \
                         CAST(value AS DOUBLE PRECISION), CAST(is_nan AS INTEGER) FROM {table}"
                    ),
                    &format!(
                        "INSERT INTO {table} (run_id, key, timestamp_ms, step, value, is_nan) VALUES "
                    ),
                    conflict,
                    |sql, row| {
                        sql.bind(row.try_get::<String, _>(0)?).push(", ");
                        sql.bind(row.try_get::<String, _>(1)?).push(", ");
                        sql.bind(row.try_get::<i64, _>(2)?).push(", ");
                        sql.bind(row.try_get::<i64, _>(3)?).push(", ");
                        sql.bind(row.try_get::<f64, _>(4)?).push(", ");
                        sql.bind(row.try_get::<i64, _>(5)?);
                        Ok(())
                    },
                )
                .await?;
            points = points.max(count);
        }
        if self.theirs.has("inputs").await {
            self.copy_with(
                to,
                "SELECT source_id, destination_id, step FROM inputs \
                 WHERE destination_type = 'MODEL_OUTPUT'",
                "INSERT INTO run_outputs (run_id, model_id, step) VALUES ",
                " ON CONFLICT DO NOTHING",
                |sql, row| {
                    sql.bind(row.try_get::<String, _>(0)?).push(", ");
                    sql.bind(row.try_get::<String, _>(1)?).push(", ");
                    sql.bind(row.try_get::<i64, _>(2)?);
                    Ok(())
                },
            )
            .await?;
        }
        Ok(points)
    }

    async fn logged_models(&mut self, to: &mut Transaction<'_>) -> Result<(), Failure> {
        let places = self.places;
        // Servers before 3.0 have none.
        if !self.theirs.has("logged_models").await {
            return Ok(());
        }
        self.copy(
            to,
            "SELECT model_id, experiment_id, name, coalesce(model_type, ''), \
             coalesce(source_run_id, ''), artifact_location, status, creation_timestamp_ms, \
             last_updated_timestamp_ms FROM logged_models \
             WHERE coalesce(lifecycle_stage, 'active') = 'active'",
            "INSERT INTO logged_models (id, experiment_id, name, model_type, source_run_id, \
             artifact_uri, status, created_ms, updated_ms) VALUES ",
            |sql, row| {
                sql.bind(row.try_get::<String, _>(0)?).push(", ");
                sql.bind(row.try_get::<i64, _>(1)?).push(", ");
                sql.bind(row.try_get::<String, _>(2)?).push(", ");
                sql.bind(row.try_get::<String, _>(3)?).push(", ");
                sql.bind(row.try_get::<String, _>(4)?).push(", ");
                sql.bind(places.address(row.try_get(5)?)).push(", ");
                sql.bind(mlflow::logged_model_status(row.try_get(6)?).to_owned()).push(", ");
                sql.bind(row.try_get::<i64, _>(7)?).push(", ");
                sql.bind(row.try_get::<i64, _>(8)?);
                Ok(())
            },
        )
        .await?;
        self.pairs(
            to,
            "logged_model_tags",
            "model_id",
            "tag_key",
            "tag_value",
            "logged_model_tags",
            "model_id",
        )
        .await?;
        self.pairs(
            to,
            "logged_model_params",
            "model_id",
            "param_key",
            "param_value",
            "logged_model_params",
            "model_id",
        )
        .await
    }

    async fn models(
        &mut self,
        to: &mut Transaction<'_>,
        imported: &mut Imported,
    ) -> Result<(), Failure> {
        let rows = self
            .theirs
            .all(
                "SELECT name, coalesce(description, ''), coalesce(creation_time, 0), \
                 coalesce(last_updated_time, 0) FROM registered_models ORDER BY name",
            )
            .await?;
        for row in rows {
            let name: String = row.try_get(0)?;
            let Ok(name) = name.parse::<ModelName>() else {
                imported.left.push(format!("model '{name}': {}", ModelName::RULE));
                continue;
            };
            sqlx::query("INSERT INTO models (name, description, created_ms, updated_ms) VALUES ($1, $2, $3, $4)")
                .bind(name.as_str())
                .bind(row.try_get::<String, _>(1)?)
                .bind(row.try_get::<i64, _>(2)?)
                .bind(row.try_get::<i64, _>(3)?)
                .execute(&mut **to)
                .await?;
            imported.models += 1;
            let tags = self.theirs.model_tags(&name).await?;
            super::tags::MODEL.set(to, name.as_str(), &tags).await?;
            self.versions(to, &name, imported).await?;
            self.environments(to, &name, imported).await?;
        }
        Ok(())
    }

    async fn versions(
        &mut self,
        to: &mut Transaction<'_>,
        name: &ModelName,
        imported: &mut Imported,
    ) -> Result<(), Failure> {
        let mut last = 0;
        let tags = self.theirs.version_tags(name).await?;
        for version in self.theirs.versions(name.as_str()).await? {
            let number = version.number;
            last = last.max(number);
            sqlx::query(
                "INSERT INTO versions (model, version, source, run_id, model_id, run_link, \
                 user_id, description, created_ms, updated_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(name.as_str())
            .bind(number)
            .bind(self.places.address(&version.source))
            .bind(&version.run_id)
            .bind(
                version
                    .source
                    .strip_prefix("models:/m-")
                    .map_or(String::new(), |id| format!("m-{id}")),
            )
            .bind(&version.run_link)
            .bind(&version.user)
            .bind(&version.description)
            .bind(version.created_ms)
            .bind(version.updated_ms)
            .execute(&mut **to)
            .await?;
            let pinned = match self.places.files_of(name.as_str(), number) {
                Some(path) => {
                    versions::pin(to, name.as_str(), number, &Files::Below(path)).await?;
                    moves::has_files(to, name, VersionNumber(number as u64)).await.is_ok()
                }
                None => false,
            };
            if !pinned {
                imported.left.push(format!(
                    "version {number} of model '{name}' has no files that could be read at '{}'",
                    version.location
                ));
            }
            // The tag that names the files is true of files alone.
            let tags: Pairs = tags
                .iter()
                .filter(|(of, key, _)| *of == number && (key != versions::PACKAGE_DIGEST || pinned))
                .map(|(_, key, value)| (key.clone(), value.clone()))
                .collect();
            super::tags::VERSION.set(to, (name.as_str(), number), &tags).await?;
            imported.versions += 1;
        }
        if last > 0 {
            sqlx::query("INSERT INTO version_numbers (model, last) VALUES ($1, $2)")
                .bind(name.as_str())
                .bind(last)
                .execute(&mut **to)
                .await?;
        }
        Ok(())
    }

    /// Aliases come as events, so that the log explains them.
    async fn environments(
        &mut self,
        to: &mut Transaction<'_>,
        name: &ModelName,
        imported: &mut Imported,
    ) -> Result<(), Failure> {
        for (alias, number) in self.theirs.aliases(name).await? {
            let Ok(environment) = alias.parse::<EnvironmentName>() else {
                imported
                    .left
                    .push(format!("alias '{alias}' of model '{name}': no name for an environment"));
                continue;
            };
            let version = VersionNumber(number as u64);
            if versions::exists(to, name, version).await.is_err() {
                imported.left.push(format!("alias '{alias}' of model '{name}' points to version {number}, which is not there"));
                continue;
            }
            let event = NewEvent {
                model: name.clone(),
                environment: Some(environment.clone()),
                kind: EventKind::AliasSet,
                from: None,
                to: Some(version),
                actor: self.actor.to_owned(),
                reason: Some("imported from MLflow".into()),
                evidence: None,
                policy: None,
                operation_id: random::hex_id(16),
                timestamp_ms: clock::now_ms(),
            };
            let event = event.after(events::last(to, name).await?);
            events::append(to, &event).await?;
            events::project(to, name, &environment, event.to).await?;
        }
        Ok(())
    }

    /// A table of keys and values, as it is.
    #[expect(clippy::too_many_arguments, reason = "two tables and their columns")]
    async fn pairs(
        &mut self,
        to: &mut Transaction<'_>,
        table: &str,
        owner: &str,
        key: &str,
        value: &str,
        our_table: &str,
        our_owner: &str,
    ) -> Result<(), Failure> {
        let numbered = our_owner == "experiment_id";
        self.copy(
            to,
            &format!("SELECT {owner}, {key}, coalesce({value}, '') FROM {table}"),
            &format!("INSERT INTO {our_table} ({our_owner}, key, value) VALUES "),
            |sql, row| {
                if numbered {
                    sql.bind(row.try_get::<i64, _>(0)?);
                } else {
                    sql.bind(row.try_get::<String, _>(0)?);
                }
                sql.push(", ").bind(row.try_get::<String, _>(1)?);
                sql.push(", ").bind(row.try_get::<String, _>(2)?);
                Ok(())
            },
        )
        .await
        .map(|_| ())
    }

    async fn copy(
        &mut self,
        to: &mut Transaction<'_>,
        select: &str,
        insert: &str,
        bind: impl Fn(&mut Sql, &Row) -> Result<(), sqlx::Error>,
    ) -> Result<u64, Failure> {
        self.copy_with(to, select, insert, "", bind).await
    }

    /// All rows of a statement on their side into one of ours, some at a time. How many.
    async fn copy_with(
        &mut self,
        to: &mut Transaction<'_>,
        select: &str,
        insert: &str,
        conflict: &str,
        bind: impl Fn(&mut Sql, &Row) -> Result<(), sqlx::Error>,
    ) -> Result<u64, Failure> {
        let mut rows = self.theirs.rows(select).try_chunks(ROWS);
        let mut count = 0;
        while let Some(some) = rows.try_next().await.map_err(|chunks| chunks.1)? {
            let mut sql = Sql::new(insert);
            for (place, row) in some.iter().enumerate() {
                sql.push(if place == 0 { "(" } else { ", (" });
                bind(&mut sql, row)?;
                sql.push(")");
            }
            sql.push(conflict);
            sql.query().execute(&mut **to).await?;
            count += some.len() as u64;
        }
        Ok(count)
    }
}
