//! What `mlx rollback` was asked to do.

use super::{RegistrySettings, find_project, promote, typed};
use crate::cli::Globals;
use crate::cli::rollback::RollbackArgs;
use crate::error::{Error, Result};
use crate::registry::{EnvironmentName, ModelName, ModelReference, VersionNumber};

#[derive(Clone, Debug)]
pub(crate) struct RollbackSettings {
    pub model: ModelName,
    pub environment: EnvironmentName,
    pub version: Option<VersionNumber>,
    pub reason: Option<String>,
    pub dry_run: bool,
    pub registry: RegistrySettings,
}

impl RollbackSettings {
    pub(crate) fn new(globals: &Globals, args: &RollbackArgs) -> Result<Self> {
        let project = find_project(globals, &[])?;
        let environment = &args.environment;
        let model = match typed(&args.model)? {
            ModelReference::Latest(name) => name,
            ModelReference::Version(name, version) => {
                return Err(Error::usage(format!("`{name}/{version}` names a version")).hint(
                    format!("write `mlx rollback {name} --env {environment} --version {version}`"),
                ));
            }
            _ => {
                return Err(Error::usage(format!("`{}` is not a model's name", args.model))
                    .hint(format!("write `mlx rollback NAME --env {environment}`")));
            }
        };
        Ok(Self {
            model,
            environment: typed(&args.environment)?,
            version: args.version.map(|number| typed(&number.to_string())).transpose()?,
            reason: promote::reason(args.reason.as_deref())?,
            dry_run: args.dry_run,
            registry: RegistrySettings::new(globals, project.as_ref())?,
        })
    }
}
