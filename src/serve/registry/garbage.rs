//! `POST /api/mlx/1/gc`: what nothing refers to, collected by the server that keeps it.

use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};

use super::App;
use super::extract::Body;
use super::failure::Answer;
use crate::api::mlx::{Collected, GcReply, GcRequest};
use crate::store::{Collect, Garbage};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/gc", post(collect))
}

async fn collect(State(app): State<App>, Body(request): Body<GcRequest>) -> Answer<GcReply> {
    let what = Collect {
        older_than: Duration::from_millis(request.older_than_ms),
        least_age: Collect::LEAST_AGE,
        deleted_runs: request.deleted_runs,
        dry_run: request.dry_run,
    };
    Ok(Json(app.store.collect_garbage(&what).await?.into()))
}

impl From<Garbage> for GcReply {
    fn from(garbage: Garbage) -> Self {
        let uploads = garbage.uploads.into_iter();
        let objects = garbage.objects.into_iter();
        Self {
            runs: garbage.deleted.runs,
            logged_models: garbage.deleted.logged_models,
            experiments: garbage.deleted.experiments,
            kept_runs: garbage.deleted.kept_runs,
            uploads: uploads.map(|(name, size_bytes)| Collected { name, size_bytes }).collect(),
            objects: objects
                .map(|object| Collected { name: object.sha256, size_bytes: object.size_bytes })
                .collect(),
        }
    }
}
