//! `mlx registry gc`: remove what nothing refers to.

use std::time::Duration;

use crate::api::mlx::{Collected, GcReply, GcRequest};
use crate::commands::registry_client;
use crate::error::Result;
use crate::outcome::registry::{GcOutcome, Removed};
use crate::settings::RegistryTarget;
use crate::settings::registry::RegistrySettings;
use crate::store::{Collect, Failure, Place, Store};

/// Of the registry in use: by its server, where it has one.
pub(super) async fn gc(settings: &RegistrySettings, what: &Collect) -> Result<GcOutcome> {
    if let RegistryTarget::Embedded(folder) = &settings.target {
        return gc_place(&Place::folder(folder), what).await;
    }
    let remote = registry_client::open(settings).await?;
    let request = GcRequest {
        older_than_ms: u64::try_from(what.older_than.as_millis()).unwrap_or(u64::MAX),
        deleted_runs: what.deleted_runs,
        dry_run: what.dry_run,
    };
    let reply = remote.collect_garbage(&request).await?;
    Ok(outcome(settings.target.to_string(), what, reply))
}

/// Of the registry in a place, which servers may have open.
pub(super) async fn gc_place(place: &Place, what: &Collect) -> Result<GcOutcome> {
    let store = Store::open_existing_at(place).await?;
    let garbage = store.collect_garbage(what).await.map_err(Failure::into_error)?;
    store.close().await;
    Ok(outcome(place.to_string(), what, garbage.into()))
}

fn outcome(place: String, what: &Collect, reply: GcReply) -> GcOutcome {
    let removed = |all: Vec<Collected>| -> Vec<Removed> {
        all.into_iter().map(|one| Removed { name: one.name, size_bytes: one.size_bytes }).collect()
    };
    let (uploads, objects) = (removed(reply.uploads), removed(reply.objects));
    GcOutcome {
        place,
        dry_run: what.dry_run,
        older_than_seconds: Duration::as_secs(&what.older_than),
        runs: reply.runs,
        logged_models: reply.logged_models,
        experiments: reply.experiments,
        kept_runs: reply.kept_runs,
        size_bytes: uploads.iter().chain(&objects).map(|one| one.size_bytes).sum(),
        uploads,
        objects,
    }
}
