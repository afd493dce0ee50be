//! What each route needs of whoever asks: the whole table. A route that is not in it is answered
//! to nobody who needs a token, and a test holds it against the router.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::http::Method;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing: probes, and what a client asks before it knows that a token is wanted.
    Public,
    /// A token, whatever its roles.
    Known,
    Read,
    Write,
    /// A promoter of something; the handler asks for the environment and the model.
    Move,
    /// A promoter of something; the handler asks for those of the stored request.
    Decide,
    /// A writer, or a promoter of something: a move that others decide.
    Ask,
    Admin,
}

use Class::{Admin, Ask, Decide, Known, Move, Public, Read, Write};

const MLFLOW: &str = "/api/2.0/mlflow";
const MLX: &str = "/api/mlx/1";
const FILES: &str = "/api/2.0/mlflow-artifacts";

/// Method, where the route is mounted, its path there, and what it needs.
pub(super) const TABLE: &[(&str, &str, &str, Class)] = &[
    ("GET", "", "/health", Public),
    ("GET", "", "/version", Public),
    ("GET", "", "/api/3.0/mlflow/server-info", Public),
    ("GET", "", "/metrics", Read),
    // Experiments and runs
    ("POST", MLFLOW, "/experiments/create", Write),
    ("GET", MLFLOW, "/experiments/get", Read),
    ("GET", MLFLOW, "/experiments/get-by-name", Read),
    ("POST", MLFLOW, "/experiments/search", Read),
    ("POST", MLFLOW, "/experiments/update", Write),
    ("POST", MLFLOW, "/experiments/delete", Write),
    ("POST", MLFLOW, "/experiments/restore", Write),
    ("POST", MLFLOW, "/experiments/set-experiment-tag", Write),
    ("POST", MLFLOW, "/experiments/delete-experiment-tag", Write),
    ("POST", MLFLOW, "/runs/create", Write),
    ("GET", MLFLOW, "/runs/get", Read),
    ("POST", MLFLOW, "/runs/search", Read),
    ("POST", MLFLOW, "/runs/update", Write),
    ("POST", MLFLOW, "/runs/delete", Write),
    ("POST", MLFLOW, "/runs/restore", Write),
    ("POST", MLFLOW, "/runs/log-batch", Write),
    ("POST", MLFLOW, "/runs/log-metric", Write),
    ("POST", MLFLOW, "/runs/log-parameter", Write),
    ("POST", MLFLOW, "/runs/set-tag", Write),
    ("POST", MLFLOW, "/runs/delete-tag", Write),
    ("POST", MLFLOW, "/runs/log-inputs", Write),
    ("POST", MLFLOW, "/runs/outputs", Write),
    ("POST", MLFLOW, "/runs/log-model", Write),
    ("GET", MLFLOW, "/metrics/get-history", Read),
    ("POST", MLFLOW, "/logged-models", Write),
    ("POST", MLFLOW, "/logged-models/search", Read),
    ("GET", MLFLOW, "/logged-models/{id}", Read),
    ("PATCH", MLFLOW, "/logged-models/{id}", Write),
    ("DELETE", MLFLOW, "/logged-models/{id}", Write),
    ("PATCH", MLFLOW, "/logged-models/{id}/tags", Write),
    ("DELETE", MLFLOW, "/logged-models/{id}/tags/{key}", Write),
    ("GET", MLFLOW, "/logged-models/{id}/artifacts/directories", Read),
    ("POST", MLFLOW, "/logged-models/{id}/params", Write),
    // Models and versions
    ("POST", MLFLOW, "/registered-models/create", Write),
    ("GET", MLFLOW, "/registered-models/get", Read),
    ("GET", MLFLOW, "/registered-models/search", Read),
    ("PATCH", MLFLOW, "/registered-models/update", Write),
    ("POST", MLFLOW, "/registered-models/rename", Write),
    ("DELETE", MLFLOW, "/registered-models/delete", Write),
    ("POST", MLFLOW, "/registered-models/set-tag", Write),
    ("DELETE", MLFLOW, "/registered-models/delete-tag", Write),
    ("GET", MLFLOW, "/registered-models/get-latest-versions", Read),
    ("POST", MLFLOW, "/registered-models/get-latest-versions", Read),
    ("GET", MLFLOW, "/registered-models/alias", Read),
    ("POST", MLFLOW, "/registered-models/alias", Move),
    ("DELETE", MLFLOW, "/registered-models/alias", Move),
    ("POST", MLFLOW, "/model-versions/create", Write),
    ("GET", MLFLOW, "/model-versions/get", Read),
    ("GET", MLFLOW, "/model-versions/search", Read),
    ("PATCH", MLFLOW, "/model-versions/update", Write),
    ("DELETE", MLFLOW, "/model-versions/delete", Write),
    ("POST", MLFLOW, "/model-versions/set-tag", Write),
    ("DELETE", MLFLOW, "/model-versions/delete-tag", Write),
    ("GET", MLFLOW, "/model-versions/get-download-uri", Read),
    ("POST", MLFLOW, "/model-versions/transition-stage", Write),
    // Webhooks: where this server connects to, and what of every model is told there
    ("POST", MLFLOW, "/webhooks", Admin),
    ("GET", MLFLOW, "/webhooks", Admin),
    ("GET", MLFLOW, "/webhooks/{id}", Admin),
    ("PATCH", MLFLOW, "/webhooks/{id}", Admin),
    ("DELETE", MLFLOW, "/webhooks/{id}", Admin),
    ("POST", MLFLOW, "/webhooks/{id}/test", Admin),
    // Files
    ("GET", MLFLOW, "/artifacts/list", Read),
    ("GET", FILES, "/artifacts", Read),
    ("GET", FILES, "/artifacts/{*path}", Read),
    ("PUT", FILES, "/artifacts/{*path}", Write),
    ("DELETE", FILES, "/artifacts/{*path}", Write),
    // The lifecycle
    ("GET", MLX, "/whoami", Known),
    ("POST", MLX, "/models/{name}/moves", Move),
    ("GET", MLX, "/models/{name}/events", Read),
    ("GET", MLX, "/models/{name}/history", Read),
    ("POST", MLX, "/models/{name}/versions/{version}/yank", Write),
    ("GET", MLX, "/models/{name}/versions/{version}/files", Read),
    ("GET", MLX, "/environments", Read),
    ("GET", MLX, "/environments/{environment}", Read),
    ("PUT", MLX, "/environments/{environment}/policy", Admin),
    ("GET", MLX, "/models/{name}/environments/{environment}/policy", Read),
    ("POST", MLX, "/models/{name}/requests", Ask),
    ("GET", MLX, "/requests", Read),
    ("POST", MLX, "/requests/{id}/approve", Decide),
    ("POST", MLX, "/requests/{id}/reject", Ask),
    ("POST", MLX, "/requests/{id}/withdraw", Ask),
    ("POST", MLX, "/uploads", Write),
    ("GET", MLX, "/uploads/{id}", Write),
    ("PATCH", MLX, "/uploads/{id}", Write),
    ("DELETE", MLX, "/uploads/{id}", Write),
    ("POST", MLX, "/uploads/{id}/complete", Write),
    ("POST", MLX, "/gc", Admin),
    // It reads and hashes every byte that there is.
    ("GET", MLX, "/verify", Admin),
];

/// What a route needs; None: it has no entry, or there is no such route.
pub(super) fn class(method: &Method, path: &str) -> Option<Class> {
    static CLASSES: OnceLock<HashMap<String, Vec<(&str, Class)>>> = OnceLock::new();
    let classes = CLASSES.get_or_init(|| {
        let mut classes = HashMap::<_, Vec<_>>::new();
        for &(method, mount, path, class) in TABLE {
            classes.entry(format!("{mount}{path}")).or_default().push((method, class));
        }
        classes
    });
    // Whoever may read may ask whether it is there.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let (_, class) = classes.get(path)?.iter().find(|(known, _)| *known == method.as_str())?;
    Some(*class)
}
