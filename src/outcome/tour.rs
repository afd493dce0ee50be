//! What `mlx tour` answers once it has ended.

use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;

#[derive(Debug, Serialize)]
pub(crate) struct TourOutcome {
    pub steps: Vec<TourStep>,
    pub seconds: f64,
    /// The sandbox, where it was kept.
    pub kept: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TourStep {
    pub template: String,
    /// As one would type it in the project's folder.
    pub command: String,
    pub exit_code: i32,
    pub seconds: f64,
}

impl Outcome for TourOutcome {
    const SCHEMA: &'static str = "mlx.tour/1";
}
