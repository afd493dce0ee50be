//! `mlx doctor`: toolchain, devices, registry and project, and what to do about each red line.

use std::path::Path;

use super::registry_client;
use crate::api::mlx::WhoAmI;
use crate::cli::Globals;
use crate::data::DataSettings;
use crate::error::Error;
use crate::outcome::doctor::{Check, DoctorOutcome, State};
use crate::settings::registry::Source;
use crate::settings::{self, Project, RegistrySettings, RegistryTarget, logins};
use crate::sys::device::Accelerator;
use crate::sys::{device, machine, memory};
use crate::ui::size;

pub(crate) async fn doctor(globals: &Globals) -> DoctorOutcome {
    let mut checks = vec![binary(), processor()];
    checks.extend(devices());
    let project = settings::find_project(globals, &[]);
    checks.extend(registry(globals, project.as_ref().ok().and_then(Option::as_ref)).await);
    match &project {
        Ok(Some(project)) => checks.extend(project_checks(project)),
        Ok(None) => checks.push(note(
            "project",
            "none here".into(),
            "mlx new DIR --template classification",
        )),
        Err(error) => checks.push(broken("project", error)),
    }
    DoctorOutcome { checks }
}

fn binary() -> Check {
    let version = env!("CARGO_PKG_VERSION");
    let found = settings::env::text(settings::env::PATH).is_some_and(|path| {
        std::env::split_paths(&path)
            .any(|folder| folder.join(format!("mlx{}", std::env::consts::EXE_SUFFIX)).is_file())
    });
    if found {
        well("mlx", format!("version {version}"))
    } else {
        note(
            "mlx",
            format!("version {version}, not on the PATH"),
            "./install.sh, and add the folder that it names to PATH",
        )
    }
}

fn processor() -> Check {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = memory::machine_bytes().map_or(String::new(), |(total, available)| {
        format!("; {} of memory, {} available", size(total), size(available))
    });
    well("devices", format!("cpu: {threads} threads, {}{memory}", machine::instruction_sets()))
}

/// CUDA and Metal, where this build knows them.
fn devices() -> Vec<Check> {
    if device::BUILT == [false, false] {
        // It is whole without; nothing is wrong.
        return vec![well("devices", "no CUDA or Metal in this build".into())];
    }
    let asked = [device::cuda_devices(), device::metal_devices()];
    let asked =
        asked.into_iter().zip(device::BUILT).filter_map(|(found, built)| built.then_some(found));
    asked
        .flat_map(|found| match found {
            Ok(found) if found.is_empty() => vec![note(
                "devices",
                "built for a GPU, and there is none here".into(),
                "--device cpu, or a build without",
            )],
            Ok(found) => found.iter().map(accelerator).collect(),
            Err(error) => vec![note(
                "devices",
                error.message().to_owned(),
                error.hint_text().unwrap_or("look at its driver"),
            )],
        })
        .collect()
}

fn accelerator(found: &Accelerator) -> Check {
    let Accelerator { name, model, memory_bytes, free_bytes } = found;
    let (total, free) = (size(*memory_bytes), size(*free_bytes));
    well("devices", format!("{name}: {model}; {total} of memory, {free} free"))
}

async fn registry(globals: &Globals, project: Option<&Project>) -> Vec<Check> {
    let settings = match RegistrySettings::new(globals, project) {
        Ok(settings) => settings,
        Err(error) => return vec![broken("registry", &error)],
    };
    let is_remote = matches!(settings.target, RegistryTarget::Remote(_));
    let remote = match registry_client::open(&settings).await {
        Ok(remote) => remote,
        Err(error) => {
            let mut checks = vec![broken("registry", &error)];
            if is_remote {
                checks.extend(logins_of(&settings, None));
            }
            return checks;
        }
    };
    let reached = match remote.models().await {
        Ok(models) => {
            let plural = if models.len() == 1 { "model" } else { "models" };
            well("registry", format!("{}: {} {plural}", settings.target, models.len()))
        }
        Err(error) => broken("registry", &error),
    };
    let mut checks = vec![reached];
    if is_remote {
        // A server that isn't ours has no such route, which is no finding.
        checks.extend(logins_of(&settings, remote.whoami().await.ok()));
    }
    checks
}

/// Which of the places that may know a token won, and whom the registry takes its holder for.
fn logins_of(settings: &RegistrySettings, me: Option<WhoAmI>) -> Vec<Check> {
    let roles = me.as_ref().and_then(|me| me.roles.as_ref());
    let roles = roles.map(|roles| roles.iter().map(ToString::to_string).collect::<Vec<_>>());
    let found = match (&me, roles) {
        (Some(me), Some(roles)) => {
            format!("{}: you are {} ({})", settings.source, me.name, roles.join(", "))
        }
        (Some(_), None) => format!("{}; this registry asks nobody who they are", settings.source),
        (None, _) => settings.source.to_string(),
    };
    let mut checks = vec![well("login", found)];
    for other in &settings.passed_over {
        checks.push(note("login", other.clone(), "mlx login, or set the two of one registry"));
    }
    if settings.trust.anybody {
        let sentence = settings::registry::trusts_anybody().unwrap_or_default();
        checks.push(note("login", sentence.into(), "MLX_CA_BUNDLE=ca.pem"));
    }
    if matches!(settings.source, Source::Logins(_)) && logins::is_open_to_others().unwrap_or(false)
    {
        checks.push(note(
            "login",
            "others may read that file".into(),
            "mlx login again, which mends it",
        ));
    }
    checks
}

fn project_checks(project: &Project) -> Vec<Check> {
    let settings = &project.settings;
    let mut checks = vec![well(
        "project",
        format!(
            "{} ({}) in {}",
            settings.project.name,
            settings.project.task.name(),
            project.root.display()
        ),
    )];
    let DataSettings { train, test, .. } = &settings.data;
    for file in [Some(train), test.as_ref()].into_iter().flatten() {
        // A glob is for `mlx data check`, which opens what it finds.
        if !file.contains(['*', '?', '[']) && !project.root.join(file).exists() {
            let error = Error::user(format!("the data file {file} is not there"));
            checks.push(broken(
                "project",
                &error.hint("mend data.train and data.test in mlx.toml, or bring the file back"),
            ));
        }
    }
    if !project.root.join("mlx.lock").is_file() {
        checks.push(note("project", "not trained yet: no mlx.lock".into(), "mlx train"));
    }
    if !is_writable(&project.root) {
        let error = Error::user(format!("{} can't be written to", project.root.display()));
        checks.push(broken(
            "project",
            &error.hint("runs are kept under .mlx/ there; change the folder's permissions"),
        ));
    }
    checks
}

fn is_writable(folder: &Path) -> bool {
    tempfile::Builder::new().prefix(".mlx-").tempfile_in(folder).is_ok()
}

fn well(area: &'static str, finding: String) -> Check {
    Check { area, state: State::Well, finding, remedy: None }
}

fn note(area: &'static str, finding: String, remedy: &str) -> Check {
    Check { area, state: State::Note, finding, remedy: Some(remedy.to_owned()) }
}

fn broken(area: &'static str, error: &Error) -> Check {
    let remedy = error.hint_text().map(str::to_owned);
    Check { area, state: State::Broken, finding: error.message().to_owned(), remedy }
}
