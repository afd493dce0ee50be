//! What `mlx approve` answers.

use serde::Serialize;

use super::Outcome;
use crate::registry::Event;

pub(crate) use crate::registry::Request;
pub(crate) use crate::registry::request::Answer;

#[derive(Debug, Serialize)]
pub(crate) struct ApproveOutcome {
    pub answer: Answer,
    pub request: Request,
    /// How many approvals it needs, and how many of those given count.
    pub needed: u32,
    pub counted: u32,
    /// The promotion, where this was the last approval that it needed.
    pub event: Option<Event>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ApproveListOutcome {
    pub registry: String,
    /// The requests that wait, oldest first.
    pub requests: Vec<Request>,
}

impl Outcome for ApproveOutcome {
    const SCHEMA: &'static str = "mlx.approve/1";
}

impl Outcome for ApproveListOutcome {
    const SCHEMA: &'static str = "mlx.approve.list/1";
}
