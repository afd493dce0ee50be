//! What every store must do, run over each kind there is.
//!
//! A new kind (another database, another place for bytes) joins in [`stores`]; nothing else here
//! changes.

mod policies;

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::stream;

use super::*;
use crate::registry::access::{Token, TokenRecord};
use crate::registry::{ArtifactPath, Event, EventKind, ModelName, VersionNumber};

/// A store, and what keeps it alive.
pub(super) struct Fresh {
    pub kind: &'static str,
    pub store: Store,
    _folder: tempfile::TempDir,
}

/// A fresh store of every kind: each database over a local disk, each place for bytes over SQLite.
pub(super) async fn stores() -> Vec<Fresh> {
    let mut stores = vec![fresh("SQLite and a local disk", None, None).await];
    let mut memory = fresh("SQLite and memory", None, None).await;
    memory.store.objects = Objects::memory();
    stores.push(memory);
    if let Some(address) = postgres_database().await {
        stores.push(fresh("PostgreSQL and a local disk", Some(&address), None).await);
    }
    if let Some(endpoint) = elsewhere("MLX_TEST_S3", "the address of a server like S3") {
        let address = s3_bucket(&endpoint).await;
        stores.push(fresh("SQLite and S3", None, Some((&address, &endpoint))).await);
    }
    stores
}

async fn fresh(
    kind: &'static str,
    database: Option<&str>,
    artifacts: Option<(&str, &str)>,
) -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("AWS_ENDPOINT_URL", artifacts.map_or("", |(_, endpoint)| endpoint)),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let address = artifacts.map(|(address, _)| address);
    let place = Place::new(folder.path(), database, address, folder.path(), &variables).unwrap();
    Fresh { kind, store: Store::open_at(&place).await.unwrap(), _folder: folder }
}

/// What a variable of the environment says of a server for tests.
pub(super) fn elsewhere(variable: &str, what: &str) -> Option<String> {
    let said = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if said.is_none() {
        eprintln!("SKIPPED: {variable} is not set to {what}");
    }
    said
}

/// The address of an empty database of its own on the server for tests.
pub(super) async fn postgres_database() -> Option<String> {
    use sqlx::{ConnectOptions, Connection};
    let server = elsewhere("MLX_TEST_POSTGRES", "the address of a PostgreSQL server")?;
    let name = format!("mlx_{}", crate::sys::random::hex_id(8));
    let options: sqlx::postgres::PgConnectOptions = server.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    // Of a locale that sorts as people do: what the registry sorts must not follow it.
    let make = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut address = url::Url::parse(&server).unwrap();
    address.set_path(&name);
    Some(address.into())
}

/// The address of an empty bucket of its own on the server for tests, which lets anybody make one.
pub(super) async fn s3_bucket(endpoint: &str) -> String {
    let name = format!("mlx-{}", crate::sys::random::hex_id(8));
    let url = format!("{}/{name}", endpoint.trim_end_matches('/'));
    buckets::install_tls();
    let made = reqwest::Client::new().put(url).send().await.unwrap();
    assert!(made.status().is_success(), "{made:?}");
    format!("s3://{name}/some/prefix")
}

macro_rules! conformance {
    ($($check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                for fresh in stores().await {
                    eprintln!("over {}", fresh.kind);
                    checks::$check(&fresh.store).await;
                }
            }
        )*
    };
}

mod webhooks;

conformance! {
    bytes_are_stored_once_and_come_back_whole,
    any_part_of_an_object_can_be_read,
    an_upload_that_breaks_off_leaves_nothing,
    bytes_of_another_digest_are_refused,
    a_path_is_a_file_or_a_folder,
    folders_list_what_is_directly_in_them,
    a_version_pins_its_files,
    a_package_is_one_version,
    numbers_are_never_given_out_twice,
    metrics_keep_every_bit,
    a_batch_is_all_or_nothing,
    a_repeated_batch_changes_nothing,
    of_sixteen_moves_one_wins,
    a_repeated_move_is_the_same_move,
    what_is_live_stays,
    a_plain_alias_call_is_in_the_log,
    a_rollback_goes_where_something_was_live,
    a_yanked_version_is_moved_to_by_no_road,
    a_long_log_comes_in_pages,
    a_policy_is_changed_from_its_last_revision,
    only_evidence_of_these_bytes_and_this_gate_is_let_pass,
    a_plain_alias_call_does_not_go_round_a_policy,
    a_rollback_needs_a_promoter_and_no_approval,
    a_promotion_waits_for_other_people,
    a_request_is_for_what_was_seen,
    of_many_approvals_at_once_one_promotes,
    searches_find_and_page,
    long_values_are_kept,
    a_page_costs_the_same_among_many,
    a_sound_store_verifies,
    tokens_are_kept_and_revoked,
}

async fn put(store: &Store, path: &str, content: &[u8]) -> Object {
    let stream = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(content))]);
    store.put_artifact(&path.parse().unwrap(), stream, None).await.unwrap()
}

async fn content(store: &Store, path: &str) -> Vec<u8> {
    use futures::TryStreamExt;
    let artifact = store.artifact(&path.parse().unwrap()).await.unwrap();
    let (size, stream) = store.open_object(&artifact.sha256).await.unwrap();
    let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
    let bytes = chunks.concat();
    assert_eq!(bytes.len() as u64, size);
    bytes
}

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

/// A model with this many versions, each with a file that holds its number.
async fn model_with(store: &Store, model: &str, versions: u64) {
    store.create_model(&name(model), "", &[]).await.unwrap();
    for number in 1..=versions {
        let folder = format!("0/{model}-{number}/artifacts/model");
        put(store, &format!("{folder}/weights"), number.to_string().as_bytes()).await;
        let made = store.create_version(&new_version(model, &folder, &[])).await.unwrap();
        assert_eq!(made, VersionNumber(number));
    }
}

pub(super) fn new_version(model: &str, folder: &str, tags: &[(&str, &str)]) -> NewVersion {
    NewVersion {
        model: name(model),
        source: format!("mlflow-artifacts:/{folder}"),
        files: Files::Below(folder.parse().unwrap()),
        run_id: String::new(),
        model_id: String::new(),
        run_link: String::new(),
        user: "ada".into(),
        description: String::new(),
        tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
    }
}

fn a_move(operation: &str, to: u64, expect: Option<u64>) -> Move {
    Move {
        model: name("churn"),
        environment: "production".parse().unwrap(),
        kind: EventKind::Promote,
        to: Some(VersionNumber(to)),
        expect: Expect::Exactly(expect.map(VersionNumber)),
        actor: "ada".into(),
        reason: Some("it's better".into()),
        evidence: Some(serde_json::json!({ "z": 0.1, "a": [1e-300, "ü"] })),
        operation_id: operation.into(),
    }
}

async fn log(store: &Store) -> Vec<Event> {
    store.events(&name("churn"), None, Part::All).await.unwrap()
}

async fn a_run(store: &Store) -> String {
    let id = crate::sys::random::hex_id(16);
    let run = NewRun {
        id: id.parse().unwrap(),
        experiment_id: 0,
        name: "a run".into(),
        user: "ada".into(),
        start_ms: 1,
        tags: vec![],
    };
    store.create_run(&run).await.unwrap();
    id
}

fn point(key: &str, value: f64, step: i64) -> MetricPoint {
    MetricPoint { key: key.into(), value, timestamp_ms: 1, step }
}

fn batch(metrics: impl Into<Vec<MetricPoint>>) -> Batch {
    Batch { metrics: metrics.into(), ..Batch::default() }
}

fn all() -> Query {
    Query { limit: 100, ..Query::default() }
}

mod checks {
    pub(super) use super::policies::{
        a_plain_alias_call_does_not_go_round_a_policy, a_policy_is_changed_from_its_last_revision,
        a_promotion_waits_for_other_people, a_request_is_for_what_was_seen,
        a_rollback_needs_a_promoter_and_no_approval, of_many_approvals_at_once_one_promotes,
        only_evidence_of_these_bytes_and_this_gate_is_let_pass,
    };
    use super::*;

    pub(super) async fn bytes_are_stored_once_and_come_back_whole(store: &Store) {
        // Larger than a part, in chunks that don't divide it.
        let large: Vec<u8> = (0..9_000_001_u32).map(|i| (i % 251) as u8).collect();
        let chunks: Vec<_> = large
            .chunks(100_003)
            .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
            .collect();
        let path = "0/run/artifacts/large".parse().unwrap();
        let first = store.put_artifact(&path, stream::iter(chunks), None).await.unwrap();
        assert_eq!(first.sha256, crate::sys::files::digest_bytes(&large));
        let second = put(store, "0/run/artifacts/again", &large).await;
        assert_eq!(first, second);
        assert_eq!(content(store, "0/run/artifacts/again").await, large);
        put(store, "0/run/artifacts/empty", b"").await;
        assert_eq!(content(store, "0/run/artifacts/empty").await, b"");
    }

    pub(super) async fn any_part_of_an_object_can_be_read(store: &Store) {
        use futures::TryStreamExt;
        // Announced with its digest, and of more than one part of any kind of place.
        let bytes: Vec<u8> = (0..17_000_003_u32).map(|i| (i % 249) as u8).collect();
        let digest = crate::sys::files::digest_bytes(&bytes);
        let chunks =
            bytes.chunks(1 << 20).map(|part| Ok::<_, std::io::Error>(part.to_vec().into()));
        let path = "0/run/artifacts/large".parse().unwrap();
        let chunks = stream::iter(chunks.collect::<Vec<_>>());
        store.put_artifact(&path, chunks, Some(&digest)).await.unwrap();
        assert_eq!(content(store, "0/run/artifacts/large").await, bytes);
        for range in [0..1, 8_388_607..8_388_610, 17_000_000..17_000_003, 5..5, 3..900_000] {
            let (size, stream) = store.objects.get_range(&digest, range.clone()).await.unwrap();
            assert_eq!(size, bytes.len() as u64);
            let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
            let wanted = &bytes[range.start as usize..range.end as usize];
            assert!(chunks.concat() == wanted, "{range:?}");
        }
    }

    pub(super) async fn an_upload_that_breaks_off_leaves_nothing(store: &Store) {
        let announced = crate::sys::files::digest_bytes(&vec![7; 30_000_000]);
        for (size, digest) in [(10, None), (9_000_000, None), (20_000_000, Some(&*announced))] {
            let path: ArtifactPath = "0/run/artifacts/broken".parse().unwrap();
            let broken = stream::iter([
                Ok(Bytes::from(vec![7; size])),
                Err(std::io::Error::other("the line is cut")),
            ]);
            let failure = store.put_artifact(&path, broken, digest).await.unwrap_err();
            assert!(matches!(failure, Failure::Invalid(_)), "{failure:?}");
            assert!(matches!(store.artifact(&path).await, Err(Failure::Missing(_))));
            assert!(store.list_artifacts(&"0".parse().unwrap()).await.unwrap().is_empty());
        }
    }

    pub(super) async fn bytes_of_another_digest_are_refused(store: &Store) {
        let path: ArtifactPath = "0/run/artifacts/file".parse().unwrap();
        let stream = || stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"hello"))]);
        let wrong = "0".repeat(64);
        let failure = store.put_artifact(&path, stream(), Some(&wrong)).await.unwrap_err();
        assert!(matches!(failure, Failure::Invalid(_)), "{failure:?}");
        let large = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![1; 9_000_000]))]);
        let failure = store.put_artifact(&path, large, Some(&wrong)).await.unwrap_err();
        assert!(matches!(failure, Failure::Invalid(_)), "{failure:?}");
        assert_eq!(store.objects.measure(&wrong).await.unwrap(), None);
        let right = crate::sys::files::digest_bytes(b"hello");
        store.put_artifact(&path, stream(), Some(&right)).await.unwrap();
    }

    pub(super) async fn a_path_is_a_file_or_a_folder(store: &Store) {
        put(store, "0/a/b", b"1").await;
        for path in ["0/a", "0/a/b/c"] {
            let stream = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"2"))]);
            let put = store.put_artifact(&path.parse().unwrap(), stream, None).await;
            assert!(matches!(put, Err(Failure::Invalid(_))), "{path}");
        }
    }

    pub(super) async fn folders_list_what_is_directly_in_them(store: &Store) {
        // Two that a language's own order would put the other way round.
        for path in ["9/B", "9/a"] {
            put(store, path, path.as_bytes()).await;
        }
        let upper_first = store.list_artifacts(&"9".parse().unwrap()).await.unwrap();
        assert_eq!(upper_first[0].name, "B");
        store.delete_artifacts(&"9".parse().unwrap()).await.unwrap();
        for path in ["0/ü/a.txt", "0/ü/a/x", "0/ü/a/y/z", "0/ü0", "0/üb/c"] {
            put(store, path, path.as_bytes()).await;
        }
        let list = async |folder: &str| -> Vec<(String, bool)> {
            let entries = store.list_artifacts(&folder.parse().unwrap()).await.unwrap();
            entries.into_iter().map(|entry| (entry.name, entry.size_bytes.is_none())).collect()
        };
        assert_eq!(list("").await, [("0".into(), true)]);
        assert_eq!(list("0/ü").await, [("a".into(), true), ("a.txt".into(), false)]);
        assert_eq!(list("0/ü/a.txt").await, []);
        store.delete_artifacts(&"0/ü".parse().unwrap()).await.unwrap();
        assert_eq!(list("0").await, [("ü0".into(), false), ("üb".into(), true)]);
    }

    pub(super) async fn a_version_pins_its_files(store: &Store) {
        model_with(store, "churn", 1).await;
        let pinned = store.version_files(&name("churn"), VersionNumber(1)).await.unwrap();
        assert_eq!(pinned.len(), 1);
        assert_eq!(pinned[0].path, "weights");
        // The run changes; the version does not.
        put(store, "0/churn-1/artifacts/model/weights", b"other").await;
        put(store, "0/churn-1/artifacts/model/more", b"more").await;
        assert_eq!(store.version_files(&name("churn"), VersionNumber(1)).await.unwrap(), pinned);
        assert_eq!(content(store, "mlx-versions/churn/1/weights").await, b"1");
        let stream = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"2"))]);
        let path = "mlx-versions/churn/1/weights".parse().unwrap();
        assert!(matches!(
            store.put_artifact(&path, stream, None).await,
            Err(Failure::Forbidden(_))
        ));
        assert!(matches!(store.delete_artifacts(&path).await, Err(Failure::Forbidden(_))));
        // Nor does deleting the run's files take the version's.
        store.delete_artifacts(&"0/churn-1".parse().unwrap()).await.unwrap();
        assert_eq!(content(store, "mlx-versions/churn/1/weights").await, b"1");
    }

    pub(super) async fn a_package_is_one_version(store: &Store) {
        store.create_model(&name("churn"), "", &[]).await.unwrap();
        put(store, "0/r/artifacts/model/f", b"1").await;
        let version = new_version("churn", "0/r/artifacts/model", &[("mlx.package_digest", "ab")]);
        let (a, b) = tokio::join!(store.create_version(&version), store.create_version(&version));
        assert_eq!((a.unwrap(), b.unwrap()), (VersionNumber(1), VersionNumber(1)));
        let retagged = store
            .tag_version(&name("churn"), VersionNumber(1), "mlx.package_digest", Some("cd"))
            .await;
        assert!(matches!(retagged, Err(Failure::Forbidden(_))));
    }

    pub(super) async fn numbers_are_never_given_out_twice(store: &Store) {
        model_with(store, "churn", 2).await;
        store.delete_version(&name("churn"), VersionNumber(2)).await.unwrap();
        let version = new_version("churn", "0/churn-1/artifacts/model", &[]);
        assert_eq!(store.create_version(&version).await.unwrap(), VersionNumber(3));
        store.delete_model(&name("churn")).await.unwrap();
        store.create_model(&name("churn"), "", &[]).await.unwrap();
        assert_eq!(store.create_version(&version).await.unwrap(), VersionNumber(4));
    }

    pub(super) async fn metrics_keep_every_bit(store: &Store) {
        let run = a_run(store).await;
        let values = [0.1 + 0.2, 1.0 / 3.0, 5e-324, f64::MAX, 123_456_789.123_456_78];
        let points: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(i, value)| point(&format!("m{i}"), *value, 0))
            .collect();
        store.log_batch(&run, &batch(points)).await.unwrap();
        let row = store.run(&run).await.unwrap();
        for (point, value) in row.metrics.iter().zip(values) {
            assert_eq!(point.value.to_bits(), value.to_bits(), "{value}");
        }
        let odd = [f64::NAN, f64::INFINITY].map(|value| point("odd", value, 1));
        store.log_batch(&run, &batch(odd)).await.unwrap();
        let history = store.metric_history(&run, "odd", &all()).await.unwrap().items;
        assert!(history.iter().any(|point| point.value.is_nan()));
        assert!(history.iter().any(|point| point.value == f64::MAX));
    }

    pub(super) async fn a_batch_is_all_or_nothing(store: &Store) {
        let run = a_run(store).await;
        let param = |value: &str| vec![("lr".to_owned(), value.to_owned())];
        store.log_batch(&run, &Batch { params: param("1"), ..Batch::default() }).await.unwrap();
        store.log_batch(&run, &Batch { params: param("1"), ..Batch::default() }).await.unwrap();
        let metrics = [point("auc", 0.5, 0)];
        let failure = store
            .log_batch(&run, &Batch { params: param("2"), ..batch(metrics) })
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::Invalid(_)));
        assert!(store.run(&run).await.unwrap().metrics.is_empty());
    }

    pub(super) async fn a_repeated_batch_changes_nothing(store: &Store) {
        let run = a_run(store).await;
        let metrics = [point("auc", 0.5, 0), point("auc", 0.7, 2), point("auc", 0.6, 1)];
        for _ in 0..2 {
            store.log_batch(&run, &batch(metrics.clone())).await.unwrap();
        }
        let mut query = all();
        query.limit = 2;
        let page = store.metric_history(&run, "auc", &query).await.unwrap();
        assert_eq!((page.items.len(), page.next_offset), (2, Some(2)));
        query.offset = 2;
        let page = store.metric_history(&run, "auc", &query).await.unwrap();
        assert_eq!((page.items.len(), page.next_offset), (1, None));
        // The last is that of the highest step, whenever it came.
        assert_eq!(store.run(&run).await.unwrap().metrics, [point("auc", 0.7, 2)]);
    }

    pub(super) async fn of_sixteen_moves_one_wins(store: &Store) {
        model_with(store, "churn", 16).await;
        let moves = (1..=16).map(|to| {
            let store = store.clone();
            tokio::spawn(async move { store.apply(&a_move(&format!("op-{to}"), to, None)).await })
        });
        let mut won = Vec::new();
        let mut lost = Vec::new();
        for ended in futures::future::join_all(moves).await {
            match ended.unwrap() {
                Ok(event) => won.push(event.unwrap()),
                Err(Failure::Conflict { live, winner, .. }) => lost.push((live, winner)),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((won.len(), lost.len()), (1, 15));
        for (live, winner) in lost {
            assert_eq!(live, won[0].to);
            assert_eq!(winner.as_deref(), Some(&won[0]));
        }
        assert_eq!(log(store).await, won);
    }

    pub(super) async fn a_repeated_move_is_the_same_move(store: &Store) {
        model_with(store, "churn", 2).await;
        let first = store.apply(&a_move("op", 1, None)).await.unwrap();
        store.apply(&a_move("later", 2, Some(1))).await.unwrap();
        assert_eq!(store.apply(&a_move("op", 1, None)).await.unwrap(), first);
        let other = store.apply(&a_move("op", 2, Some(2))).await;
        assert!(matches!(other, Err(Failure::Invalid(_))));
        assert_eq!(log(store).await.len(), 2);
    }

    pub(super) async fn what_is_live_stays(store: &Store) {
        model_with(store, "churn", 2).await;
        store.apply(&a_move("op", 1, None)).await.unwrap();
        let churn = name("churn");
        assert!(matches!(
            store.delete_version(&churn, VersionNumber(1)).await,
            Err(Failure::Forbidden(_))
        ));
        assert!(matches!(store.delete_model(&churn).await, Err(Failure::Forbidden(_))));
        store.delete_version(&churn, VersionNumber(2)).await.unwrap();
        let gone = store.apply(&a_move("op2", 2, Some(1))).await;
        assert!(matches!(gone, Err(Failure::Missing(_))), "{gone:?}");
        let removal = Move {
            to: None,
            kind: EventKind::AliasRemoved,
            expect: Expect::Anything,
            ..a_move("op3", 1, None)
        };
        store.apply(&removal).await.unwrap();
        store.delete_model(&churn).await.unwrap();
        // The log outlives the model.
        assert_eq!(log(store).await.len(), 2);
        assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
    }

    pub(super) async fn a_plain_alias_call_is_in_the_log(store: &Store) {
        model_with(store, "churn", 2).await;
        let plain = |operation: &str, to| Move {
            kind: EventKind::AliasSet,
            expect: Expect::Anything,
            ..a_move(operation, to, None)
        };
        assert!(store.apply(&plain("1", 2)).await.unwrap().is_some());
        assert!(store.apply(&plain("2", 2)).await.unwrap().is_none());
        assert!(store.apply(&plain("3", 1)).await.unwrap().is_some());
        assert_eq!(
            store.alias(&name("churn"), "production").await.unwrap(),
            Some(VersionNumber(1))
        );
        let log = log(store).await;
        assert_eq!(log.len(), 2);
        assert_eq!(log[1].from, Some(VersionNumber(2)));
    }

    pub(super) async fn a_rollback_goes_where_something_was_live(store: &Store) {
        model_with(store, "churn", 3).await;
        store.apply(&a_move("1", 1, None)).await.unwrap();
        store.apply(&a_move("2", 2, Some(1))).await.unwrap();
        let back = |operation: &str, to, expect| Move {
            kind: EventKind::Rollback,
            ..a_move(operation, to, Some(expect))
        };
        let never = store.apply(&back("3", 3, 2)).await;
        assert!(matches!(never, Err(Failure::Invalid(_))));
        store.apply(&back("4", 1, 2)).await.unwrap();
        assert_eq!(
            store.alias(&name("churn"), "production").await.unwrap(),
            Some(VersionNumber(1))
        );
    }

    pub(super) async fn a_yanked_version_is_moved_to_by_no_road(store: &Store) {
        model_with(store, "churn", 3).await;
        let churn = name("churn");
        store.apply(&a_move("1", 1, None)).await.unwrap();
        store.apply(&a_move("2", 2, Some(1))).await.unwrap();
        let yank = |operation: &str, version, kind| Yank {
            model: name("churn"),
            version: VersionNumber(version),
            kind,
            actor: "eve".into(),
            reason: Some("leaks".into()),
            operation_id: operation.into(),
        };
        let yanked = store.yank(&yank("3", 1, EventKind::Yank)).await.unwrap().unwrap();
        assert_eq!((yanked.sequence, yanked.environment.clone()), (3, None));
        assert_eq!(store.yank(&yank("3", 1, EventKind::Yank)).await.unwrap(), Some(yanked));
        assert_eq!(store.yank(&yank("4", 1, EventKind::Yank)).await.unwrap(), None);
        assert_eq!(store.yank(&yank("5", 2, EventKind::Unyank)).await.unwrap(), None);
        let other = store.yank(&yank("2", 2, EventKind::Yank)).await;
        assert!(matches!(other, Err(Failure::Invalid(_))), "the id is that of a move: {other:?}");
        let missing = store.yank(&yank("6", 9, EventKind::Yank)).await;
        assert!(matches!(missing, Err(Failure::Missing(_))), "{missing:?}");

        for (kind, expect) in [
            (EventKind::Promote, Expect::Exactly(Some(VersionNumber(2)))),
            (EventKind::Rollback, Expect::Exactly(Some(VersionNumber(2)))),
            (EventKind::AliasSet, Expect::Anything),
        ] {
            let back = Move { kind, expect, ..a_move("7", 1, None) };
            let refused = store.apply(&back).await;
            assert!(matches!(refused, Err(Failure::Forbidden(_))), "{kind:?}: {refused:?}");
        }
        // What is live may be yanked, and is live still.
        store.yank(&yank("8", 2, EventKind::Yank)).await.unwrap().unwrap();
        assert_eq!(store.alias(&churn, "production").await.unwrap(), Some(VersionNumber(2)));
        let row = store.version(&churn, VersionNumber(1)).await.unwrap();
        assert!(row.tags.contains(&("mlx.yanked".into(), "leaks".into())), "{:?}", row.tags);
        for value in [Some("no"), None] {
            let retagged = store.tag_version(&churn, VersionNumber(1), "mlx.yanked", value).await;
            assert!(matches!(retagged, Err(Failure::Forbidden(_))), "{retagged:?}");
        }
        let made = new_version("churn", "0/churn-1/artifacts/model", &[("mlx.yanked", "born so")]);
        assert!(matches!(store.create_version(&made).await, Err(Failure::Invalid(_))));

        store.yank(&yank("9", 1, EventKind::Unyank)).await.unwrap().unwrap();
        let back = Move { kind: EventKind::Rollback, ..a_move("10", 1, Some(2)) };
        assert_eq!(store.apply(&back).await.unwrap().unwrap().to, Some(VersionNumber(1)));
        assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
    }

    pub(super) async fn a_long_log_comes_in_pages(store: &Store) {
        model_with(store, "churn", 2).await;
        let mut live = None;
        for number in 0..7 {
            let to = 1 + number % 2;
            store.apply(&a_move(&number.to_string(), to, live)).await.unwrap();
            live = Some(to);
        }
        let whole = log(store).await;
        let part = async |part| store.events(&name("churn"), None, part).await.unwrap();
        assert_eq!(part(Part::After { sequence: 0, limit: 3 }).await, whole[..3]);
        assert_eq!(part(Part::After { sequence: 5, limit: 3 }).await, whole[5..]);
        assert_eq!(part(Part::After { sequence: 7, limit: 3 }).await, []);
        assert_eq!(part(Part::Last(2)).await, whole[5..]);
        assert!(whole.windows(2).all(|pair| pair[0].timestamp_ms <= pair[1].timestamp_ms));
        let staging = "staging".parse().unwrap();
        assert_eq!(store.events(&name("churn"), Some(&staging), Part::All).await.unwrap(), []);
    }

    pub(super) async fn searches_find_and_page(store: &Store) {
        model_with(store, "churn", 3).await;
        model_with(store, "fraud", 1).await;
        let churn = name("churn");
        store.tag_version(&churn, VersionNumber(2), "stage", Some("a%b")).await.unwrap();
        let condition = |field, comparison, text: &str| Condition {
            field,
            comparison,
            value: Value::Text(text.into()),
        };
        let found = async |conditions: Vec<Condition>| -> BTreeSet<String> {
            let query = Query { conditions, ..all() };
            let page = store.search_versions(&query).await.unwrap();
            page.items.iter().map(|row| format!("{}/{}", row.model, row.version)).collect()
        };
        let by_name = condition(Field::Attribute("name".into()), Comparison::Equal, "churn");
        let by_tag = condition(Field::Tag("stage".into()), Comparison::Equal, "a%b");
        assert_eq!(found(vec![by_name.clone()]).await.len(), 3);
        assert_eq!(found(vec![by_name, by_tag]).await, ["churn/2".to_owned()].into());
        for (pattern, count) in [("ch%", 3), ("CH%", 0), ("_hurn", 3), ("*", 0), ("\\%", 0)] {
            let like = condition(Field::Attribute("name".into()), Comparison::Like, pattern);
            assert_eq!(found(vec![like]).await.len(), count, "{pattern}");
        }
        let ilike = condition(Field::Attribute("name".into()), Comparison::ILike, "CH%");
        assert_eq!(found(vec![ilike]).await.len(), 3);
        let unknown = condition(Field::Attribute("colour".into()), Comparison::Equal, "red");
        let query = Query { conditions: vec![unknown], ..all() };
        assert!(matches!(store.search_versions(&query).await, Err(Failure::Invalid(_))));

        let no_prompt = Condition {
            field: Field::Tag("mlflow.prompt.is_prompt".into()),
            comparison: Comparison::NotEqual,
            value: Value::Text("true".into()),
        };
        let query = Query { conditions: vec![no_prompt], ..all() };
        assert_eq!(store.search_models(&query).await.unwrap().items.len(), 2);

        let query = Query { limit: 1, ..Query::default() };
        let first = store.search_models(&query).await.unwrap();
        assert_eq!((first.items[0].name.as_str(), first.next_offset), ("churn", Some(1)));
        assert_eq!(first.items[0].latest[0].version, VersionNumber(3));
        let query = Query { limit: 1, offset: 1, ..Query::default() };
        let second = store.search_models(&query).await.unwrap();
        assert_eq!((second.items[0].name.as_str(), second.next_offset), ("fraud", None));
    }

    pub(super) async fn tokens_are_kept_and_revoked(store: &Store) {
        let tokens = Tokens::in_database(store.clone());
        let record = |number: u8, name: &str, expires_ms| {
            let token = Token::new([number; 8], [number; 32]);
            TokenRecord {
                id: token.id().to_owned(),
                name: name.parse().unwrap(),
                roles: vec!["writer".parse().unwrap(), "promoter:staging:a-*".parse().unwrap()],
                digest: token.digest(),
                created_ms: i64::from(number),
                expires_ms,
                revoked_ms: None,
            }
        };
        let (one, two) = (record(1, "ci", None), record(2, "anna", Some(1_900_000_000_123)));
        for record in [&one, &two] {
            tokens.add(record, false, 10).await.unwrap();
        }
        assert!(tokens.add(&record(3, "ci", None), false, 10).await.is_err());
        assert_eq!(tokens.all().await.unwrap(), [one, two.clone()]);
        assert_eq!(tokens.find(&two.id).await.unwrap().as_deref(), Some(&two));
        assert_eq!(tokens.revoke("anna", 20).await.unwrap().len(), 1);
        assert_eq!(tokens.all().await.unwrap()[1].revoked_ms, Some(20));
    }

    pub(super) async fn long_values_are_kept(store: &Store) {
        model_with(store, "churn", 1).await;
        let (churn, one) = (name("churn"), VersionNumber(1));
        // Random, as what repeats itself is packed before an index looks at its length.
        let long: String = (0..600).map(|_| crate::sys::random::hex_id(16)).collect();
        store.tag_version(&churn, one, "card", Some(&long)).await.unwrap();
        store.describe_version(&churn, one, &long).await.unwrap();
        let row = store.version(&churn, one).await.unwrap();
        assert_eq!((row.tags, row.description), (vec![("card".into(), long.clone())], long));
    }

    /// SQLite says how it will find what is asked for; it must not sort all there is.
    pub(super) async fn a_page_costs_the_same_among_many(store: &Store) {
        if store.dialect() != Dialect::Sqlite {
            return;
        }
        let of_one = Condition {
            field: Field::Attribute("name".into()),
            comparison: Comparison::Equal,
            value: Value::Text("churn".into()),
        };
        for (conditions, index) in
            [(vec![], "versions_by_update"), (vec![of_one], "versions_of_model_by_update")]
        {
            let sql = store.search_for_versions(&Query { conditions, ..all() }).unwrap();
            let plan = sql.explained().query().fetch_all(store.read()).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|row| sqlx::Row::get(row, 3)).collect();
            assert!(steps[0].contains(index), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
        }
    }

    pub(super) async fn a_sound_store_verifies(store: &Store) {
        model_with(store, "churn", 2).await;
        store.apply(&a_move("1", 1, None)).await.unwrap();
        let found = store.verify().await.unwrap();
        assert_eq!(found.problems, Vec::<String>::new());
        // Four files refer to two objects of a byte each.
        assert_eq!((found.models, found.versions, found.files, found.bytes), (1, 2, 4, 2));
        assert_eq!((found.events, found.aliases), (1, 1));
    }
}
