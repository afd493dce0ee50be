//! `mlx registry backup` and `mlx registry restore`.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::outcome::registry::{BackupOutcome, RestoreOutcome};
use crate::store::Store;

pub(super) async fn backup(registry: PathBuf, to: &Path) -> Result<BackupOutcome> {
    let store = Store::open_existing(&registry).await?;
    let made = store.backup(to).await?;
    store.close().await;
    Ok(BackupOutcome { registry, backup: made.folder, checked: made.checked.into() })
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
