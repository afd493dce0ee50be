//! Files by their path below `mlflow-artifacts:/`.
//!
//! Most of the tree is what runs and logged models hold now, and changes with every upload. Below
//! `mlx-versions/<model>/<version>/` are the files that a version pinned; they never change.

use futures::TryStreamExt;
use sqlx::Row as _;

use super::objects::{Kind, Put};
use super::sql::{Row, Scope, Transaction};
use super::{Failure, Object, Store};
use crate::error::Error;
use crate::registry::{ArtifactPath, ModelName, VersionNumber};
use crate::sys::clock;

/// The folder of the files that versions pinned.
pub(crate) const PINNED: &str = "mlx-versions";

/// A stored file's bytes.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub sha256: String,
    pub size_bytes: u64,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Within the folder that was listed.
    pub name: String,
    /// None: a folder.
    pub size_bytes: Option<u64>,
}

impl Store {
    /// Receive a file and put it at this path; what was there is replaced once the new one is whole.
    pub(crate) async fn put_artifact<S, E>(
        &self,
        path: &ArtifactPath,
        content: S,
        expected_sha256: Option<&str>,
    ) -> Result<Object, Failure>
    where
        S: futures::Stream<Item = Result<bytes::Bytes, E>>,
        E: std::fmt::Display,
    {
        changeable(path)?;
        if path.is_root() {
            return Err(Failure::Invalid("a file needs a path".into()));
        }
        let content =
            content.map_err(|error| Failure::Invalid(format!("the upload broke off: {error}")));
        let put = self.objects.put(content, expected_sha256).await?;
        self.place(path, &put).await?;
        Ok(put.object)
    }

    /// Let a path have an object that is stored.
    pub(super) async fn place(&self, path: &ArtifactPath, put: &Put) -> Result<(), Failure> {
        let object = &put.object;
        let mut transaction = self.write(Scope::Artifacts).await?;
        refuse_file_and_folder(&mut transaction, path).await?;
        let now = clock::now_ms();
        let new = sqlx::query("INSERT INTO objects VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(&object.sha256)
            .bind(object.size_bytes as i64)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        // An object that has a row has its bytes. Without one they may have been collected as garbage
        // since they were seen, and from here on they can't be: see `gc`. What was written just now is
        // too young for that by the clock of its store; where looking costs nothing, no clock is trusted.
        let look = new.rows_affected() > 0 && (self.objects.kind == Kind::Folder || !put.wrote);
        if look && !self.objects.has(object).await? {
            return Err(Failure::Broken(Error::unreachable(format!(
                "the bytes of '{path}' were removed as garbage while they came again: send them once more"
            ))));
        }
        sqlx::query(
            "INSERT INTO artifacts VALUES ($1, $2, $3, $4) ON CONFLICT (path) DO UPDATE SET \
             sha256 = excluded.sha256, size_bytes = excluded.size_bytes, \
             modified_ms = excluded.modified_ms",
        )
        .bind(path.as_str())
        .bind(&object.sha256)
        .bind(object.size_bytes as i64)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What is at this path.
    pub(crate) async fn artifact(&self, path: &ArtifactPath) -> Result<Artifact, Failure> {
        let found = if let Some((model, version, file)) = pinned(path)? {
            sqlx::query(
                "SELECT sha256, size_bytes FROM version_files \
                 WHERE model = $1 AND version = $2 AND path = $3",
            )
            .bind(model.as_str().to_owned())
            .bind(version.0 as i64)
            .bind(file.as_str().to_owned())
            .try_map(artifact)
            .fetch_optional(self.read())
            .await?
        } else {
            sqlx::query("SELECT sha256, size_bytes FROM artifacts WHERE path = $1")
                .bind(path.as_str())
                .try_map(artifact)
                .fetch_optional(self.read())
                .await?
        };
        found.ok_or_else(|| Failure::Missing(format!("No such file: '{path}'")))
    }

    /// The bytes of an object, to be sent.
    pub(crate) async fn open_object(
        &self,
        sha256: &str,
    ) -> Result<(u64, super::ByteStream), Failure> {
        self.objects.get(sha256).await
    }

    /// Some bytes of an object, to be sent, after its size.
    pub(crate) async fn open_object_part(
        &self,
        sha256: &str,
        part: std::ops::Range<u64>,
    ) -> Result<(u64, super::ByteStream), Failure> {
        self.objects.get_range(sha256, part).await
    }

    /// What is directly in this folder, in the order of names; a file's own path lists nothing.
    pub(crate) async fn list_artifacts(
        &self,
        folder: &ArtifactPath,
    ) -> Result<Vec<Entry>, Failure> {
        let files: Vec<(String, i64)> = match pinned(folder)? {
            Some((model, version, within)) => {
                let (from, to) = range(&within);
                sqlx::query_as(
                    "SELECT substr(path, CAST($5 AS INTEGER)), size_bytes FROM version_files \
                     WHERE model = $1 AND version = $2 AND path >= $3 AND path < $4 ORDER BY path",
                )
                .bind(model.as_str().to_owned())
                .bind(version.0 as i64)
                .bind(from.clone())
                .bind(to)
                .bind(from.chars().count() as i64 + 1)
                .fetch_all(self.read())
                .await?
            }
            None => {
                let (from, to) = range(folder);
                sqlx::query_as(
                    "SELECT substr(path, CAST($3 AS INTEGER)), size_bytes FROM artifacts \
                     WHERE path >= $1 AND path < $2 ORDER BY path",
                )
                .bind(from.clone())
                .bind(to)
                .bind(from.chars().count() as i64 + 1)
                .fetch_all(self.read())
                .await?
            }
        };
        let mut entries: Vec<Entry> = Vec::new();
        for (path, size) in files {
            let entry = match path.split_once('/') {
                None => Entry { name: path, size_bytes: Some(size as u64) },
                Some((name, _)) => Entry { name: name.to_owned(), size_bytes: None },
            };
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        // `a.txt` sorts before `a/b` among paths and `a` before `a.txt` among names.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup();
        Ok(entries)
    }

    /// Remove a file, or a folder with all in it. The bytes stay while a version pins them.
    pub(crate) async fn delete_artifacts(&self, path: &ArtifactPath) -> Result<(), Failure> {
        changeable(path)?;
        let (from, to) = range(path);
        let mut transaction = self.write(Scope::Artifacts).await?;
        let removed =
            sqlx::query("DELETE FROM artifacts WHERE path = $1 OR (path >= $2 AND path < $3)")
                .bind(path.as_str())
                .bind(from)
                .bind(to)
                .execute(&mut *transaction)
                .await?;
        if removed.rows_affected() == 0 {
            return Err(Failure::Missing(format!("No such file: '{path}'")));
        }
        transaction.commit().await
    }
}

/// The files below a folder, as a range of paths: from its `/` to the character after `/`.
pub(super) fn range(folder: &ArtifactPath) -> (String, String) {
    if folder.is_root() {
        (String::new(), char::MAX.to_string())
    } else {
        (format!("{folder}/"), format!("{folder}0"))
    }
}

/// The model, version and file of a path among the pinned ones; none for a path elsewhere.
fn pinned(
    path: &ArtifactPath,
) -> Result<Option<(ModelName, VersionNumber, ArtifactPath)>, Failure> {
    let mut parts = path.as_str().splitn(4, '/');
    if parts.next() != Some(PINNED) {
        return Ok(None);
    }
    let missing = || Failure::Missing(format!("No such file: '{path}'"));
    let model = parts.next().and_then(|name| name.parse().ok()).ok_or_else(missing)?;
    let version = parts.next().and_then(|number| number.parse().ok()).ok_or_else(missing)?;
    let file = parts.next().unwrap_or_default().parse()?;
    Ok(Some((model, version, file)))
}

pub(super) fn changeable(path: &ArtifactPath) -> Result<(), Failure> {
    if path.as_str().split('/').next() == Some(PINNED) {
        return Err(Failure::Forbidden(format!(
            "'{path}' belongs to a version, whose files never change"
        )));
    }
    Ok(())
}

/// A path cannot be a file and a folder at once: no client could download both.
async fn refuse_file_and_folder(
    transaction: &mut Transaction<'_>,
    path: &ArtifactPath,
) -> Result<(), Failure> {
    let (from, to) = range(path);
    let inside: Option<String> =
        sqlx::query_scalar("SELECT path FROM artifacts WHERE path >= $1 AND path < $2 LIMIT 1")
            .bind(from)
            .bind(to)
            .fetch_optional(&mut **transaction)
            .await?;
    if inside.is_some() {
        return Err(Failure::Invalid(format!("'{path}' is a folder and cannot be a file too")));
    }
    for (at, _) in path.as_str().match_indices('/') {
        let folder = &path.as_str()[..at];
        let file: Option<i64> = sqlx::query_scalar("SELECT 1 FROM artifacts WHERE path = $1")
            .bind(folder)
            .fetch_optional(&mut **transaction)
            .await?;
        if file.is_some() {
            return Err(Failure::Invalid(format!("'{folder}' is a file and cannot hold others")));
        }
    }
    Ok(())
}

fn artifact(row: Row) -> Result<Artifact, sqlx::Error> {
    Ok(Artifact { sha256: row.try_get(0)?, size_bytes: row.try_get::<i64, _>(1)? as u64 })
}
