//! What `mlx data check` answers.

use serde::Serialize;

use super::Outcome;
use crate::data::check::Report;

#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct DataCheckOutcome {
    pub report: Report,
}

impl Outcome for DataCheckOutcome {
    const SCHEMA: &'static str = "mlx.data.check/1";
}
