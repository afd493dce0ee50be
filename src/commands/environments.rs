//! `mlx env`: the policies that the registry keeps of environments.

use super::registry_client;
use crate::api::mlx::SetPolicyRequest;
use crate::cli::Globals;
use crate::cli::environments::EnvCommand;
use crate::error::{Error, ExitCode, Result};
use crate::outcome::environments::{EnvListOutcome, EnvSetOutcome, EnvShowOutcome};
use crate::registry::EnvironmentName;
use crate::settings::environments::EnvSetSettings;
use crate::settings::{self, RegistrySettings, typed};
use crate::sys::random;
use crate::ui::Ui;

pub(crate) async fn environments(
    globals: &Globals,
    command: EnvCommand,
    ui: &Ui,
) -> Result<ExitCode> {
    let registry = || {
        let project = settings::find_project(globals, &[])?;
        RegistrySettings::new(globals, project.as_ref())
    };
    match command {
        EnvCommand::List(_) => ui.answer(&list(&registry()?).await?),
        EnvCommand::Show(args) => {
            let environment: EnvironmentName = typed(&args.environment)?;
            ui.answer(&show(&registry()?, environment).await?)
        }
        EnvCommand::Set(args) => ui.answer(&set(&EnvSetSettings::set(globals, &args)?).await?),
        EnvCommand::Unset(args) => ui.answer(&set(&EnvSetSettings::unset(globals, &args)?).await?),
    }
}

async fn list(registry: &RegistrySettings) -> Result<EnvListOutcome> {
    let remote = registry_client::open(registry).await?;
    let environments = remote.environments().await?;
    Ok(EnvListOutcome { registry: remote.address().to_owned(), environments })
}

async fn show(registry: &RegistrySettings, environment: EnvironmentName) -> Result<EnvShowOutcome> {
    let remote = registry_client::open(registry).await?;
    let reply = remote.environment(&environment).await?;
    if reply.summary.live == 0 && reply.revisions.is_empty() && reply.requests.is_empty() {
        let known = remote.environments().await?;
        let names: Vec<&str> = known.iter().map(|summary| summary.environment.as_str()).collect();
        let error =
            Error::user(format!("nothing was ever live in {environment}, and it has no policy"));
        return Err(match crate::error::closest(environment.as_str(), names.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("see the environments there are: `mlx env list`"),
        });
    }
    Ok(EnvShowOutcome {
        environment,
        live: reply.summary.live,
        policies: reply.summary.policies,
        revisions: reply.revisions,
        requests: reply.requests,
    })
}

/// Change a policy, if it still is what the change was made from.
async fn set(settings: &EnvSetSettings) -> Result<EnvSetOutcome> {
    let EnvSetSettings { environment, models, .. } = settings;
    let remote = registry_client::open_or_make(&settings.registry).await?;
    let revisions = remote.environment(environment).await?.revisions;
    let last = revisions.into_iter().find(|revision| revision.models == *models);
    let before = last.clone().filter(|revision| revision.policy.is_some());
    let held = before.as_ref().and_then(|revision| revision.policy.as_ref());
    let policy = settings
        .change
        .of(held)
        .map(|policy| policy.checked(environment))
        .transpose()
        .map_err(Error::into_usage)?;
    match &before {
        None if policy.is_none() => {
            return Err(Error::user(if models.is_all() {
                format!("{environment} has no policy for all models")
            } else {
                format!("{environment} has no policy for {models}")
            })
            .hint(format!("see which it has: `mlx env show {environment}`")));
        }
        Some(revision) if revision.policy == policy => {
            let revision = revision.clone();
            return Ok(EnvSetOutcome { revision, before, unchanged: true });
        }
        _ => {}
    }
    let request = SetPolicyRequest {
        operation_id: random::hex_id(16),
        models: models.clone(),
        policy,
        expect: last.map(|revision| revision.revision),
        reason: settings.reason.clone(),
        actor: Some(settings.registry.actor.clone()),
    };
    let revision = remote.set_policy(environment, &request).await?;
    Ok(EnvSetOutcome { revision, before, unchanged: false })
}
