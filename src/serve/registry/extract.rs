//! Requests into shapes. What cannot be read is answered in MLflow's words, not the framework's.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::failure::ApiError;

/// A JSON body, whatever its content type says; an empty one is `{}`.
pub(super) struct Body<T>(pub T);

/// A query. A key that is repeated, such as `order_by`, is a list.
pub(super) struct Params<T>(pub T);

/// How long a body of JSON may take to arrive.
const BODY_TIME: Duration = Duration::from_mins(1);

/// The keys that are lists even when they come once.
const LISTS: &[&str] = &["order_by", "experiment_ids", "stages"];

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, state))
            .await
            .map_err(|_| ApiError::invalid("the request did not arrive within a minute"))?
            .map_err(|error| ApiError::invalid(format!("cannot read the request: {error}")))?;
        let json: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(json).map(Self).map_err(|error| {
            ApiError::invalid(format!("the request is not what this endpoint takes: {error}"))
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = Map::new();
        let query = parts.uri.query().unwrap_or_default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = Value::String(value.into_owned());
            if LISTS.contains(&&*key) {
                match values.entry(key).or_insert_with(|| Value::Array(vec![])) {
                    Value::Array(list) => list.push(value),
                    _ => unreachable!("a list's key holds a list"),
                }
            } else {
                values.insert(key.into_owned(), value);
            }
        }
        serde_json::from_value(Value::Object(values)).map(Self).map_err(|error| {
            ApiError::invalid(format!("the query is not what this endpoint takes: {error}"))
        })
    }
}

/// The value of a parameter that must not be empty.
pub(super) fn required<'a>(name: &str, value: &'a str) -> Result<&'a str, ApiError> {
    if value.is_empty() {
        return Err(ApiError::invalid(format!("Missing value for required parameter '{name}'.")));
    }
    Ok(value)
}
