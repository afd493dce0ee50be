//! The SQLite database: opened, made and brought up to date.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use super::failure::database as explain;
use crate::error::{Error, Result};

/// The database's file in the registry's folder.
pub(crate) const FILE: &str = "registry.db";

/// Format N is what the first N of these make.
const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// "mlx1": tells our databases from others'.
const APPLICATION_ID: i64 = 0x6d6c_7831;

/// Connections to one database: SQLite has one writer at a time, so a second connection that
/// writes would only wait in SQLite's polling instead of the pool's queue.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub writer: SqlitePool,
    pub reader: SqlitePool,
}

impl Database {
    /// Open the database of this folder; make it where there is none, migrate it where it is older.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        if !path.exists() {
            make(folder, &path).await?;
        }
        let failed = |error: sqlx::Error| explain(&error).context(path.display());
        let writer = pool(1).connect_with(options(&path)).await.map_err(failed)?;
        if format(&writer, &path).await? < MIGRATIONS.len() {
            let mut connection = writer.acquire().await.map_err(|error| explain(&error))?;
            migrate(&mut connection).await.map_err(|error| explain(&error))?;
        }
        Ok(Self { writer, reader: pool(4).connect_lazy_with(options(&path)) })
    }

    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Bring a database file that is not in use to WAL mode, as those of a live registry are.
pub(crate) async fn prepare(path: &Path) -> Result<()> {
    let attempt = async {
        let connection = options(path).journal_mode(SqliteJournalMode::Wal).connect().await?;
        connection.close().await
    };
    attempt.await.map_err(|error| explain(&error))
}

/// Everything in the write-ahead log goes into the database's own file.
pub(crate) async fn checkpoint(path: &Path) -> Result<()> {
    let attempt = async {
        let mut connection = options(path).connect().await?;
        sqlx::query("PRAGMA wal_checkpoint (TRUNCATE)").execute(&mut connection).await?;
        connection.close().await
    };
    attempt.await.map_err(|error| explain(&error))
}

/// What a database that was not finished consists of.
const LEFTOVERS: [&str; 3] = ["registry.db.new", "registry.db.new-wal", "registry.db.new-shm"];

/// A new database appears whole: made under another name, then renamed.
async fn make(folder: &Path, path: &Path) -> Result<()> {
    let lock = File::create(folder.join("setup.lock"))
        .map_err(|error| Error::file("write", &folder.join("setup.lock"), error))?;
    // Where the file system has no locks, two processes may both make one; the rename of either
    // leaves a whole database.
    let _lock = super::locked(lock, std::fs::File::lock).await;
    if path.exists() {
        return Ok(());
    }
    let new = folder.join("registry.db.new");
    for leftover in LEFTOVERS {
        let _ = std::fs::remove_file(folder.join(leftover));
    }
    let attempt = async {
        let mut connection = options(&new)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await?;
        migrate(&mut connection).await?;
        connection.close().await
    };
    if let Err(error) = attempt.await {
        for part in LEFTOVERS {
            let _ = std::fs::remove_file(folder.join(part));
        }
        return Err(explain(&error).context(format!("cannot make {}", path.display())));
    }
    std::fs::rename(&new, path).map_err(|error| Error::io("write", path, &error))?;
    crate::sys::files::sync_folder(folder).map_err(|error| Error::io("write", path, &error))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(30))
        // A promotion that was acknowledged survives a power cut; NORMAL may lose the last ones.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_mins(1))
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// How many migrations made this database; an error where it is not ours or newer than we are.
async fn format(pool: &SqlitePool, path: &Path) -> Result<usize> {
    let (application, format): (i64, i64) = sqlx::query_as(
        "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version",
    )
    .fetch_one(pool)
    .await
    .map_err(|error| explain(&error).context(path.display()))?;
    if application != APPLICATION_ID {
        return Err(Error::user(format!("{} is not a registry of mlx", path.display()))
            .hint("name another folder: `--data DIR`, or `--registry DIR`"));
    }
    let known = MIGRATIONS.len();
    if format as usize > known {
        return Err(Error::user(format!(
            "the registry {} was written by a newer mlx: its format is {format}, and this mlx \
             reads up to {known}",
            path.display()
        ))
        .hint("update mlx on this machine"));
    }
    Ok(format as usize)
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Another process may have come first; under the write lock, the format is what it is.
    let format: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    for migration in MIGRATIONS.iter().skip(format as usize) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    let stamp = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
        MIGRATIONS.len()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *transaction).await?;
    transaction.commit().await
}
