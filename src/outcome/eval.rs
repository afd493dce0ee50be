//! What `mlx eval` answers.

use serde::Serialize;

use super::Outcome;
use crate::eval::Evaluation;

pub(crate) use crate::data::Task;

#[derive(Debug, Serialize)]
pub(crate) struct EvalOutcome {
    /// What was evaluated, as people say it.
    pub model: String,
    /// The digest that names the model.
    pub digest: String,
    /// The file or split that it was evaluated on.
    pub data: String,
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

impl Outcome for EvalOutcome {
    const SCHEMA: &'static str = "mlx.eval/1";
}
