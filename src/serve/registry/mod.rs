//! The registry's router: MLflow's REST API and mlx's extension of it, over a store.

use axum::Router;

use crate::store::Store;

/// How the router knows who asks.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Always this one: the operating system's user of the embedded registry.
    Is(String),
    /// Whoever the request says; until access control comes.
    Claimed,
}

/// Every route of the registry.
pub(crate) fn router(store: Store, identity: Identity) -> Router {
    let _ = identity;
    Router::new().with_state(store)
}
