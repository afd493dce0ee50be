//! `mlx registry status`: which registry is in use, and what it promises.

use crate::commands::registry_client;
use crate::error::Result;
use crate::outcome::registry::{Kind, Promise, StatusOutcome};
use crate::settings::registry::RegistrySettings;
use crate::settings::{self, RegistryTarget};
use crate::store::Store;

pub(super) async fn status(settings: &RegistrySettings) -> Result<StatusOutcome> {
    let place = settings.target.to_string();
    if let RegistryTarget::Embedded(folder) = &settings.target {
        // Asking must not make one's own, and another's that is not there is an error.
        let yet_to_come = !Store::is_in(folder) && *folder == settings::embedded_folder()?;
        let models = if yet_to_come { None } else { Some(count(settings).await?) };
        let version = Some(env!("CARGO_PKG_VERSION").to_owned());
        return Ok(outcome(Kind::Embedded, true, place, version, models));
    }
    let info = registry_client::open(settings).await?.server_info().await?;
    let kind = if info.mlx_api.is_some() { Kind::Mlx } else { Kind::Mlflow };
    let known = info.mlx_auth == Some(true);
    Ok(outcome(kind, known, place, info.mlx_version, Some(count(settings).await?)))
}

async fn count(settings: &RegistrySettings) -> Result<u64> {
    Ok(registry_client::open(settings).await?.models().await?.len() as u64)
}

/// `known`: whether the registry finds out for itself who asks.
fn outcome(
    kind: Kind,
    known: bool,
    place: String,
    mlx_version: Option<String>,
    models: Option<u64>,
) -> StatusOutcome {
    let ours = kind != Kind::Mlflow;
    let promises = vec![
        Promise { what: "versions appear with all their files, or not at all", kept: ours },
        Promise { what: "a version's files never change", kept: ours },
        Promise { what: "of two moves at once one wins, and the other is told", kept: ours },
        Promise { what: "every move is in a history that shows tampering", kept: ours },
        Promise { what: "what is live can't be deleted", kept: ours },
        Promise { what: "who moved is known, not claimed", kept: known },
    ];
    StatusOutcome { kind, place, mlx_version, models, promises }
}
