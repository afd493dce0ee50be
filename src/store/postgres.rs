//! A PostgreSQL server's database: reached, made ours and brought up to date.
//!
//! The tables are in the schema that the connection's `search_path` names first, `public` unless
//! the address says otherwise (`?options=-csearch_path%3Dmlx`).

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AnyPool, AssertSqlSafe, ConnectOptions, Connection};

use super::database::{Database, MIGRATIONS};
use super::failure::database as explain;
use super::place::Server;
use super::sql::Dialect;
use crate::error::{Context, Error, ExitCode, Result};

/// The oldest server that is tested.
const OLDEST: i32 = 150_000;

/// How long to wait for a server that does not answer, at the start and for a connection later.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many connections write at once, and how many read. They are apart so that a request that
/// reads while it writes can't wait for a connection that another such request has.
const WRITERS: u32 = 8;
const READERS: u32 = 8;

/// Servers that start at once take turns by this lock: "mlx1".
const SETUP_LOCK: i64 = 0x6d6c_7831;

/// What every connection is told. A server that is gone must not keep its locks: PostgreSQL looks
/// after its connections, and ends what a frozen one left open.
const SESSION: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'; \
     SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
     SET client_min_messages = 'warning'";

/// What a database has before the first schema file: the mark that it is ours with its format,
/// and the function by which its triggers refuse.
const MARK: &str = "\
CREATE TABLE mlx_registry (format BIGINT NOT NULL);
INSERT INTO mlx_registry VALUES (0);
CREATE FUNCTION mlx_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;";

/// What SQLite has no word for: there, nothing empties a table without its triggers.
const NO_TRUNCATE: &str = "\
CREATE TRIGGER events_are_not_truncated BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION mlx_refuse('events are append-only');";

/// Reach the database, make it where it is empty, migrate it where it is older.
pub(super) async fn open(server: &Server) -> Result<Database> {
    prepare(server).await.context(|| format!("cannot use the database {server}"))?;
    let options = any_options(server)?;
    Ok(Database {
        writer: pool(WRITERS).connect_lazy_with(options.clone()),
        reader: pool(READERS).connect_lazy_with(options),
        dialect: Dialect::Postgres,
        log: None,
    })
}

async fn prepare(server: &Server) -> Result<()> {
    let options: PgConnectOptions = server.url().parse().map_err(|error| unusable(&error))?;
    let database = options.get_database().unwrap_or(options.get_username()).to_owned();
    let options = options.disable_statement_logging();
    let connecting = tokio::time::timeout(PATIENCE, options.connect());
    let mut connection = match connecting.await {
        Ok(connected) => connected.map_err(|error| {
            explain(&error).hint(format!("make it: `createdb {database}`, as a role that may"))
        })?,
        Err(_) => {
            return Err(Error::unreachable(format!("no answer in {} s", PATIENCE.as_secs()))
                .hint("check the host and the port, and what is between it and this machine"));
        }
    };
    set_up(&mut connection).await?;
    connection.close().await.map_err(|error| explain(&error))
}

/// All in one transaction, and alone: of two servers that start at once, the second finds it done.
async fn set_up(connection: &mut PgConnection) -> Result<()> {
    let failed = |error: sqlx::Error| match explain(&error) {
        error if error.code() == ExitCode::Failed => error.hint(
            "the first start makes tables: the role needs `GRANT CREATE, USAGE ON SCHEMA public`",
        ),
        error => error,
    };
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if version < OLDEST {
        return Err(Error::user(format!(
            "its PostgreSQL is of version {}, and {} or newer is needed",
            version / 10_000,
            OLDEST / 10_000
        )));
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(SETUP_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let format = match format(&mut transaction).await? {
        Some(format) => format,
        None => {
            sqlx::raw_sql(MARK).execute(&mut *transaction).await.map_err(failed)?;
            0
        }
    };
    if format < MIGRATIONS.len() {
        for migration in &MIGRATIONS[format..] {
            sqlx::raw_sql(AssertSqlSafe(Dialect::Postgres.schema(migration)))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        if format == 0 {
            sqlx::raw_sql(NO_TRUNCATE).execute(&mut *transaction).await.map_err(failed)?;
        }
        sqlx::query("UPDATE mlx_registry SET format = $1")
            .bind(MIGRATIONS.len() as i64)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// How many migrations made this database; none where it is empty. One that holds anything else,
/// or that a newer mlx made, is refused.
async fn format(connection: &mut PgConnection) -> Result<Option<usize>> {
    let failed = |error: sqlx::Error| explain(&error);
    let schema: Option<String> = sqlx::query_scalar("SELECT current_schema()::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let Some(schema) = schema else {
        return Err(Error::user("none of the schemas of its `search_path` is there")
            .hint("make one: `CREATE SCHEMA NAME`, or leave `search_path` out of the address"));
    };
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1")
            .bind(&schema)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if tables.is_empty() {
        return Ok(None);
    }
    if !has("mlx_registry") {
        let others = match has("registered_models") && has("alembic_version") {
            true => "MLflow's tables".to_owned(),
            false => format!("other tables, such as `{}`", tables[0]),
        };
        return Err(Error::user(format!("its schema `{schema}` holds {others} and no registry"))
            .hint("give the registry a database of its own: `createdb mlx`"));
    }
    let format: i64 = sqlx::query_scalar("SELECT format FROM mlx_registry")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let known = MIGRATIONS.len();
    if format as usize > known {
        return Err(Error::user(format!(
            "a newer mlx wrote it: its format is {format}, and this mlx reads up to {known}"
        ))
        .hint("update mlx on this machine"));
    }
    Ok(Some(format as usize))
}

pub(super) fn any_options(server: &Server) -> Result<AnyConnectOptions> {
    let options: AnyConnectOptions = server.url().parse().map_err(|error| unusable(&error))?;
    Ok(options.disable_statement_logging())
}

/// An address that can't be meant. What sqlx says of it names the value at fault, never a password.
fn unusable(error: &sqlx::Error) -> Error {
    Error::usage(format!("its address can't be used: {error}"))
}

fn pool(connections: u32) -> AnyPoolOptions {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        // One that was idle may have been cut meanwhile. Asking costs the way there and back, and
        // spares whoever reads a failure that is none of theirs.
        .test_before_acquire(true)
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(SESSION).execute(connection).await.map(|_| ()) })
        })
}

/// What the database itself finds wrong: PostgreSQL checks its references as they are written,
/// but for those that somebody switched off.
pub(super) async fn problems(reader: &AnyPool) -> Result<Vec<String>, sqlx::Error> {
    let unchecked: Vec<(String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, conname::text FROM pg_constraint \
         WHERE connamespace = current_schema()::regnamespace AND NOT convalidated",
    )
    .fetch_all(reader)
    .await?;
    let triggers: Vec<(String, String)> = sqlx::query_as(
        "SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger JOIN pg_class \
         ON pg_class.oid = tgrelid WHERE relnamespace = current_schema()::regnamespace \
         AND tgenabled = 'D'",
    )
    .fetch_all(reader)
    .await?;
    let named = |what: &'static str| {
        move |(table, name): (String, String)| {
            format!("{what} `{name}` of `{table}` is switched off")
        }
    };
    let unchecked = unchecked.into_iter().map(named("the constraint"));
    Ok(unchecked.chain(triggers.into_iter().map(named("the trigger"))).collect())
}
