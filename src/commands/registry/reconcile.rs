//! `mlx registry reconcile`: aliases held against the history, where a plain MLflow server keeps both apart.

use crate::cli::registry::RegistryReconcileArgs;
use crate::commands::registry_client;
use crate::error::{Error, Result};
use crate::outcome::registry::{
    Done, Found, ReconcileOutcome, ReconciledEnvironment, ReconciledModel,
};
use crate::registry::journal::Standing;
use crate::registry::{EnvironmentName, ModelName};
use crate::remote::Remote;
use crate::settings::registry::RegistrySettings;
use crate::settings::typed;
use crate::ui::Ui;

/// What is to be done about what is apart.
#[derive(Clone, Debug)]
enum Way {
    Show,
    Adopt { reason: String },
    Restore,
}

pub(super) async fn reconcile(
    settings: &RegistrySettings,
    args: &RegistryReconcileArgs,
    ui: &Ui,
) -> Result<ReconcileOutcome> {
    let model: Option<ModelName> = args.model.as_deref().map(typed).transpose()?;
    let only: Option<EnvironmentName> = args.environment.as_deref().map(typed).transpose()?;
    let remote = registry_client::open_telling(settings, ui).await?;
    let place = remote.address().to_owned();
    if !remote.is_plain().await? {
        if let Some(model) = &model {
            remote.model(model).await?;
        }
        return Ok(ReconcileOutcome { place, apart: false, models: vec![] });
    }
    let way = match (args.adopt, args.restore) {
        (true, _) => Way::Adopt { reason: reason(settings, args) },
        (false, true) => Way::Restore,
        (false, false) => Way::Show,
    };
    let models = match model {
        Some(model) => vec![model],
        None => remote.journaled().await?,
    };
    let mut outcome = ReconcileOutcome { place, apart: true, models: vec![] };
    for model in models {
        outcome.models.push(of_model(&remote, model, only.as_ref(), &way).await?);
    }
    Ok(outcome)
}

fn reason(settings: &RegistrySettings, args: &RegistryReconcileArgs) -> String {
    let adopted = format!("moved outside mlx, adopted by {}", settings.actor);
    match args.reason.as_deref().map(str::trim) {
        None | Some("") => adopted,
        Some(reason) => format!("{adopted}: {reason}"),
    }
}

async fn of_model(
    remote: &Remote,
    model: ModelName,
    only: Option<&EnvironmentName>,
    way: &Way,
) -> Result<ReconciledModel> {
    let (standings, damage) = remote.standings(&model).await?;
    let mut environments = Vec::new();
    for standing in standings {
        if only.is_some_and(|only| *only != standing.environment) {
            continue;
        }
        let found = match standing.standing {
            Standing::InStep => Found::InStep,
            Standing::Unfinished => Found::Unfinished,
            Standing::Outside if standing.is_known => Found::Outside,
            Standing::Outside => Found::Unknown,
        };
        let mut environment = ReconciledEnvironment {
            environment: standing.environment,
            alias: standing.alias,
            logged: standing.logged,
            found,
            done: None,
        };
        environment.done = settle(remote, &model, &environment, way).await?;
        environments.push(environment);
    }
    if let (Some(only), []) = (only, environments.as_slice()) {
        return Err(Error::user(format!("`{model}` has no environment {only}"))
            .hint(format!("see those that it has: `mlx registry reconcile {model}`")));
    }
    Ok(ReconciledModel { model, environments, damage })
}

async fn settle(
    remote: &Remote,
    model: &ModelName,
    apart: &ReconciledEnvironment,
    way: &Way,
) -> Result<Option<Done>> {
    let environment = &apart.environment;
    Ok(match (apart.found, way) {
        // Nobody's decision is overruled: the move was logged, and only its last step is missing.
        (Found::Unfinished, Way::Adopt { .. } | Way::Restore) => {
            remote.restore_alias(model, environment).await?;
            Some(Done::Finished)
        }
        (Found::Outside, Way::Restore) => {
            remote.restore_alias(model, environment).await?;
            Some(Done::Restored)
        }
        (Found::Outside | Found::Unknown, Way::Adopt { reason }) => {
            remote.adopt(model, environment, reason).await?.map(|_| Done::Adopted)
        }
        _ => None,
    })
}
