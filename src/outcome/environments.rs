//! What `mlx env …` answers.

use serde::Serialize;

use super::Outcome;
use crate::registry::policy::Summary;
use crate::registry::{EnvironmentName, Request};

pub(crate) use crate::registry::Policy;
pub(crate) use crate::registry::policy::Revision;

#[derive(Debug, Serialize)]
pub(crate) struct EnvListOutcome {
    pub registry: String,
    pub environments: Vec<Summary>,
}

#[derive(Debug, Serialize)]
pub(crate) struct EnvShowOutcome {
    pub environment: EnvironmentName,
    /// How many models have a version live there.
    pub live: u64,
    /// What holds now, by models.
    pub policies: Vec<Revision>,
    /// Every revision of them that there was, newest first.
    pub revisions: Vec<Revision>,
    /// The requests that wait, oldest first.
    pub requests: Vec<Request>,
}

#[derive(Debug, Serialize)]
pub(crate) struct EnvSetOutcome {
    /// As the registry has it now.
    pub revision: Revision,
    /// What held before; null where nothing did.
    pub before: Option<Revision>,
    /// Nothing had to be changed.
    pub unchanged: bool,
}

impl Outcome for EnvListOutcome {
    const SCHEMA: &'static str = "mlx.env.list/1";
}

impl Outcome for EnvShowOutcome {
    const SCHEMA: &'static str = "mlx.env.show/1";
}

impl Outcome for EnvSetOutcome {
    const SCHEMA: &'static str = "mlx.env.set/1";
}
