//! What surrounds every request: an id, a line in the log, and the body of a failure of ours.

use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::failure::Details;
use super::{App, Identity};
use crate::api::mlflow::{ErrorBody, code};
use crate::sys::random::hex_id;

pub(super) async fn watch(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = hex_id(8);
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if let Some(details) = response.extensions_mut().remove::<Details>() {
        tracing::error!(request = %id, "{}", details.message);
        response = broken(&app.identity, response.status(), &details, &id);
    }
    tracing::info!(
        request = %id,
        status = response.status().as_u16(),
        ms = started.elapsed().as_secs_f64() * 1e3,
        "{method} {path}"
    );
    let id = HeaderValue::from_str(&id).expect("hexadecimal digits are a header's value");
    response.headers_mut().insert("x-request-id", id);
    response
}

/// The user of the embedded registry reads the cause. Others get the id under which the log has
/// it: the cause may name the server's files.
fn broken(identity: &Identity, status: StatusCode, details: &Details, id: &str) -> Response {
    let message = match identity {
        Identity::Is(_) => match &details.hint {
            Some(hint) => format!("{} ({hint})", details.message),
            None => details.message.clone(),
        },
        Identity::Claimed => {
            format!("the registry failed; its log says why under request {id}")
        }
    };
    let error_code = match status {
        StatusCode::SERVICE_UNAVAILABLE => code::UNAVAILABLE,
        _ => code::INTERNAL,
    };
    (status, Json(ErrorBody { error_code: error_code.into(), message })).into_response()
}
