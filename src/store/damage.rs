//! What the check of everything finds, and what an open refuses: SQLite and local disk only.

use std::path::Path;

use bytes::Bytes;
use futures::stream;

use super::*;
use crate::registry::{EventKind, ModelName, VersionNumber};

/// A registry with one version that is live.
async fn registry(folder: &Path) -> Store {
    let store = Store::open(folder).await.unwrap();
    let name: ModelName = "churn".parse().unwrap();
    let content = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"weights"))]);
    store.put_artifact(&"0/r/artifacts/m/w".parse().unwrap(), content, None).await.unwrap();
    store.create_model(&name, "", &[]).await.unwrap();
    let version = NewVersion {
        model: name.clone(),
        source: "mlflow-artifacts:/0/r/artifacts/m".into(),
        files: Files::Below("0/r/artifacts/m".parse().unwrap()),
        run_id: String::new(),
        model_id: String::new(),
        run_link: String::new(),
        user: "ada".into(),
        description: String::new(),
        tags: vec![],
    };
    store.create_version(&version).await.unwrap();
    let wanted = Move {
        model: name,
        environment: "production".parse().unwrap(),
        kind: EventKind::Promote,
        to: Some(VersionNumber(1)),
        expect: Expect::Exactly(None),
        actor: "ada".into(),
        reason: None,
        evidence: None,
        operation_id: "op".into(),
    };
    store.apply(&wanted).await.unwrap();
    store
}

async fn problems(store: &Store) -> String {
    store.verify().await.unwrap().problems.join("\n")
}

fn object(folder: &Path) -> std::path::PathBuf {
    folder.join(Objects::relative_path(&crate::sys::files::digest_bytes(b"weights")))
}

async fn tamper(store: &Store, sql: &'static str) {
    let all =
        format!("DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed; {sql}");
    let mut writer = store.database.writer.acquire().await.unwrap();
    sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut *writer).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(all)).execute(&mut *writer).await.unwrap();
}

#[tokio::test]
async fn a_changed_byte_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = registry(folder.path()).await;
    std::fs::write(object(folder.path()), b"weighty").unwrap();
    let problems = problems(&store).await;
    assert!(problems.contains("`w` of churn/1: its bytes are not those"), "{problems}");
}

#[tokio::test]
async fn a_lost_file_is_found_and_an_upload_heals_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = registry(folder.path()).await;
    std::fs::remove_file(object(folder.path())).unwrap();
    assert!(problems(&store).await.contains("`w` of churn/1: its bytes are gone"));
    let content = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"weights"))]);
    store.put_artifact(&"0/x".parse().unwrap(), content, None).await.unwrap();
    assert_eq!(problems(&store).await, "");
}

#[tokio::test]
async fn tampering_with_the_log_or_around_it_is_found() {
    for (sql, expected) in [
        ("UPDATE events SET actor = 'mallory'", "was changed"),
        ("DELETE FROM events", "the log says nothing"),
        ("UPDATE events SET sequence = 2", "stands where event 1 should"),
        ("UPDATE events SET kind = 'magic'", "cannot be read"),
        ("DELETE FROM aliases", "points to nothing, and the log says version 1"),
        ("DELETE FROM aliases; DELETE FROM versions", "refers to none of `versions`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = registry(folder.path()).await;
        tamper(&store, sql).await;
        let problems = problems(&store).await;
        assert!(problems.contains(expected), "{sql}: {problems}");
    }
}

#[tokio::test]
async fn the_log_refuses_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = registry(folder.path()).await;
    for sql in ["UPDATE events SET actor = 'mallory'", "DELETE FROM events"] {
        let refused = sqlx::raw_sql(sql).execute(&store.database.writer).await;
        assert!(refused.unwrap_err().to_string().contains("append-only"));
    }
}

#[tokio::test]
async fn a_newer_or_foreign_database_is_refused() {
    for (sql, expected) in [
        ("PRAGMA user_version = 99", "written by a newer mlx"),
        ("PRAGMA application_id = 7", "is not a registry of mlx"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = registry(folder.path()).await;
        sqlx::raw_sql(sql).execute(&store.database.writer).await.unwrap();
        store.close().await;
        let error = Store::open(folder.path()).await.unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(sqlite::FILE), "not a database at all, just text").unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(error.message().contains("damaged"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_make_one_registry_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let opened = (0..8).map(|_| {
        let path = folder.path().to_owned();
        tokio::spawn(async move { Store::open(&path).await.map(|_| ()) })
    });
    for opened in futures::future::join_all(opened).await {
        opened.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_backup_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (live, copy) = (folder.path().join("live"), folder.path().join("copy"));
    let store = registry(&live).await;
    let backup = store.backup(&copy).await.unwrap();
    assert_eq!((backup.checked.versions, backup.checked.events), (1, 1));
    assert!(store.backup(&copy).await.is_err());

    // In use: nothing happens.
    let error = Store::restore(&copy, &live, true).await.unwrap_err();
    assert!(error.message().contains("is in use"), "{error}");
    std::fs::write(object(&live), b"damaged").unwrap();
    store.close().await;

    let error = Store::restore(&copy, &live, false).await.unwrap_err();
    assert!(error.message().contains("there is a registry"), "{error}");
    let restored = Store::restore(&copy, &live, true).await.unwrap();
    let store = Store::open(&live).await.unwrap();
    assert_eq!(problems(&store).await, "");
    // What was there is kept as it was, damage included.
    let kept = Store::open_existing(&restored.kept.unwrap()).await.unwrap();
    assert!(problems(&kept).await.contains("churn/1"));
    let elsewhere = folder.path().join("elsewhere");
    assert!(Store::restore(&copy, &elsewhere, false).await.unwrap().kept.is_none());
    let store = Store::open_existing(&elsewhere).await.unwrap();
    assert_eq!(problems(&store).await, "");
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (live, copy) = (folder.path().join("live"), folder.path().join("copy"));
    let store = registry(&live).await;
    store.backup(&copy).await.unwrap();
    store.close().await;
    std::fs::write(object(&copy), b"damaged").unwrap();
    let error = Store::restore(&copy, &live, true).await.unwrap_err();
    assert!(error.message().contains("cannot restore"), "{error}");
    let store = Store::open(&live).await.unwrap();
    assert_eq!(problems(&store).await, "");
    assert!(store.backup(&folder.path().join("second")).await.is_ok());
}

#[tokio::test]
async fn a_damaged_registry_makes_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let store = registry(&folder.path().join("live")).await;
    std::fs::write(object(&folder.path().join("live")), b"damaged").unwrap();
    let error = store.backup(&folder.path().join("copy")).await.unwrap_err();
    assert!(error.message().contains("the backup is not good"), "{error}");
    assert!(!folder.path().join("copy").exists());
}
