//! Uploads in pieces, which go on where they broke off.
//!
//! What has come of an upload are its parts, each an object of its own below `uploads/` and a row that is
//! written once the part is on disk. The rows are the truth: a part without one was never acknowledged, and
//! is swept. Parts are never appended to, so this works on stores of objects too, which have no appending;
//! at the end they are read once, hashed, and written as one object by the same code as any other upload.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use sqlx::Row as _;

use super::objects::{Listed, Objects, PartEnd, Put, UPLOADS, unreadable};
use super::sql::{Row, Scope, Transaction};
use super::{Failure, Object, Store};
use crate::registry::ArtifactPath;
use crate::sys::{clock, random};

/// An upload that nothing was added to for this long is given up.
const EXPIRES_AFTER: Duration = Duration::from_hours(24);

/// And only one that this process itself has seen unchanged for so long: a clock that jumps to the next
/// week makes every upload look old, also the one whose next bytes are on their way.
const SEEN_FOR: Duration = Duration::from_mins(30);

/// A file that somebody wants to upload.
#[derive(Clone, Debug)]
pub(crate) struct NewUpload {
    pub path: ArtifactPath,
    pub sha256: String,
    pub size_bytes: u64,
}

/// An upload that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub id: String,
    pub path: ArtifactPath,
    pub sha256: String,
    pub size_bytes: u64,
    /// How many of its bytes are on disk.
    pub offset: u64,
    /// Whether an object with this digest is stored.
    pub known: bool,
}

/// Where an upload is after bytes came for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// All of them are on disk.
    To(u64),
    /// They were for another place than the next.
    Expected(u64),
    /// What came until the connection broke is on disk.
    Broke { offset: u64, why: String },
}

impl Store {
    /// Begin these uploads; one that the same owner began for the same file and place goes on.
    pub(crate) async fn begin_uploads(
        &self,
        owner: &str,
        files: &[NewUpload],
    ) -> Result<Vec<Upload>, Failure> {
        for file in files {
            super::artifacts::changeable(&file.path)?;
            check(file)?;
        }
        let mut transaction = self.write(Scope::Uploads).await?;
        let mut uploads = Vec::new();
        for file in files {
            uploads.push(begin(&mut transaction, owner, file).await?);
        }
        transaction.commit().await?;
        Ok(uploads)
    }

    /// An upload of this owner's.
    pub(crate) async fn upload(&self, id: &str, owner: &str) -> Result<Upload, Failure> {
        let row = sqlx::query(SELECT).bind(id).bind(owner).try_map(upload);
        let found = row.fetch_optional(self.read()).await?;
        found.ok_or_else(|| missing(id))?
    }

    /// Add bytes at `offset`. Whatever comes is kept, up to where the stream ends or breaks.
    pub(crate) async fn append_upload<S, E>(
        &self,
        id: &str,
        owner: &str,
        offset: u64,
        content: S,
    ) -> Result<Appended, Failure>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let upload = self.upload(id, owner).await?;
        if offset != upload.offset {
            return Ok(Appended::Expected(upload.offset));
        }
        let mut content = std::pin::pin!(content);
        let mut offset = offset;
        loop {
            let key = part_key(id, offset);
            let most = upload.size_bytes - offset;
            let part = self.objects.put_part(&key, &mut content, most).await?;
            if part.size_bytes > 0 {
                if let Some(expected) = self.commit_part(id, offset, part.size_bytes, &key).await? {
                    self.objects.remove(&key).await?;
                    return Ok(Appended::Expected(expected));
                }
                offset += part.size_bytes;
            }
            match part.end {
                PartEnd::Full => {}
                PartEnd::Whole => return Ok(Appended::To(offset)),
                PartEnd::Broke(why) => return Ok(Appended::Broke { offset, why }),
                PartEnd::TooMuch => {
                    return Err(Failure::Invalid(format!(
                        "the upload has more than the {} bytes that were announced",
                        upload.size_bytes
                    )));
                }
            }
        }
    }

    /// Write a part down. Where another request added bytes at this place meanwhile: the next one.
    async fn commit_part(
        &self,
        id: &str,
        offset: u64,
        size_bytes: u64,
        key: &str,
    ) -> Result<Option<u64>, Failure> {
        let mut transaction = self.write(Scope::Upload(id)).await?;
        let touched = sqlx::query("UPDATE uploads SET touched_ms = $2 WHERE id = $1")
            .bind(id)
            .bind(clock::now_ms())
            .execute(&mut *transaction)
            .await?;
        if touched.rows_affected() == 0 {
            return Err(missing(id));
        }
        let expected: i64 =
            sqlx::query_scalar(OFFSET).bind(id).fetch_one(&mut *transaction).await?;
        if expected as u64 != offset {
            return Ok(Some(expected as u64));
        }
        sqlx::query("INSERT INTO upload_parts VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(offset as i64)
            .bind(size_bytes as i64)
            .bind(key)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(None)
    }

    /// Put an upload's parts together; the file appears if they are the bytes that were announced.
    pub(crate) async fn assemble_upload(&self, upload: &Upload) -> Result<Object, Failure> {
        if upload.offset != upload.size_bytes {
            return Err(Failure::Invalid(format!(
                "the upload is not complete: {} of {} bytes are here",
                upload.offset, upload.size_bytes
            )));
        }
        let keys = self.part_keys(&upload.id).await?;
        let objects = self.objects.clone();
        let content =
            futures::stream::iter(keys).then(move |key| opened(objects.clone(), key)).try_flatten();
        let put = match self.objects.put(content, Some(&upload.sha256)).await {
            Err(failure @ (Failure::Invalid(_) | Failure::Missing(_))) => {
                // Nothing can make these bytes right: the next attempt starts from none.
                self.drop_upload(&upload.id).await?;
                return Err(failure);
            }
            put => put?,
        };
        self.place(&upload.path, &put).await?;
        self.drop_upload(&upload.id).await?;
        Ok(put.object)
    }

    /// Complete an upload whose bytes are stored already; that its owner has them is for the caller to know.
    pub(crate) async fn link_upload(&self, upload: &Upload) -> Result<Object, Failure> {
        let object = Object { sha256: upload.sha256.clone(), size_bytes: upload.size_bytes };
        let put = Put { object, wrote: false };
        self.place(&upload.path, &put).await?;
        self.drop_upload(&upload.id).await?;
        Ok(put.object)
    }

    /// Forget an upload and remove its parts.
    pub(crate) async fn drop_upload(&self, id: &str) -> Result<(), Failure> {
        let keys = self.part_keys(id).await?;
        let mut transaction = self.write(Scope::Upload(id)).await?;
        sqlx::query("DELETE FROM uploads WHERE id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        for key in keys {
            // What cannot be removed now is of no upload any more, and is swept.
            let _ = self.objects.remove(&key).await;
        }
        Ok(())
    }

    async fn part_keys(&self, id: &str) -> Result<Vec<String>, Failure> {
        Ok(sqlx::query_scalar(
            "SELECT object FROM upload_parts WHERE upload_id = $1 ORDER BY start_byte",
        )
        .bind(id)
        .fetch_all(self.read())
        .await?)
    }

    /// Uploads that nothing was added to since then: id, the time of the last addition, bytes.
    pub(super) async fn idle_uploads(&self, since_ms: i64) -> Result<Vec<IdleUpload>, Failure> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT u.id, u.touched_ms, \
             (SELECT CAST(coalesce(sum(p.size_bytes), 0) AS BIGINT) FROM upload_parts p \
              WHERE p.upload_id = u.id) \
             FROM uploads u WHERE u.touched_ms < $1 ORDER BY u.id",
        )
        .bind(since_ms)
        .fetch_all(self.read())
        .await?;
        let idle = |(id, touched_ms, size)| IdleUpload { id, touched_ms, size_bytes: size as u64 };
        Ok(rows.into_iter().map(idle).collect())
    }

    /// Give up an upload, unless something was added to it since it was looked at.
    pub(super) async fn expire_upload(&self, idle: &IdleUpload) -> Result<bool, Failure> {
        let keys = self.part_keys(&idle.id).await?;
        let mut transaction = self.write(Scope::Upload(&idle.id)).await?;
        let gone = sqlx::query("DELETE FROM uploads WHERE id = $1 AND touched_ms = $2")
            .bind(&idle.id)
            .bind(idle.touched_ms)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        for key in keys {
            let _ = self.objects.remove(&key).await;
        }
        Ok(true)
    }

    /// What lies in `uploads/` and is no part of an upload under way: what uploads left behind that
    /// broke off, and those of a moment ago.
    pub(super) async fn strays(&self) -> Result<Vec<Listed>, Failure> {
        let parts: HashSet<String> = sqlx::query_scalar("SELECT object FROM upload_parts")
            .fetch_all(self.read())
            .await?
            .into_iter()
            .collect();
        let listed = self.objects.list(UPLOADS).await?;
        Ok(listed.into_iter().filter(|one| !parts.contains(&one.key)).collect())
    }
}

/// An upload that may have been given up.
#[derive(Clone, Debug)]
pub(super) struct IdleUpload {
    pub id: String,
    pub touched_ms: i64,
    pub size_bytes: u64,
}

/// Gives up uploads that nobody goes on with, as long as a server runs.
pub(crate) struct Sweeper {
    store: Store,
    /// What could be given up, as it was when this process first saw it so.
    seen: HashMap<String, (i64, Instant)>,
}

impl Sweeper {
    /// How often to sweep.
    pub(crate) const EVERY: Duration = Duration::from_mins(20);

    pub(crate) fn new(store: Store) -> Self {
        Self { store, seen: HashMap::new() }
    }

    /// Give up what is old by the clock, and was seen so for long enough.
    pub(crate) async fn sweep(&mut self) -> Result<(), Failure> {
        let before_ms = clock::now_ms() - EXPIRES_AFTER.as_millis() as i64;
        let uploads = self.store.idle_uploads(before_ms).await?;
        let strays: Vec<_> = self
            .store
            .strays()
            .await?
            .into_iter()
            .filter(|stray| stray.modified_ms < before_ms)
            .collect();
        let now = Instant::now();
        let old = uploads
            .iter()
            .map(|idle| (idle.id.clone(), idle.touched_ms))
            .chain(strays.iter().map(|stray| (stray.key.clone(), stray.modified_ms)));
        let mut seen = HashMap::new();
        for (name, stamp) in old {
            let first = match self.seen.get(&name) {
                Some((same, first)) if *same == stamp => *first,
                _ => now,
            };
            seen.insert(name, (stamp, first));
        }
        self.seen = seen;
        for idle in uploads {
            if self.is_due(&idle.id, now) {
                self.store.expire_upload(&idle).await?;
            }
        }
        for stray in strays {
            if self.is_due(&stray.key, now) {
                self.store.objects.remove(&stray.key).await?;
            }
        }
        Ok(())
    }

    fn is_due(&self, name: &str, now: Instant) -> bool {
        self.seen.get(name).is_some_and(|(_, first)| now.duration_since(*first) >= SEEN_FOR)
    }
}

const OFFSET: &str = "SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) FROM upload_parts \
     WHERE upload_id = $1";

const SELECT: &str = "SELECT u.id, u.path, u.sha256, u.size_bytes, \
     (SELECT CAST(coalesce(sum(p.size_bytes), 0) AS BIGINT) FROM upload_parts p \
      WHERE p.upload_id = u.id), \
     (SELECT count(*) FROM objects o WHERE o.sha256 = u.sha256 AND o.size_bytes = u.size_bytes) \
     FROM uploads u WHERE u.id = $1 AND u.owner = $2";

async fn begin(
    transaction: &mut Transaction<'_>,
    owner: &str,
    file: &NewUpload,
) -> Result<Upload, Failure> {
    let id: String = sqlx::query_scalar(
        "INSERT INTO uploads VALUES ($1, $2, $3, $4, $5, $6, $6) \
         ON CONFLICT (path, sha256, owner) DO UPDATE SET touched_ms = excluded.touched_ms \
         RETURNING id",
    )
    .bind(random::hex_id(16))
    .bind(file.path.as_str())
    .bind(&file.sha256)
    .bind(file.size_bytes as i64)
    .bind(owner)
    .bind(clock::now_ms())
    .fetch_one(&mut **transaction)
    .await?;
    let begun = sqlx::query(SELECT).bind(&id).bind(owner).try_map(upload);
    let begun = begun.fetch_one(&mut **transaction).await??;
    if begun.size_bytes != file.size_bytes {
        return Err(Failure::Invalid(format!(
            "'{}' has {} bytes in one upload and {} in another, under one SHA-256",
            file.path, begun.size_bytes, file.size_bytes
        )));
    }
    Ok(begun)
}

/// A part's bytes.
async fn opened(objects: Objects, key: String) -> Result<Content, Failure> {
    if objects.look(&key).await?.is_none() {
        return Err(Failure::Missing("a part of the upload is gone: it has to begin again".into()));
    }
    let (_, content) = objects.open_key(&key).await?;
    Ok(Box::pin(content.map_err(|error| unreadable(&error))))
}

type Content = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

fn check(file: &NewUpload) -> Result<(), Failure> {
    if file.path.is_root() {
        return Err(Failure::Invalid("a file needs a path".into()));
    }
    let digest = &file.sha256;
    if digest.len() != 64
        || !digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Err(Failure::Invalid(format!(
            "'{digest}' is no SHA-256 in lower-case hexadecimal digits"
        )));
    }
    if i64::try_from(file.size_bytes).is_err() {
        return Err(Failure::Invalid(format!("'{}' can't be that large", file.path)));
    }
    Ok(())
}

/// Unique, so that of two requests at the same offset neither writes over the other.
fn part_key(id: &str, offset: u64) -> String {
    format!("{UPLOADS}/{id}-{offset:020}-{}", random::hex_id(4))
}

fn missing(id: &str) -> Failure {
    Failure::Missing(format!("No such upload: '{id}'"))
}

fn upload(row: Row) -> Result<Result<Upload, Failure>, sqlx::Error> {
    let path: &str = row.try_get(1)?;
    let path = match path.parse() {
        Ok(path) => path,
        Err(error) => return Ok(Err(Failure::Broken(error))),
    };
    Ok(Ok(Upload {
        id: row.try_get(0)?,
        path,
        sha256: row.try_get(2)?,
        size_bytes: row.try_get::<i64, _>(3)? as u64,
        offset: row.try_get::<i64, _>(4)? as u64,
        known: row.try_get::<i64, _>(5)? > 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that jumps to the next week makes every upload look old at once.
    #[tokio::test]
    async fn an_upload_outlives_a_clock_that_jumps() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let file = NewUpload {
            path: "0/r/artifacts/w".parse().unwrap(),
            sha256: crate::sys::files::digest_bytes(b"weights"),
            size_bytes: 7,
        };
        let upload = store.begin_uploads("ada", &[file]).await.unwrap().remove(0);
        let week = 7 * 24 * 3_600_000_i64;
        let age = async || {
            sqlx::query("UPDATE uploads SET touched_ms = touched_ms - $1")
                .bind(week)
                .execute(&store.database.writer)
                .await
                .unwrap();
        };
        let mut sweeper = Sweeper::new(store.clone());
        // As if this long had passed since what the sweeper saw.
        let pass = |sweeper: &mut Sweeper, time: Duration| {
            for (_, first) in sweeper.seen.values_mut() {
                *first = first.checked_sub(time).expect("the machine has run for so long");
            }
        };
        age().await;
        sweeper.sweep().await.unwrap();
        assert!(store.upload(&upload.id, "ada").await.is_ok(), "it was old at once");
        // Its next bytes come, and the clock jumps on: it was seen otherwise before.
        let bytes = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"wei"))]);
        store.append_upload(&upload.id, "ada", 0, bytes).await.unwrap();
        age().await;
        pass(&mut sweeper, SEEN_FOR);
        sweeper.sweep().await.unwrap();
        assert!(store.upload(&upload.id, "ada").await.is_ok(), "it was not the same any more");
        // Nothing comes any more.
        pass(&mut sweeper, SEEN_FOR);
        sweeper.sweep().await.unwrap();
        assert!(matches!(store.upload(&upload.id, "ada").await, Err(Failure::Missing(_))));
        assert!(store.objects.list(UPLOADS).await.unwrap().is_empty());
    }
}
