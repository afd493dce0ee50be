//! The registry's router: MLflow's REST API and mlx's extension of it, over a store.
//!
//! A handler reads its request, asks the store and answers a shape of `api`. Whatever goes wrong,
//! unknown routes included, is answered with MLflow's error body.

mod access;
mod artifacts;
mod audit;
mod experiments;
mod extract;
mod failure;
mod filter;
mod garbage;
mod inputs;
mod lifecycle;
mod limits;
mod logged_models;
mod metrics;
mod models;
mod plain;
mod policies;
mod probes;
mod query;
mod requests;
mod ranges;
mod runs;
mod source;
mod uploads;
mod stages;
mod versions;
mod watch;
mod webhooks;
mod whoami;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware;

use crate::api::mlflow::KeyValue;
use crate::store::{Pairs, Store};
use failure::ApiError;
use metrics::Metrics;
use webhooks::Webhooks;

pub(crate) use access::{Hosts, Identity};
pub(crate) use plain::plain;
pub(crate) use webhooks::{Deliveries, Reach};

/// The largest JSON body: MLflow's limit on a batch is 1 MB, and evidence is smaller still.
const BODY_LIMIT_BYTES: usize = 16 << 20;

/// What every handler can reach.
#[derive(Clone, Debug)]
struct App {
    store: Store,
    identity: Identity,
    metrics: Metrics,
    webhooks: Webhooks,
    assembling: uploads::Assembling,
}

/// Every route of the registry.
pub(crate) fn router(store: Store, identity: Identity) -> Router {
    served(store, identity, Reach::default()).0
}

/// Every route, and what delivers to webhooks as far as they may reach: a server runs it.
pub(crate) fn served(store: Store, identity: Identity, reach: Reach) -> (Router, Deliveries) {
    let (metrics, webhooks) = (Metrics::new(), Webhooks::new(reach));
    let deliveries = webhooks.deliveries(store.clone(), metrics.clone());
    let assembling = uploads::Assembling::default();
    (routes(App { store, identity, metrics, webhooks, assembling }), deliveries)
}

fn routes(app: App) -> Router {
    let mlflow = Router::new()
        .merge(experiments::routes())
        .merge(runs::routes())
        .merge(inputs::routes())
        .merge(models::routes())
        .merge(versions::routes())
        .merge(stages::routes())
        .merge(logged_models::routes())
        .merge(artifacts::run_routes())
        .merge(webhooks::routes());
    let mlx = lifecycle::routes()
        .merge(policies::routes())
        .merge(requests::routes())
        .merge(whoami::routes())
        .merge(uploads::routes())
        .merge(garbage::routes());
    Router::new()
        .nest("/api/2.0/mlflow", mlflow)
        .nest("/api/2.0/mlflow-artifacts", artifacts::routes())
        .nest("/api/mlx/1", mlx)
        .merge(probes::routes())
        .merge(metrics::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), watch::watch))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::measure))
        .with_state(app)
}

async fn no_route(method: Method, uri: Uri, body: axum::body::Body) -> ApiError {
    uploads::drain(body.into_data_stream()).await;
    ApiError::no_endpoint(&method, &uri)
}

fn key_values(pairs: Pairs) -> Vec<KeyValue> {
    pairs.into_iter().map(|(key, value)| KeyValue { key, value }).collect()
}

fn pairs(tags: Vec<KeyValue>) -> Pairs {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}
