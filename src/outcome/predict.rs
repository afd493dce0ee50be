//! What `mlx predict` answers.

use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;

#[derive(Debug, Serialize)]
pub(crate) struct PredictOutcome {
    /// What predicted, as people say it.
    pub model: String,
    /// The digest that names the model.
    pub digest: String,
    pub input: PathBuf,
    pub output: PathBuf,
    /// Rows that were read.
    pub rows: usize,
    /// Rows that were written.
    pub predictions: usize,
    pub columns: Vec<String>,
}

impl Outcome for PredictOutcome {
    const SCHEMA: &'static str = "mlx.predict/1";
}
