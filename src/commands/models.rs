//! `mlx models`: what is registered, and what happened to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::registry_client::{self, Registered};
use crate::api::mlx::YankRequest;
use crate::cli::models::{ModelsHistoryArgs, ModelsYankArgs};
use crate::error::{Error, Result};
use crate::model::Package;
use crate::outcome::models::{
    ListedModel, ModelsDeleteOutcome, ModelsHistoryOutcome, ModelsListOutcome, ModelsPullOutcome,
    ModelsShowOutcome, ModelsStandingOutcome, ModelsYankOutcome, ShownFile, ShownVersion,
    VersionDetail,
};
use crate::registry::{EnvironmentName, ModelName, ModelReference, VersionNumber};
use crate::remote::{Remote, VersionRecord};
use crate::settings::promote::reason;
use crate::settings::{RegistrySettings, typed};
use crate::sys::{clock, random};
use crate::ui::Ui;

pub(crate) async fn list(registry: &RegistrySettings) -> Result<ModelsListOutcome> {
    let remote = registry_client::open(registry).await?;
    let models = remote
        .models()
        .await?
        .into_iter()
        .map(|model| ListedModel {
            name: model.name,
            latest: model.latest,
            latest_yanked: model.latest_yanked,
            environments: model.environments,
            updated_ms: model.updated_ms,
        })
        .collect();
    Ok(ModelsListOutcome { registry: remote.address().to_owned(), models })
}

pub(crate) async fn show(
    registry: &RegistrySettings,
    reference: &ModelReference,
    ui: &Ui,
) -> Result<ModelsShowOutcome> {
    let remote = registry_client::open_telling(registry, ui).await?;
    let (name, one) = match reference {
        ModelReference::Latest(name) => (name.clone(), None),
        reference => {
            let Registered { model, version } = registry_client::find(&remote, reference).await?;
            (model, Some(version))
        }
    };
    let model = remote.model_by_history(&name, None).await?;
    let (versions, detail) = match one {
        None => (remote.versions(&name).await?, None),
        Some(version) => {
            let record = remote.version(&name, version).await?;
            let detail = detail(&remote, &name, &record).await?;
            (vec![record], Some(detail))
        }
    };
    Ok(ModelsShowOutcome {
        model: model.name,
        project_id: model.tags.get(VersionRecord::PROJECT).cloned(),
        created_ms: model.created_ms,
        environments: model.environments,
        versions: versions.into_iter().map(shown).collect(),
        detail,
    })
}

fn shown(record: VersionRecord) -> ShownVersion {
    ShownVersion {
        digest: record.digest().map(str::to_owned),
        run: record.tags.get(VersionRecord::RUN).cloned(),
        yanked: record.yanked().map(str::to_owned),
        version: record.version,
        actor: record.actor,
        created_ms: record.created_ms,
        environments: record.environments,
    }
}

async fn detail(
    remote: &Remote,
    name: &ModelName,
    record: &VersionRecord,
) -> Result<VersionDetail> {
    let run = match record.run_id.as_str() {
        "" => None,
        id => remote.find_run(id).await?,
    };
    let metrics = run.map(|run| run.data.metrics).unwrap_or_default();
    let files = remote.files(name, record.version).await?;
    Ok(VersionDetail {
        metrics: metrics.into_iter().map(|metric| (metric.key, metric.value)).collect(),
        files: files
            .into_iter()
            .map(|file| ShownFile {
                path: file.path,
                size_bytes: file.size_bytes,
                sha256: file.sha256,
            })
            .collect(),
        tags: record.tags.clone(),
    })
}

pub(crate) async fn history(
    registry: &RegistrySettings,
    args: &ModelsHistoryArgs,
    ui: &Ui,
) -> Result<ModelsHistoryOutcome> {
    let (model, environment) = named(args)?;
    let remote = registry_client::open_telling(registry, ui).await?;
    let events = match args.limit {
        None => remote.events(&model, environment.as_ref()).await?,
        Some(count) => remote.last_events(&model, environment.as_ref(), count).await?,
    };
    let now = remote.history_at(&model, None, clock::now_ms()).await?.standings;
    let (standings, others): (Vec<_>, Vec<_>) = now.into_iter().partition(|standing| {
        environment.as_ref().is_none_or(|environment| standing.environment == *environment)
    });
    let elsewhere = others.into_iter().map(|standing| standing.environment).collect();
    Ok(ModelsHistoryOutcome { model, environment, events, standings, elsewhere })
}

/// What was live at a time.
pub(crate) async fn standing(
    registry: &RegistrySettings,
    args: &ModelsHistoryArgs,
    at: &str,
    ui: &Ui,
) -> Result<ModelsStandingOutcome> {
    let at_ms = clock::parse_time(at).map_err(Error::into_usage)?;
    let (model, environment) = named(args)?;
    let remote = registry_client::open_telling(registry, ui).await?;
    let standings = remote.history_at(&model, environment.as_ref(), at_ms).await?.standings;
    Ok(ModelsStandingOutcome { model, environment, at_ms, standings })
}

fn named(args: &ModelsHistoryArgs) -> Result<(ModelName, Option<EnvironmentName>)> {
    let environment = args.environment.as_deref().map(typed).transpose()?;
    Ok((plain_name(&args.model)?, environment))
}

pub(crate) async fn yank(
    registry: &RegistrySettings,
    args: &ModelsYankArgs,
    ui: &Ui,
) -> Result<ModelsYankOutcome> {
    let ModelReference::Version(model, version) = typed(&args.model)? else {
        // What another reference means may change between typing and doing.
        return Err(Error::usage(format!("`{}` does not name one version", args.model))
            .hint("name it by its number: `mlx models yank NAME/VERSION --reason …`"));
    };
    let remote = registry_client::open_telling(registry, ui).await?;
    let request = YankRequest {
        operation_id: random::hex_id(16),
        yank: !args.undo,
        reason: reason(args.reason.as_deref())?,
        actor: Some(registry.actor.clone()),
    };
    let reply = remote.yank(&model, version, &request).await?;
    if !args.undo {
        for environment in &reply.live {
            ui.warn(&format!(
                "{model}/{version} stays live in {environment}: roll back with `mlx rollback {model} --env {environment}`"
            ));
        }
    }
    Ok(ModelsYankOutcome {
        model,
        version,
        yanked: !args.undo,
        event: reply.event,
        live: reply.live,
    })
}

pub(crate) async fn pull(
    registry: &RegistrySettings,
    reference: &ModelReference,
    output: Option<&Path>,
    working_folder: &Path,
    ui: &Ui,
) -> Result<ModelsPullOutcome> {
    let remote = registry_client::open_telling(registry, ui).await?;
    let Registered { model, version } = registry_client::find(&remote, reference).await?;
    let default = PathBuf::from(format!("{model}-{version}"));
    let path = working_folder.join(output.unwrap_or(&default));
    if path.symlink_metadata().is_ok() {
        return Err(Error::user(format!("{} is there already", path.display()))
            .hint("name another folder: `mlx models pull … -o DIR`"));
    }
    let files = remote.files(&model, version).await?;
    let registered = Registered { model, version };
    registry_client::download(&remote, &registered, &files, &path, ui).await?;
    let Registered { model, version } = registered;
    let manifest = files.iter().find(|file| file.path == Package::MANIFEST);
    Ok(ModelsPullOutcome {
        model,
        version,
        digest: manifest.map(|file| file.sha256.clone()),
        path,
        files: files.len(),
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
        digests_checked: files.iter().all(|file| !file.sha256.is_empty()),
    })
}

pub(crate) async fn delete(
    registry: &RegistrySettings,
    reference: &ModelReference,
    all: bool,
    dry_run: bool,
    ui: &Ui,
) -> Result<ModelsDeleteOutcome> {
    let (name, version) = match (reference, all) {
        (ModelReference::Version(name, version), false) => (name.clone(), Some(*version)),
        (ModelReference::Latest(name), true) => (name.clone(), None),
        (ModelReference::Latest(name), false) => {
            return Err(Error::usage(format!("`{name}` names a model and not a version")).hint(
                format!("delete one version with `mlx models delete {name}/VERSION`, or all of it with `--all`"),
            ));
        }
        (_, true) => {
            return Err(Error::usage(format!("`--all` takes a model's name, not `{reference}`")));
        }
        // What an environment points to may change between typing and doing.
        (_, false) => {
            return Err(Error::usage(format!("`{reference}` does not name one version"))
                .hint("name it by its number: `mlx models delete NAME/VERSION`"));
        }
    };
    let remote = registry_client::open_telling(registry, ui).await?;
    let model = remote.model(&name).await?;
    // Where a move is not finished, what it left is live to some and what it goes to to others.
    let by_history = remote.model_by_history(&name, None).await?;
    let live: BTreeSet<String> = model
        .environments
        .iter()
        .chain(&by_history.environments)
        .filter(|(_, live)| version.is_none_or(|version| version == **live))
        .map(|(environment, live)| format!("{name}/{live} in {environment}"))
        .collect();
    if !live.is_empty() {
        let live: Vec<String> = live.into_iter().collect();
        return Err(Error::user(format!("cannot delete what is live: {}", live.join(", ")))
            .hint("promote another version there, or roll back, first"));
    }
    let versions: Vec<VersionNumber> = match version {
        Some(version) => vec![remote.version(&name, version).await?.version],
        None => remote.versions(&name).await?.iter().map(|record| record.version).collect(),
    };
    if !dry_run {
        // The registry checks again, in the transaction that deletes.
        match version {
            Some(version) => remote.delete_version(&name, version).await?,
            None => remote.delete_model(&name).await?,
        }
    }
    Ok(ModelsDeleteOutcome { model: name, versions, all, dry_run })
}

fn plain_name(text: &str) -> Result<ModelName> {
    match typed(text)? {
        ModelReference::Latest(name) => Ok(name),
        _ => Err(Error::usage(format!("`{text}` is not a model's name"))
            .hint("write the name alone: `mlx models history NAME --env ENV`")),
    }
}
