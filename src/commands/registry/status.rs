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
        return Ok(StatusOutcome {
            kind: Kind::Embedded,
            place,
            mlx_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            mlflow_version: None,
            models,
            promises: promises_of_ours(true),
        });
    }
    let remote = registry_client::open(settings).await?;
    let server = remote.capabilities().await?.clone();
    let models = Some(remote.models().await?.len() as u64);
    if server.lifecycle {
        return Ok(StatusOutcome {
            kind: Kind::Mlx,
            place,
            mlx_version: server.mlx_version,
            mlflow_version: None,
            models,
            promises: promises_of_ours(server.knows_callers),
        });
    }
    Ok(StatusOutcome {
        kind: Kind::Mlflow,
        place,
        mlx_version: None,
        mlflow_version: remote.mlflow_version().await,
        models,
        promises: promises_of_mlflow(&server.store),
    })
}

async fn count(settings: &RegistrySettings) -> Result<u64> {
    Ok(registry_client::open(settings).await?.models().await?.len() as u64)
}

const WHOLE: &str = "versions appear with all their files, or not at all";
const FIXED: &str = "a version's files never change";
const ONE_WINS: &str = "of two moves at once one wins, and the other is told";
const HISTORY: &str = "every move is in a history that shows tampering";
const LIVE_STAYS: &str = "what is live can't be deleted";
const WHO: &str = "who moved is known, not claimed";

/// `knows_callers`: whether the registry finds out for itself who asks.
fn promises_of_ours(knows_callers: bool) -> Vec<Promise> {
    let kept = |what| Promise { what, kept: true, instead: None };
    let who = Promise { kept: knows_callers, ..kept(WHO) };
    vec![kept(WHOLE), kept(FIXED), kept(ONE_WINS), kept(HISTORY), kept(LIVE_STAYS), who]
}

/// What a server that anyone may write to can't keep, and how far mlx goes for it all the same.
fn promises_of_mlflow(store: &str) -> Vec<Promise> {
    let not = |what, instead| Promise { what, kept: false, instead: Some(instead) };
    let one_wins = if store == "FileStore" {
        "not here: the server keeps its registry in files, where two moves at once may both seem to win"
    } else {
        "among those who move with mlx; others can set the alias itself, and mlx tells of it afterwards"
    };
    vec![
        not(WHOLE, "mlx makes a version when all its files have arrived; other clients may not"),
        not(FIXED, "anyone may upload others; mlx checks every digest, and refuses changed ones"),
        not(ONE_WINS, one_wins),
        not(
            HISTORY,
            "moves made with mlx are; anyone can delete or change entries, and mlx tells of that",
        ),
        not(LIVE_STAYS, "mlx refuses to; the server lets anyone"),
        not(WHO, "everyone names himself"),
        not(
            "an environment's policy binds every client",
            "there is none: gates are checked by whoever promotes",
        ),
    ]
}
