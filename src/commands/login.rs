//! `mlx login` and `mlx logout`: a token is tried before it is kept, in the keyring where there is
//! one, else in a file that its owner alone reads.

use url::Url;

use super::registry_client;
use crate::cli::Globals;
use crate::cli::login::{LoginArgs, LogoutArgs};
use crate::error::{Error, ExitCode, Result};
use crate::outcome::login::{LoginOutcome, LogoutOutcome};
use crate::registry::access::Token;
use crate::remote::{Credentials, Remote};
use crate::settings::logins::{self, StoredLogin};
use crate::settings::registry::{self, Login, RegistrySettings};
use crate::settings::{self, RegistryTarget};
use crate::sys::secret::Secret;
use crate::ui::Ui;

pub(crate) async fn login(globals: &Globals, args: &LoginArgs, ui: &Ui) -> Result<LoginOutcome> {
    let (settings, url) = server(globals, args.url.as_deref())?;
    // Before anything is asked: whoever would answer should know that it may not be sent.
    RegistrySettings { login: Login::Token(Secret::new(String::new())), ..settings.clone() }
        .check_secrecy()?;
    if registry_client::connect(&settings, &url, Credentials::None)?.lets_in().await? {
        return Err(Error::user(format!("{url} asks nobody who they are"))
            .hint("nothing needs to be kept: just use it"));
    }
    let what = if args.user.is_some() { "password" } else { "token" };
    let secret = ui.ask_secret(&format!("{what} for {url}: "))?;
    let secret = secret.trim();
    check(secret, what)?;
    let secret = Secret::new(secret.to_owned());
    let credentials = match &args.user {
        Some(user) => Credentials::Basic { user: user.clone(), password: secret.clone() },
        None => Credentials::Bearer(secret.clone()),
    };
    let remote = registry_client::connect(&settings, &url, credentials)?;
    let known = whoami(&remote, args.user.as_deref()).await?;
    let kept = keep(&url, args.user.clone(), secret)?;
    Ok(LoginOutcome { registry: logins::origin(&url), kept, ..known })
}

pub(crate) fn logout(globals: &Globals, args: &LogoutArgs) -> Result<LogoutOutcome> {
    let (_, url) = server(globals, args.url.as_deref())?;
    let registry = logins::origin(&url);
    let stored = logins::find(&url)?.ok_or_else(|| {
        Error::user(format!("there is no login for {registry} to forget"))
            .hint("`mlx config show` says where a token comes from, such as a variable")
    })?;
    if stored.secret.is_none() {
        let keyring = settings::keyring().ok_or_else(|| "there is none here".to_owned());
        keyring.and_then(|keyring| keyring.forget(&registry)).map_err(|why| {
            Error::user(format!("the keyring has the login for {registry}, and can't be asked: {why}"))
                .hint("unlock it and try again; `mlx registry token revoke` on the server makes the token worthless")
        })?;
    }
    logins::remove(&registry)?;
    Ok(LogoutOutcome { registry })
}

/// The server that is meant, and how to reach it.
fn server(globals: &Globals, typed: Option<&str>) -> Result<(RegistrySettings, Url)> {
    let globals = match typed {
        Some(url) => Globals { registry: Some(url.to_owned()), ..globals.clone() },
        None => globals.clone(),
    };
    let project = settings::find_project(&globals, &[])?;
    let target = settings::registry(&globals, project.as_ref())?;
    let RegistryTarget::Remote(mut url) = target.clone() else {
        return Err(Error::usage(format!("{target} knows you by your user of this machine"))
            .hint("name a server to log in to: `mlx login https://registry.example.com`"));
    };
    if registry::take_userinfo(&mut url).is_some() {
        return Err(Error::usage("the address holds a user or a password, which it should not")
            .hint(format!("leave them out, and say who you are when asked: `mlx login {url}`")));
    }
    Ok((RegistrySettings::of(target)?, url))
}

/// Refuse at once what no server can take for a token.
fn check(secret: &str, what: &str) -> Result<()> {
    if secret.is_empty() {
        return Err(Error::user(format!("no {what} was given")));
    }
    if what == "token" && !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::user("that is not a token: it has blanks or letters that none has")
            .hint("copy it again, all of it and nothing else"));
    }
    if secret.starts_with(Token::PREFIX) {
        secret.parse::<Token>().map_err(|error| error.context("part of it may be missing"))?;
    }
    Ok(())
}

/// Whom the registry takes us for; an error where it takes us for nobody.
async fn whoami(remote: &Remote, user: Option<&str>) -> Result<LoginOutcome> {
    let mut known = LoginOutcome { name: user.map(str::to_owned), ..LoginOutcome::default() };
    if remote.server_info().await?.mlx_api.is_some() {
        let me = remote.whoami().await.map_err(not_kept)?;
        known.name = Some(me.name);
        known.roles = me.roles;
        known.expires_ms = me.expires_ms;
    } else if !remote.lets_in().await? {
        let said = format!("{} does not take this", remote.address());
        return Err(Error::new(ExitCode::NotAllowed, said)
            .hint("a server with users and passwords wants `--user NAME`; nothing was kept"));
    }
    Ok(known)
}

fn not_kept(error: Error) -> Error {
    Error::new(error.code(), format!("{}; nothing was kept", error.message()))
        .hint("ask whoever runs the registry for a token: `mlx registry token create NAME`")
}

/// In the keyring if it takes it, else in the file. Answers where.
fn keep(url: &Url, user: Option<String>, secret: Secret) -> Result<String> {
    let registry = logins::origin(url);
    if let Some(keyring) = settings::keyring()
        && keyring.keep(&registry, &secret).is_ok()
    {
        logins::put(&StoredLogin { registry, user, secret: None })?;
        return Ok("the keyring".into());
    }
    logins::put(&StoredLogin { registry, user, secret: Some(secret) })?;
    Ok(logins::file()?.display().to_string())
}
