//! `/api/mlx/1/…`: moves, yanks, their log, pinned files, and the check of everything.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::App;
use super::access::Caller;
use super::extract::{Body, Params, required};
use super::failure::{Answer, ApiError};
use super::models::{known_name, version_number};
use crate::api::mlx::{
    EventsReply, FilesReply, HistoryReply, MoveReply, MoveRequest, VerifyReply, VersionFile,
    YankReply, YankRequest,
};
use crate::error::Error;
use crate::registry::access::Need;
use crate::registry::{EnvironmentName, EventKind, history};
use crate::store::{Expect, Move, Part, Yank};
use crate::sys::clock;

/// How many events an answer has at most.
const PAGE: u64 = 1000;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/models/{name}/moves", post(make_move))
        .route("/models/{name}/events", get(events))
        .route("/models/{name}/history", get(standings))
        .route("/models/{name}/versions/{version}/yank", post(yank))
        .route("/models/{name}/versions/{version}/files", get(files))
        .route("/verify", get(verify))
}

async fn make_move(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Body(request): Body<MoveRequest>,
) -> Answer<MoveReply> {
    if !matches!(request.kind, EventKind::Promote | EventKind::Rollback) {
        return Err(ApiError::invalid("a move is a `promote` or a `rollback`"));
    }
    let model = known_name(&name)?;
    caller.require(Need::Move { environment: &request.environment, model: &model })?;
    let wanted = Move {
        model,
        environment: request.environment,
        kind: request.kind,
        to: Some(request.to),
        expect: Expect::Exactly(request.expect),
        actor: caller.actor(request.actor.as_deref()),
        reason: request.reason,
        evidence: request.evidence,
        operation_id: required("operation_id", &request.operation_id)?.to_owned(),
    };
    let made = app.apply(&wanted).await?;
    let event = made
        .ok_or_else(|| ApiError::Broken(Error::bug("a move with an expectation made no event")))?;
    Ok(Json(MoveReply { event }))
}

#[derive(Deserialize)]
struct EventsRequest {
    environment: Option<EnvironmentName>,
    /// The first of those after this place.
    after: Option<String>,
    limit: Option<String>,
    /// The last of all.
    last: Option<String>,
}

impl EventsRequest {
    /// Which part is asked for; a page where nothing is said, one more than it has to see the next.
    fn part(&self) -> Result<(Part, u64), ApiError> {
        let limit = number("limit", self.limit.as_deref())?.unwrap_or(PAGE);
        let last = number("last", self.last.as_deref())?;
        if limit == 0 || limit > PAGE || last.is_some_and(|last| last == 0 || last > PAGE) {
            return Err(ApiError::invalid(format!("an answer has 1 to {PAGE} events")));
        }
        match (last, number("after", self.after.as_deref())?) {
            (Some(_), Some(_)) => Err(ApiError::invalid("`last` and `after` exclude each other")),
            (Some(last), None) => Ok((Part::Last(last), last)),
            (None, after) => {
                Ok((Part::After { sequence: after.unwrap_or(0), limit: limit + 1 }, limit))
            }
        }
    }
}

fn number(name: &str, text: Option<&str>) -> Result<Option<u64>, ApiError> {
    text.map(str::parse::<u32>)
        .transpose()
        .map(|number| number.map(u64::from))
        .map_err(|_| ApiError::invalid(format!("`{name}` is no whole number from 0 on")))
}

/// The log outlives its model; only a name that has neither is not found.
async fn events(
    State(app): State<App>,
    Path(name): Path<String>,
    Params(request): Params<EventsRequest>,
) -> Answer<EventsReply> {
    let name = known_name(&name)?;
    let (part, most) = request.part()?;
    let mut events = app.store.events(&name, request.environment.as_ref(), part).await?;
    if events.is_empty() {
        app.store.model(&name).await?;
    }
    let more = events.len() as u64 > most;
    events.truncate(most as usize);
    let next = events.last().filter(|_| more).map(|event| event.sequence);
    Ok(Json(EventsReply { events, next }))
}

#[derive(Deserialize)]
struct HistoryRequest {
    environment: Option<EnvironmentName>,
    /// As [`clock::parse_time`] reads it; default: now.
    at: Option<String>,
}

/// What was live where, and where a rollback would have gone.
async fn standings(
    State(app): State<App>,
    Path(name): Path<String>,
    Params(request): Params<HistoryRequest>,
) -> Answer<HistoryReply> {
    let name = known_name(&name)?;
    let at_ms = request.at.as_deref().map_or_else(|| Ok(clock::now_ms()), clock::parse_time)?;
    // Yanks are of no environment, so all of the log is read.
    let events = app.store.events(&name, None, Part::All).await?;
    if events.is_empty() {
        app.store.model(&name).await?;
    }
    let there = app.store.version_numbers(&name).await?;
    let mut standings = history::standings(&events, at_ms, |version| there.contains(&version));
    if let Some(environment) = &request.environment {
        standings.retain(|standing| standing.environment == *environment);
    }
    Ok(Json(HistoryReply { at_ms, standings }))
}

async fn yank(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
    Body(request): Body<YankRequest>,
) -> Answer<YankReply> {
    let wanted = Yank {
        model: known_name(&name)?,
        version: version_number(&version)?,
        kind: if request.yank { EventKind::Yank } else { EventKind::Unyank },
        actor: caller.actor(request.actor.as_deref()),
        reason: request.reason,
        operation_id: required("operation_id", &request.operation_id)?.to_owned(),
    };
    let event = app.yank(&wanted).await?;
    let live = app.store.version(&wanted.model, wanted.version).await?.aliases;
    Ok(Json(YankReply { event, live }))
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
