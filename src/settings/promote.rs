//! What `mlx promote` was asked to do.

use super::{Project, RegistrySettings, find_project, typed};
use crate::cli::Globals;
use crate::cli::promote::PromoteArgs;
use crate::error::{Error, Result};
use crate::registry::promotion::Expect;
use crate::registry::{EnvironmentName, Gate, ModelReference};

#[derive(Clone, Debug)]
pub(crate) struct PromoteSettings {
    pub model: ModelReference,
    pub environment: EnvironmentName,
    pub expect: Expect,
    pub reason: Option<String>,
    /// Ask others to approve it, and move nothing.
    pub request: bool,
    /// Ask no gate, whether there is one or not.
    pub ungated: bool,
    pub dry_run: bool,
    pub project: Option<Project>,
    pub registry: RegistrySettings,
}

impl PromoteSettings {
    pub(crate) fn new(globals: &Globals, args: &PromoteArgs) -> Result<Self> {
        let project = find_project(globals, &[])?;
        let registry = RegistrySettings::new(globals, project.as_ref())?;
        Ok(Self {
            model: typed(&args.model)?,
            environment: typed(&args.environment)?,
            expect: args.expect.as_deref().map_or(Ok(Expect::WhateverIsLive), typed)?,
            reason: reason(args.reason.as_deref())?,
            request: args.request,
            ungated: args.ungated,
            dry_run: args.dry_run,
            project,
            registry,
        })
    }

    /// The gate of the environment, where the project has one.
    pub(crate) fn gate(&self) -> Result<Option<&Gate>> {
        let Some(project) = &self.project else { return Ok(None) };
        let gate = project.settings.gates.get(self.environment.as_str());
        if let Some(gate) = gate {
            gate.check(&format!("gates.{}", self.environment))?;
        }
        Ok(gate)
    }
}

/// A reason as it was given; one of blanks says nothing.
pub(crate) fn reason(text: Option<&str>) -> Result<Option<String>> {
    const LONGEST: usize = 2000;
    match text.map(str::trim) {
        None => Ok(None),
        Some("") => Err(Error::usage("`--reason` is empty").hint("say why in a few words")),
        Some(text) if text.chars().count() > LONGEST => {
            Err(Error::usage(format!("`--reason` is longer than {LONGEST} characters")))
        }
        Some(text) => Ok(Some(text.to_owned())),
    }
}
