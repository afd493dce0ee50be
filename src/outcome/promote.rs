//! What `mlx promote` and `mlx rollback` answer.

use serde::Serialize;

use super::Outcome;
use crate::error::ExitCode;
use crate::registry::policy::Revision;
use crate::registry::promotion::Plan;
use crate::registry::{Event, Request, VersionNumber};

pub(crate) use crate::registry::gate::{Decision, GateReport, Verdict};

#[derive(Debug, Serialize)]
pub(crate) struct PromoteOutcome {
    pub plan: Plan,
    /// Null where nothing was to be decided.
    pub gate: Option<GateReport>,
    /// What was evaluated to decide; null where nothing was.
    pub evaluated: Option<Evaluated>,
    /// The version was live there already, so nothing moved.
    pub already_live: bool,
    pub dry_run: bool,
    /// The policy that the environment has for the model; null: none.
    pub policy: Option<Revision>,
    /// Others were to be asked, and nothing to be moved.
    pub asks: bool,
    /// The request that was made; null where none was asked for.
    pub request: Option<Request>,
    /// The move as the registry wrote it; null where nothing moved.
    pub event: Option<Event>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Evaluated {
    pub rows: usize,
    /// The file or split, as people say it.
    pub data: String,
    /// Rows of the stored example that were scored again; null where the package has no example.
    pub example_rows: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RollbackOutcome {
    pub plan: Plan,
    /// Null where nothing was to be done.
    pub checked: Option<Checked>,
    pub already_live: bool,
    pub dry_run: bool,
    pub event: Option<Event>,
}

/// What was checked of a version before the pointer moved to it.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    pub version: VersionNumber,
    pub files: usize,
    pub size_bytes: u64,
    /// Every file was held against a digest; else `note` says that none was known.
    #[serde(skip)]
    pub digests_known: bool,
    /// Rows of the stored example that were scored again; null where the package has no example.
    pub example_rows: Option<usize>,
    /// Why the example was not scored, where it wasn't.
    pub note: Option<String>,
}

impl Outcome for PromoteOutcome {
    const SCHEMA: &'static str = "mlx.promote/1";

    fn exit_code(&self) -> ExitCode {
        match self.gate.as_ref().map(|gate| gate.decision) {
            None | Some(Decision::Pass | Decision::Ungated) => ExitCode::Done,
            Some(Decision::Fail) => ExitCode::GateRefused,
            Some(Decision::Inconclusive) => ExitCode::Inconclusive,
        }
    }
}

impl Outcome for RollbackOutcome {
    const SCHEMA: &'static str = "mlx.rollback/1";
}
