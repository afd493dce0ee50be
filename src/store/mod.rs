//! Database rows and stored objects of the registry.
//!
//! A row that names bytes is written only after the bytes are on disk, and a version, its manifest
//! and its number in one transaction: killed at any moment, nothing half-made can be seen.

mod admission;
mod artifacts;
mod backup;
mod buckets;
mod database;
mod deleted;
mod durable;
mod events;
mod experiments;
mod failure;
mod gc;
mod import;
mod inputs;
mod logged_models;
mod models;
mod moves;
mod objects;
mod outbox;
mod place;
mod policies;
mod postgres;
mod rename;
mod requests;
mod runs;
mod search;
mod sql;
mod sqlite;
mod staged;
mod stages;
mod tags;
mod tokens;
mod uploads;
mod verify;
mod versions;
mod webhooks;
mod yanks;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use database::Database;
use objects::Objects;
use sql::{Dialect, Scope, Transaction};

pub(crate) use artifacts::{Entry, PINNED};
pub(crate) use events::Part;
pub(crate) use experiments::ExperimentRow;
pub(crate) use failure::Failure;
pub(crate) use gc::{Collect, Garbage};
pub(crate) use import::ImportSource;
pub(crate) use inputs::{DatasetInput, Inputs};
pub(crate) use logged_models::{LoggedModelRow, MeasuredPoint, NewLoggedModel};
pub(crate) use models::ModelRow;
pub(crate) use moves::{Expect, Move};
pub(crate) use objects::{ByteStream, Object};
pub(crate) use outbox::{Claim, Delivery, Settled};
pub(crate) use place::Place;
pub(crate) use policies::NewPolicy;
pub(crate) use requests::{Ask, Asked, Say, Which};
pub(crate) use runs::{Batch, MetricPoint, NewRun, RunRow};
pub(crate) use search::{
    Comparison, Condition, DatasetField, Field, OfDataset, Order, Page, Query, Stages, Value,
};
pub(crate) use stages::Stage;
pub(crate) use tokens::Tokens;
pub(crate) use uploads::{Appended, NewUpload, Sweeper, Upload};
pub(crate) use verify::Verification;
pub(crate) use versions::{Files, NewVersion, PinnedFile, VersionRow};
pub(crate) use webhooks::{NewWebhook, WebhookChange, WebhookRow, WebhookTarget};
pub(crate) use yanks::Yank;

/// Keys and values, in the order of their keys.
pub(crate) type Pairs = Vec<(String, String)>;

/// A registry, opened. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    place: Arc<Place>,
    database: Database,
    objects: Objects,
    /// Held shared for as long as a registry of a folder is open, so that a restore can tell.
    _use: Option<Arc<File>>,
}

impl Store {
    /// The file whose lock says that a registry is in use.
    const LOCK: &'static str = "registry.lock";

    /// Open the registry of this folder, making it where there is none.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        Self::open_at(&Place::folder(folder)).await
    }

    /// Open the registry of this place, making it where there is none.
    pub(crate) async fn open_at(place: &Place) -> Result<Self> {
        let folder = &place.folder;
        let lock = if place.uses_folder() {
            let failed = |error: std::io::Error| Error::io("open", folder, &error);
            std::fs::create_dir_all(folder).map_err(failed)?;
            Some(Arc::new(locked(lock_file(folder, Self::LOCK)?, std::fs::File::lock_shared).await))
        } else {
            None
        };
        let database = Database::open(&place.database).await?;
        let objects = Objects::open(&place.artifacts).await?;
        Ok(Self { place: Arc::new(place.clone()), database, objects, _use: lock })
    }

    /// As [`Store::open`], but a folder without a registry is an error.
    pub(crate) async fn open_existing(folder: &Path) -> Result<Self> {
        Self::open_existing_at(&Place::folder(folder)).await
    }

    /// As [`Store::open_at`], but a place without a registry is an error.
    pub(crate) async fn open_existing_at(place: &Place) -> Result<Self> {
        if !place.is_there() {
            return Err(Error::user(format!("there is no registry in {place}"))
                .hint("see which one is in use: `mlx registry status`"));
        }
        Self::open_at(place).await
    }

    /// Is there a registry in this folder?
    pub(crate) fn is_in(folder: &Path) -> bool {
        Place::folder(folder).is_there()
    }

    /// Finish what is under way and let go of the files.
    pub(crate) async fn close(self) {
        self.database.close().await;
    }

    /// Wait until nobody makes a copy of this folder or collects its garbage, and keep others from it:
    /// a copy is of what the database says, and its objects are read later.
    async fn alone_with_copies(&self) -> Result<Option<File>> {
        if !self.place.uses_folder() {
            return Ok(None);
        }
        let file = lock_file(&self.place.folder, "copies.lock")?;
        Ok(Some(locked(file, std::fs::File::lock).await))
    }

    /// A transaction that writes, and waits for others about the same. It takes the lock at once:
    /// one that read first and wrote later would fail where another wrote between.
    async fn write(&self, about: Scope<'_>) -> Result<Transaction<'static>, Failure> {
        self.database.write(about).await
    }

    fn read(&self) -> &sqlx::AnyPool {
        &self.database.reader
    }

    fn dialect(&self) -> Dialect {
        self.database.dialect
    }

    /// Of each pool of connections its name, how many there are, and how many of them are idle.
    pub(crate) fn connections(&self) -> [(&'static str, u32, usize); 2] {
        [("writer", &self.database.writer), ("reader", &self.database.reader)]
            .map(|(name, pool)| (name, pool.size(), pool.num_idle()))
    }
}

fn lock_file(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(name);
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Error::io("open", &path, &error))
}

/// A file once its lock is had. Waiting for it must not hold up the thread on which whoever has it
/// may be working. File systems without locks lose only the warning of a restore.
async fn locked(file: File, lock: fn(&File) -> std::io::Result<()>) -> File {
    let waiting = tokio::task::spawn_blocking(move || {
        let _ = lock(&file);
        file
    });
    waiting.await.expect("taking a lock does not panic")
}

/// Pairs that the database put into one column as `[[key,value],…]`.
fn pairs(json: &str) -> Pairs {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod conformance_bytes;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod servers;
