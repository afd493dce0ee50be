//! What every store must do with bytes: uploads in pieces, and the collection of garbage.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;

use super::conformance::stores;
use super::objects::Kind;
use super::*;
use crate::registry::{ModelName, VersionNumber};
use crate::sys::files::digest_bytes;

/// The same check over every kind of store.
async fn each(check: impl AsyncFn(&Store)) {
    for fresh in stores().await {
        eprintln!("over {}", fresh.kind);
        check(&fresh.store).await;
    }
}

/// Bytes without a pattern that a part's length divides.
fn content(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| ((at + seed) % 251) as u8).collect()
}

fn chunks(content: &[u8]) -> Vec<Result<Bytes, std::io::Error>> {
    content.chunks(70_001).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect()
}

fn new(path: &str, content: &[u8]) -> NewUpload {
    NewUpload {
        path: path.parse().unwrap(),
        sha256: digest_bytes(content),
        size_bytes: content.len() as u64,
    }
}

async fn begin(store: &Store, path: &str, content: &[u8]) -> Upload {
    store.begin_uploads("ada", &[new(path, content)]).await.unwrap().remove(0)
}

async fn append(store: &Store, id: &str, offset: u64, content: &[u8]) -> Result<Appended, Failure> {
    store.append_upload(id, "ada", offset, stream::iter(chunks(content))).await
}

async fn put(store: &Store, path: &str, content: &[u8]) -> Result<Object, Failure> {
    store.put_artifact(&path.parse().unwrap(), stream::iter(chunks(content)), None).await
}

async fn stored(store: &Store, path: &str) -> Option<Vec<u8>> {
    use futures::TryStreamExt;
    let artifact = store.artifact(&path.parse().unwrap()).await.ok()?;
    let (_, stream) = store.open_object(&artifact.sha256).await.unwrap();
    Some(stream.try_collect::<Vec<Bytes>>().await.unwrap().concat())
}

async fn sound(store: &Store) {
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

fn all_of_it() -> Collect {
    Collect {
        older_than: Duration::ZERO,
        least_age: Duration::ZERO,
        deleted_runs: true,
        dry_run: false,
    }
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    each(async |store| {
        let whole = content(11_000_003, 1);
        let upload = begin(store, "0/r/artifacts/w", &whole).await;
        assert_eq!((upload.offset, upload.known), (0, false));
        let mut broken = chunks(&whole[..6_000_000]);
        broken.push(Err(std::io::Error::other("the line is cut")));
        let broke = store.append_upload(&upload.id, "ada", 0, stream::iter(broken)).await.unwrap();
        assert!(matches!(broke, Appended::Broke { offset: 6_000_000, .. }), "{broke:?}");
        // Nothing of it is a file yet, and nobody else's upload.
        assert_eq!(stored(store, "0/r/artifacts/w").await, None);
        assert!(matches!(store.upload(&upload.id, "bob").await, Err(Failure::Missing(_))));
        let early = store.upload(&upload.id, "ada").await.unwrap();
        assert!(matches!(store.assemble_upload(&early).await, Err(Failure::Invalid(_))));

        let again = begin(store, "0/r/artifacts/w", &whole).await;
        assert_eq!((&again.id, again.offset), (&upload.id, 6_000_000));
        let elsewhere = append(store, &upload.id, 5, &whole[5..]).await.unwrap();
        assert_eq!(elsewhere, Appended::Expected(6_000_000));
        let rest = append(store, &upload.id, 6_000_000, &whole[6_000_000..]).await.unwrap();
        assert_eq!(rest, Appended::To(11_000_003));
        let complete = store.upload(&upload.id, "ada").await.unwrap();
        let object = store.assemble_upload(&complete).await.unwrap();
        assert_eq!(object.sha256, digest_bytes(&whole));
        assert_eq!(stored(store, "0/r/artifacts/w").await, Some(whole.clone()));
        assert!(store.objects.list("uploads").await.unwrap().is_empty());
        assert!(matches!(store.upload(&upload.id, "ada").await, Err(Failure::Missing(_))));
        // What is stored now is known to whoever begins with it.
        assert!(begin(store, "0/r/artifacts/w2", &whole).await.known);
        sound(store).await;
    })
    .await;
}

#[tokio::test]
async fn an_empty_file_can_be_uploaded_so_too() {
    each(async |store| {
        let upload = begin(store, "0/r/artifacts/empty", b"").await;
        store.assemble_upload(&upload).await.unwrap();
        assert_eq!(stored(store, "0/r/artifacts/empty").await, Some(vec![]));
    })
    .await;
}

#[tokio::test]
async fn bytes_that_were_not_announced_never_become_a_file() {
    each(async |store| {
        let (whole, other) = (content(9_000_000, 1), content(9_000_000, 2));
        let upload = begin(store, "0/r/artifacts/w", &whole).await;
        let more = [whole.as_slice(), b"x"].concat();
        assert!(matches!(append(store, &upload.id, 0, &more).await, Err(Failure::Invalid(_))));
        append(store, &upload.id, 0, &other).await.unwrap();
        let complete = store.upload(&upload.id, "ada").await.unwrap();
        let refused = store.assemble_upload(&complete).await.unwrap_err();
        assert!(matches!(refused, Failure::Invalid(_)), "{refused:?}");
        assert_eq!(stored(store, "0/r/artifacts/w").await, None);
        assert!(store.objects.list("uploads").await.unwrap().is_empty());
        // The next attempt begins from nothing.
        let anew = begin(store, "0/r/artifacts/w", &whole).await;
        assert_eq!(anew.offset, 0);
        assert_ne!(anew.id, upload.id);
    })
    .await;
}

#[tokio::test]
async fn uploads_that_make_no_sense_are_refused() {
    each(async |store| {
        let good = new("0/r/artifacts/w", b"weights");
        for (wrong, file) in [
            ("no path", NewUpload { path: "".parse().unwrap(), ..good.clone() }),
            (
                "a version's",
                NewUpload { path: "mlx-versions/m/1/w".parse().unwrap(), ..good.clone() },
            ),
            ("no digest", NewUpload { sha256: "abc".into(), ..good.clone() }),
            ("capitals", NewUpload { sha256: good.sha256.to_uppercase(), ..good.clone() }),
            ("too large", NewUpload { size_bytes: u64::MAX, ..good.clone() }),
        ] {
            assert!(store.begin_uploads("ada", &[file]).await.is_err(), "{wrong}");
        }
        store.begin_uploads("ada", std::slice::from_ref(&good)).await.unwrap();
        let larger = NewUpload { size_bytes: 8, ..good };
        assert!(store.begin_uploads("ada", &[larger]).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_one_offset_one_is_kept() {
    each(async |store| {
        let whole = content(3_000_000, 1);
        let upload = begin(store, "0/r/artifacts/w", &whole).await;
        let tries = (0..4).map(|_| append(store, &upload.id, 0, &whole));
        let ended = futures::future::join_all(tries).await;
        let kept = ended.iter().filter(|one| matches!(one, Ok(Appended::To(_)))).count();
        assert_eq!(kept, 1, "{ended:?}");
        let complete = store.upload(&upload.id, "ada").await.unwrap();
        store.assemble_upload(&complete).await.unwrap();
        assert_eq!(stored(store, "0/r/artifacts/w").await, Some(whole));
        assert!(store.objects.list("uploads").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_part_that_is_lost_starts_the_upload_anew() {
    each(async |store| {
        let whole = content(100_000, 1);
        let upload = begin(store, "0/r/artifacts/w", &whole).await;
        append(store, &upload.id, 0, &whole).await.unwrap();
        let part = store.objects.list("uploads").await.unwrap().remove(0);
        store.objects.remove(&part.key).await.unwrap();
        let complete = store.upload(&upload.id, "ada").await.unwrap();
        let lost = store.assemble_upload(&complete).await.unwrap_err();
        assert!(matches!(lost, Failure::Missing(_)), "{lost:?}");
        assert_eq!(begin(store, "0/r/artifacts/w", &whole).await.offset, 0);
    })
    .await;
}

#[tokio::test]
async fn garbage_is_what_nothing_refers_to() {
    each(async |store| {
        let name: ModelName = "churn".parse().unwrap();
        put(store, "0/r/artifacts/m/pinned", b"pinned").await.unwrap();
        put(store, "0/r/artifacts/held", b"held").await.unwrap();
        put(store, "0/r/artifacts/gone", b"gone!").await.unwrap();
        store.create_model(&name, "", &[]).await.unwrap();
        let version = super::conformance::new_version("churn", "0/r/artifacts/m", &[]);
        store.create_version(&version).await.unwrap();
        for path in ["0/r/artifacts/m", "0/r/artifacts/gone"] {
            store.delete_artifacts(&path.parse().unwrap()).await.unwrap();
        }
        // Bytes that came, whose server died before it wrote them down.
        let orphan = stream::iter([Ok(Bytes::from_static(b"an orphan"))]);
        let orphan = store.objects.put(orphan, None).await.unwrap().object;

        let young = Collect { older_than: Duration::from_hours(1), ..all_of_it() };
        assert!(store.collect_garbage(&young).await.unwrap().objects.is_empty());
        let dry = Collect { dry_run: true, ..all_of_it() };
        let would = store.collect_garbage(&dry).await.unwrap().objects;
        assert_eq!(would.len(), 2, "{would:?}");
        assert!(store.objects.has(&orphan).await.unwrap());

        let went = store.collect_garbage(&all_of_it()).await.unwrap().objects;
        assert_eq!(went, would);
        assert_eq!(went.iter().map(|object| object.size_bytes).sum::<u64>(), 5 + 9);
        assert!(!store.objects.has(&orphan).await.unwrap());
        assert!(store.collect_garbage(&all_of_it()).await.unwrap().objects.is_empty());
        assert_eq!(stored(store, "0/r/artifacts/held").await, Some(b"held".to_vec()));
        assert_eq!(stored(store, "mlx-versions/churn/1/pinned").await, Some(b"pinned".to_vec()));
        sound(store).await;
        // What went can come again.
        put(store, "0/r/artifacts/gone", b"gone!").await.unwrap();
        sound(store).await;
    })
    .await;
}

/// The same few bytes come and go while garbage without any age is collected all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_wanted_again_while_garbage_is_collected_stays() {
    each(async |store| {
        if store.objects.kind == Kind::Bucket {
            // There the least age is what protects what was written just now.
            return;
        }
        let comes_and_goes = async |task: usize| {
            let path = format!("0/r/artifacts/{task}");
            let mut refused = 0;
            for round in 0..60 {
                let bytes = format!("shared {}", round % 3);
                while let Err(failure) = put(store, &path, bytes.as_bytes()).await {
                    // Asked to send it once more, and nothing is at the path that has no bytes.
                    let Failure::Broken(error) = failure else { panic!("{failure:?}") };
                    assert!(error.message().contains("send them once more"), "{error}");
                    refused += 1;
                }
                assert_eq!(stored(store, &path).await, Some(bytes.into_bytes()));
                if round < 59 {
                    store.delete_artifacts(&path.parse().unwrap()).await.unwrap();
                }
            }
            refused
        };
        let done = std::sync::atomic::AtomicBool::new(false);
        let tasks = async {
            let refused = futures::future::join_all((0..4).map(comes_and_goes)).await;
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            refused
        };
        let collects = async {
            let mut went = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                went += store.collect_garbage(&all_of_it()).await.unwrap().objects.len();
                tokio::task::yield_now().await;
            }
            went
        };
        let (refused, went) = futures::join!(tasks, collects);
        assert!(went > 0, "nothing was collected meanwhile, {refused:?} refused");
        sound(store).await;
        for task in 0..4 {
            assert!(stored(store, &format!("0/r/artifacts/{task}")).await.is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_under_way_is_no_garbage() {
    each(async |store| {
        let whole = content(5_000_000, 1);
        let upload = begin(store, "0/r/artifacts/w", &whole).await;
        append(store, &upload.id, 0, &whole[..2_000_000]).await.unwrap();
        let collect = Collect { least_age: Collect::LEAST_AGE, ..all_of_it() };
        assert!(store.collect_garbage(&collect).await.unwrap().uploads.is_empty());
        append(store, &upload.id, 2_000_000, &whole[2_000_000..]).await.unwrap();
        let complete = store.upload(&upload.id, "ada").await.unwrap();
        store.assemble_upload(&complete).await.unwrap();

        // One that was begun in another week is.
        let stale = begin(store, "0/r/artifacts/x", &content(5, 2)).await;
        append(store, &stale.id, 0, &content(3, 2)).await.unwrap();
        let week = 7 * 24 * 3_600_000_i64;
        sqlx::query("UPDATE uploads SET touched_ms = touched_ms - $1")
            .bind(week)
            .execute(&store.database.writer)
            .await
            .unwrap();
        let went = store.collect_garbage(&collect).await.unwrap().uploads;
        assert_eq!(went, [(stale.id.clone(), 3)]);
        assert!(store.objects.list("uploads").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn deleted_runs_go_with_their_files_and_those_of_versions_stay() {
    each(async |store| {
        let run = async |id: &str| {
            let new = NewRun {
                id: id.repeat(32).parse().unwrap(),
                experiment_id: 0,
                name: "a run".into(),
                user: "ada".into(),
                start_ms: 1,
                tags: vec![("k".into(), "v".into())],
            };
            store.create_run(&new).await.unwrap();
            let id = id.repeat(32);
            let metric = MetricPoint { key: "auc".into(), value: 0.5, timestamp_ms: 1, step: 0 };
            let params = vec![("p".into(), "1".into())];
            let batch = Batch { metrics: vec![metric], params, ..Batch::default() };
            store.log_batch(&id, &batch).await.unwrap();
            put(store, &format!("0/{id}/artifacts/m/w"), id.as_bytes()).await.unwrap();
            id
        };
        let (lineage, gone, active) = (run("a").await, run("b").await, run("c").await);
        store.create_model(&"churn".parse().unwrap(), "", &[]).await.unwrap();
        let folder = format!("0/{lineage}/artifacts/m");
        let version = NewVersion {
            run_id: lineage.clone(),
            ..super::conformance::new_version("churn", &folder, &[])
        };
        assert_eq!(store.create_version(&version).await.unwrap(), VersionNumber(1));
        for id in [&lineage, &gone] {
            store.set_run_stage(id, "deleted").await.unwrap();
        }

        let only_bytes = Collect { deleted_runs: false, ..all_of_it() };
        assert!(store.collect_garbage(&only_bytes).await.unwrap().objects.is_empty());
        let young = Collect { older_than: Duration::from_hours(1), ..all_of_it() };
        assert!(store.collect_garbage(&young).await.unwrap().deleted.runs.is_empty());
        let dry = Collect { dry_run: true, ..all_of_it() };
        let would = store.collect_garbage(&dry).await.unwrap();
        assert_eq!((would.deleted.runs, would.objects.len()), (vec![gone.clone()], 1));
        assert!(store.run(&gone).await.is_ok());

        let went = store.collect_garbage(&all_of_it()).await.unwrap();
        assert_eq!(went.deleted.runs, std::slice::from_ref(&gone));
        assert_eq!((went.deleted.kept_runs, went.objects.len()), (1, 1));
        assert!(matches!(store.run(&gone).await, Err(Failure::Missing(_))));
        assert!(store.run(&lineage).await.is_ok() && store.run(&active).await.is_ok());
        assert!(stored(store, &format!("0/{active}/artifacts/m/w")).await.is_some());
        assert!(stored(store, "mlx-versions/churn/1/w").await.is_some());
        sound(store).await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_experiment_goes_when_it_is_empty() {
    each(async |store| {
        let id = store.create_experiment("gone", None, &[("k".into(), "v".into())]).await.unwrap();
        store.set_experiment_stage(id, "deleted").await.unwrap();
        let went = store.collect_garbage(&all_of_it()).await.unwrap();
        assert_eq!(went.deleted.experiments, [id]);
        assert!(store.experiment(id).await.is_err());
        assert!(store.experiment(0).await.is_ok());
        sound(store).await;
    })
    .await;
}
