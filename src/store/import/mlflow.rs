//! The database of an MLflow server, read in one transaction: what is written meanwhile is not seen.

use std::path::Path;
use std::time::Duration;

use futures::Stream;
use percent_encoding::percent_decode_str;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::places::Places;
use crate::error::{Error, Result};
use crate::registry::ModelName;
use crate::store::place::Server;
use crate::store::sql::Row;
use crate::store::{Failure, Pairs};

pub(super) struct Mlflow {
    transaction: Transaction<'static, Any>,
}

/// A version, as they keep it.
pub(super) struct TheirVersion {
    pub number: i64,
    pub source: String,
    /// Where its files are, if the source had to be looked up.
    pub location: String,
    pub run_id: String,
    pub run_link: String,
    pub user: String,
    pub description: String,
    pub created_ms: i64,
    pub updated_ms: i64,
}

impl Mlflow {
    /// Open the database of this address, as MLflow's `--backend-store-uri` has it; a relative path is
    /// one from `working`. Anything but a database of MLflow is an error.
    pub(super) async fn open(address: &str, working: &Path) -> Result<Self> {
        let (options, shown) = options(address, working)?;
        let failed = |error: sqlx::Error| {
            crate::store::failure::database(&error).context(format!("cannot read {shown}"))
        };
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = pool.connect_with(options).await.map_err(failed)?;
        let mut theirs = Self { transaction: pool.begin().await.map_err(failed)? };
        if !theirs.has("alembic_version").await || !theirs.has("registered_models").await {
            return Err(Error::user(format!("{shown} is not a database of MLflow"))
                .hint("give the `--backend-store-uri` that the MLflow server is started with"));
        }
        theirs.refuse_workspaces().await?;
        Ok(theirs)
    }

    pub(super) async fn close(self) {
        // Nothing was written.
        let _ = self.transaction.rollback().await;
    }

    /// Whether there is a table. PostgreSQL would give up the transaction over one that is not there.
    pub(super) async fn has(&mut self, table: &str) -> bool {
        self.has_column(table, None).await
    }

    async fn has_column(&mut self, table: &str, column: Option<&str>) -> bool {
        let sqlite = match column {
            None => format!("SELECT 1 FROM sqlite_master WHERE name = '{table}'"),
            Some(column) => {
                format!("SELECT 1 FROM pragma_table_info('{table}') WHERE name = '{column}'")
            }
        };
        let postgres = format!(
            "SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() AND \
             table_name = '{table}'{} LIMIT 1",
            column.map_or(String::new(), |column| format!(" AND column_name = '{column}'"))
        );
        let sql = if self.is_sqlite() { sqlite } else { postgres };
        let found = sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut *self.transaction).await;
        matches!(found, Ok(Some(_)))
    }

    fn is_sqlite(&self) -> bool {
        self.transaction.backend_name() == "SQLite"
    }

    /// Names are unique within a workspace, and here.
    async fn refuse_workspaces(&mut self) -> Result<()> {
        if !self.has_column("experiments", Some("workspace")).await {
            return Ok(());
        }
        let sql = "SELECT count(DISTINCT workspace) FROM (SELECT workspace FROM experiments \
                   UNION ALL SELECT workspace FROM registered_models) w";
        let count: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *self.transaction)
            .await
            .map_err(|error| Failure::from(error).into_error())?;
        if count > 1 {
            return Err(Error::user(format!(
                "the MLflow server has {count} workspaces, and a registry of mlx has one set of names"
            )));
        }
        Ok(())
    }

    /// The rows of a statement of ours, as they come.
    pub(super) fn rows(&mut self, sql: &str) -> impl Stream<Item = Result<Row, sqlx::Error>> + '_ {
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch(&mut *self.transaction)
    }

    pub(super) async fn all(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        Ok(query.fetch_all(&mut *self.transaction).await?)
    }

    async fn of_model(&mut self, sql: &'static str, name: &ModelName) -> Result<Vec<Row>, Failure> {
        let query = sqlx::query(sql).bind(name.as_str().to_owned());
        Ok(query.fetch_all(&mut *self.transaction).await?)
    }

    pub(super) async fn model_tags(&mut self, name: &ModelName) -> Result<Pairs, Failure> {
        let sql = "SELECT key, coalesce(value, '') FROM registered_model_tags WHERE name = $1";
        let rows = self.of_model(sql, name).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Alias and version.
    pub(super) async fn aliases(
        &mut self,
        name: &ModelName,
    ) -> Result<Vec<(String, i64)>, Failure> {
        // Servers before 2.3 have none.
        if !self.has("registered_model_aliases").await {
            return Ok(vec![]);
        }
        let sql =
            "SELECT alias, version FROM registered_model_aliases WHERE name = $1 ORDER BY alias";
        let rows = self.of_model(sql, name).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Version, key and value.
    pub(super) async fn version_tags(
        &mut self,
        name: &ModelName,
    ) -> Result<Vec<(i64, String, String)>, Failure> {
        let sql = "SELECT version, key, coalesce(value, '') FROM model_version_tags \
                   WHERE name = $1 ORDER BY version, key";
        let rows = self.of_model(sql, name).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }

    /// The versions of a model, in their order, but for those that were deleted.
    pub(super) async fn versions(&mut self, name: &str) -> Result<Vec<TheirVersion>, Failure> {
        // The location is what a server looked up when the version was made, since 2.7.
        let location = if self.has_column("model_versions", Some("storage_location")).await {
            "coalesce(storage_location, source, '')"
        } else {
            "coalesce(source, '')"
        };
        let sql = format!(
            "SELECT version, coalesce(source, ''), {location}, coalesce(run_id, ''), \
             coalesce(run_link, ''), coalesce(user_id, ''), coalesce(description, ''), \
             coalesce(creation_time, 0), coalesce(last_updated_time, 0) FROM model_versions WHERE name = $1 \
             AND coalesce(current_stage, '') != 'Deleted_Internal' ORDER BY version"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(name.to_owned());
        let rows = query.fetch_all(&mut *self.transaction).await?;
        let version = |row: &Row| -> Result<TheirVersion, sqlx::Error> {
            Ok(TheirVersion {
                number: row.try_get(0)?,
                source: row.try_get(1)?,
                location: row.try_get(2)?,
                run_id: row.try_get(3)?,
                run_link: row.try_get(4)?,
                user: row.try_get(5)?,
                description: row.try_get(6)?,
                created_ms: row.try_get(7)?,
                updated_ms: row.try_get(8)?,
            })
        };
        Ok(rows.iter().map(version).collect::<Result<_, _>>()?)
    }

    /// Where all files are.
    pub(super) async fn places(&mut self, artifacts: Option<&Path>) -> Result<Places> {
        let read = async {
            let mut places = Places::new(artifacts);
            for row in self
                .all("SELECT experiment_id, coalesce(artifact_location, '') FROM experiments")
                .await?
            {
                places.experiment(row.try_get(0)?, row.try_get(1)?);
            }
            for row in self
                .all("SELECT experiment_id, run_uuid, coalesce(artifact_uri, '') FROM runs")
                .await?
            {
                places.run(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            }
            if self.has("logged_models").await {
                for row in self
                    .all("SELECT experiment_id, model_id, artifact_location FROM logged_models")
                    .await?
                {
                    places.logged_model(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                }
            }
            for row in self.all("SELECT DISTINCT name FROM model_versions").await? {
                let name: String = row.try_get(0)?;
                for version in self.versions(&name).await? {
                    places.version(&name, version.number, &version.location);
                }
            }
            Ok::<_, Failure>(places)
        };
        let places = read.await.map_err(Failure::into_error)?;
        places.checked()
    }
}

/// MLflow keeps the status of a logged model as a number.
pub(super) fn logged_model_status(number: i64) -> &'static str {
    match number {
        1 => "LOGGED_MODEL_PENDING",
        2 => "LOGGED_MODEL_READY",
        3 => "LOGGED_MODEL_UPLOAD_FAILED",
        _ => "LOGGED_MODEL_STATUS_UNSPECIFIED",
    }
}

/// How long to wait for the database's first word.
const PATIENCE: Duration = Duration::from_secs(20);

/// How to connect to a database, and what it is called in messages.
fn options(address: &str, working: &Path) -> Result<(AnyConnectOptions, String)> {
    let (kind, rest) = address.split_once("://").unwrap_or((address, ""));
    // SQLAlchemy, which MLflow hands the address to, may be told the driver: `postgresql+psycopg2`.
    match kind.split('+').next().unwrap_or_default() {
        "sqlite" => {
            // Three slashes and a relative path, or four and an absolute one.
            let path = rest.strip_prefix('/').unwrap_or(rest);
            let path = working.join(&*percent_decode_str(path).decode_utf8_lossy());
            if !path.is_file() {
                return Err(Error::user(format!("there is no file {}", path.display()))
                    .hint("name MLflow's database: `sqlite:////absolute/path/mlflow.db`"));
            }
            Ok((crate::store::sqlite::any_options(&path)?, path.display().to_string()))
        }
        "postgres" | "postgresql" => {
            let server = Server::parse(&format!("postgres://{rest}"))?;
            Ok((crate::store::postgres::any_options(&server)?, server.to_string()))
        }
        other => Err(Error::user(format!("mlx reads no databases of the kind `{other}`"))
            .hint("give `sqlite:////path/mlflow.db` or `postgresql://user@host/database`")),
    }
}
