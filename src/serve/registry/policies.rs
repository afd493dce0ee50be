//! `/api/mlx/1/environments…`: what environments ask of those who move them.

use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Json, Router};

use super::App;
use super::access::Caller;
use super::extract::{Body, required};
use super::failure::{Answer, ApiError};
use super::models::known_name;
use crate::api::mlx::{
    EnvironmentReply, EnvironmentsReply, PolicyReply, RevisionReply, SetPolicyRequest,
};
use crate::registry::EnvironmentName;
use crate::registry::policy::Summary;
use crate::registry::request::Status;
use crate::store::{NewPolicy, Which};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/environments", get(list))
        .route("/environments/{environment}", get(show))
        .route("/environments/{environment}/policy", put(set))
        .route("/models/{name}/environments/{environment}/policy", get(of_model))
}

async fn list(State(app): State<App>) -> Answer<EnvironmentsReply> {
    Ok(Json(EnvironmentsReply { environments: app.store.environments().await? }))
}

async fn show(State(app): State<App>, Path(environment): Path<String>) -> Answer<EnvironmentReply> {
    let environment: EnvironmentName = environment.parse()?;
    let known = app.store.environments().await?;
    let found = known.into_iter().find(|summary| summary.environment == environment);
    let summary = found.unwrap_or_else(|| Summary {
        environment: environment.clone(),
        live: 0,
        open_requests: 0,
        policies: vec![],
    });
    let revisions = app.store.revisions(&environment).await?;
    let open =
        Which { status: Some(Status::Open), environment: Some(environment), ..Which::default() };
    let requests = app.store.requests(&open).await?;
    Ok(Json(EnvironmentReply { summary, revisions, requests }))
}

async fn set(
    State(app): State<App>,
    caller: Caller,
    Path(environment): Path<String>,
    Body(request): Body<SetPolicyRequest>,
) -> Answer<RevisionReply> {
    let environment: EnvironmentName = environment.parse()?;
    let policy = request
        .policy
        .map(|policy| policy.checked(&environment))
        .transpose()
        .map_err(|error| ApiError::invalid(error.message()))?;
    let wanted = NewPolicy {
        environment,
        models: request.models,
        policy,
        expect: request.expect,
        actor: caller.actor(request.actor.as_deref()),
        reason: request.reason,
        operation_id: required("operation_id", &request.operation_id)?.to_owned(),
    };
    Ok(Json(RevisionReply { revision: app.store.set_policy(&wanted).await? }))
}

async fn of_model(
    State(app): State<App>,
    Path((name, environment)): Path<(String, String)>,
) -> Answer<PolicyReply> {
    let policy = app.store.policy(&environment.parse()?, &known_name(&name)?).await?;
    Ok(Json(PolicyReply { policy }))
}
