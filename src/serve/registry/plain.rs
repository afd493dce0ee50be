//! The router with mlx's extension switched off: what a plain MLflow server answers, as far as a client can tell.
//!
//! So the client's way with such a server is tested without one.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};

/// Hide what MLflow of version 2 doesn't have.
pub(crate) fn plain(router: Router) -> Router {
    router.layer(middleware::from_fn(hide))
}

async fn hide(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let hidden = ["/api/mlx/", "/api/3.0/mlflow/server-info", "/api/2.0/mlflow/logged-models"];
    if hidden.iter().any(|hidden| path.starts_with(hidden)) {
        // MLflow answers a route that it doesn't have with a page.
        let page = Html("<!doctype html><title>404 Not Found</title>");
        return (StatusCode::NOT_FOUND, page).into_response();
    }
    next.run(request).await
}
