//! What `benches/ingest.rs` measures: a file into typed columns.

use std::path::Path;

use crate::data::{ReadOptions, read};

/// Reads a file as `mlx data check FILE` does, its kinds inferred; the number of rows and of columns.
///
/// # Errors
/// Where it can't be read; in words, since the crate's errors are its own.
pub fn ingest(file: &Path) -> Result<(usize, usize), String> {
    let table = read(file, &ReadOptions::default()).map_err(|error| error.to_string())?;
    Ok((table.rows, table.columns.len()))
}
