//! Files: `artifacts/list` of a run, and the tree below `/api/2.0/mlflow-artifacts/artifacts`.

use axum::body::Body as HttpBody;
use axum::extract::{DefaultBodyLimit, OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use super::App;
use super::extract::{Params, required};
use super::failure::{Answer, ApiError};
use super::ranges::{self, Wanted};
use super::source::path_of;
use crate::api::mlflow::{ARTIFACT_ROUTE, DIGEST_HEADER, Empty, FileInfo, Files, ListArtifacts};
use crate::registry::ArtifactPath;
use crate::store::Entry;

pub(super) fn run_routes() -> Router<App> {
    Router::new().route("/artifacts/list", get(list_of_run))
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/artifacts", get(list))
        .route("/artifacts/{*path}", get(download).put(upload).delete(remove))
        // A model may be of any size: it goes to disk as it comes.
        .layer(DefaultBodyLimit::disable())
}

async fn list_of_run(
    State(app): State<App>,
    Params(request): Params<ListArtifacts>,
) -> Answer<Files> {
    let run_uuid = request.run_uuid.unwrap_or_default();
    let run_id = if request.run_id.is_empty() { &run_uuid } else { &request.run_id };
    let root_uri = app.store.run(required("run_id", run_id)?).await?.artifact_uri;
    list_below(&app, root_uri, &request.path.unwrap_or_default()).await
}

/// The files of a folder below the root of a run or a logged model, by their paths from there.
pub(super) async fn list_below(app: &App, root_uri: String, folder: &str) -> Answer<Files> {
    let Some(root) = path_of(&root_uri) else {
        return Err(ApiError::invalid(format!(
            "the files are at {root_uri}, which this server does not keep"
        )));
    };
    let root: ArtifactPath = root.parse()?;
    let folder: ArtifactPath = folder.parse()?;
    let entries = app.store.list_artifacts(&root.join(&folder)).await?;
    let prefix = if folder.is_root() { String::new() } else { format!("{folder}/") };
    let files = entries.into_iter().map(|entry| info(&prefix, entry)).collect();
    Ok(Json(Files { root_uri: Some(root_uri), files }))
}

#[derive(Deserialize)]
struct ListRequest {
    #[serde(default)]
    path: String,
}

/// The names within a folder; unlike the list of a run, without the folder before them.
async fn list(State(app): State<App>, Params(request): Params<ListRequest>) -> Answer<Files> {
    let entries = app.store.list_artifacts(&request.path.parse()?).await?;
    let files = entries.into_iter().map(|entry| info("", entry)).collect();
    Ok(Json(Files { root_uri: None, files }))
}

async fn download(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let path = path(&uri)?;
    let artifact = app.store.artifact(&path).await?;
    let etag = format!("\"{}\"", artifact.sha256);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let all = artifact.size_bytes;
    let (status, (size, stream), part) = match ranges::wanted(&headers, &etag, all) {
        Wanted::Whole => (StatusCode::OK, app.store.open_object(&artifact.sha256).await?, None),
        Wanted::Part(range) => {
            let part = format!("bytes {}-{}/{all}", range.start, range.end - 1);
            let length = range.end - range.start;
            let (_, stream) = app.store.open_object_part(&artifact.sha256, range).await?;
            (StatusCode::PARTIAL_CONTENT, (length, stream), Some(part))
        }
        Wanted::Beyond => {
            let size = [(header::CONTENT_RANGE, format!("bytes */{all}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, size).into_response());
        }
    };
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let mut response = (status, HttpBody::from_stream(stream)).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer.insert(header::CONTENT_LENGTH, size.into());
    // Whatever a browser makes of a model's files, it must not run them as this site.
    answer.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let disposition = format!("attachment; filename*=UTF-8''{name}");
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let texts = [(header::CONTENT_DISPOSITION, disposition), (header::ETAG, etag)];
    for (name, value) in texts.into_iter().chain(part.map(|part| (header::CONTENT_RANGE, part))) {
        let value =
            HeaderValue::from_str(&value).expect("percent-encoded text is a header's value");
        answer.insert(name, value);
    }
    Ok(response)
}

async fn upload(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let target = path(&uri).and_then(|path| Ok((path, expected(request.headers())?)));
    let mut content = request.into_body().into_data_stream();
    let put = async {
        let (path, expected) = target?;
        app.store.put_artifact(&path, &mut content, expected.as_deref()).await?;
        Ok(StatusCode::OK)
    };
    let put = put.await;
    if put.is_err() {
        super::uploads::drain(content).await;
    }
    put
}

/// The digest that a client says its bytes have.
fn expected(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let digest = headers.get(DIGEST_HEADER).map(|digest| digest.to_str().map(str::to_owned));
    digest.transpose().map_err(|_| {
        ApiError::invalid(format!("{DIGEST_HEADER} is no SHA-256 in hexadecimal digits"))
    })
}

async fn remove(State(app): State<App>, OriginalUri(uri): OriginalUri) -> Answer<Empty> {
    let path = path(&uri)?;
    if path.is_root() {
        return Err(ApiError::invalid("a file needs a path"));
    }
    app.store.delete_artifacts(&path).await?;
    Ok(Json(Empty {}))
}

/// The file's path, decoded once. The framework's own decoding would answer bad encodings itself.
fn path(uri: &Uri) -> Result<ArtifactPath, ApiError> {
    let raw = uri.path().strip_prefix(ARTIFACT_ROUTE).and_then(|path| path.strip_prefix('/'));
    let raw = raw.ok_or_else(|| ApiError::no_such_endpoint("no endpoint answers this path"))?;
    let text = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| ApiError::invalid(format!("`{raw}` is not a file's path: not UTF-8")))?;
    Ok(text.parse()?)
}

fn info(prefix: &str, entry: Entry) -> FileInfo {
    FileInfo {
        path: format!("{prefix}{}", entry.name),
        is_dir: entry.size_bytes.is_none(),
        file_size: entry.size_bytes.map(|size| size as i64),
    }
}
