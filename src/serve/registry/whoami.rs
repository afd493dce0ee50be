//! `/api/mlx/1/whoami`: whom the registry takes the caller for.

use axum::routing::get;
use axum::{Json, Router};

use super::App;
use super::access::Caller;
use crate::api::mlx::WhoAmI;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/whoami", get(whoami))
}

async fn whoami(caller: Caller) -> Json<WhoAmI> {
    let token = caller.token();
    Json(WhoAmI {
        name: caller.actor(None),
        roles: token.map(|token| token.roles.clone()),
        expires_ms: token.and_then(|token| token.expires_ms),
    })
}
