//! `/api/mlx/1/uploads…`: uploads that can be resumed, and those of bytes that are here already.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinHandle;

use super::App;
use super::access::Caller;
use super::extract::Body;
use super::failure::{Answer, ApiError};
use crate::api::mlflow::Empty;
use crate::api::uploads::{
    BeginUploads, BegunUpload, BegunUploads, CompleteUpload, LENGTH_HEADER, MOST_AT_ONCE,
    OFFSET_HEADER, Proof, StoredFile,
};
use crate::error::Error;
use crate::store::{Appended, NewUpload, Object, Store, Upload};

/// How long a request to complete waits. Then it answers 202, for clients and proxies lose patience.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/uploads", post(begin))
        .route(
            "/uploads/{id}",
            get(offset)
                .patch(append)
                .delete(cancel)
                // A part goes to disk as it comes, and is no longer than what was announced.
                .layer(DefaultBodyLimit::disable()),
        )
        .route("/uploads/{id}/complete", post(complete))
}

async fn begin(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<BeginUploads>,
) -> Answer<BegunUploads> {
    if request.files.len() > MOST_AT_ONCE {
        return Err(ApiError::invalid(format!(
            "{} files are too many for one request: it takes {MOST_AT_ONCE}",
            request.files.len()
        )));
    }
    let mut files = Vec::new();
    for file in request.files {
        files.push(NewUpload {
            path: file.path.parse()?,
            sha256: file.sha256,
            size_bytes: file.size_bytes,
        });
    }
    let begun = app.store.begin_uploads(&owner(&caller), &files).await?;
    let uploads = begun
        .into_iter()
        .map(|upload| BegunUpload { id: upload.id, offset: upload.offset, known: upload.known })
        .collect();
    Ok(Json(BegunUploads { uploads }))
}

async fn offset(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let upload = app.store.upload(&id, &owner(&caller)).await?;
    let mut answer = at(StatusCode::NO_CONTENT, upload.offset);
    answer.headers_mut().insert(LENGTH_HEADER, upload.size_bytes.into());
    Ok(answer)
}

async fn append(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let from = offset_of(request.headers())?;
    let mut content = request.into_body().into_data_stream();
    let owner = owner(&caller);
    // A task of its own: a handler ends with its connection, and what came before that is to be kept.
    let appending = tokio::spawn(async move {
        let appended = app.store.append_upload(&id, &owner, from, &mut content).await;
        if !matches!(appended, Ok(Appended::To(_))) {
            drain(content).await;
        }
        appended
    });
    let appended = appending.await.map_err(lost)??;
    Ok(match appended {
        Appended::To(offset) => at(StatusCode::NO_CONTENT, offset),
        Appended::Expected(offset) => {
            let refused = ApiError::conflict(format!(
                "the bytes from {from} on came, and those from {offset} on are expected"
            ));
            let mut answer = refused.into_response();
            answer.headers_mut().insert(OFFSET_HEADER, offset.into());
            answer
        }
        Appended::Broke { offset, why } => {
            // Hardly anybody hears this; who does goes on from there.
            tracing::debug!("an upload broke off at byte {offset}: {why}");
            at(StatusCode::NO_CONTENT, offset)
        }
    })
}

async fn complete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(request): Body<CompleteUpload>,
) -> Result<Response, ApiError> {
    let mut completing = match app.assembling.take(&id) {
        Some(running) => running,
        None => {
            let upload = app.store.upload(&id, &owner(&caller)).await?;
            let store = app.store.clone();
            tokio::spawn(async move {
                match request.proof {
                    Some(proof) => link(&store, &upload, &proof).await,
                    None => Ok(store.assemble_upload(&upload).await?),
                }
            })
        }
    };
    match tokio::time::timeout(PATIENCE, &mut completing).await {
        Err(_) => {
            app.assembling.put(id, completing);
            Ok((StatusCode::ACCEPTED, Json(Empty {})).into_response())
        }
        Ok(ended) => {
            let Object { sha256, size_bytes } = ended.map_err(lost)??;
            Ok(Json(StoredFile { sha256, size_bytes }).into_response())
        }
    }
}

async fn cancel(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Answer<Empty> {
    let upload = app.store.upload(&id, &owner(&caller)).await?;
    app.store.drop_upload(&upload.id).await?;
    Ok(Json(Empty {}))
}

/// Let an upload's path have an object, if the client shows that it has these very bytes.
async fn link(store: &Store, upload: &Upload, claimed: &str) -> Result<Object, ApiError> {
    let (_, mut content) = match store.open_object(&upload.sha256).await {
        Ok(opened) if upload.known => opened,
        // Whatever is wrong with those that are here: bytes that are sent heal it.
        _ => return Err(ApiError::conflict("these bytes are not here: send them")),
    };
    let mut proof = Proof::of(&upload.id);
    while let Some(part) = content.try_next().await.map_err(|error| {
        ApiError::Broken(Error::user(format!("cannot read object {}: {error}", upload.sha256)))
    })? {
        proof.update(&part);
    }
    if !proof.matches(claimed) {
        return Err(ApiError::conflict(
            "the proof is not of these bytes under this upload's id: send them",
        ));
    }
    Ok(store.link_upload(upload).await?)
}

/// Requests to complete that were not answered yet. The work goes on in its own task; a server that dies
/// with it leaves the parts, and whoever asks again begins it again.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembling(Arc<Mutex<HashMap<String, Assembly>>>);

type Assembly = JoinHandle<Result<Object, ApiError>>;

impl Assembling {
    fn take(&self, id: &str) -> Option<Assembly> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn put(&self, id: String, running: Assembly) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What ended and nobody asks for is in the store, where asking anew finds it.
        all.retain(|_, other| !other.is_finished());
        all.insert(id, running);
    }
}

/// Uploads are their owner's alone.
fn owner(caller: &Caller) -> String {
    caller.actor(None)
}

/// Take in what a client still sends after it is refused, within reason: one that finds the connection
/// closed under its hands never reads why.
pub(super) async fn drain(mut content: BodyDataStream) {
    const MOST_BYTES: usize = 64 << 20;
    let reading = async {
        let mut taken = 0;
        while let Some(Ok(part)) = content.next().await {
            taken += part.len();
            if taken > MOST_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}

fn offset_of(headers: &HeaderMap) -> Result<u64, ApiError> {
    let text = headers.get(OFFSET_HEADER).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| ApiError::invalid("Upload-Offset has to say at which byte this goes on"))
}

fn at(status: StatusCode, offset: u64) -> Response {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let mut answer = (status, headers).into_response();
    answer.headers_mut().insert(OFFSET_HEADER, offset.into());
    answer
}

fn lost(error: tokio::task::JoinError) -> ApiError {
    ApiError::Broken(Error::bug(format!("an upload's task was lost: {error}")))
}
