//! What surrounds every request to count it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::bytes::passing;
use super::{Metrics, Series};
use crate::api::mlflow::ARTIFACT_ROUTE;
use crate::serve::registry::App;

/// Methods as a label says them. A client may send any word; the last stands for all others.
pub(super) const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "other"];

/// Classes of statuses as a label says them.
pub(super) const STATUSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "canceled"];

const CANCELED: usize = STATUSES.len() - 1;

/// The label of what matches no route.
const NO_ROUTE: &str = "none";

pub(in crate::serve::registry) async fn measure(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let method = method(request.method());
    let matched = request.extensions().get::<MatchedPath>();
    let series = app.metrics.series(matched.map_or(NO_ROUTE, MatchedPath::as_str), method);
    let files = series.files;
    let mut watched = Watched::new(app.metrics.clone(), series);
    if !files {
        let response = next.run(request).await;
        watched.answered(response.status());
        return response;
    }
    let received = app.metrics.0.received.clone();
    let response = next.run(request.map(|body| passing(body, received, None))).await;
    watched.answered(response.status());
    // Until the file was sent, the request is under way.
    let sent = app.metrics.0.sent.clone();
    response.map(|body| passing(body, sent, Some(watched)))
}

/// A request that is under way. Where it ends, by whatever way, it is counted.
pub(super) struct Watched {
    metrics: Metrics,
    series: Arc<Series>,
    started: Instant,
    status: usize,
}

impl Watched {
    fn new(metrics: Metrics, series: Arc<Series>) -> Self {
        metrics.0.in_flight.inc();
        Self { metrics, series, started: Instant::now(), status: CANCELED }
    }

    fn answered(&mut self, status: StatusCode) {
        self.status = (usize::from(status.as_u16()) / 100).clamp(1, CANCELED) - 1;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.metrics.0.in_flight.dec();
        self.series.requests[self.status].inc();
        self.series.duration.observe(self.started.elapsed().as_secs_f64());
    }
}

/// Whether the bodies of a route are files, or parts of one.
pub(super) fn is_of_files(route: &str) -> bool {
    route == "/api/mlx/1/uploads/{id}"
        || route.strip_prefix(ARTIFACT_ROUTE).is_some_and(|rest| rest.starts_with('/'))
}

fn method(method: &Method) -> usize {
    let other = METHODS.len() - 1;
    METHODS[..other].iter().position(|name| *name == method.as_str()).unwrap_or(other)
}
