//! What `mlx login` keeps: which registries there are logins for, and where the secret of each is.
//!
//! The file names them all, so that a keyring is only asked for what it holds; the secrets of
//! those that no keyring took are in it, and its owner alone may read it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, Result};
use crate::sys::secret::Secret;
use crate::sys::{files, folders};

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    login: Vec<Entry>,
}

/// A registry that we are known at.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Scheme, host and port.
    registry: String,
    /// The user of a password; absent: the secret is a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Absent: the keyring has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Kept>,
}

/// A secret on its way into the file.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
struct Kept(String);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A login of the file.
#[derive(Clone, Debug)]
pub(crate) struct StoredLogin {
    pub registry: String,
    pub user: Option<String>,
    /// None: the keyring has it, under the registry's name.
    pub secret: Option<Secret>,
}

/// What a login is for: scheme, host and port. A secret goes to no other.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

pub(crate) fn file() -> Result<PathBuf> {
    Ok(folders::user_config()?.with_file_name("logins.toml"))
}

/// The login for the registry at this address.
pub(crate) fn find(url: &Url) -> Result<Option<StoredLogin>> {
    let wanted = origin(url);
    let entry = read(&file()?)?.login.into_iter().find(|entry| entry.registry == wanted);
    Ok(entry.map(Into::into))
}

/// Keep a login in place of the one that there may be.
pub(crate) fn put(login: &StoredLogin) -> Result<()> {
    change(|logins| {
        logins.retain(|entry| entry.registry != login.registry);
        logins.push(Entry {
            registry: login.registry.clone(),
            user: login.user.clone(),
            secret: login.secret.as_ref().map(|secret| Kept(secret.reveal().to_owned())),
        });
    })
}

/// Forget the login of a registry.
pub(crate) fn remove(registry: &str) -> Result<()> {
    change(|logins| logins.retain(|entry| entry.registry != registry))
}

/// Whether somebody else than its owner may read the file.
#[cfg(unix)]
pub(crate) fn is_open_to_others() -> Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(file()?);
    Ok(metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0))
}

#[cfg(not(unix))]
pub(crate) fn is_open_to_others() -> Result<bool> {
    Ok(false)
}

fn change(change: impl FnOnce(&mut Vec<Entry>)) -> Result<()> {
    let path = file()?;
    let mut document = read(&path)?;
    change(&mut document.login);
    let text = toml::to_string(&document)
        .map_err(|error| Error::bug(format!("logins are no TOML: {error}")))?;
    let text =
        format!("# What registries know you by. Written by `mlx login` and `mlx logout`.\n{text}");
    files::write_private(&path, text.as_bytes())
}

fn read(path: &Path) -> Result<Document> {
    if !path.exists() {
        return Ok(Document::default());
    }
    let text = files::read_text(path)?;
    // TOML's own message would show the line, which may hold a secret.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        Error::file("read", path, format!("line {line} is not what `mlx login` writes"))
            .hint("remove the file and log in again: `mlx login URL`")
    })
}

impl From<Entry> for StoredLogin {
    fn from(entry: Entry) -> Self {
        let Entry { registry, user, secret } = entry;
        Self { registry, user, secret: secret.map(|kept| Secret::new(kept.0)) }
    }
}
