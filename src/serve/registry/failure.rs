//! A failure as the wire says it: MLflow's codes, statuses and body.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::api::mlflow::{ErrorBody, code};
use crate::api::mlx::{CONFLICT, ConflictBody};
use crate::error::{Error, ExitCode};
use crate::registry::{Event, VersionNumber};
use crate::store::Failure;

pub(super) type Answer<T> = Result<Json<T>, ApiError>;

#[derive(Debug)]
pub(super) enum ApiError {
    Refused {
        status: StatusCode,
        code: &'static str,
        message: String,
    },
    Conflict {
        message: String,
        live: Option<VersionNumber>,
        winner: Option<Box<Event>>,
    },
    /// The store has no room for it.
    Full(Error),
    Broken(Error),
}

impl ApiError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, code::INVALID_PARAMETER, message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, code::DOES_NOT_EXIST, message)
    }

    pub(super) fn no_such_endpoint(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, code::NO_SUCH_ENDPOINT, message)
    }

    /// The answer of a route that is not there.
    pub(super) fn no_endpoint(method: &Method, uri: &Uri) -> Self {
        Self::no_such_endpoint(format!("no endpoint answers {method} {}", uri.path()))
    }

    /// Nobody knows who asks.
    pub(super) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, message)
    }

    /// It is known who asks, and they may not.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::FORBIDDEN, code::PERMISSION_DENIED, message)
    }

    /// What is here is not what the request goes by.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::CONFLICT, code::INVALID_STATE, message)
    }

    fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { status, code, message: message.into() }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Missing(message) => Self::missing(message),
            // Not 409: MLflow's clients look for this pair.
            Failure::Exists(message) => {
                Self::refused(StatusCode::BAD_REQUEST, code::ALREADY_EXISTS, message)
            }
            Failure::Invalid(message) => Self::invalid(message),
            Failure::Forbidden(message) => {
                Self::refused(StatusCode::BAD_REQUEST, code::INVALID_STATE, message)
            }
            Failure::Denied(message) => Self::forbidden(message),
            Failure::Conflict { message, live, winner } => Self::Conflict { message, live, winner },
            Failure::Full(error) => Self::Full(error),
            Failure::Broken(error) => Self::Broken(error),
        }
    }
}

/// A value in a request that is none of ours, such as a model's name.
impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error.code() {
            ExitCode::Failed => Self::invalid(error.message()),
            _ => Self::Broken(error),
        }
    }
}

/// What broke, for the log; left on the answer for [`super::watch`], which knows the request's id.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub message: String,
    pub hint: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused { status, code, message } => {
                (status, Json(ErrorBody { error_code: code.into(), message })).into_response()
            }
            Self::Conflict { message, live, winner } => {
                let winner = winner.map(|event| *event);
                let body = ConflictBody { error_code: CONFLICT.into(), message, live, winner };
                (StatusCode::CONFLICT, Json(body)).into_response()
            }
            Self::Full(error) => broken(StatusCode::INSUFFICIENT_STORAGE, &error),
            Self::Broken(error) => match error.code() {
                ExitCode::Unreachable => broken(StatusCode::SERVICE_UNAVAILABLE, &error),
                _ => broken(StatusCode::INTERNAL_SERVER_ERROR, &error),
            },
        }
    }
}

fn broken(status: StatusCode, error: &Error) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(Details {
        message: error.message().to_owned(),
        hint: error.hint_text().map(str::to_owned),
    });
    response
}
