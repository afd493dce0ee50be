//! Copies of a registry: made while it is in use, and put back when nobody does.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use futures::StreamExt;

use super::place::{ArtifactsPlace, DatabasePlace};
use super::sqlite::{self, FILE};
use super::{Failure, Objects, Store, Verification, lock_file};
use crate::error::{Context, Error, Result};
use crate::sys::files::{Pending, digest, sync_folder};
use crate::sys::{clock, random};

/// A copy that was made, and what was found in it.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub folder: PathBuf,
    pub checked: Verification,
}

/// A registry that was put back.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    pub folder: PathBuf,
    /// Where the registry that was there is now.
    pub kept: Option<PathBuf>,
    pub checked: Verification,
}

impl Store {
    /// Write a copy to a folder that does not exist yet. It appears whole and verified.
    ///
    /// The database comes first: every object that the copy names was on disk before, and objects
    /// are never changed, so what is copied after it is complete whatever others do meanwhile. Of a
    /// bucket they are downloaded. A database server is for its own tools to copy.
    pub(crate) async fn backup(&self, to: &Path) -> Result<Backup> {
        if let DatabasePlace::Server(server) = &self.place.database {
            return Err(Error::user(format!("mlx does not copy a server's database: {server}")).hint(
                "copy it with `pg_dump`, and after it the files: a bucket with versioning switched on, \
                 or a copy of its folder; docs/stores.md has the order",
            ));
        }
        if to.exists() {
            return Err(Error::user(format!("{} exists already", to.display()))
                .hint("name a folder that does not, such as one with today's date"));
        }
        let parent = parent_of(to);
        fs::create_dir_all(&parent).map_err(|error| Error::io("make", &parent, &error))?;
        let parts = tempfile::Builder::new()
            .prefix(".mlx-backup-")
            .tempdir_in(&parent)
            .map_err(|error| Error::io("write to", &parent, &error))?;
        // `tempdir` is for its owner alone; a backup is as readable as its parent says.
        let new = parts.path().join("registry");
        fs::create_dir(&new).map_err(|error| Error::io("make", &new, &error))?;
        let _alone = self.alone_with_copies().await?;
        let snapshot = new.join(FILE);
        sqlx::query("VACUUM INTO $1")
            .bind(snapshot.to_string_lossy().into_owned())
            .execute(&self.database.writer)
            .await
            .map_err(|error| {
                super::failure::database(&error).context(format!("cannot write {}", to.display()))
            })?;
        sqlite::prepare(&snapshot).await?;
        let checked = complete(self, &new).await.context(|| "the backup is not good")?;
        fs::rename(&new, to).map_err(|error| Error::io("write", to, &error))?;
        sync_folder(&parent).map_err(|error| Error::io("write", &parent, &error))?;
        Ok(Backup { folder: to.to_owned(), checked })
    }

    /// Put a backup in a registry's place. What was there is kept beside it.
    ///
    /// The backup is verified before anything is touched. Objects are added first and the
    /// database is renamed last, which is the one moment at which the registry becomes the other.
    pub(crate) async fn restore(from: &Path, to: &Path, replace: bool) -> Result<Restored> {
        let backup = Self::open_existing(from).await?;
        let checked = backup.verify().await.map_err(Failure::into_error)?;
        sound(&checked).context(|| format!("cannot restore {}", from.display()))?;
        let objects = backup.referred_objects().await.map_err(Failure::into_error)?;

        let there = to.join(FILE).is_file();
        if there && !replace {
            return Err(Error::user(format!("there is a registry in {}", to.display())).hint(
                "give `--replace` to put the backup in its place; what is there is kept beside it",
            ));
        }
        if same_folder(from, to) {
            return Err(Error::user("a backup can't be restored onto itself"));
        }
        fs::create_dir_all(to).map_err(|error| Error::io("make", to, &error))?;
        let lock = lock_file(to, Self::LOCK)?;
        if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::user(format!("the registry in {} is in use", to.display()))
                .hint("stop `mlx registry serve` and what else uses it, then try again"));
        }

        let new = to.join("registry.db.restoring");
        remove_database(&new)?;
        let snapshot = sqlx::query("VACUUM INTO $1")
            .bind(new.to_string_lossy().into_owned())
            .execute(&backup.database.writer)
            .await;
        snapshot.map_err(|error| super::failure::database(&error))?;
        sqlite::prepare(&new).await?;
        let kept = if there { Some(keep(to)?) } else { None };
        bring(from, to, &objects)?;
        if there {
            // So that nothing of the old database is left in its log when the new one comes. A
            // damaged one may not be able to; it was kept as it was.
            let _ = sqlite::checkpoint(&to.join(FILE)).await;
        }
        for suffix in ["-wal", "-shm"] {
            remove_if_there(&to.join(format!("{FILE}{suffix}")))?;
        }
        let database = to.join(FILE);
        fs::rename(&new, &database).map_err(|error| Error::io("write", &database, &error))?;
        sync_folder(to).map_err(|error| Error::io("write", to, &error))?;
        backup.close().await;
        Ok(Restored { folder: to.to_owned(), kept, checked })
    }
}

/// Bring the objects that a copied database names, and verify the whole.
async fn complete(from: &Store, new: &Path) -> Result<Verification> {
    let copy = Store::open_existing(new).await?;
    let objects = copy.referred_objects().await.map_err(Failure::into_error)?;
    match &from.place.artifacts {
        ArtifactsPlace::Folder(folder) => bring(folder, new, &objects)?,
        ArtifactsPlace::Bucket(_) => fetch(&from.objects, new, &objects).await?,
    }
    let checked = copy.verify().await.map_err(Failure::into_error)?;
    copy.close().await;
    sound(&checked)?;
    for lock in [Store::LOCK, "setup.lock", "copies.lock"] {
        remove_if_there(&new.join(lock))?;
    }
    Ok(checked)
}

/// An error that tells the first of the problems.
fn sound(checked: &Verification) -> Result<()> {
    match checked.problems.as_slice() {
        [] => Ok(()),
        [problem] => Err(Error::user(problem.clone())),
        [problem, rest @ ..] => Err(Error::user(format!("{problem}, and {} more", rest.len()))),
    }
    .map_err(|error| error.hint("see all of them: `mlx registry verify --data DIR`"))
}

/// Copies of objects from one registry's folder to another's. An object that is there and damaged
/// is replaced. Never by hard link: damage to one registry would be damage to the other.
fn bring(from: &Path, to: &Path, objects: &HashMap<String, u64>) -> Result<()> {
    for sha256 in objects.keys() {
        let path = Objects::relative_path(sha256);
        let (source, target) = (from.join(&path), to.join(&path));
        if target.is_file() && digest(&target)?.0 == *sha256 {
            continue;
        }
        let failed = |error: std::io::Error| Error::io("copy", &source, &error);
        let folder = parent_of(&target);
        fs::create_dir_all(&folder).map_err(failed)?;
        let part = folder.join(format!(".mlx-{}", random::hex_id(8)));
        fs::copy(&source, &part).map_err(failed)?;
        fs::File::open(&part).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&part, &target).map_err(failed)?;
        sync_folder(&folder).map_err(failed)?;
    }
    Ok(())
}

/// As [`bring`], from a bucket.
async fn fetch(from: &Objects, to: &Path, objects: &HashMap<String, u64>) -> Result<()> {
    for sha256 in objects.keys() {
        let target = to.join(Objects::relative_path(sha256));
        let (_, mut stream) = from.get(sha256).await.map_err(Failure::into_error)?;
        let mut file = Pending::create(&target)?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                Error::unreachable(format!("lost the bucket within object {sha256}: {error}"))
            })?;
            file.write_all(&chunk).map_err(|error| Error::io("write", &target, &error))?;
        }
        file.finish()?;
    }
    Ok(())
}

/// A registry as it is, damage included, under another name beside it.
fn keep(folder: &Path) -> Result<PathBuf> {
    let time = clock::format_ms(clock::now_ms()).replace([' ', ':'], "-").replace("-UTC", "");
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kept = folder.with_file_name(format!("{name}.before-restore-{time}"));
    for entry in walk(folder)? {
        let inside = entry.strip_prefix(folder).expect("a file of the folder").to_owned();
        let top = inside.components().next().map(|part| part.as_os_str().to_owned());
        let is_object = top.as_deref() == Some("objects".as_ref());
        let is_database = inside.to_string_lossy().starts_with(FILE)
            && !inside.to_string_lossy().contains("restoring");
        if !is_object && !is_database {
            continue;
        }
        let target = kept.join(&inside);
        let parent = parent_of(&target);
        fs::create_dir_all(&parent).map_err(|error| Error::io("make", &parent, &error))?;
        // Objects are replaced by renames and never written in place, so a link keeps what was.
        if !is_object || fs::hard_link(&entry, &target).is_err() {
            fs::copy(&entry, &target).map_err(|error| Error::io("copy", &entry, &error))?;
        }
    }
    Ok(kept)
}

fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::file("read", folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            files.extend(walk(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn remove_database(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        remove_if_there(Path::new(&name))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

fn same_folder(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
