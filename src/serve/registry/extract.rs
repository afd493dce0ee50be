//! Requests into shapes. What cannot be read is answered in MLflow's words, not the framework's.
//!
//! Every field of a request has a default, so a shape is read from any part of one. That is how a
//! failure finds the field that caused it; a field that must be there is asked for with
//! [`required`].

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

/// What MLflow says at the end of every word on a parameter.
const SEE: &str = "See the API docs for more information about request parameters.";

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, state))
            .await
            .map_err(|_| ApiError::invalid("the request did not arrive within a minute"))?
            .map_err(|error| ApiError::invalid(format!("cannot read the request: {error}")))?;
        let json: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        // A list would be read as the fields of the shape in their order.
        if json.trim_ascii_start().starts_with(b"{")
            && let Ok(shape) = serde_json::from_slice(json)
        {
            return Ok(Self(shape));
        }
        second_look(json).map(Self)
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
        shape(values).map(Self)
    }
}

/// The value of a parameter that must not be empty.
pub(super) fn required<'a>(name: &str, value: &'a str) -> Result<&'a str, ApiError> {
    if value.is_empty() { Err(missing(name)) } else { Ok(value) }
}

/// The value of a parameter that must be there.
pub(super) fn given<T>(name: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> ApiError {
    ApiError::invalid(format!("Missing value for required parameter '{name}'. {SEE}"))
}

/// A body that is no shape at first sight: one encoded twice, as old clients send it, one with
/// nulls for what is not given, or one that is wrong.
fn second_look<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    let not_json = |error: serde_json::Error| {
        ApiError::invalid(format!("the request's body is not JSON: {error}"))
    };
    let mut body: Value = serde_json::from_slice(json).map_err(not_json)?;
    if let Value::String(inner) = &body {
        body = serde_json::from_str(inner).map_err(not_json)?;
    }
    let Value::Object(mut fields) = body else {
        return Err(ApiError::invalid("the request's body is not a JSON object"));
    };
    fields.retain(|_, value| !value.is_null());
    shape(fields)
}

fn shape<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, ApiError> {
    let whole = match T::deserialize(Value::Object(fields.clone())) {
        Ok(shape) => return Ok(shape),
        Err(error) => error,
    };
    for (key, value) in fields {
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        if T::deserialize(alone).is_err() {
            return Err(ApiError::invalid(format!(
                "Invalid value {value} for parameter '{key}' supplied:  Hint: Value was of type \
                 '{}'. {SEE}",
                python_type(&value)
            )));
        }
    }
    Err(ApiError::invalid(format!("the request is not what this endpoint takes: {whole}")))
}

/// What Python calls the type of a value.
fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::mlflow::CreateExperiment;

    fn name(json: &str) -> Result<String, String> {
        second_look::<CreateExperiment>(json.as_bytes()).map(|request| request.name).map_err(
            |error| match error {
                ApiError::Refused { message, .. } => message,
                other => format!("{other:?}"),
            },
        )
    }

    #[test]
    fn a_body_encoded_twice_and_nulls_are_read() {
        assert_eq!(name(r#""{\"name\": \"a\"}""#).as_deref(), Ok("a"));
        assert_eq!(
            name(r#"{"name": "a", "artifact_location": null, "tags": null}"#).as_deref(),
            Ok("a")
        );
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (json, words) in [
            (
                r#"{"name": 7}"#,
                "Invalid value 7 for parameter 'name' supplied:  Hint: Value was of type 'int'.",
            ),
            (
                r#"{"name": "a", "tags": "x"}"#,
                "Invalid value \"x\" for parameter 'tags' supplied:  Hint: Value was of type 'str'.",
            ),
            (
                r#"{"tags": [{"key": 1}]}"#,
                "for parameter 'tags' supplied:  Hint: Value was of type 'list'.",
            ),
            ("[1]", "the request's body is not a JSON object"),
            ("\"[1]\"", "the request's body is not a JSON object"),
            ("\"{\"", "the request's body is not JSON"),
            ("{", "the request's body is not JSON"),
        ] {
            let said = name(json).expect_err(json);
            assert!(said.contains(words), "{json}: {said}");
        }
    }
}
