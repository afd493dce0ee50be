//! The SQLite database: opened, made and brought up to date.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::database::{Database, MIGRATIONS};
use super::durable::Log;
use super::failure::database as explain;
use super::sql::Dialect;
use crate::error::{Error, Result};

/// The database's file in the registry's folder.
pub(crate) const FILE: &str = "registry.db";

/// "mlx1": tells our databases from others'.
const APPLICATION_ID: i64 = 0x6d6c_7831;

/// Open this database; make it where there is none, migrate it where it is older.
///
/// It has one writer at a time, so a second connection that writes would only wait in SQLite's
/// polling instead of the pool's queue.
pub(super) async fn open(path: &Path) -> Result<Database> {
    if !path.exists() {
        make(path).await?;
    }
    let failed = |error: sqlx::Error| explain(&error).context(path.display());
    let mut connection = options(path).connect().await.map_err(failed)?;
    if format(&mut connection, path).await? < MIGRATIONS.len() {
        migrate(&mut connection).await.map_err(failed)?;
    }
    connection.close().await.map_err(failed)?;
    // A pool tries for long to make a connection; by now there is nothing wrong with the file.
    let options = any_options(path)?;
    Ok(Database {
        writer: pool(1).connect_lazy_with(options.clone()),
        reader: pool(4).connect_lazy_with(options),
        dialect: Dialect::Sqlite,
        log: Some(Log::of(path)),
    })
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

/// A new database appears whole: made under another name, then renamed.
async fn make(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| Error::io("open", folder, &error))?;
    let setup = folder.join("setup.lock");
    let lock = File::create(&setup).map_err(|error| Error::file("write", &setup, error))?;
    // Where the file system has no locks, two processes may both make one; the rename of either
    // leaves a whole database.
    let _lock = super::locked(lock, std::fs::File::lock).await;
    if path.exists() {
        return Ok(());
    }
    // What a database that was not finished consists of.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let parts = ["", "-wal", "-shm"].map(|part| folder.join(format!("{name}.new{part}")));
    let sweep = || parts.iter().for_each(|part| drop(std::fs::remove_file(part)));
    sweep();
    let new = &parts[0];
    let attempt = async {
        let mut connection = options(new)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await?;
        migrate(&mut connection).await?;
        connection.close().await
    };
    if let Err(error) = attempt.await {
        sweep();
        return Err(explain(&error).context(format!("cannot make {}", path.display())));
    }
    std::fs::rename(new, path).map_err(|error| Error::io("write", path, &error))?;
    crate::sys::files::sync_folder(folder).map_err(|error| Error::io("write", path, &error))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(30))
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

/// The file as sqlx's driver for any database wants it; what a connection is told is in [`pool`].
pub(super) fn any_options(path: &Path) -> Result<AnyConnectOptions> {
    const PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    let absolute = std::path::absolute(path).map_err(|error| Error::file("open", path, error))?;
    let text = absolute.to_str().ok_or_else(|| {
        Error::user(format!("{} is not Unicode, which SQLite needs", path.display()))
            .hint("keep the registry in a folder of another name: `--data DIR`")
    })?;
    let options = format!("sqlite://{}?mode=rw", utf8_percent_encode(text, &PATH));
    let options: AnyConnectOptions = options.parse().map_err(|error| explain(&error))?;
    Ok(options.disable_statement_logging())
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
                // NORMAL: whoever commits flushes the log, together with others (`durable`). A
                // larger log is worked into the database less often, while a writer waits.
                let settings = "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 30000; \
                                PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000";
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
