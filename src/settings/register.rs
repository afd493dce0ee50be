//! What `mlx register` was asked to do.

use super::{Project, RegistrySettings, project, typed};
use crate::cli::Globals;
use crate::cli::register::RegisterArgs;
use crate::error::Result;
use crate::registry::ModelName;

#[derive(Clone, Debug)]
pub(crate) struct RegisterSettings {
    /// The run's id or the start of it; none: the latest finished one.
    pub run: Option<String>,
    pub name: ModelName,
    pub adopt: bool,
    pub dry_run: bool,
    pub project: Project,
    pub registry: RegistrySettings,
}

impl RegisterSettings {
    pub(crate) fn new(globals: &Globals, args: &RegisterArgs) -> Result<Self> {
        let project = project(globals, &[])?;
        let name = match &args.name {
            Some(name) => typed(name)?,
            None => project.settings.project.name.clone(),
        };
        // `run:3f2a` is how a run is written elsewhere, so it is one here.
        let run = args.run.as_deref().map(|run| run.strip_prefix("run:").unwrap_or(run).to_owned());
        let registry = RegistrySettings::new(globals, Some(&project))?;
        Ok(Self { run, name, adopt: args.adopt, dry_run: args.dry_run, project, registry })
    }
}
