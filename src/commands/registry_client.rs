//! The registry as commands use it: opened, references looked up, packages fetched.

use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::api::mlx::VersionFile;
use crate::error::{Error, ExitCode, Result, closest};
use crate::model::Package;
use crate::registry::{ModelName, ModelReference, VersionNumber};
use crate::remote::{Credentials, HttpSettings, LocalFile, Remote};
use crate::serve::registry::{Identity, router};
use crate::settings::registry::{Login, RegistrySettings};
use crate::settings::{self, RegistryTarget};
use crate::store::Store;
use crate::sys::signals;
use crate::ui::{self, Ui};

/// The registry of the settings: over HTTP, or its router in this process over the store's folder.
///
/// One's own embedded registry appears when it is first asked. A folder that somebody named holds a
/// registry, or is misspelt.
pub(crate) async fn open(settings: &RegistrySettings) -> Result<Remote> {
    if let RegistryTarget::Embedded(folder) = &settings.target
        && !Store::is_in(folder)
        // A file in its place is for the store to tell of.
        && !folder.is_file()
        && *folder != settings::embedded_folder()?
    {
        let folder = folder.display();
        return Err(Error::user(format!("there is no registry in {folder}")).hint(format!(
            "check the name; `mlx register --registry {folder}` makes one there, and the address of a server begins with `http://`"
        )));
    }
    open_or_make(settings).await
}

/// As [`open`], with what its calls come upon said as warnings: an alias that was moved outside mlx, say.
pub(crate) async fn open_telling(settings: &RegistrySettings, ui: &Ui) -> Result<Remote> {
    let ui = ui.clone();
    Ok(open(settings).await?.telling(move |sentence| ui.warn(sentence)))
}

/// As [`open`], for what writes: a folder that holds no registry gets one.
pub(crate) async fn open_or_make(settings: &RegistrySettings) -> Result<Remote> {
    match &settings.target {
        RegistryTarget::Embedded(folder) => {
            let store = Store::open(folder).await?;
            let router = router(store, Identity::Is(settings.actor.clone()));
            Ok(Remote::in_process(router, settings.target.to_string()))
        }
        RegistryTarget::Remote(base) => {
            settings.check_secrecy()?;
            connect(settings, base, credentials(&settings.login)?)
        }
    }
}

/// A server, asked as somebody.
pub(crate) fn connect(
    settings: &RegistrySettings,
    base: &url::Url,
    credentials: Credentials,
) -> Result<Remote> {
    Remote::connect(HttpSettings {
        base: base.clone(),
        credentials,
        timeout: settings.timeout,
        ca_bundle: settings.trust.bundle.clone(),
        trust_anybody: settings.trust.anybody,
        direct: settings::registry::is_loopback(base),
    })
}

/// What to send. A keyring is asked here, and by no command that speaks to nobody.
fn credentials(login: &Login) -> Result<Credentials> {
    Ok(match login {
        Login::None => Credentials::None,
        Login::Token(token) => Credentials::Bearer(token.clone()),
        Login::Password { user, password } => {
            Credentials::Basic { user: user.clone(), password: password.clone() }
        }
        Login::Keyring { registry, user } => {
            let keyring = settings::keyring().ok_or_else(|| "there is none here".to_owned());
            let secret = keyring.and_then(|keyring| keyring.look_up(registry)).map_err(|why| {
                Error::new(
                    ExitCode::NotAllowed,
                    format!("the keyring has the login for {registry}, and can't be asked: {why}"),
                )
                .hint(format!(
                    "unlock it, or log in again: `mlx login {registry}`; in CI set MLX_REGISTRY_TOKEN"
                ))
            })?;
            match user {
                Some(user) => Credentials::Basic { user: user.clone(), password: secret },
                None => Credentials::Bearer(secret),
            }
        }
    })
}

/// A version of a registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub model: ModelName,
    pub version: VersionNumber,
}

/// The version that a reference means now.
pub(crate) async fn find(remote: &Remote, reference: &ModelReference) -> Result<Registered> {
    match reference {
        ModelReference::Version(name, version) => {
            remote.version(name, *version).await?;
            Ok(Registered { model: name.clone(), version: *version })
        }
        ModelReference::Latest(name) => match remote.model(name).await?.latest {
            Some(version) => Ok(Registered { model: name.clone(), version }),
            None => Err(Error::user(format!("`{name}` has no versions yet"))
                .hint("register a run: `mlx register`")),
        },
        ModelReference::Environment(name, environment) => {
            let model = remote.model_by_history(name, Some(environment)).await?;
            if let Some(version) = model.environments.get(environment.as_str()) {
                return Ok(Registered { model: name.clone(), version: *version });
            }
            let error = Error::user(format!("nothing of `{name}` is live in {environment}"));
            let known = model.environments.keys().map(String::as_str);
            Err(match closest(environment.as_str(), known) {
                Some(close) => error.hint(format!("did you mean `{name}@{close}`?")),
                None => error
                    .hint(format!("promote a version: `mlx promote {name} --to {environment}`")),
            })
        }
        ModelReference::Run(_) | ModelReference::Path(_) => {
            Err(Error::usage(format!("`{reference}` is not in a registry"))
                .hint("write `NAME`, `NAME/VERSION` or `NAME@ENVIRONMENT`"))
        }
    }
}

/// A version's package: verified, and kept so that it is fetched once.
///
/// It is kept by its digest, so what another registry calls something else is still the same package.
pub(crate) async fn package(remote: &Remote, registered: &Registered, ui: &Ui) -> Result<Package> {
    let Registered { model, version } = registered;
    let files = remote.files(model, *version).await?;
    let Some(manifest) = files.iter().find(|file| file.path == Package::MANIFEST) else {
        return Err(Error::user(format!(
            "{model}/{version} is no mlx package: it has no {}",
            Package::MANIFEST
        ))
        .hint("another tool registered it; `mlx models pull` downloads its files as they are"));
    };
    let dir = kept(manifest)?;
    if dir.exists() {
        match verified(&dir) {
            Ok(package) => return Ok(package),
            // Somebody changed it, or a disk did. It can be had again.
            Err(_) => {
                std::fs::remove_dir_all(&dir)
                    .map_err(|error| Error::file("remove", &dir, error))?;
            }
        }
    }
    match download(remote, registered, &files, &dir, ui).await {
        // Another process fetched the same package meanwhile.
        Err(_) if dir.exists() => {}
        downloaded => downloaded?,
    }
    verified(&dir).map_err(|error| error.context(format!("{model}/{version}")))
}

/// Upload files below an artifact address, with a bar.
pub(crate) async fn upload(
    remote: &Remote,
    source: &str,
    files: &[LocalFile],
    ui: &Ui,
) -> Result<()> {
    ui.note(&format!("uploading {} files", files.len()));
    transfer_can_be_ended(ui);
    let bar = ui.transfer("uploading", files.iter().map(|file| file.size_bytes).collect());
    let spared = remote.upload(source, files, &bar.report()).await?;
    drop(bar);
    if spared.known_bytes > 0 {
        let known = ui::size(spared.known_bytes);
        ui.note(&format!("{known} did not have to be sent: the registry has them"));
    }
    if spared.resumed_bytes > 0 {
        let resumed = ui::size(spared.resumed_bytes);
        ui.note(&format!("{resumed} had come before: the upload went on from there"));
    }
    Ok(())
}

/// Download a version's files into a folder that does not exist yet, with a bar.
pub(crate) async fn download(
    remote: &Remote,
    registered: &Registered,
    files: &[VersionFile],
    to: &Path,
    ui: &Ui,
) -> Result<()> {
    transfer_can_be_ended(ui);
    let bar = ui.transfer("downloading", files.iter().map(|file| file.size_bytes).collect());
    remote.download(&registered.model, registered.version, files, to, &bar.report()).await
}

/// From here on Ctrl-C ends the process with a word on what is kept, and the exit code for it.
///
/// All that moves bytes may end at any moment, so nothing has to be waited for.
fn transfer_can_be_ended(ui: &Ui) {
    static ONCE: Once = Once::new();
    let ui = ui.clone();
    ONCE.call_once(|| {
        signals::when_asked_to_end(move || {
            let interrupted = Error::new(ExitCode::Interrupted, "interrupted")
                .hint("run the command again: what has come is not sent again");
            ui.fail(&interrupted);
            std::process::exit(ExitCode::Interrupted as i32);
        });
    });
}

fn verified(dir: &Path) -> Result<Package> {
    let package = Package::open(dir)?;
    package.verify()?;
    Ok(package)
}

fn kept(manifest: &VersionFile) -> Result<PathBuf> {
    // It comes from a server and becomes a path.
    if manifest.sha256.len() != 64 || !manifest.sha256.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Err(Error::user(format!("`{}` is not a SHA-256", manifest.sha256)));
    }
    Ok(settings::cache_folder()?.join("packages").join(&manifest.sha256))
}
