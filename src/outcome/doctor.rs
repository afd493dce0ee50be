//! What `mlx doctor` answers.

use serde::Serialize;

use super::Outcome;
use crate::error::ExitCode;

#[derive(Debug, Serialize)]
pub(crate) struct DoctorOutcome {
    pub checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// `mlx`, `devices`, `registry`, `login`, `project` or `shell`.
    pub area: &'static str,
    pub state: State,
    pub finding: String,
    /// What to do about a line that isn't well.
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Well,
    /// Worth knowing; nothing fails for it.
    Note,
    Broken,
}

impl Outcome for DoctorOutcome {
    const SCHEMA: &'static str = "mlx.doctor/1";

    fn exit_code(&self) -> ExitCode {
        let broken = self.checks.iter().any(|check| check.state == State::Broken);
        if broken { ExitCode::Failed } else { ExitCode::Done }
    }
}
