//! `model-versions/…`

use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};

use super::access::Caller;
use super::extract::{Body, Params, required};
use super::failure::Answer;
use super::models::{known_name, version_number};
use super::query::{Limits, query, token};
use super::{App, key_values, pairs, source};
use crate::api::mlflow::{
    CreateModelVersion, DownloadUri, Empty, ModelVersion, ModelVersionReply, ModelVersions,
    SearchModels, UpdateModelVersion, VersionIdentity, VersionKeyValue,
};
use crate::registry::{ModelName, VersionNumber};
use crate::store::{NewVersion, VersionRow};

const LIMITS: Limits = Limits { default: 10_000, most: 200_000 };

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/model-versions/create", post(create))
        .route("/model-versions/get", get(show))
        .route("/model-versions/search", get(search))
        .route("/model-versions/update", patch(update))
        .route("/model-versions/delete", delete(remove))
        .route("/model-versions/set-tag", post(set_tag))
        .route("/model-versions/delete-tag", delete(delete_tag))
        .route("/model-versions/get-download-uri", get(download_uri))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<CreateModelVersion>,
) -> Answer<ModelVersionReply> {
    let name = known_name(&request.name)?;
    let given = required("source", &request.source)?;
    let run_id = request.run_id.unwrap_or_default();
    let files = source::files(&app.store, given).await?;
    let claimed = match run_id.as_str() {
        "" => None,
        // A run that another server keeps is no error; who made it is then not known here.
        id => app.store.run(id).await.ok().map(|run| run.user),
    };
    let version = NewVersion {
        model: name.clone(),
        source: request.source,
        files,
        run_id,
        model_id: request.model_id.unwrap_or_default(),
        run_link: request.run_link.unwrap_or_default(),
        user: caller.actor(claimed.as_deref()),
        description: request.description.unwrap_or_default(),
        tags: pairs(request.tags),
    };
    let number = app.store.create_version(&version).await?;
    reply(&app, &name, number).await
}

async fn show(
    State(app): State<App>,
    Params(request): Params<VersionIdentity>,
) -> Answer<ModelVersionReply> {
    let (name, number) = identity(&request.name, &request.version)?;
    reply(&app, &name, number).await
}

async fn search(
    State(app): State<App>,
    Params(request): Params<SearchModels>,
) -> Answer<ModelVersions> {
    let SearchModels { filter, max_results, order_by, page_token } = request;
    let query = query(filter.as_deref(), &order_by, max_results, page_token.as_deref(), LIMITS)?;
    let page = app.store.search_versions(&query).await?;
    Ok(Json(ModelVersions {
        model_versions: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

async fn update(
    State(app): State<App>,
    Body(request): Body<UpdateModelVersion>,
) -> Answer<ModelVersionReply> {
    let (name, number) = identity(&request.name, &request.version)?;
    let description = request.description.unwrap_or_default();
    app.store.describe_version(&name, number, &description).await?;
    reply(&app, &name, number).await
}

async fn remove(State(app): State<App>, Body(request): Body<VersionIdentity>) -> Answer<Empty> {
    let (name, number) = identity(&request.name, &request.version)?;
    app.store.delete_version(&name, number).await?;
    Ok(Json(Empty {}))
}

async fn set_tag(State(app): State<App>, Body(request): Body<VersionKeyValue>) -> Answer<Empty> {
    let (name, number) = identity(&request.name, &request.version)?;
    let key = required("key", &request.key)?;
    app.store.tag_version(&name, number, key, Some(&request.value)).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(app): State<App>, Body(request): Body<VersionKeyValue>) -> Answer<Empty> {
    let (name, number) = identity(&request.name, &request.version)?;
    app.store.tag_version(&name, number, &request.key, None).await?;
    Ok(Json(Empty {}))
}

async fn download_uri(
    State(app): State<App>,
    Params(request): Params<VersionIdentity>,
) -> Answer<DownloadUri> {
    let (name, number) = identity(&request.name, &request.version)?;
    let artifact_uri = source::download_uri(&app.store, &name, number).await?;
    Ok(Json(DownloadUri { artifact_uri }))
}

fn identity(
    name: &str,
    version: &str,
) -> Result<(ModelName, VersionNumber), super::failure::ApiError> {
    Ok((known_name(name)?, version_number(version)?))
}

async fn reply(app: &App, name: &ModelName, number: VersionNumber) -> Answer<ModelVersionReply> {
    let model_version = app.store.version(name, number).await?.into();
    Ok(Json(ModelVersionReply { model_version }))
}

impl From<VersionRow> for ModelVersion {
    fn from(row: VersionRow) -> Self {
        Self {
            name: row.model,
            version: row.version.to_string(),
            creation_timestamp: row.created_ms,
            last_updated_timestamp: row.updated_ms,
            user_id: row.user,
            current_stage: "None".into(),
            description: row.description,
            source: row.source,
            run_id: row.run_id,
            status: "READY".into(),
            run_link: row.run_link,
            model_id: Some(row.model_id).filter(|id| !id.is_empty()),
            tags: key_values(row.tags),
            aliases: row.aliases,
        }
    }
}
