//! When SQLite's commits are on the disk: one flush for all that were made before it.
//!
//! SQLite itself would flush its log within each commit, one after the other, while nobody else can
//! write. Here it commits without (`synchronous = NORMAL`), and whoever has committed waits for
//! the next flush of the log, which is for everybody who committed meanwhile: ten writers at once
//! share what one waits for. The log is written in order, so that what is flushed includes all that
//! came before.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::error::{Error, Result};

/// How long what need not be on the disk at once may stay in the system's memory.
const SOON: Duration = Duration::from_millis(100);

/// The log of one database. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// How many commits there were.
    committed: AtomicU64,
    /// How many of them are on the disk; held while the disk is waited for.
    flushed: Mutex<u64>,
    /// A flush that nobody waits for is on its way.
    soon: AtomicBool,
    /// A disk that failed once has dropped what it could not write: nothing after is safe.
    failed: AtomicBool,
}

impl Log {
    /// Of the database in this file.
    pub(super) fn of(database: &std::path::Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let shared = Shared {
            path: path.into(),
            committed: AtomicU64::new(0),
            flushed: Mutex::new(0),
            soon: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// After a commit: wait until it is on the disk.
    pub(super) async fn flushed(&self) -> Result<()> {
        let this = self.shared.committed.fetch_add(1, Ordering::AcqRel) + 1;
        self.flush_to(this).await
    }

    /// After a commit that a power cut may take: have it on the disk soon.
    pub(super) fn flushed_soon(&self) {
        let this = self.shared.committed.fetch_add(1, Ordering::AcqRel) + 1;
        if self.shared.soon.swap(true, Ordering::AcqRel) {
            return;
        }
        let log = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SOON).await;
            log.shared.soon.store(false, Ordering::Release);
            // Nobody waits; whoever does next is told.
            let _ = log.flush_to(this).await;
        });
    }

    async fn flush_to(&self, this: u64) -> Result<()> {
        let mut flushed = self.shared.flushed.lock().await;
        if self.shared.failed.load(Ordering::Acquire) {
            return Err(Error::user("the registry's disk failed to keep what was written")
                .hint("look after the disk, start again, and check: `mlx registry verify`"));
        }
        if *flushed >= this {
            return Ok(());
        }
        // All that is committed by now goes along.
        let all = self.shared.committed.load(Ordering::Acquire);
        let shared = Arc::clone(&self.shared);
        let flushing = tokio::task::spawn_blocking(move || {
            match std::fs::File::options().write(true).open(&shared.path) {
                Ok(file) => file.sync_data(),
                // The last connection took it along into the database's own file.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            }
        });
        let ended =
            flushing.await.map_err(|error| Error::bug(format!("a flush ended: {error}")))?;
        if let Err(error) = ended {
            self.shared.failed.store(true, Ordering::Release);
            return Err(Error::io("write", &self.shared.path, &error));
        }
        *flushed = all;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_share_a_flush_and_none_returns_before_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::of(&folder.path().join("r.db"));
        std::fs::write(folder.path().join("r.db-wal"), "frames").unwrap();
        let waiting = (0..64).map(|_| {
            let log = log.clone();
            tokio::spawn(async move { log.flushed().await })
        });
        for ended in futures::future::join_all(waiting).await {
            ended.unwrap().unwrap();
        }
        assert_eq!(*log.shared.flushed.lock().await, 64);
        log.flushed_soon();
        log.flushed_soon();
        while *log.shared.flushed.lock().await < 66 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_disk_that_failed_is_not_trusted_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::of(&folder.path().join("r.db"));
        // A folder can't be opened to be written.
        std::fs::create_dir(folder.path().join("r.db-wal")).unwrap();
        log.flushed().await.unwrap_err();
        std::fs::remove_dir(folder.path().join("r.db-wal")).unwrap();
        let error = log.flushed().await.unwrap_err();
        assert!(error.message().contains("failed to keep"), "{error}");
    }
}
