//! `mlx registry import`: a registry of what an MLflow server keeps.

use crate::error::{Error, Result};
use crate::outcome::registry::ImportOutcome;
use crate::store::{ImportSource, Place, Store};
use crate::ui::Ui;

pub(super) async fn import(source: ImportSource, to: &Place, ui: &Ui) -> Result<ImportOutcome> {
    if let Some(folder) = source.artifacts.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(Error::user(format!("there is no folder {}", folder.display()))
            .hint("name the folder that the MLflow server keeps artifacts in"));
    }
    let store = Store::open_at(to).await?;
    let imported = store.import(&source).await?;
    store.close().await;
    for left in &imported.left {
        ui.warn(left);
    }
    Ok(ImportOutcome {
        registry: to.to_string(),
        experiments: imported.experiments,
        runs: imported.runs,
        points: imported.points,
        models: imported.models,
        versions: imported.versions,
        files: imported.files,
        bytes: imported.bytes,
        left: imported.left,
        checked: imported.checked.into(),
    })
}
