//! What was meant: flags, environment and files, resolved into plain structs.
//!
//! Later wins: default, user file, `mlx.toml`, `MLX_*`, `--set`, a named flag.

pub(crate) mod approve;
pub(crate) mod data_check;
pub(crate) mod env;
pub(crate) mod environments;
pub(crate) mod eval;
pub(crate) mod predict;
pub(crate) mod known;
pub(crate) mod layers;
pub(crate) mod logins;
pub(crate) mod new;
pub(crate) mod project;
pub(crate) mod promote;
pub(crate) mod register;
pub(crate) mod registry;
pub(crate) mod rollback;
pub(crate) mod serve;
pub(crate) mod train;
pub(crate) mod variables;
mod wrong;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::cli::Globals;
use crate::data::{Cache, Means};
use crate::error::{Error, Result};
use crate::sys::keyring::Keyring;
use crate::sys::{folders, memory};
use crate::ui::UiSettings;

pub(crate) use layers::{Layers, Origin};
pub(crate) use project::ProjectSettings;
pub(crate) use registry::RegistrySettings;

/// A project: its folder and what its `mlx.toml`, environment and flags say together.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The folder of `mlx.toml`; paths in it are relative to here.
    pub root: PathBuf,
    pub settings: ProjectSettings,
    /// Where each value that isn't a default comes from, by dotted key.
    pub origins: BTreeMap<String, Origin>,
}

impl Project {
    pub(crate) const FILE: &'static str = "mlx.toml";

    /// Where runs are kept.
    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join(".mlx").join("runs")
    }

    /// What reading its data may use of the machine.
    pub(crate) fn means(&self) -> Result<Means> {
        means(Some(self.root.join(".mlx").join("cache")))
    }

    /// A key as whoever set it knows it: by a flag of its own, a variable, or its name.
    pub(crate) fn said_as<'a>(&self, key: &'a str) -> &'a str {
        match self.origins.get(key) {
            Some(Origin::Flag(name) | Origin::Variable(name)) => name,
            _ => key,
        }
    }

    /// An error of a value that its key can't have. Said on the command line, it makes that wrong.
    pub(crate) fn at_fault(&self, key: &str, error: Error) -> Error {
        match self.origins.get(key) {
            Some(Origin::Flag(_) | Origin::CommandLine) => error.into_usage(),
            _ => error,
        }
    }
}

/// A word of the command line as what it stands for. Where it can't stand for anything, the
/// command line is wrong, whatever is in the registry or the project.
pub(crate) fn typed<T: FromStr<Err = Error>>(word: &str) -> Result<T> {
    word.parse().map_err(Error::into_usage)
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

/// As [`project()`], where a project is welcome and not needed.
pub(crate) fn find_project(globals: &Globals, overrides: &[String]) -> Result<Option<Project>> {
    let start = working_folder(globals)?;
    let Some(root) = start.ancestors().find(|folder| folder.join(Project::FILE).is_file()) else {
        return Ok(None);
    };
    let path = root.join(Project::FILE);
    let mut layers = Layers::default();
    layers.user_file(&user_file()?)?;
    layers.project_file(&path)?;
    layers.variables()?;
    layers.command_line(overrides)?;
    let settings = ProjectSettings::deserialize(layers.table)
        .map_err(|error| wrong::value(&error, &path, &layers.origins))?;
    Ok(Some(Project { root: root.to_owned(), settings, origins: layers.origins }))
}

/// What the user's own file says, where there is no project to lay over it.
fn user_registry() -> Result<Option<String>> {
    let mut layers = Layers::default();
    layers.user_file(&user_file()?)?;
    let url = layers.table.get("registry").and_then(|registry| registry.get("url"));
    Ok(url.and_then(|url| url.as_str()).map(str::to_owned))
}

/// Where what can be fetched again is kept.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    env::path(env::CACHE).map_or_else(folders::cache, Ok)
}

/// What reading may use of the machine; `cache` is the folder for what needn't be read again.
fn means(cache: Option<PathBuf>) -> Result<Means> {
    /// Ten tables of a gigabyte or two.
    const MOST: u64 = 20_000_000_000;
    let size = |name: &str| {
        let Some(text) = env::text(name) else { return Ok(None) };
        memory::parse_bytes(&text).map(Some).ok_or_else(|| {
            Error::user(format!("`{name}` is `{text}`, which is no size"))
                .hint(format!("write a number and a unit: `{name}=8GB`"))
        })
    };
    let most_bytes = size(env::DATA_CACHE)?.unwrap_or(MOST);
    let memory_bytes = size(env::MEMORY)?;
    Ok(Means { cache: cache.map(|folder| Cache { folder, most_bytes }), memory_bytes })
}

fn user_file() -> Result<PathBuf> {
    env::path(env::CONFIG).map_or_else(folders::user_config, Ok)
}

pub(crate) fn working_folder(globals: &Globals) -> Result<PathBuf> {
    let here = std::env::current_dir()
        .map_err(|error| Error::user(format!("cannot tell the working folder: {error}")))?;
    let Some(folder) = &globals.directory else { return Ok(here) };
    let folder = here.join(folder);
    // Looking further up from a folder that is not there would find somebody else's project.
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Error::user(format!("there is no folder {}", folder.display()))
        .hint("`-C` names a folder that exists, from where you are"))
}

/// The keyring to keep logins in, where there may be one and nobody said not to use it.
pub(crate) fn keyring() -> Option<Keyring> {
    if env::text(env::KEYRING).as_deref() == Some("0") {
        return None;
    }
    // Without a session's bus there is nobody to ask, and finding that out takes time.
    let there_may_be = cfg!(any(target_os = "macos", target_os = "windows"))
        || env::text(env::DBUS_SESSION_BUS_ADDRESS).is_some()
        || env::path(env::XDG_RUNTIME_DIR).is_some_and(|folder| folder.join("bus").exists());
    let attended = std::io::stdin().is_terminal() && env::text(env::CI).is_none();
    there_may_be.then(|| Keyring::new(attended))
}

pub(crate) fn ui(globals: &Globals) -> UiSettings {
    let dumb = env::text(env::TERM).as_deref() == Some("dumb");
    UiSettings {
        json: globals.json,
        quiet: globals.quiet,
        verbose: globals.verbose,
        no_colour: dumb || env::text(env::NO_COLOR).is_some(),
        still: dumb || env::text(env::CI).is_some(),
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

impl std::fmt::Display for RegistryTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded(folder) => write!(f, "{} (embedded)", folder.display()),
            Self::Remote(url) => {
                let mut bare = url.clone();
                let _ = registry::take_userinfo(&mut bare);
                write!(f, "{bare}")
            }
        }
    }
}

/// Flag, then `MLX_REGISTRY_*`, `mlx.toml`, the user's file, `MLFLOW_*`, and last the embedded one.
pub(crate) fn registry(globals: &Globals, project: Option<&Project>) -> Result<RegistryTarget> {
    let here = working_folder(globals)?;
    if let Some(flag) = &globals.registry {
        return registry_target(flag, &here).map_err(Error::into_usage);
    }
    // A project's settings hold the variable, its own file and the user's, laid over each other already.
    let (url, base) = match project {
        Some(project) => (project.settings.registry.url.clone(), project.root.as_path()),
        None => match env::text(env::REGISTRY_URL) {
            Some(url) => (Some(url), here.as_path()),
            None => (user_registry()?, here.as_path()),
        },
    };
    match url.or_else(|| env::text(env::MLFLOW_TRACKING_URI)) {
        Some(url) => registry_target(&url, base),
        None => Ok(RegistryTarget::Embedded(embedded_folder()?)),
    }
}

fn registry_target(text: &str, base: &Path) -> Result<RegistryTarget> {
    if text == "embedded" {
        return Ok(RegistryTarget::Embedded(embedded_folder()?));
    }
    match text.split_once("://") {
        Some(("http" | "https", _)) => {
            url::Url::parse(text).map(RegistryTarget::Remote).map_err(|error| {
                Error::user(format!("`{text}` is not an address: {error}"))
                    .hint("write it like `https://registry.example.com`")
            })
        }
        Some(("file", path)) => Ok(RegistryTarget::Embedded(base.join(path))),
        Some((scheme, _)) => {
            Err(Error::user(format!("a registry can't be reached by `{scheme}`: `{text}`"))
                .hint("use an http or https address, a folder, or `embedded`"))
        }
        None if is_host_and_port(text) => {
            Err(Error::user(format!("`{text}` is neither an address nor a folder"))
                .hint(format!("did you mean `http://{text}`? a folder of that name is `./{text}`")))
        }
        // As typed, but without `.`, which says nothing in a message.
        None => Ok(RegistryTarget::Embedded(base.join(text).components().collect())),
    }
}

/// `localhost:5000`, `10.0.0.7:5000/` or `[::1]:5000`: an address without its scheme.
fn is_host_and_port(text: &str) -> bool {
    let authority = text.split('/').next().unwrap_or_default();
    authority.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

pub(crate) fn embedded_folder() -> Result<PathBuf> {
    env::path(env::REGISTRY_DATA).map_or_else(folders::registry_data, Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_its_scheme_is_told_from_a_folder() {
        for text in ["localhost:5000", "10.0.0.7:80/", "registry.example.com:443/x", "[::1]:5000"] {
            assert!(is_host_and_port(text), "{text}");
        }
        for text in ["registry", "./localhost:5000", "/srv/mlx", "C:", "C:\\mlx", "a:b", ":5000"] {
            assert!(!is_host_and_port(text), "{text}");
        }
    }
}
