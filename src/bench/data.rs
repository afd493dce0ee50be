//! What `benches/ingest.rs` measures: a file into typed columns.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::{Cache, DataSettings, LoadRequest, Means, ReadOptions, Split, Task, load, read};

/// Reads a file as `mlx data check FILE` does, its kinds inferred; the number of rows and of columns.
///
/// # Errors
/// Where it can't be read; in words, since the crate's errors are its own.
pub fn ingest(file: &Path) -> Result<(usize, usize), String> {
    let table = read(file, &ReadOptions::default()).map_err(|error| error.to_string())?;
    Ok((table.rows, table.columns.len()))
}

/// Reads a file as a project of classes does, its rows divided, with a folder for what needn't be read again; the
/// number of rows and of columns.
///
/// # Errors
/// Where it can't be read; in words, since the crate's errors are its own.
pub fn ingest_kept(file: &Path, target: &str, folder: &Path) -> Result<(usize, usize), String> {
    let settings = DataSettings {
        train: file.display().to_string(),
        target: target.to_owned(),
        split: Split { stratify: false, ..Split::default() },
        ..DataSettings::default()
    };
    let cache = Cache { folder: folder.to_owned(), most_bytes: u64::MAX };
    let request = LoadRequest {
        task: Task::Classification,
        settings: &settings,
        columns: &BTreeMap::new(),
        root: Path::new(""),
        means: &Means { cache: Some(cache), memory_bytes: None },
    };
    let dataset = load(&request).map_err(|error| error.to_string())?;
    Ok((dataset.rows().iter().sum(), dataset.train.columns.len()))
}
