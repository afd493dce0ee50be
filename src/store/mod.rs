//! Database rows and stored objects of the registry.

use std::path::{Path, PathBuf};

use crate::error::Result;

/// A registry's folder, opened. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: std::sync::Arc<PathBuf>,
}

impl Store {
    /// Open the registry of this folder, making it where there is none.
    #[allow(clippy::unused_async)]
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        Ok(Self { folder: std::sync::Arc::new(folder.to_owned()) })
    }
}
