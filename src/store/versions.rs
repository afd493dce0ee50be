//! Versions, and the manifest of files that each pins when it is made.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row as _;

use super::artifacts::range;
use super::search::Searched;
use super::sql::{Dialect, Row, Scope, Sql, Transaction};
use super::yanks::YANKED;
use super::{
    Failure, Page, Pairs, Query, Stage, Store, logged_models, models, outbox, pairs, tags,
};
use crate::registry::webhook::Change;
use crate::registry::{ArtifactPath, ModelName, VersionNumber};
use crate::sys::clock;

#[derive(Clone, Debug)]
pub(crate) struct VersionRow {
    pub model: String,
    pub version: VersionNumber,
    /// As it was given.
    pub source: String,
    pub run_id: String,
    pub model_id: String,
    pub run_link: String,
    pub user: String,
    pub description: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: Pairs,
    pub aliases: Vec<String>,
    pub stage: Stage,
}

/// A file that a version pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinnedFile {
    pub path: String,
    pub sha256: String,
    pub size_bytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct NewVersion {
    pub model: ModelName,
    pub source: String,
    pub files: Files,
    pub run_id: String,
    pub model_id: String,
    pub run_link: String,
    pub user: String,
    pub description: String,
    pub tags: Pairs,
}

/// Where a new version's files are now.
#[derive(Clone, Debug)]
pub(crate) enum Files {
    /// All below this folder.
    Below(ArtifactPath),
    /// Those of another version.
    Of(ModelName, VersionNumber),
    /// Not with us.
    Elsewhere,
}

/// The tag that names the package of a version. A model has each package once.
pub(super) const PACKAGE_DIGEST: &str = "mlx.package_digest";

fn select(dialect: Dialect) -> String {
    let tags = dialect.pairs("key", "value");
    let aliases = dialect.list("alias");
    format!(
        "SELECT v.model, v.version, v.source, v.run_id, v.model_id, v.run_link, v.user_id, \
         v.description, v.created_ms, v.updated_ms, (SELECT {tags} FROM version_tags t \
         WHERE t.model = v.model AND t.version = v.version), (SELECT {aliases} FROM aliases a \
         WHERE a.model = v.model AND a.version = v.version), (SELECT s.stage FROM stages s \
         WHERE s.model = v.model AND s.version = v.version) FROM versions v WHERE true"
    )
}

const SEARCHED: Searched = Searched {
    noun: "model version",
    attributes: &[
        ("name", "v.model"),
        ("run_id", "v.run_id"),
        ("source", "v.source"),
        ("source_path", "v.source"),
        ("version_number", "v.version"),
        ("version", "v.version"),
        ("creation_timestamp", "v.created_ms"),
        ("last_updated_timestamp", "v.updated_ms"),
    ],
    tags: "FROM version_tags t WHERE t.model = v.model AND t.version = v.version",
    as_text: &[],
    params: None,
    metrics: None,
    datasets: None,
    tie: "v.model, v.version DESC",
};

impl Store {
    /// Make the next version. Its number, its row and its files are one transaction, and the bytes
    /// of the files are all stored already: there is no version without them.
    ///
    /// A package that the model has already answers the version that it is.
    pub(crate) async fn create_version(
        &self,
        version: &NewVersion,
    ) -> Result<VersionNumber, Failure> {
        let model = version.model.as_str();
        if version.tags.iter().any(|(key, _)| key == YANKED) {
            return Err(Failure::Invalid(format!(
                "the tag '{YANKED}' is what the log says: a version is yanked once it is there"
            )));
        }
        let now = clock::now_ms();
        let mut transaction = self.write(Scope::Model(&version.model)).await?;
        models::exists(&mut transaction, &version.model).await?;
        if let Some((_, digest)) = version.tags.iter().find(|(key, _)| key == PACKAGE_DIGEST) {
            let same: Option<i64> = sqlx::query_scalar(
                // The key is spelt out for the index that holds only it.
                "SELECT version FROM version_tags \
                 WHERE model = $1 AND key = 'mlx.package_digest' AND value = $2",
            )
            .bind(model)
            .bind(digest)
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(same) = same {
                return Ok(VersionNumber(same as u64));
            }
        }
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO version_numbers VALUES ($1, 1) \
             ON CONFLICT (model) DO UPDATE SET last = version_numbers.last + 1 RETURNING last",
        )
        .bind(model)
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO versions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)")
            .bind(model)
            .bind(number)
            .bind(&version.source)
            .bind(&version.run_id)
            .bind(&version.model_id)
            .bind(&version.run_link)
            .bind(&version.user)
            .bind(&version.description)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        pin(&mut transaction, model, number, &version.files).await?;
        tags::VERSION.set(&mut transaction, (model, number), &version.tags).await?;
        logged_models::note_version(&mut transaction, &version.model_id, model, number).await?;
        sqlx::query("UPDATE models SET updated_ms = $2 WHERE name = $1")
            .bind(model)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        let number = VersionNumber(number as u64);
        let change = Change::VersionCreated {
            version: number,
            source: &version.source,
            run_id: &version.run_id,
            description: &version.description,
            tags: &version.tags,
        };
        outbox::announce(&mut transaction, &version.model, change).await?;
        transaction.commit().await?;
        Ok(number)
    }

    pub(crate) async fn version(
        &self,
        model: &ModelName,
        number: VersionNumber,
    ) -> Result<VersionRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND v.model = ").bind(model.as_str().to_owned());
        sql.push(" AND v.version = ").bind(number.0 as i64);
        let row = sql.query().try_map(version).fetch_optional(self.read()).await?;
        row.ok_or_else(|| missing(model, number))
    }

    /// These versions, by model, lowest first.
    pub(super) async fn versions_of(
        &self,
        wanted: &[(String, VersionNumber)],
    ) -> Result<HashMap<String, Vec<VersionRow>>, Failure> {
        let mut versions: HashMap<String, Vec<VersionRow>> = HashMap::new();
        if wanted.is_empty() {
            return Ok(versions);
        }
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND (v.model, v.version) IN (VALUES ");
        for (place, (model, number)) in wanted.iter().enumerate() {
            sql.push(if place == 0 { "(" } else { ", (" }).bind(model.clone());
            sql.push(", ").bind(number.0 as i64).push(")");
        }
        sql.push(") ORDER BY v.model, v.version");
        for row in sql.query().try_map(version).fetch_all(self.read()).await? {
            versions.entry(row.model.clone()).or_default().push(row);
        }
        Ok(versions)
    }

    pub(crate) async fn search_versions(&self, query: &Query) -> Result<Page<VersionRow>, Failure> {
        let sql = self.search_for_versions(query)?;
        let found = sql.query().try_map(version).fetch_all(self.read()).await?;
        Ok(Page::cut(found, query))
    }

    pub(super) fn search_for_versions(&self, query: &Query) -> Result<Sql, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        SEARCHED.filter(&mut sql, self.dialect(), &query.conditions)?;
        SEARCHED.page(&mut sql, query, "v.updated_ms DESC")?;
        Ok(sql)
    }

    /// The versions that a model has.
    pub(crate) async fn version_numbers(
        &self,
        model: &ModelName,
    ) -> Result<BTreeSet<VersionNumber>, Failure> {
        let numbers: Vec<i64> = sqlx::query_scalar("SELECT version FROM versions WHERE model = $1")
            .bind(model.as_str())
            .fetch_all(self.read())
            .await?;
        Ok(numbers.into_iter().map(|number| VersionNumber(number as u64)).collect())
    }

    /// The version that an alias points to.
    pub(crate) async fn alias(
        &self,
        model: &ModelName,
        alias: &str,
    ) -> Result<Option<VersionNumber>, Failure> {
        let number: Option<i64> =
            sqlx::query_scalar("SELECT version FROM aliases WHERE model = $1 AND alias = $2")
                .bind(model.as_str())
                .bind(alias)
                .fetch_optional(self.read())
                .await?;
        Ok(number.map(|number| VersionNumber(number as u64)))
    }

    /// As [`Store::alias`], with all of the version, in one question.
    pub(crate) async fn version_by_alias(
        &self,
        model: &ModelName,
        alias: &str,
    ) -> Result<Option<VersionRow>, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND v.model = ").bind(model.as_str().to_owned());
        sql.push(" AND v.version = (SELECT p.version FROM aliases p WHERE p.model = v.model");
        sql.push(" AND p.alias = ").bind(alias.to_owned()).push(")");
        Ok(sql.query().try_map(version).fetch_optional(self.read()).await?)
    }

    /// The manifest that a version pinned, in the order of paths.
    pub(crate) async fn version_files(
        &self,
        model: &ModelName,
        number: VersionNumber,
    ) -> Result<Vec<PinnedFile>, Failure> {
        self.version(model, number).await?;
        let files = sqlx::query(
            "SELECT path, sha256, size_bytes FROM version_files \
             WHERE model = $1 AND version = $2 ORDER BY path",
        )
        .bind(model.as_str())
        .bind(number.0 as i64)
        .try_map(|row: Row| {
            Ok(PinnedFile {
                path: row.try_get(0)?,
                sha256: row.try_get(1)?,
                size_bytes: row.try_get::<i64, _>(2)? as u64,
            })
        })
        .fetch_all(self.read())
        .await?;
        Ok(files)
    }

    pub(crate) async fn describe_version(
        &self,
        model: &ModelName,
        number: VersionNumber,
        description: &str,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Model(model)).await?;
        let changed = sqlx::query(
            "UPDATE versions SET description = $3, updated_ms = $4 WHERE model = $1 AND version = $2",
        )
        .bind(model.as_str())
        .bind(number.0 as i64)
        .bind(description)
        .bind(clock::now_ms())
        .execute(&mut *transaction)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(missing(model, number));
        }
        transaction.commit().await
    }

    /// Set a tag; without a value, remove it. The tag that names the package is not changed: it
    /// was true when the version was made, and its files don't change.
    pub(crate) async fn tag_version(
        &self,
        model: &ModelName,
        number: VersionNumber,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), Failure> {
        if key == PACKAGE_DIGEST {
            return Err(Failure::Forbidden(format!(
                "the tag '{PACKAGE_DIGEST}' names the version's files and can't be changed"
            )));
        }
        if key == YANKED {
            return Err(Failure::Forbidden(format!(
                "the tag '{YANKED}' is what the log says: use `mlx models yank`"
            )));
        }
        let mut transaction = self.write(Scope::Model(model)).await?;
        exists(&mut transaction, model, number).await?;
        let owner = (model.as_str(), number.0 as i64);
        match value {
            Some(value) => {
                let pair = (key.to_owned(), value.to_owned());
                tags::VERSION.set(&mut transaction, owner, &[pair]).await?;
                let change = Change::TagSet { version: number, key, value };
                outbox::announce(&mut transaction, model, change).await?;
            }
            None => {
                if tags::VERSION.remove(&mut transaction, owner, key).await? {
                    let change = Change::TagDeleted { version: number, key };
                    outbox::announce(&mut transaction, model, change).await?;
                }
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Remove a version. What an environment points to stays.
    pub(crate) async fn delete_version(
        &self,
        model: &ModelName,
        number: VersionNumber,
    ) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Model(model)).await?;
        exists(&mut transaction, model, number).await?;
        let live: Option<String> = sqlx::query_scalar(
            "SELECT alias FROM aliases WHERE model = $1 AND version = $2 LIMIT 1",
        )
        .bind(model.as_str())
        .bind(number.0 as i64)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(alias) = live {
            return Err(Failure::Forbidden(format!(
                "version {number} of model '{model}' can't be deleted: the environment '{alias}' \
                 points to it. Move or remove the alias first."
            )));
        }
        sqlx::query("DELETE FROM versions WHERE model = $1 AND version = $2")
            .bind(model.as_str())
            .bind(number.0 as i64)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

pub(super) async fn pin(
    transaction: &mut Transaction<'_>,
    model: &str,
    number: i64,
    files: &Files,
) -> Result<(), Failure> {
    match files {
        Files::Elsewhere => {}
        Files::Below(folder) => {
            let (from, to) = range(folder);
            sqlx::query(
                "INSERT INTO version_files (model, version, path, sha256, size_bytes) \
                 SELECT $1, $2, substr(path, CAST($5 AS INTEGER)), sha256, size_bytes FROM artifacts \
                 WHERE path >= $3 AND path < $4",
            )
            .bind(model)
            .bind(number)
            .bind(&from)
            .bind(to)
            .bind(from.chars().count() as i64 + 1)
            .execute(&mut **transaction)
            .await?;
        }
        Files::Of(other, version) => {
            exists(transaction, other, *version).await?;
            sqlx::query(
                "INSERT INTO version_files (model, version, path, sha256, size_bytes) \
                 SELECT $1, $2, path, sha256, size_bytes FROM version_files \
                 WHERE model = $3 AND version = $4",
            )
            .bind(model)
            .bind(number)
            .bind(other.as_str())
            .bind(version.0 as i64)
            .execute(&mut **transaction)
            .await?;
        }
    }
    Ok(())
}

/// An error unless the version is there.
pub(super) async fn exists(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    number: VersionNumber,
) -> Result<(), Failure> {
    let there: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM versions WHERE model = $1 AND version = $2")
            .bind(model.as_str())
            .bind(number.0 as i64)
            .fetch_optional(&mut **transaction)
            .await?;
    there.map(|_| ()).ok_or_else(|| missing(model, number))
}

fn missing(model: &ModelName, number: VersionNumber) -> Failure {
    Failure::Missing(format!("Model Version (name={model}, version={number}) not found"))
}

fn version(row: Row) -> Result<VersionRow, sqlx::Error> {
    Ok(VersionRow {
        model: row.try_get(0)?,
        version: VersionNumber(row.try_get::<i64, _>(1)? as u64),
        source: row.try_get(2)?,
        run_id: row.try_get(3)?,
        model_id: row.try_get(4)?,
        run_link: row.try_get(5)?,
        user: row.try_get(6)?,
        description: row.try_get(7)?,
        created_ms: row.try_get(8)?,
        updated_ms: row.try_get(9)?,
        tags: pairs(row.try_get(10)?),
        aliases: serde_json::from_str(row.try_get(11)?).unwrap_or_default(),
        stage: row
            .try_get::<Option<&str>, _>(12)?
            .and_then(|stage| stage.parse().ok())
            .unwrap_or_default(),
    })
}
