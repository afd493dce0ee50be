//! What was meant: flags, environment and files, resolved into plain structs.
//!
//! Later wins: default, user file, `mlx.toml`, `MLX_*`, `--set`, a named flag.

pub(crate) mod env;
pub(crate) mod project;

use std::path::{Path, PathBuf};

use crate::cli::Globals;
use crate::error::{Error, Result};
use crate::sys::{files, folders};
use crate::ui::UiSettings;

pub(crate) use project::ProjectSettings;

/// A project: its folder and what its `mlx.toml`, environment and flags say together.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The folder of `mlx.toml`; paths in it are relative to here.
    pub root: PathBuf,
    pub settings: ProjectSettings,
}

impl Project {
    pub(crate) const FILE: &'static str = "mlx.toml";

    /// Where runs are kept.
    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join(".mlx").join("runs")
    }
}

/// The project around the working folder: `mlx.toml` here or in the closest folder above.
/// `overrides` are `key=value` texts of `--set` and of named flags, later wins.
pub(crate) fn project(globals: &Globals, overrides: &[String]) -> Result<Project> {
    find_project(globals, overrides)?.ok_or_else(|| {
        Error::user("no mlx.toml here or in any folder above").hint(
            "make a project: `mlx new DIR --template classification`, or go to one: `mlx -C DIR …`",
        )
    })
}

/// As [`project`], where a project is welcome and not needed.
pub(crate) fn find_project(globals: &Globals, _overrides: &[String]) -> Result<Option<Project>> {
    let start = working_folder(globals)?;
    let Some(root) = start.ancestors().find(|folder| folder.join(Project::FILE).is_file()) else {
        return Ok(None);
    };
    let path = root.join(Project::FILE);
    let settings = toml::from_str(&files::read_text(&path)?)
        .map_err(|error| Error::user(format!("{} is not valid: {error}", path.display())))?;
    Ok(Some(Project { root: root.to_owned(), settings }))
}

pub(crate) fn working_folder(globals: &Globals) -> Result<PathBuf> {
    let here = std::env::current_dir()
        .map_err(|error| Error::user(format!("cannot tell the working folder: {error}")))?;
    Ok(match &globals.directory {
        Some(folder) => here.join(folder),
        None => here,
    })
}

pub(crate) fn ui(globals: &Globals) -> UiSettings {
    UiSettings {
        json: globals.json,
        quiet: globals.quiet,
        verbose: globals.verbose,
        no_colour: env::text(env::NO_COLOR).is_some(),
        ci: env::text(env::CI).is_some(),
    }
}

/// Which registry to speak to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RegistryTarget {
    /// In process, over the store in this folder.
    Embedded(PathBuf),
    /// Over HTTP.
    Remote(url::Url),
}

/// Flag, then `MLX_REGISTRY_*`, then `mlx.toml`, then `MLFLOW_*`, then the embedded one.
pub(crate) fn registry(globals: &Globals, project: Option<&Project>) -> Result<RegistryTarget> {
    let from_project = || project.and_then(|project| project.settings.registry.url.clone());
    let named = globals
        .registry
        .clone()
        .or_else(|| env::text(env::REGISTRY_URL))
        .or_else(from_project)
        .or_else(|| env::text(env::MLFLOW_TRACKING_URI));
    match named.as_deref() {
        None | Some("embedded") => Ok(RegistryTarget::Embedded(embedded_folder()?)),
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            url::Url::parse(url)
                .map(RegistryTarget::Remote)
                .map_err(|error| Error::user(format!("`{url}` is not an address: {error}")))
        }
        Some(folder) => Ok(RegistryTarget::Embedded(Path::new(folder).to_owned())),
    }
}

pub(crate) fn embedded_folder() -> Result<PathBuf> {
    env::path(env::REGISTRY_DATA).map_or_else(folders::registry_data, Ok)
}
