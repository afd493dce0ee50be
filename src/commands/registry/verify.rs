//! `mlx registry verify`: everything read, hashed and held against the log.

use crate::commands::registry_client;
use crate::error::Result;
use crate::outcome::registry::{Checked, VerifyOutcome};
use crate::settings::RegistryTarget;
use crate::settings::registry::RegistrySettings;
use crate::store::{Failure, Place, Store, Verification};

/// Of the registry in use.
pub(super) async fn verify(settings: &RegistrySettings) -> Result<VerifyOutcome> {
    if let RegistryTarget::Embedded(folder) = &settings.target {
        return verify_place(&Place::folder(folder)).await;
    }
    let remote = registry_client::open(settings).await?;
    let found = remote.verify().await?;
    let checked = Checked {
        models: found.models,
        versions: found.versions,
        files: found.files,
        bytes: found.bytes,
        events: found.events,
        aliases: found.aliases,
        problems: found.problems,
    };
    Ok(VerifyOutcome { place: settings.target.to_string(), checked })
}

/// Of the registry in a place. One that is not there is an error: nothing checked is not sound.
pub(super) async fn verify_place(place: &Place) -> Result<VerifyOutcome> {
    let store = Store::open_existing_at(place).await?;
    let checked = store.verify().await.map_err(Failure::into_error)?.into();
    store.close().await;
    Ok(VerifyOutcome { place: place.to_string(), checked })
}

impl From<Verification> for Checked {
    fn from(found: Verification) -> Self {
        let Verification { models, versions, files, bytes, events, aliases, problems } = found;
        Self { models, versions, files, bytes, events, aliases, problems }
    }
}
