//! An import from a database as MLflow 3 lays it out, made here with what an import reads.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::*;
use crate::registry::VersionNumber;
use crate::store::Store;

const SCHEMA: &str = "
    CREATE TABLE alembic_version (version_num VARCHAR(32));
    CREATE TABLE experiments (experiment_id INTEGER, name VARCHAR(256),
        artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), creation_time BIGINT,
        last_update_time BIGINT);
    CREATE TABLE experiment_tags (key VARCHAR(250), value TEXT, experiment_id INTEGER);
    CREATE TABLE runs (run_uuid VARCHAR(32), name VARCHAR(250), user_id VARCHAR(256),
        status VARCHAR(9), start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20),
        artifact_uri VARCHAR(200), experiment_id INTEGER);
    CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32),
        step BIGINT, is_nan BOOLEAN);
    CREATE TABLE latest_metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, step BIGINT,
        is_nan BOOLEAN, run_uuid VARCHAR(32));
    CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
    CREATE TABLE tags (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
    CREATE TABLE registered_models (name VARCHAR(256), creation_time BIGINT,
        last_updated_time BIGINT, description VARCHAR(5000));
    CREATE TABLE registered_model_tags (key VARCHAR(250), value VARCHAR(5000), name VARCHAR(256));
    CREATE TABLE registered_model_aliases (alias VARCHAR(256), version INTEGER, name VARCHAR(256));
    CREATE TABLE model_versions (name VARCHAR(256), version INTEGER, creation_time BIGINT,
        last_updated_time BIGINT, description VARCHAR(5000), user_id VARCHAR(256),
        current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32), run_link VARCHAR(500),
        storage_location VARCHAR(500));
    CREATE TABLE model_version_tags (key VARCHAR(250), value TEXT, name VARCHAR(256),
        version INTEGER);

    INSERT INTO alembic_version VALUES ('x');
    INSERT INTO experiments VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 1, 1),
        (7, 'churn', 'mlflow-artifacts:/7', 'active', 2, 3);
    INSERT INTO experiment_tags VALUES ('team', 'growth', 7);
    INSERT INTO runs VALUES ('0123456789abcdef0123456789abcdef', 'first', 'ada', 'FINISHED', 5, 6,
        'active', 'mlflow-artifacts:/7/0123456789abcdef0123456789abcdef/artifacts', 7);
    INSERT INTO metrics VALUES
        ('auc', 0.1, 10, '0123456789abcdef0123456789abcdef', 0, 0),
        ('auc', 0.30000000000000004, 11, '0123456789abcdef0123456789abcdef', 1, 0),
        ('loss', 0, 10, '0123456789abcdef0123456789abcdef', 0, 1);
    INSERT INTO latest_metrics VALUES
        ('auc', 0.30000000000000004, 11, 1, 0, '0123456789abcdef0123456789abcdef'),
        ('loss', 0, 10, 0, 1, '0123456789abcdef0123456789abcdef');
    INSERT INTO params VALUES ('lr', '0.1', '0123456789abcdef0123456789abcdef');
    INSERT INTO tags VALUES ('note', NULL, '0123456789abcdef0123456789abcdef');
    INSERT INTO registered_models VALUES ('churn', 20, 21, NULL), ('two/parts', 20, 21, NULL);
    INSERT INTO registered_model_tags VALUES ('owner', 'growth', 'churn');
    INSERT INTO registered_model_aliases VALUES ('production', 2, 'churn'), ('gone', 9, 'churn');
    INSERT INTO model_versions VALUES
        ('churn', 1, 30, 31, NULL, NULL, 'None', 's3://bucket/model', '', NULL, NULL),
        ('churn', 2, 32, 33, 'better', 'ada', 'Production',
         'mlflow-artifacts:/7/0123456789abcdef0123456789abcdef/artifacts/model',
         '0123456789abcdef0123456789abcdef', NULL, NULL),
        ('churn', 3, 34, 35, NULL, NULL, 'Deleted_Internal', '', '', NULL, NULL);
    INSERT INTO model_version_tags VALUES ('mlx.package_digest', 'abc', 'churn', 1),
        ('validated', 'yes', 'churn', 2);
";

const RUN: &str = "0123456789abcdef0123456789abcdef";

/// An MLflow server's database and artifacts, and a registry to import into.
struct Servers {
    folder: tempfile::TempDir,
    store: Store,
    source: ImportSource,
}

impl Servers {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("mlflow.db");
        let options = SqliteConnectOptions::new().filename(&database).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let artifacts = folder.path().join("mlartifacts");
        let model = artifacts.join(format!("7/{RUN}/artifacts/model"));
        std::fs::create_dir_all(&model).unwrap();
        std::fs::write(model.join("MLmodel"), "flavors: {}").unwrap();
        std::fs::write(model.join("weights"), "12345").unwrap();
        let store = Store::open(&folder.path().join("registry")).await.unwrap();
        let source = ImportSource {
            database: "sqlite:///mlflow.db".into(),
            working: folder.path().to_owned(),
            artifacts: Some(artifacts),
            actor: "ada".into(),
        };
        Self { folder, store, source }
    }

    async fn run(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("mlflow.db"));
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn name() -> ModelName {
    "churn".parse().unwrap()
}

#[tokio::test]
async fn everything_comes_over_under_its_own_ids() {
    let servers = Servers::new().await;
    let store = &servers.store;
    let imported = store.import(&servers.source).await.unwrap();
    assert_eq!((imported.experiments, imported.runs, imported.points), (2, 1, 3));
    assert_eq!((imported.models, imported.versions, imported.files, imported.bytes), (1, 2, 2, 16));
    assert_eq!(imported.checked.problems, Vec::<String>::new());

    let experiment = store.experiment_by_name("churn").await.unwrap();
    assert_eq!((experiment.id, experiment.created_ms, experiment.updated_ms), (7, 2, 3));
    assert_eq!(experiment.tags, [("team".to_owned(), "growth".to_owned())]);
    let run = store.run(RUN).await.unwrap();
    assert_eq!((run.name.as_str(), run.user.as_str(), run.end_ms), ("first", "ada", Some(6)));
    assert_eq!(run.params, [("lr".to_owned(), "0.1".to_owned())]);
    assert_eq!(run.tags, [("note".to_owned(), String::new())]);
    assert_eq!(run.metrics[0].value.to_bits(), 0.300_000_000_000_000_04_f64.to_bits());
    assert!(run.metrics[1].value.is_nan());

    let version = store.version(&name(), VersionNumber(2)).await.unwrap();
    assert_eq!((version.description.as_str(), version.created_ms), ("better", 32));
    let files = store.version_files(&name(), VersionNumber(2)).await.unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["MLmodel", "weights"]);
}

#[tokio::test]
async fn environments_have_a_first_event_and_numbers_go_on() {
    let servers = Servers::new().await;
    let store = &servers.store;
    store.import(&servers.source).await.unwrap();
    let events = store.events(&name(), None, crate::store::Part::All).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].to, events[0].actor.as_str()), (Some(VersionNumber(2)), "ada"));
    let next = store.create_experiment("next", None, &[]).await.unwrap();
    assert_eq!(next, 8);
}

#[tokio::test]
async fn what_cannot_be_brought_is_named() {
    let servers = Servers::new().await;
    let imported = servers.store.import(&servers.source).await.unwrap();
    let left = imported.left.join("\n");
    for expected in [
        "version 1 of model 'churn' has no files that could be read at 's3://bucket/model'",
        "model 'two/parts'",
        "alias 'gone' of model 'churn' points to version 9",
    ] {
        assert!(left.contains(expected), "{left}");
    }
    assert_eq!(imported.left.len(), 3, "{left}");
    // Without its files, a version must not be named by the digest of them.
    let version = servers.store.version(&name(), VersionNumber(1)).await.unwrap();
    assert_eq!(version.tags, []);
}

#[tokio::test]
async fn a_registry_that_holds_something_is_left_alone() {
    let servers = Servers::new().await;
    servers.store.create_model(&name(), "", &[]).await.unwrap();
    let error = servers.store.import(&servers.source).await.unwrap_err();
    assert!(error.message().contains("holds models already (1)"), "{error}");
    assert_eq!(servers.store.search_experiments(&all()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn an_import_that_fails_leaves_the_registry_empty() {
    let servers = Servers::new().await;
    servers.run("INSERT INTO experiments SELECT * FROM experiments WHERE experiment_id = 7").await;
    servers.store.import(&servers.source).await.unwrap_err();
    let found = servers.store.search_experiments(&all()).await.unwrap().items;
    assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["Default"]);
    servers.run("DELETE FROM experiments WHERE rowid = 3").await;
    assert_eq!(servers.store.import(&servers.source).await.unwrap().files, 2);
}

#[tokio::test]
async fn bad_sources_are_named() {
    let servers = Servers::new().await;
    let store = &servers.store;
    let other =
        |database: &str| ImportSource { database: database.into(), ..servers.source.clone() };
    let registry =
        format!("sqlite:///{}", servers.folder.path().join("registry/registry.db").display());
    for (database, expected) in [
        ("sqlite:////nowhere/mlflow.db", "there is no file /nowhere/mlflow.db"),
        ("mysql://root@host/mlflow", "no databases of the kind `mysql`"),
        (registry.as_str(), "is not a database of MLflow"),
    ] {
        let error = store.import(&other(database)).await.unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
    let without = ImportSource { artifacts: None, ..servers.source.clone() };
    let error = store.import(&without).await.unwrap_err();
    assert!(error.message().contains("keeps artifacts in"), "{error}");
    servers.run("ALTER TABLE experiments ADD COLUMN workspace TEXT DEFAULT 'default'").await;
    servers.run("ALTER TABLE registered_models ADD COLUMN workspace TEXT DEFAULT 'other'").await;
    let error = store.import(&servers.source).await.unwrap_err();
    assert!(error.message().contains("2 workspaces"), "{error}");
}

fn all() -> super::super::Query {
    super::super::Query { limit: 100, stages: super::super::Stages::All, ..Default::default() }
}
