//! What surrounds every request: an id, who asks and whether they may, the line of the audit, and
//! the body of a failure of ours.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;

use super::App;
use super::access::{Admission, Identity, admit, challenge};
use super::audit::{Line, counted};
use super::failure::Details;
use crate::api::mlflow::{ErrorBody, code};
use crate::sys::random::hex_id;

const REQUEST_ID: &str = "x-request-id";

/// What is read of the body of a request that is refused, and for how long: a client that is still
/// sending would otherwise see a broken connection in place of the answer.
const REFUSED_BYTES: usize = 1 << 20;
const REFUSED_TIME: Duration = Duration::from_secs(2);

pub(super) async fn watch(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let mut line = Line::new(&id, &request);
    let Admission { caller, allowed, reads } = admit(&app.identity, &mut request).await;
    line.actor = caller.actor(None);
    line.reads = reads;
    line.route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().into());
    let received = line.received.clone();
    let request = request.map(|body| counted(body, received));
    let mut response = match allowed {
        Ok(()) => {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        // Who waits to be told to send it has not begun.
        Err(error) if request.headers().contains_key(header::EXPECT) => error.into_response(),
        Err(error) => {
            let _ = tokio::time::timeout(REFUSED_TIME, drain(request.into_body())).await;
            error.into_response()
        }
    };
    if let Some(details) = response.extensions_mut().remove::<Details>() {
        tracing::error!(request = %id, "{}", details.message);
        response = broken(&app.identity, response.status(), &details, &id);
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        challenge(&mut response);
    }
    let id = HeaderValue::from_str(&id).expect("what makes an id is what a header's value takes");
    response.headers_mut().insert(REQUEST_ID, id);
    line.status = response.status().as_u16();
    response.map(|body| line.until_sent(body))
}

/// The id that a proxy or a client gave the request, if it fits into a line of a log; else one of ours.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/+=".contains(&byte);
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(plain))
        .map_or_else(|| hex_id(8), str::to_owned)
}

async fn drain(body: Body) {
    let mut stream = body.into_data_stream();
    let mut read = 0;
    while let Some(Ok(part)) = stream.next().await {
        read += part.len();
        if read > REFUSED_BYTES {
            return;
        }
    }
}

/// The user of the embedded registry reads the cause. Others get the id under which the log has
/// it: the cause may name the server's files.
fn broken(identity: &Identity, status: StatusCode, details: &Details, id: &str) -> Response {
    let message = match identity {
        Identity::Is(_) => match &details.hint {
            Some(hint) => format!("{} ({hint})", details.message),
            None => details.message.clone(),
        },
        Identity::Claimed(_) | Identity::Tokens(_) if status == StatusCode::SERVICE_UNAVAILABLE => {
            format!(
                "the registry can't reach its database or its files for the moment: try again in \
                 a while; its log says why under request {id}"
            )
        }
        _ if status == StatusCode::INSUFFICIENT_STORAGE => {
            "the registry's disk is full, and nothing of this was stored".to_owned()
        }
        Identity::Claimed(_) | Identity::Tokens(_) => {
            format!("the registry failed; its log says why under request {id}")
        }
    };
    let error_code = match status {
        StatusCode::SERVICE_UNAVAILABLE => code::UNAVAILABLE,
        StatusCode::INSUFFICIENT_STORAGE => code::EXHAUSTED,
        _ => code::INTERNAL,
    };
    (status, Json(ErrorBody { error_code: error_code.into(), message })).into_response()
}
