//! What the server counts, for Prometheus: `/metrics`.
//!
//! A request costs a look-up by its route's template, two counters and a histogram, and allocates
//! nothing after the first of its route. Labels are routes, methods and kinds, never what a client
//! wrote: the number of series is bounded.

mod bytes;
mod measure;
mod text;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::App;
use super::failure::ApiError;
use crate::error::Error;
use crate::registry::{Event, EventKind};
use crate::store::{Failure, Move, Store, Yank};
use crate::sys::clock;

pub(super) use measure::measure;

/// Seconds: from what an answer out of memory takes to what a large upload does.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// How long the database may take to say how it is; Prometheus gives up after ten.
const PATIENCE: Duration = Duration::from_secs(3);

/// The counters of a server. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    received: Counter,
    sent: Counter,
    moves: Family<MoveLabels, Counter>,
    deliveries: Family<OutcomeLabels, Counter>,
    waiting: Gauge,
    waiting_since: Gauge<f64, AtomicU64>,
    connections: Family<ConnectionLabels, Gauge>,
    database_up: Gauge,
    /// By template and method, so that a request needs no label made.
    routes: RwLock<HashMap<String, Arc<RouteSeries>>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DirectionLabels {
    direction: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MoveLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConnectionLabels {
    pool: &'static str,
    state: &'static str,
}

/// The series of one route, by [`measure::METHODS`].
type RouteSeries = [OnceLock<Arc<Series>>; measure::METHODS.len()];

/// The series of a route and a method.
#[derive(Debug)]
struct Series {
    /// By [`measure::STATUSES`].
    requests: [Counter; measure::STATUSES.len()],
    duration: Histogram,
    /// Whether its bodies are files.
    files: bool,
}

/// What came of an attempt to deliver to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    Yes,
    NotYet,
    Never,
}

impl Delivered {
    fn name(self) -> &'static str {
        match self {
            Self::Yes => "delivered",
            Self::NotYet => "failed",
            Self::Never => "given_up",
        }
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::<RequestLabels, Counter>::default();
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let durations = Family::new_with_constructor(histogram);
        let in_flight = Gauge::default();
        let bytes = Family::<DirectionLabels, Counter>::default();
        let moves = Family::<MoveLabels, Counter>::default();
        let deliveries = Family::<OutcomeLabels, Counter>::default();
        let (waiting, waiting_since) = (Gauge::default(), Gauge::default());
        let connections = Family::<ConnectionLabels, Gauge>::default();
        let database_up = Gauge::default();
        registry.register(
            "mlx_registry_http_requests",
            "Requests answered, by the route's template; status canceled: the client didn't wait",
            requests.clone(),
        );
        registry.register_with_unit(
            "mlx_registry_http_request_duration",
            "Time from a request's head to its answer, with the bodies of artifacts",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(
            "mlx_registry_http_requests_in_flight",
            "Requests that are being answered",
            in_flight.clone(),
        );
        registry.register_with_unit(
            "mlx_registry_artifact",
            "Bytes of artifacts that clients sent and were sent",
            Unit::Bytes,
            bytes.clone(),
        );
        registry.register(
            "mlx_registry_moves",
            "Moves of environments and yanks that were asked for, by what came of them",
            moves.clone(),
        );
        registry.register(
            "mlx_registry_webhook_deliveries",
            "Attempts to deliver to webhooks: delivered, failed and to be tried again, or given up",
            deliveries.clone(),
        );
        registry.register(
            "mlx_registry_webhook_queue_length",
            "Deliveries that wait in the outbox",
            waiting.clone(),
        );
        registry.register_with_unit(
            "mlx_registry_webhook_queue_oldest_age",
            "How long the oldest delivery in the outbox has waited",
            Unit::Seconds,
            waiting_since.clone(),
        );
        registry.register(
            "mlx_registry_database_connections",
            "Connections to the database",
            connections.clone(),
        );
        registry.register(
            "mlx_registry_database_up",
            "Whether the database answered; if not, the outbox's figures are old",
            database_up.clone(),
        );
        registry.register(
            "mlx_registry_build",
            "What this server is",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let started = Gauge::<f64, AtomicU64>::default();
        started.set(clock::now_ms() as f64 / 1e3);
        registry.register_with_unit(
            "process_start_time",
            "When this process started, in seconds since 1970",
            Unit::Seconds,
            started,
        );
        let direction = |direction| bytes.get_or_create_owned(&DirectionLabels { direction });
        // So that a rate can be told from the first of them on.
        for outcome in [Delivered::Yes, Delivered::NotYet, Delivered::Never] {
            deliveries.get_or_create_owned(&OutcomeLabels { outcome: outcome.name() });
        }
        Self(Arc::new(Counted {
            received: direction("received"),
            sent: direction("sent"),
            registry,
            requests,
            durations,
            in_flight,
            moves,
            deliveries,
            waiting,
            waiting_since,
            connections,
            database_up,
            routes: RwLock::default(),
        }))
    }

    /// The series of a route's template and a method of [`measure::METHODS`].
    fn series(&self, route: &str, method: usize) -> Arc<Series> {
        // What is behind the lock is whole after every step, so a panic elsewhere spoils nothing.
        let known =
            self.0.routes.read().unwrap_or_else(PoisonError::into_inner).get(route).cloned();
        let of_route = known.unwrap_or_else(|| {
            let mut routes = self.0.routes.write().unwrap_or_else(PoisonError::into_inner);
            routes.entry(route.to_owned()).or_default().clone()
        });
        let series = of_route[method].get_or_init(|| {
            let name = measure::METHODS[method];
            let labels = RouteLabels { route: route.to_owned(), method: name };
            Arc::new(Series {
                requests: measure::STATUSES.map(|status| {
                    self.0.requests.get_or_create_owned(&RequestLabels {
                        route: route.to_owned(),
                        method: name,
                        status,
                    })
                }),
                duration: self.0.durations.get_or_create_owned(&labels),
                files: measure::is_of_files(route),
            })
        });
        series.clone()
    }

    pub(super) fn delivered(&self, outcome: Delivered) {
        self.0.deliveries.get_or_create(&OutcomeLabels { outcome: outcome.name() }).inc();
    }

    /// Deliveries that were given up without another attempt.
    pub(super) fn dropped(&self, deliveries: u64) {
        let labels = OutcomeLabels { outcome: Delivered::Never.name() };
        self.0.deliveries.get_or_create(&labels).inc_by(deliveries);
    }

    /// A move, and what came of it: to lose against another is not to be refused.
    fn moved(&self, kind: EventKind, made: &Result<Option<Event>, Failure>) {
        let outcome = match made {
            Ok(Some(_)) => "won",
            Ok(None) => "unchanged",
            Err(Failure::Conflict { .. }) => "conflict",
            Err(Failure::Broken(_)) => "failed",
            Err(_) => "refused",
        };
        self.count_move(kind, outcome);
    }

    /// A move that the last approval made.
    pub(super) fn won(&self, kind: EventKind) {
        self.count_move(kind, "won");
    }

    fn count_move(&self, kind: EventKind, outcome: &'static str) {
        let kind = match kind {
            EventKind::Promote => "promote",
            EventKind::Rollback => "rollback",
            EventKind::AliasSet => "alias_set",
            EventKind::AliasRemoved => "alias_removed",
            EventKind::Yank => "yank",
            EventKind::Unyank => "unyank",
        };
        self.0.moves.get_or_create(&MoveLabels { kind, outcome }).inc();
    }

    /// What is counted nowhere and can be asked for.
    async fn ask(&self, store: &Store) {
        for (pool, size, idle) in store.connections() {
            let used = i64::from(size) - idle as i64;
            for (state, number) in [("idle", idle as i64), ("used", used)] {
                let labels = ConnectionLabels { pool, state };
                self.0.connections.get_or_create(&labels).set(number);
            }
        }
        let backlog = tokio::time::timeout(PATIENCE, store.backlog()).await;
        self.0.database_up.set(matches!(backlog, Ok(Ok(_))).into());
        if let Ok(Ok(backlog)) = backlog {
            let since_ms = backlog.since_ms.unwrap_or_else(clock::now_ms);
            let age_ms = clock::now_ms().saturating_sub(since_ms).max(0);
            self.0.waiting.set(backlog.deliveries as i64);
            self.0.waiting_since.set(age_ms as f64 / 1e3);
        }
    }
}

impl App {
    /// Make a move, and count it.
    pub(super) async fn apply(&self, wanted: &Move) -> Result<Option<Event>, Failure> {
        let made = self.store.apply(wanted).await;
        self.metrics.moved(wanted.kind, &made);
        made
    }

    /// Yank a version or take that back, and count it.
    pub(super) async fn yank(&self, wanted: &Yank) -> Result<Option<Event>, Failure> {
        let made = self.store.yank(wanted).await;
        self.metrics.moved(wanted.kind, &made);
        made
    }
}

/// The one route. It is of the class of reading: it says how much is done of what, and of no model.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(show))
}

async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    app.metrics.ask(&app.store).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.metrics.0.registry)
        .map_err(|_| ApiError::Broken(Error::bug("the metrics could not be written down")))?;
    let (kind, text) = text::negotiated(&headers, text);
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, kind)], text).into_response())
}
