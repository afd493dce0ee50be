//! `/api/mlx/1/…requests`: promotions that wait for others to approve them.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::App;
use super::access::Caller;
use super::extract::{Body, Params, required};
use super::failure::Answer;
use super::models::known_name;
use crate::api::mlx::{AnswerRequest, AskRequest, RequestReply, RequestsReply};
use crate::registry::access::Need;
use crate::registry::request::{self, Status};
use crate::registry::{EnvironmentName, ModelName};
use crate::store::{Ask, Asked, Say, Which};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/models/{name}/requests", post(ask))
        .route("/requests", get(list))
        .route("/requests/{id}/approve", post(approve))
        .route("/requests/{id}/reject", post(reject))
        .route("/requests/{id}/withdraw", post(withdraw))
}

async fn ask(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Body(request): Body<AskRequest>,
) -> Answer<RequestReply> {
    let model = known_name(&name)?;
    let to_move = Need::Move { environment: &request.environment, model: &model };
    caller.require(to_move).or_else(|_| caller.require(Need::Write))?;
    let wanted = Ask {
        model,
        environment: request.environment,
        version: request.version,
        expect: request.expect,
        evidence: request.evidence,
        actor: caller.actor(request.actor.as_deref()),
        reason: request.reason,
        operation_id: required("operation_id", &request.operation_id)?.to_owned(),
    };
    Ok(Json(app.store.ask(&wanted).await?.into()))
}

#[derive(Deserialize)]
struct ListRequest {
    status: Option<Status>,
    model: Option<ModelName>,
    environment: Option<EnvironmentName>,
}

async fn list(
    State(app): State<App>,
    Params(request): Params<ListRequest>,
) -> Answer<RequestsReply> {
    let ListRequest { status, model, environment } = request;
    let requests = app.store.requests(&Which { status, model, environment }).await?;
    Ok(Json(RequestsReply { requests }))
}

async fn approve(
    app: State<App>,
    caller: Caller,
    id: Path<String>,
    body: Body<AnswerRequest>,
) -> Answer<RequestReply> {
    answer(app, caller, id, body, request::Answer::Approve).await
}

async fn reject(
    app: State<App>,
    caller: Caller,
    id: Path<String>,
    body: Body<AnswerRequest>,
) -> Answer<RequestReply> {
    answer(app, caller, id, body, request::Answer::Reject).await
}

async fn withdraw(
    app: State<App>,
    caller: Caller,
    id: Path<String>,
    body: Body<AnswerRequest>,
) -> Answer<RequestReply> {
    answer(app, caller, id, body, request::Answer::Withdraw).await
}

async fn answer(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(request): Body<AnswerRequest>,
    answer: request::Answer,
) -> Answer<RequestReply> {
    let asked = app.store.request(&id).await?;
    let to_move = Need::Move { environment: &asked.environment, model: &asked.model };
    match answer {
        request::Answer::Approve => caller.require(to_move)?,
        // Those who registered it may, as writers, and whoever asked may take it back; the store
        // knows who they are.
        request::Answer::Reject | request::Answer::Withdraw => {
            caller.require(to_move).or_else(|_| caller.require(Need::Write))?;
        }
    }
    let said = Say {
        id,
        answer,
        actor: caller.actor(request.actor.as_deref()),
        reason: request.reason,
        operation_id: required("operation_id", &request.operation_id)?.to_owned(),
    };
    let asked = app.store.answer(&said).await?;
    if let Some(event) = &asked.event {
        app.metrics.won(event.kind);
    }
    Ok(Json(asked.into()))
}

impl From<Asked> for RequestReply {
    fn from(asked: Asked) -> Self {
        let Asked { request, needed, counted, event } = asked;
        Self { request, needed, counted, event }
    }
}
