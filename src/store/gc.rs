//! Garbage: bytes that nothing refers to, uploads that nobody goes on with, and on request what was
//! deleted long enough ago.
//!
//! Servers and clients go on while it is collected, on this machine or another, so an object may be wanted
//! again at the very moment at which it goes. Two rules make that safe, whatever any clock says:
//!
//! 1. An object that has a row has its bytes. So the row goes first, in a transaction that finds nothing
//!    referring to it (and the database's foreign keys find it once more).
//! 2. Bytes go only where there is no row, and while their digest is held: a row for it is inserted and
//!    rolled back, and whoever wants to insert one waits for that. Who gets to insert it afterwards looks
//!    whether the bytes are there ([`Store::place`]), and asks for them again where they are not.
//!
//! How old something has to be is a matter of courtesy: it spares uploads under way the second sending.
//! The argument at length is in `docs/adr/0023-…`.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::deleted::Deleted;
use super::objects::{Kind, Listed, Objects, UPLOADS};
use super::place::ArtifactsPlace;
use super::sql::{Scope, Transaction};
use super::{Failure, Object, Store};
use crate::error::Error;
use crate::sys::{clock, random};

/// Where the bytes of objects are.
const OBJECTS: &str = "objects";

/// What to collect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collect {
    /// Only what is older, and was deleted longer ago.
    pub older_than: Duration,
    /// What is younger is left alone whatever was asked for, where it is in a bucket, at which an upload
    /// does not look for nothing; and an upload is given as long for its next bytes.
    pub least_age: Duration,
    /// Also runs and experiments that were deleted, for good.
    pub deleted_runs: bool,
    /// Only say what would go.
    pub dry_run: bool,
}

impl Collect {
    /// Longer than any request takes.
    pub(crate) const LEAST_AGE: Duration = Duration::from_hours(1);
}

/// What went, or would.
#[derive(Clone, Debug, Default)]
pub(crate) struct Garbage {
    pub deleted: Deleted,
    /// Names in the store, and their bytes.
    pub uploads: Vec<(String, u64)>,
    pub objects: Vec<Object>,
}

impl Store {
    /// Collect what nothing refers to.
    pub(crate) async fn collect_garbage(&self, what: &Collect) -> Result<Garbage, Failure> {
        let _alone = self.alone_with_copies().await?;
        let before_ms = before(clock::now_ms(), what.older_than);
        let mut garbage = Garbage::default();
        let unreferred = if what.dry_run {
            // Made, looked at, and not committed.
            let mut transaction = self.write(Scope::Artifacts).await?;
            if what.deleted_runs {
                garbage.deleted = super::deleted::remove(&mut transaction, before_ms).await?;
            }
            let found = unreferred(&mut transaction, before_ms).await?;
            transaction.rollback().await?;
            found
        } else {
            if what.deleted_runs {
                let mut transaction = self.write(Scope::Artifacts).await?;
                garbage.deleted = super::deleted::remove(&mut transaction, before_ms).await?;
                transaction.commit().await?;
            }
            let mut transaction = self.database.snapshot().await?;
            unreferred(&mut transaction, before_ms).await?
        };
        // By the clock that stamps the files.
        let now_ms = self.store_clock_ms().await?;
        self.collect_uploads(what, now_ms, &mut garbage).await?;
        self.collect_objects(what, now_ms, unreferred, &mut garbage).await?;
        Ok(garbage)
    }

    async fn collect_uploads(
        &self,
        what: &Collect,
        now_ms: i64,
        garbage: &mut Garbage,
    ) -> Result<(), Failure> {
        let age = what.older_than.max(what.least_age);
        for idle in self.idle_uploads(before(clock::now_ms(), age)).await? {
            if what.dry_run || self.expire_upload(&idle).await? {
                garbage.uploads.push((idle.id, idle.size_bytes));
            }
        }
        for stray in self.strays().await? {
            if stray.modified_ms > before(now_ms, age) {
                continue;
            }
            if !what.dry_run {
                self.objects.remove(&stray.key).await?;
            }
            garbage.uploads.push((stray.key, stray.size_bytes));
        }
        Ok(())
    }

    async fn collect_objects(
        &self,
        what: &Collect,
        now_ms: i64,
        unreferred: Vec<Object>,
        garbage: &mut Garbage,
    ) -> Result<(), Failure> {
        let age = match self.objects.kind {
            Kind::Folder => what.older_than,
            Kind::Bucket => what.older_than.max(what.least_age),
        };
        let oldest_ms = before(now_ms, age);
        for object in unreferred {
            if what.dry_run {
                garbage.objects.push(object);
            } else {
                self.release(&object.sha256).await?;
            }
        }
        let mut known = HashSet::new();
        for listed in self.objects.list(OBJECTS).await? {
            let Some(sha256) = digest_of(&listed.key) else { continue };
            if listed.modified_ms > oldest_ms || !known.insert(sha256.clone()) {
                continue;
            }
            let size_bytes = listed.size_bytes;
            let goes = if what.dry_run {
                !self.has_row(&sha256).await?
            } else {
                self.remove_bytes(&sha256, &listed, oldest_ms).await?
            };
            if goes {
                garbage.objects.push(Object { sha256, size_bytes });
            }
        }
        if let ArtifactsPlace::Folder(folder) = &self.place.artifacts {
            for (path, size_bytes) in litter(&folder.join(OBJECTS), oldest_ms) {
                if !what.dry_run {
                    let removed = std::fs::remove_file(&path);
                    removed.map_err(|error| Error::io("remove", &path, &error))?;
                }
                garbage.uploads.push((path.display().to_string(), size_bytes));
            }
        }
        garbage.objects.sort_by(|a, b| a.sha256.cmp(&b.sha256));
        garbage.objects.dedup();
        Ok(())
    }

    /// Forget an object that nothing refers to. Its bytes are still there, and without a row.
    async fn release(&self, sha256: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Artifacts).await?;
        let released = sqlx::query(
            "DELETE FROM objects WHERE sha256 = $1 \
             AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.sha256 = $1) \
             AND NOT EXISTS (SELECT 1 FROM version_files f WHERE f.sha256 = $1)",
        )
        .bind(sha256)
        .execute(&mut *transaction)
        .await;
        match released {
            Ok(_) => transaction.commit().await,
            // A version pinned it since we looked: it is no garbage any more.
            Err(error) if is_referred(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Remove the bytes of an object that has no row, while nobody can give it one.
    async fn remove_bytes(
        &self,
        sha256: &str,
        listed: &Listed,
        oldest_ms: i64,
    ) -> Result<bool, Failure> {
        if self.has_row(sha256).await? {
            return Ok(false);
        }
        let mut transaction = self.write(Scope::Object(sha256)).await?;
        let held = sqlx::query("INSERT INTO objects VALUES ($1, 0, 0) ON CONFLICT DO NOTHING")
            .bind(sha256)
            .execute(&mut *transaction)
            .await?;
        let mut goes = held.rows_affected() > 0;
        if goes {
            // Written anew since it was listed: somebody is about to refer to it.
            let now = self.objects.look(&listed.key).await?;
            goes = now.is_some_and(|now| now.modified_ms <= oldest_ms);
        }
        if goes {
            self.objects.remove(&listed.key).await?;
        }
        transaction.rollback().await?;
        Ok(goes)
    }

    async fn has_row(&self, sha256: &str) -> Result<bool, Failure> {
        let row: Option<i64> = sqlx::query_scalar("SELECT 1 FROM objects WHERE sha256 = $1")
            .bind(sha256)
            .fetch_optional(self.read())
            .await?;
        Ok(row.is_some())
    }

    /// What time it is where the files are.
    async fn store_clock_ms(&self) -> Result<i64, Failure> {
        let key = format!("{UPLOADS}/clock-{}", random::hex_id(8));
        let now_ms = self.objects.touch(&key).await?;
        self.objects.remove(&key).await?;
        Ok(now_ms)
    }
}

/// Objects that nothing refers to.
async fn unreferred(
    transaction: &mut Transaction<'_>,
    before_ms: i64,
) -> Result<Vec<Object>, Failure> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT o.sha256, o.size_bytes FROM objects o WHERE o.created_ms <= $1 \
         AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.sha256 = o.sha256) \
         AND NOT EXISTS (SELECT 1 FROM version_files f WHERE f.sha256 = o.sha256) \
         ORDER BY o.sha256",
    )
    .bind(before_ms)
    .fetch_all(&mut **transaction)
    .await?;
    let object = |(sha256, size)| Object { sha256, size_bytes: size as u64 };
    Ok(rows.into_iter().map(object).collect())
}

fn is_referred(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}

fn before(now_ms: i64, age: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// The digest that a name of the store is of: the reverse of [`Objects::relative_path`].
fn digest_of(key: &str) -> Option<String> {
    let digest: String =
        key.strip_prefix(OBJECTS)?.strip_prefix('/')?.split('/').collect::<Vec<_>>().concat();
    let whole = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    (whole && Objects::relative_path(&digest) == key).then_some(digest)
}

/// Files of a local store that were never finished: a killed process leaves them under names that the
/// store does not list.
fn litter(objects: &Path, oldest_ms: i64) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    let folders = std::fs::read_dir(objects).into_iter().flatten().flatten();
    for file in folders.filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten() {
        let Ok(file) = file else { continue };
        let name = file.file_name().to_string_lossy().into_owned();
        let Ok(meta) = file.metadata() else { continue };
        let modified_ms = meta
            .modified()
            .ok()
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(i64::MAX, |since| since.as_millis() as i64);
        let is_object = name.len() == 62 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if meta.is_file() && !is_object && modified_ms <= oldest_ms {
            found.push((file.path(), meta.len()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_objects_have_digests() {
        let digest = "ab".repeat(32);
        assert_eq!(digest_of(&Objects::relative_path(&digest)), Some(digest.clone()));
        for key in ["objects/ab", &format!("objects/{digest}"), &format!("uploads/{digest}")] {
            assert_eq!(digest_of(key), None, "{key}");
        }
    }
}
