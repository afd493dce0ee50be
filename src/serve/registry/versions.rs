//! `model-versions/…`

use axum::extract::State;
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};

use super::access::Caller;
use super::extract::{Body, Params, required};
use super::failure::Answer;
use super::filter::Search;
use super::models::{known_name, version_number};
use super::query::{Limits, order, query, token};
use super::{App, key_values, limits, pairs, source};
use crate::api::mlflow::{
    CreateModelVersion, DownloadUri, Empty, ModelVersion, ModelVersionReply, ModelVersions,
    SearchModels, UpdateModelVersion, VersionIdentity, VersionKeyValue,
};
use crate::registry::{ModelName, VersionNumber};
use crate::store::{Files, NewVersion, VersionRow};

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
    let files = source::files(&app.store, given).await?;
    let mut source = given.to_owned();
    let (mut run_id, mut model_id) = (request.run_id, request.model_id);
    if let Some(id) = source::logged_model(given) {
        model_id = model_id.or_else(|| Some(id.to_owned()));
    } else if let Files::Of(other, number) = &files {
        // A version of a version comes from where that came from.
        let origin = app.store.version(other, *number).await?;
        source = format!("models:/{other}/{number}");
        run_id = run_id.or(Some(origin.run_id));
        model_id = model_id.or(Some(origin.model_id));
    }
    let run_id = run_id.unwrap_or_default();
    let tags = pairs(request.tags);
    limits::model_tags(&tags)?;
    let claimed = match run_id.as_str() {
        "" => None,
        // A run that another server keeps is no error; who made it is then not known here.
        id => app.store.run(id).await.ok().map(|run| run.user),
    };
    let version = NewVersion {
        model: name.clone(),
        source,
        files,
        run_id,
        model_id: model_id.unwrap_or_default(),
        run_link: request.run_link.unwrap_or_default(),
        user: caller.actor(claimed.as_deref()),
        description: request.description.unwrap_or_default(),
        tags,
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
    let page_token = page_token.as_deref();
    let mut query = query(Search::Versions, filter.as_deref(), max_results, page_token, LIMITS)?;
    query.order = order(Search::Versions, &order_by)?;
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
    let VersionKeyValue { name, version, key, value } = request;
    let (name, number) = identity(&name, &version)?;
    required("key", &key)?;
    let tag = vec![(key, value)];
    limits::model_tags(&tag)?;
    app.store.tag_version(&name, number, &tag[0].0, Some(&tag[0].1)).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(app): State<App>, Body(request): Body<VersionKeyValue>) -> Answer<Empty> {
    let (name, number) = identity(&request.name, &request.version)?;
    app.store.tag_version(&name, number, required("key", &request.key)?, None).await?;
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
            current_stage: row.stage.to_string(),
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
