//! `mlx register`: a run's package becomes the next version of a model.
//!
//! The version is made last, when everything it stands on has arrived: a registration that dies on
//! the way leaves a run without a version, and registering again goes on with that run.

use super::registry_client;
use crate::api::mlflow::{CreateModelVersion, KeyValue, Metric};
use crate::error::{Context, Error, Result};
use crate::model::Package;
use crate::outcome::register::RegisterOutcome;
use crate::remote::{LocalFile, NewRun, Remote, VersionRecord};
use crate::settings::register::RegisterSettings;
use crate::sys::{clock, files};
use crate::train::run::{self, Run, Status};
use crate::ui::Ui;

pub(crate) async fn register(settings: &RegisterSettings, ui: &Ui) -> Result<RegisterOutcome> {
    let run = chosen_run(settings, ui)?;
    let package = checked_package(&run)?;
    let remote = registry_client::open_or_make(&settings.registry).await?;
    let model = &settings.name;
    let owner = owner(settings, &remote).await?;

    let mut outcome = RegisterOutcome {
        model: model.clone(),
        version: None,
        run: run.manifest.id.clone(),
        digest: package.digest.clone(),
        files: package.manifest.files.len() + 1,
        size_bytes: package.manifest.files.values().map(|file| file.size_bytes).sum(),
        already_registered: false,
        adopted: owner == Owner::Another,
        dry_run: settings.dry_run,
        registry: remote.address().to_owned(),
    };
    if owner != Owner::NoModel {
        let versions = remote.versions(model).await?;
        let same = versions.iter().find(|record| record.digest() == Some(&package.digest));
        if let Some(record) = same {
            outcome.version = Some(record.version);
            outcome.already_registered = true;
            return Ok(outcome);
        }
    }
    if settings.dry_run {
        return Ok(outcome);
    }

    own(settings, &remote, owner).await?;
    let record = upload(settings, &remote, &run, &package, ui).await?;
    outcome.version = Some(record.version);
    Ok(outcome)
}

fn chosen_run(settings: &RegisterSettings, ui: &Ui) -> Result<Run> {
    let runs = settings.project.runs();
    let run = match &settings.run {
        Some(id) => run::find(&runs, id)?,
        None => {
            let run = run::latest_finished(&runs, &|damaged| ui.warn(damaged))?;
            ui.note(&format!(
                "run {} is meant, the latest finished one ({})",
                run.short_id(),
                clock::format_ms(run.manifest.started_ms)
            ));
            run
        }
    };
    if run.manifest.status != Status::Finished {
        return Err(Error::user(format!(
            "run {} is {} and has no package to register",
            run.short_id(),
            run.manifest.status.name()
        ))
        .hint(format!("go on with it: `mlx train --resume {}`", run.short_id())));
    }
    Ok(run)
}

/// The run's package, with every byte as it was when the run ended.
fn checked_package(run: &Run) -> Result<Package> {
    let attempt = || format!("cannot register run {}", run.short_id());
    let package = Package::open(&run.package_dir()).context(attempt)?;
    package.verify().context(attempt)?;
    match &run.manifest.package_digest {
        Some(digest) if *digest != package.digest => Err(Error::user(format!(
            "the package of run {} is not the one that the run made",
            run.short_id()
        ))
        .hint("somebody changed it since; train again: `mlx train`")),
        _ => Ok(package),
    }
}

/// Whose the name is.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    NoModel,
    Nobody,
    This,
    Another,
}

async fn owner(settings: &RegisterSettings, remote: &Remote) -> Result<Owner> {
    let Some(model) = remote.find_model(&settings.name).await? else { return Ok(Owner::NoModel) };
    let ours = settings.project.settings.project.id.as_deref();
    let owner = match model.tags.get(VersionRecord::PROJECT).map(String::as_str) {
        None => Owner::Nobody,
        theirs if theirs == ours => Owner::This,
        Some(_) => Owner::Another,
    };
    if owner == Owner::Another && !settings.adopt {
        let name = &settings.name;
        return Err(Error::user(format!(
            "the name `{name}` belongs to another project in {}",
            remote.address()
        ))
        .hint(format!(
            "use another name: `mlx register --name NAME`, or take `{name}` over: `mlx register --adopt`"
        )));
    }
    Ok(owner)
}

/// Make the model, or make it this project's.
async fn own(settings: &RegisterSettings, remote: &Remote, owner: Owner) -> Result<()> {
    let ours = settings.project.settings.project.id.as_deref();
    let name = &settings.name;
    match (owner, ours) {
        (Owner::NoModel, ours) => {
            let tags = ours.map(|id| KeyValue::new(VersionRecord::PROJECT, id));
            if !remote.create_model(name, tags.into_iter().collect()).await? {
                // Somebody made it since we looked; it may be theirs.
                self::owner(settings, remote).await?;
            }
            Ok(())
        }
        (Owner::Nobody | Owner::Another, Some(id)) => {
            remote.set_model_tag(name, VersionRecord::PROJECT, id).await
        }
        _ => Ok(()),
    }
}

async fn upload(
    settings: &RegisterSettings,
    remote: &Remote,
    run: &Run,
    package: &Package,
    ui: &Ui,
) -> Result<VersionRecord> {
    let manifest = &run.manifest;
    let tags = tags(settings, run, package);
    let new = NewRun {
        experiment: settings.name.to_string(),
        name: run.short_id().to_owned(),
        user: settings.registry.actor.clone(),
        started_ms: manifest.started_ms,
        tags: tags.clone(),
    };
    // Its id and its bytes: a run that was resumed has another package under the same id.
    let info = remote.begin_run(&new, &[VersionRecord::RUN, VersionRecord::DIGEST]).await?;
    let place = remote.place(&info).await?;
    remote.log(&info.run_id, &params(&manifest.settings), &metrics(run)).await?;

    registry_client::upload(remote, &place.artifact_uri, &local_files(package)?, ui).await?;
    let listed = files::read(&package.dir().join(Package::MANIFEST))?;
    remote.filled(&place, &info.run_id).await?;

    let ended_ms = manifest.ended_ms.unwrap_or(manifest.started_ms);
    remote.finish_run(&info.run_id, ended_ms).await?;
    let keeping = remote.keeping_tags(&settings.registry.actor, &listed).await?;
    remote
        .create_version(&CreateModelVersion {
            name: settings.name.to_string(),
            source: place.source,
            run_id: Some(info.run_id),
            model_id: place.model_id,
            tags: tags.into_iter().chain(keeping).collect(),
            ..Default::default()
        })
        .await
}

/// Every file of a package, and what the registry is told of it.
fn local_files(package: &Package) -> Result<Vec<LocalFile>> {
    let own = package.dir().join(Package::MANIFEST);
    let size_bytes =
        std::fs::metadata(&own).map_err(|error| Error::file("read", &own, error))?.len();
    let mut files: Vec<_> = package
        .manifest
        .files
        .iter()
        .map(|(path, file)| LocalFile {
            path: path.clone(),
            file: package.dir().join(path),
            sha256: file.sha256.clone(),
            size_bytes: file.size_bytes,
        })
        .collect();
    files.push(LocalFile {
        path: Package::MANIFEST.to_owned(),
        file: own,
        sha256: package.digest.clone(),
        size_bytes,
    });
    Ok(files)
}

fn tags(settings: &RegisterSettings, run: &Run, package: &Package) -> Vec<KeyValue> {
    let manifest = &run.manifest;
    let mut tags = vec![
        KeyValue::new(VersionRecord::DIGEST, &package.digest),
        KeyValue::new(VersionRecord::RUN, &manifest.id),
        KeyValue::new("mlx.task", manifest.task.name()),
        KeyValue::new("mlx.kind", &manifest.kind),
        KeyValue::new("mlx.version", &manifest.mlx_version),
    ];
    let project = settings.project.settings.project.id.as_ref();
    tags.extend(project.map(|id| KeyValue::new(VersionRecord::PROJECT, id)));
    if let Some(git) = &manifest.git {
        // The name by which MLflow's own page shows it.
        tags.push(KeyValue::new("mlflow.source.git.commit", &git.commit));
        tags.push(KeyValue::new("mlx.git.dirty", git.dirty.to_string()));
    }
    tags
}

/// The resolved settings, by dotted key.
fn params(settings: &serde_json::Value) -> Vec<KeyValue> {
    fn flatten(value: &serde_json::Value, key: &str, into: &mut Vec<KeyValue>) {
        match value {
            serde_json::Value::Object(table) => {
                for (name, value) in table {
                    let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                    flatten(value, &key, into);
                }
            }
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => into.push(KeyValue::new(key, text)),
            other => into.push(KeyValue::new(key, other.to_string())),
        }
    }
    let mut params = Vec::new();
    flatten(settings, "", &mut params);
    // MLflow's names allow fewer characters than a column may have.
    for param in &mut params {
        param.key = mlflow_name(&param.key);
    }
    params
}

/// What validation saw at the best epoch.
fn metrics(run: &Run) -> Vec<Metric> {
    let manifest = &run.manifest;
    manifest
        .valid
        .iter()
        .map(|(name, value)| Metric {
            key: mlflow_name(&format!("valid_{name}")),
            value: *value,
            timestamp: manifest.ended_ms.unwrap_or(manifest.started_ms),
            step: manifest.best_epoch as i64,
            ..Metric::default()
        })
        .collect()
}

/// MLflow allows letters, digits and `_-. /:` in names of parameters and metrics, up to 250.
fn mlflow_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_alphanumeric() || "_-. /:".contains(c) { c } else { '_' })
        .take(250)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_parameters_by_dotted_key() {
        let settings = serde_json::json!({
            "train": { "seed": 7, "budget": null, "device": "cpu" },
            "gates": { "production": { "ndcg@5": { "min": 0.5 } } },
        });
        let shown: Vec<_> = params(&settings)
            .into_iter()
            .map(|param| format!("{}={}", param.key, param.value))
            .collect();
        assert_eq!(shown, ["train.seed=7", "train.device=cpu", "gates.production.ndcg_5.min=0.5"]);
    }
}
