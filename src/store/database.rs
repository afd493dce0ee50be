//! The SQLite database: opened, made and brought up to date.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::AnyPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AnyPool, ConnectOptions, Connection, SqliteConnection};

use super::Failure;
use super::failure::database as explain;
use super::sql::{Dialect, Scope, Transaction};
use crate::error::{Error, Result};

/// The database's file in the registry's folder.
pub(crate) const FILE: &str = "registry.db";

/// Format N is what the first N of these make.
const MIGRATIONS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// "mlx1": tells our databases from others'.
const APPLICATION_ID: i64 = 0x6d6c_7831;

/// Connections to one database: SQLite has one writer at a time, so a second connection that
/// writes would only wait in SQLite's polling instead of the pool's queue.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub writer: AnyPool,
    pub reader: AnyPool,
    pub(super) dialect: Dialect,
}

impl Database {
    /// Open the database of this folder; make it where there is none, migrate it where it is older.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        if !path.exists() {
            make(folder, &path).await?;
        }
        let failed = |error: sqlx::Error| explain(&error).context(path.display());
        let mut connection = options(&path).connect().await.map_err(failed)?;
        if format(&mut connection, &path).await? < MIGRATIONS.len() {
            migrate(&mut connection).await.map_err(failed)?;
        }
        connection.close().await.map_err(failed)?;
        // A pool tries for long to make a connection; by now there is nothing wrong with the file.
        let url = url(&path)?;
        let writer = pool(1).connect_lazy(&url).map_err(failed)?;
        let reader = pool(4).connect_lazy(&url).map_err(failed)?;
        Ok(Self { writer, reader, dialect: Dialect::Sqlite })
    }

    /// A transaction that writes, alone among those about the same.
    pub(super) async fn write(&self, about: Scope<'_>) -> Result<Transaction<'static>, Failure> {
        match self.dialect {
            // One writer at a time, whatever it is about.
            Dialect::Sqlite => Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?),
            Dialect::Postgres => {
                let mut transaction = self.writer.begin().await?;
                sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                    .bind(about.to_string())
                    .execute(&mut *transaction)
                    .await?;
                Ok(transaction)
            }
        }
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

/// The file as sqlx's driver for any database wants it; what a connection is told is in [`pool`].
fn url(path: &Path) -> Result<String> {
    const PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    let absolute = std::path::absolute(path).map_err(|error| Error::file("open", path, error))?;
    let text = absolute.to_str().ok_or_else(|| {
        Error::user(format!("{} is not Unicode, which SQLite needs", path.display()))
            .hint("keep the registry in a folder of another name: `--data DIR`")
    })?;
    Ok(format!("sqlite://{}?mode=rw", utf8_percent_encode(text, &PATH)))
}

fn pool(connections: u32) -> AnyPoolOptions {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_mins(1))
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // FULL: a promotion that was acknowledged survives a power cut; NORMAL may lose
                // the last ones.
                let settings = "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 30000; \
                                PRAGMA synchronous = FULL";
                sqlx::raw_sql(settings).execute(connection).await.map(|_| ())
            })
        })
}

/// How many migrations made this database; an error where it is not ours or newer than we are.
async fn format(connection: &mut SqliteConnection, path: &Path) -> Result<usize> {
    let (application, format): (i64, i64) = sqlx::query_as(
        "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version",
    )
    .fetch_one(connection)
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
        sqlx::raw_sql(sqlx::AssertSqlSafe(Dialect::Sqlite.schema(migration)))
            .execute(&mut *transaction)
            .await?;
    }
    let stamp = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
        MIGRATIONS.len()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *transaction).await?;
    transaction.commit().await
}
