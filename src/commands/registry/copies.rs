//! `mlx registry backup` and `mlx registry restore`.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::outcome::registry::{BackupOutcome, RestoreOutcome};
use crate::store::{Place, Store};

pub(super) async fn backup(place: &Place, to: &Path) -> Result<BackupOutcome> {
    let store = Store::open_existing_at(place).await?;
    let made = store.backup(to).await?;
    store.close().await;
    Ok(BackupOutcome {
        registry: place.to_string(),
        backup: made.folder,
        checked: made.checked.into(),
    })
}

pub(super) async fn restore(
    backup: PathBuf,
    registry: &Path,
    replace: bool,
) -> Result<RestoreOutcome> {
    let restored = Store::restore(&backup, registry, replace).await?;
    Ok(RestoreOutcome {
        backup,
        registry: restored.folder,
        kept: restored.kept,
        checked: restored.checked.into(),
    })
}
