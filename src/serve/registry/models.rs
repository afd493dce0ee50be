//! `registered-models/…`
//!
//! A plain alias call is a move like any other: it lands in the log, with its actor.

use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};

use super::access::Caller;
use super::extract::{Body, Params, required};
use super::failure::{Answer, ApiError};
use super::filter::Search;
use super::query::{Limits, order, query, token};
use super::{App, key_values, limits, pairs};
use crate::api::mlflow::{
    AliasRequest, CreateRegisteredModel, Empty, ModelAlias, ModelKeyValue, ModelVersionReply,
    RegisteredModel, RegisteredModelName, RegisteredModelReply, RegisteredModels,
    RenameRegisteredModel, SearchModels, UpdateRegisteredModel,
};
use crate::registry::access::Need;
use crate::registry::{EnvironmentName, EventKind, ModelName, VersionNumber};
use crate::store::{Expect, ModelRow, Move};
use crate::sys::random;

const LIMITS: Limits = Limits { default: 100, most: 1000 };

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/registered-models/create", post(create))
        .route("/registered-models/get", get(show))
        .route("/registered-models/search", get(search))
        .route("/registered-models/update", patch(update))
        .route("/registered-models/rename", post(rename))
        .route("/registered-models/delete", delete(remove))
        .route("/registered-models/set-tag", post(set_tag))
        .route("/registered-models/delete-tag", delete(delete_tag))
        .route("/registered-models/alias", get(show_alias).post(set_alias).delete(delete_alias))
}

async fn create(
    State(app): State<App>,
    Body(request): Body<CreateRegisteredModel>,
) -> Answer<RegisteredModelReply> {
    let name = model_name(&request.name)?;
    let description = request.description.unwrap_or_default();
    let tags = pairs(request.tags);
    limits::model_tags(&tags)?;
    app.store.create_model(&name, &description, &tags).await?;
    reply(&app, &name).await
}

async fn show(
    State(app): State<App>,
    Params(request): Params<RegisteredModelName>,
) -> Answer<RegisteredModelReply> {
    reply(&app, &known_name(&request.name)?).await
}

async fn search(
    State(app): State<App>,
    Params(request): Params<SearchModels>,
) -> Answer<RegisteredModels> {
    let SearchModels { filter, max_results, order_by, page_token } = request;
    let page_token = page_token.as_deref();
    let mut query = query(Search::Models, filter.as_deref(), max_results, page_token, LIMITS)?;
    query.order = order(Search::Models, &order_by)?;
    let page = app.store.search_models(&query).await?;
    Ok(Json(RegisteredModels {
        registered_models: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

async fn update(
    State(app): State<App>,
    Body(request): Body<UpdateRegisteredModel>,
) -> Answer<RegisteredModelReply> {
    let name = known_name(&request.name)?;
    app.store.describe_model(&name, &request.description.unwrap_or_default()).await?;
    reply(&app, &name).await
}

/// What points to the model's versions points to them under the new name: whoever renames moves it.
async fn rename(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<RenameRegisteredModel>,
) -> Answer<RegisteredModelReply> {
    let from = known_name(&request.name)?;
    required("new_name", &request.new_name)?;
    let to = model_name(&request.new_name)?;
    for (alias, _) in app.store.model(&from).await?.aliases {
        let environment: EnvironmentName = alias.parse()?;
        caller.require(Need::Move { environment: &environment, model: &from })?;
        caller.require(Need::Move { environment: &environment, model: &to })?;
    }
    app.store.rename_model(&from, &to, &caller.actor(None)).await?;
    reply(&app, &to).await
}

async fn remove(State(app): State<App>, Body(request): Body<RegisteredModelName>) -> Answer<Empty> {
    app.store.delete_model(&known_name(&request.name)?).await?;
    Ok(Json(Empty {}))
}

async fn set_tag(State(app): State<App>, Body(request): Body<ModelKeyValue>) -> Answer<Empty> {
    let ModelKeyValue { name, key, value } = request;
    let name = known_name(&name)?;
    required("key", &key)?;
    let tag = vec![(key, value)];
    limits::model_tags(&tag)?;
    app.store.tag_model(&name, &tag[0].0, Some(&tag[0].1)).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(app): State<App>, Body(request): Body<ModelKeyValue>) -> Answer<Empty> {
    let key = required("key", &request.key)?;
    app.store.tag_model(&known_name(&request.name)?, key, None).await?;
    Ok(Json(Empty {}))
}

async fn show_alias(
    State(app): State<App>,
    Params(request): Params<AliasRequest>,
) -> Answer<ModelVersionReply> {
    let name = known_name(&request.name)?;
    required("alias", &request.alias)?;
    let Some(version) = app.store.version_by_alias(&name, &request.alias).await? else {
        // MLflow says 400 of an alias that is missing, and 404 of its model.
        app.store.model(&name).await?;
        return Err(ApiError::invalid(format!(
            "Registered model alias {} not found.",
            request.alias
        )));
    };
    Ok(Json(ModelVersionReply { model_version: version.into() }))
}

async fn set_alias(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<AliasRequest>,
) -> Answer<Empty> {
    let name = known_name(&request.name)?;
    let environment = environment(required("alias", &request.alias)?)?;
    let version = version_number(request.version.as_deref().unwrap_or_default())?;
    caller.require(Need::Move { environment: &environment, model: &name })?;
    app.apply(&plain_move(&caller, name, environment, Some(version))).await?;
    Ok(Json(Empty {}))
}

/// Removing an alias that is not there is no error: it is gone, as was asked.
async fn delete_alias(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<AliasRequest>,
) -> Answer<Empty> {
    let name = known_name(&request.name)?;
    required("alias", &request.alias)?;
    if let Ok(environment) = request.alias.parse() {
        caller.require(Need::Move { environment: &environment, model: &name })?;
        app.apply(&plain_move(&caller, name, environment, None)).await?;
    }
    Ok(Json(Empty {}))
}

fn plain_move(
    caller: &Caller,
    model: ModelName,
    environment: EnvironmentName,
    to: Option<VersionNumber>,
) -> Move {
    Move {
        model,
        environment,
        kind: if to.is_some() { EventKind::AliasSet } else { EventKind::AliasRemoved },
        to,
        expect: Expect::Anything,
        actor: caller.actor(None),
        reason: None,
        evidence: None,
        operation_id: random::hex_id(16),
    }
}

async fn reply(app: &App, name: &ModelName) -> Answer<RegisteredModelReply> {
    Ok(Json(RegisteredModelReply { registered_model: app.store.model(name).await?.into() }))
}

/// The name of a model that is to be made.
fn model_name(name: &str) -> Result<ModelName, ApiError> {
    let name = required("name", name)?;
    if name.contains(['/', ':']) {
        return Err(ApiError::invalid(format!(
            "Invalid model name '{name}'. Names cannot contain '/' or ':'."
        )));
    }
    Ok(name.parse()?)
}

/// An alias that is to be set.
fn environment(alias: &str) -> Result<EnvironmentName, ApiError> {
    let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    if alias.eq_ignore_ascii_case("latest") {
        return Err(ApiError::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    if alias.strip_prefix(['v', 'V']).is_some_and(numbered) {
        return Err(ApiError::invalid(format!("Version alias name '{alias}' is reserved.")));
    }
    Ok(alias.parse()?)
}

/// The name of a model that should be there; one that no model can have is there not.
pub(super) fn known_name(name: &str) -> Result<ModelName, ApiError> {
    required("name", name)?
        .parse()
        .map_err(|_| ApiError::missing(format!("Registered Model with name={name} not found")))
}

pub(super) fn version_number(text: &str) -> Result<VersionNumber, ApiError> {
    required("version", text)?.parse().map_err(|_| {
        ApiError::invalid(format!("Parameter 'version' must be an integer, got '{text}'."))
    })
}

impl From<ModelRow> for RegisteredModel {
    fn from(row: ModelRow) -> Self {
        let alias =
            |(alias, version): (String, u64)| ModelAlias { alias, version: version.to_string() };
        Self {
            name: row.name,
            creation_timestamp: row.created_ms,
            last_updated_timestamp: row.updated_ms,
            description: row.description,
            latest_versions: row.latest.into_iter().map(Into::into).collect(),
            tags: key_values(row.tags),
            aliases: row.aliases.into_iter().map(alias).collect(),
        }
    }
}
