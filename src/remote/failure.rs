//! What a registry's refusals mean to the user, and the few that a caller branches on.

use http::StatusCode;

use crate::api::mlflow::ErrorBody;
use crate::error::{Error, ExitCode};

/// Why a call gave no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The registry understood, and said no.
    Refused(Refusal),
    Other(Error),
}

#[derive(Debug)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    /// MLflow's `error_code`; empty where the body is not of MLflow's shape.
    pub error_code: String,
    pub message: String,
    /// As it came, for refusals that say more than MLflow's.
    pub body: Vec<u8>,
    /// The registry, for messages.
    pub address: String,
    /// Method and path, for messages.
    pub request: String,
    /// Whether it is no server's, but that of the router in this process.
    pub ours: bool,
}

impl Failure {
    pub(crate) fn is(&self, error_code: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.error_code == error_code)
    }

    /// The registry knows no such thing, and says so in MLflow's words.
    pub(crate) fn is_absent(&self) -> bool {
        self.is("RESOURCE_DOES_NOT_EXIST")
    }

    /// A route that this server does not have: its 404 is a page and not MLflow's error.
    pub(crate) fn is_unknown_route(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND
            && (refusal.error_code.is_empty() || refusal.error_code == "ENDPOINT_NOT_FOUND"))
    }

    /// What is there is not what the call goes by.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::CONFLICT)
    }

    /// There is no such thing, whatever the words for it.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Other(error) => error,
            Failure::Refused(refusal) => refusal.into_error(),
        }
    }
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        location: Option<&str>,
        body: Vec<u8>,
        address: &str,
        request: String,
    ) -> Self {
        let (error_code, mut message) = match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) => (body.error_code, body.message),
            Err(_) => (String::new(), String::new()),
        };
        if let Some(location) = location.filter(|_| status.is_redirection()) {
            message = format!("it has moved to {location}");
        }
        let address = address.to_owned();
        Self { status, error_code, message, body, address, request, ours: false }
    }

    fn into_error(self) -> Error {
        let Self { status, error_code, message, address, request, ours, .. } = self;
        let said = if message.is_empty() { format!("it answered {status}") } else { message };
        match status.as_u16() {
            401 => Error::new(
                ExitCode::NotAllowed,
                format!("registry {address} does not know you: {said}"),
            )
            .hint(format!(
                "log in: `mlx login {address}`, or set MLX_REGISTRY_TOKEN; `mlx doctor` says what is sent"
            )),
            403 => Error::new(
                ExitCode::NotAllowed,
                format!("registry {address} does not allow this: {said}"),
            )
            .hint("ask whoever runs the registry for the role that may do it"),
            // What a retry may cure is 503; the rest is this machine's own trouble.
            500.. if ours && status != StatusCode::SERVICE_UNAVAILABLE => {
                Error::user(format!("registry {address} failed: {said}"))
                    .hint("see what it holds: `mlx registry verify`")
            }
            507 => Error::unreachable(format!("registry {address} has no room: {said}")).hint(
                "somebody has to make room there: `mlx registry gc` shows what nothing refers to",
            ),
            429 | 500.. => Error::unreachable(format!("registry {address} failed: {said}"))
                .hint("try again in a while; the server's log says more"),
            300..=399 => Error::user(format!("no registry is at {address}: {said}"))
                .hint("use the new address as `[registry] url` or MLX_REGISTRY_URL"),
            _ if error_code == "ENDPOINT_NOT_FOUND" && !ours => Error::user(format!(
                "{address} does not answer {request}: {said}"
            ))
            .hint(
                "a registry's address ends with its host and port, such as `http://127.0.0.1:5000`",
            ),
            // MLflow's own failures always have its shape; another server's page has not.
            _ if error_code.is_empty() => Error::user(format!(
                "{address} does not answer like an MLflow registry: {request} gave {status}"
            ))
            .hint("check the address: `mlx registry status`"),
            _ => Error::user(said),
        }
    }
}
