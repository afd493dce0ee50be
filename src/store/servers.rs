//! What PostgreSQL alone must do, and what is refused of it.

use sqlx::{ConnectOptions, Connection};

use super::conformance::postgres_database;
use super::*;

async fn at(address: &str, folder: &Path) -> Result<Store> {
    Store::open_at(&Place::new(folder, Some(address), None, folder, &[]).unwrap()).await
}

async fn run(address: &str, sql: &'static str) -> Result<(), sqlx::Error> {
    let options: sqlx::postgres::PgConnectOptions = address.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let ended = sqlx::raw_sql(sql).execute(&mut connection).await.map(|_| ());
    connection.close().await.unwrap();
    ended
}

#[tokio::test]
async fn the_log_refuses_changes_there_too() {
    let Some(address) = postgres_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = at(&address, folder.path()).await.unwrap();
    run(
        &address,
        "INSERT INTO events VALUES ('m', 1, '', 'yank', 1, 1, 'a', '', '', 'o', 1, 'p', 'h')",
    )
    .await
    .unwrap();
    for sql in ["UPDATE events SET actor = 'mallory'", "DELETE FROM events", "TRUNCATE events"] {
        let refused = run(&address, sql).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
    }
    // Whoever owns the tables can switch that off, and is found out.
    run(&address, "ALTER TABLE events DISABLE TRIGGER ALL; UPDATE events SET actor = 'mallory'")
        .await
        .unwrap();
    let problems = store.verify().await.unwrap().problems.join("\n");
    assert!(
        problems.contains("`events_are_not_changed` of `events` is switched off"),
        "{problems}"
    );
}

#[tokio::test]
async fn a_newer_database_and_those_of_others_are_refused() {
    for (sql, expected) in [
        ("UPDATE mlx_registry SET format = 99", "a newer mlx wrote it: its format is 99"),
        ("DROP TABLE mlx_registry", "holds other tables"),
        (
            "DROP TABLE mlx_registry; CREATE TABLE registered_models (); \
             CREATE TABLE alembic_version ()",
            "holds MLflow's tables and no registry",
        ),
    ] {
        let Some(address) = postgres_database().await else { return };
        let folder = tempfile::tempdir().unwrap();
        at(&address, folder.path()).await.unwrap().close().await;
        run(&address, sql).await.unwrap();
        let error = at(&address, folder.path()).await.unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_start_at_once() {
    let Some(address) = postgres_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let started = (0..8).map(|_| {
        let (address, folder) = (address.clone(), folder.path().to_owned());
        tokio::spawn(async move { at(&address, &folder).await.map(|_| ()) })
    });
    for started in futures::future::join_all(started).await {
        started.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_schema_of_ones_own_may_share_a_database() {
    let Some(address) = postgres_database().await else { return };
    run(&address, "CREATE TABLE public.of_others (); CREATE SCHEMA mlx").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let with = if address.contains('?') { '&' } else { '?' };
    let own = format!("{address}{with}options=-csearch_path%3Dmlx");
    let store = at(&own, folder.path()).await.unwrap();
    store.create_model(&"churn".parse().unwrap(), "", &[]).await.unwrap();
    run(&address, "SELECT 1 FROM mlx.models").await.unwrap();
    let error = at(&address, folder.path()).await.unwrap_err();
    assert!(error.message().contains("such as `of_others`"), "{error}");
}

/// Every connection of the pool is cut while it idles: what comes next does not notice.
#[tokio::test]
async fn connections_that_were_cut_are_made_again() {
    let Some(address) = postgres_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = at(&address, folder.path()).await.unwrap();
    let make = async |name: String| store.create_model(&name.parse().unwrap(), "", &[]).await;
    let made = (0..8).map(|number| make(format!("m{number}")));
    futures::future::try_join_all(made).await.unwrap();
    run(
        &address,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await
    .unwrap();
    make("after".into()).await.unwrap();
}

#[tokio::test]
async fn where_nothing_listens_is_said_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let error = at("postgres://ada:hush@127.0.0.1:1/mlx", folder.path()).await.unwrap_err();
    assert_eq!(error.code(), crate::error::ExitCode::Unreachable);
    assert!(error.message().contains("postgres://127.0.0.1:1/mlx"), "{error}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
}
