//! `/api/mlx/1/…`: moves, their log, pinned files, and the check of everything.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::App;
use super::extract::{Body, Params, required};
use super::failure::{Answer, ApiError};
use super::models::{known_name, version_number};
use crate::api::mlx::{EventsReply, FilesReply, MoveReply, MoveRequest, VerifyReply, VersionFile};
use crate::error::Error;
use crate::registry::{EnvironmentName, EventKind};
use crate::store::{Expect, Move};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/models/{name}/moves", post(make_move))
        .route("/models/{name}/events", get(events))
        .route("/models/{name}/versions/{version}/files", get(files))
        .route("/verify", get(verify))
}

async fn make_move(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(request): Body<MoveRequest>,
) -> Answer<MoveReply> {
    if !matches!(request.kind, EventKind::Promote | EventKind::Rollback) {
        return Err(ApiError::invalid("a move is a `promote` or a `rollback`"));
    }
    let wanted = Move {
        model: known_name(&name)?,
        environment: request.environment,
        kind: request.kind,
        to: Some(request.to),
        expect: Expect::Exactly(request.expect),
        actor: app.identity.actor(request.actor.as_deref()),
        reason: request.reason,
        evidence: request.evidence,
        operation_id: required("operation_id", &request.operation_id)?.to_owned(),
    };
    let made = app.store.apply(&wanted).await?;
    let event = made
        .ok_or_else(|| ApiError::Broken(Error::bug("a move with an expectation made no event")))?;
    Ok(Json(MoveReply { event }))
}

#[derive(Deserialize)]
struct EventsRequest {
    environment: Option<EnvironmentName>,
}

/// The log outlives its model; only a name that has neither is not found.
async fn events(
    State(app): State<App>,
    Path(name): Path<String>,
    Params(request): Params<EventsRequest>,
) -> Answer<EventsReply> {
    let name = known_name(&name)?;
    let events = app.store.events(&name, request.environment.as_ref()).await?;
    if events.is_empty() {
        app.store.model(&name).await?;
    }
    Ok(Json(EventsReply { events }))
}

async fn files(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<FilesReply> {
    let files = app.store.version_files(&known_name(&name)?, version_number(&version)?).await?;
    let file = |file: crate::store::PinnedFile| VersionFile {
        path: file.path,
        size_bytes: file.size_bytes,
        sha256: file.sha256,
    };
    Ok(Json(FilesReply { files: files.into_iter().map(file).collect() }))
}

async fn verify(State(app): State<App>) -> Answer<VerifyReply> {
    let found = app.store.verify().await?;
    Ok(Json(VerifyReply {
        models: found.models,
        versions: found.versions,
        files: found.files,
        bytes: found.bytes,
        events: found.events,
        aliases: found.aliases,
        problems: found.problems,
    }))
}
