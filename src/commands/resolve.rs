//! Which model a reference means, and the model itself, its bytes checked.

use std::path::Path;

use super::registry_client;
use crate::cli::Globals;
use crate::error::{Context, Error, Result};
use crate::model::{Model, Package};
use crate::registry::ModelReference;
use crate::settings::{self, Project, RegistrySettings};
use crate::sys::device;
use crate::train::run::{self, Run};
use crate::ui::Ui;

/// A model that was found.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub package: Package,
    pub model: Model,
    /// What was meant, as people say it: `churn/7`, `run 3f2a1b9c, the latest finished one`.
    pub reference: String,
}

/// The model that a reference means; without one, the latest finished run's.
pub(crate) async fn model(
    reference: Option<&str>,
    project: Option<&Project>,
    globals: &Globals,
    ui: &Ui,
) -> Result<Resolved> {
    let reference = reference.map(settings::typed::<ModelReference>).transpose()?;
    match reference {
        None => of_run(run(None, project, ui)?),
        Some(ModelReference::Run(id)) => of_run(run(Some(&id), project, ui)?),
        Some(ModelReference::Path(path)) => {
            let folder =
                settings::working_folder(globals)?.join(path.strip_prefix(".").unwrap_or(&path));
            Resolved::new(of_folder(&folder)?, path.display().to_string())
        }
        Some(reference) => {
            let settings = RegistrySettings::new(globals, project)?;
            let remote = registry_client::open_telling(&settings, ui).await?;
            let registered = registry_client::find(&remote, &reference).await?;
            let package = registry_client::package(&remote, &registered, ui).await?;
            let named = format!("{}/{}", registered.model, registered.version);
            let meant = match reference {
                ModelReference::Version(..) => named,
                reference => format!("{named}, which is {reference}"),
            };
            Resolved::new(package, meant)
        }
    }
}

/// A run of the project and how to say which: of the id (or the start of one) given, or the
/// latest finished one.
pub(crate) fn run(id: Option<&str>, project: Option<&Project>, ui: &Ui) -> Result<(Run, String)> {
    let Some(project) = project else {
        return Err(match id {
            Some(id) => {
                Error::user(format!("`run:{id}` is a project's, and there is no project here"))
            }
            None => Error::user(
                "no model is named, and there is no project here whose latest run to take",
            ),
        }
        .hint("go to a project: `mlx -C DIR …`, or name a model: `churn/7`, `./package`"));
    };
    let (run, why) = match id {
        Some(id) => (run::find(&project.runs(), id)?, ""),
        None => {
            let latest = run::latest_finished(&project.runs(), &|damaged| ui.warn(damaged))?;
            (latest, ", the latest finished one")
        }
    };
    let meant = format!("run {}{why}", run.short_id());
    Ok((run, meant))
}

fn of_run((run, meant): (Run, String)) -> Result<Resolved> {
    let folder = run.package_dir();
    if !folder.join(Package::MANIFEST).is_file() {
        return Err(Error::user(format!(
            "{meant} has no model yet: it is {}",
            run.manifest.status.name()
        ))
        .hint("see the runs: `mlx runs list`; go on with it: `mlx train --resume`"));
    }
    let package = Package::open(&folder).context(|| meant.clone())?;
    Resolved::new(package, meant)
}

/// A package's folder, or the folder of a run that holds one.
fn of_folder(folder: &Path) -> Result<Package> {
    if !folder.exists() {
        return Err(Error::user(format!("there is no folder {}", folder.display()))
            .hint("a model by path is a package, or a run of `.mlx/runs`"));
    }
    let inner = folder.join("package");
    if !folder.join(Package::MANIFEST).is_file() && inner.join(Package::MANIFEST).is_file() {
        return Package::open(&inner);
    }
    Package::open(folder)
}

impl Resolved {
    fn new(package: Package, reference: String) -> Result<Self> {
        let model = package
            .verify()
            // What it scores must not depend on the machine that it is scored on.
            .and_then(|()| package.model(&device::open("cpu")?))
            .context(|| reference.clone())?;
        Ok(Self { package, model, reference })
    }
}
