//! How to reach the registry: which one, as whom, whose certificates to trust, and how long to wait.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::{Project, RegistryTarget, env, logins};
use crate::cli::Globals;
use crate::error::{Error, ExitCode, Result};
use crate::sys::secret::Secret;
use crate::sys::{clock, files, folders};

#[derive(Clone, Debug)]
pub(crate) struct RegistrySettings {
    pub target: RegistryTarget,
    pub login: Login,
    /// Where the login was found.
    pub source: Source,
    /// Secrets that were found and are another registry's, a sentence each.
    pub passed_over: Vec<String>,
    pub trust: Trust,
    /// Whether a secret may go over plain http to another machine.
    pub plain_http: bool,
    /// How long a remote registry may be silent.
    pub timeout: Duration,
    /// Who asks, as the history will say.
    pub actor: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Login {
    None,
    Token(Secret),
    Password {
        user: String,
        password: Secret,
    },
    /// A keyring has it, under the registry's name; with a user it is a password.
    Keyring {
        registry: String,
        user: Option<String>,
    },
}

/// Where a login comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Nowhere,
    Variable(&'static str),
    /// The file that a variable names.
    File(&'static str, PathBuf),
    /// User and password in the registry's address.
    Address,
    Keyring,
    /// The file of `mlx login`.
    Logins(PathBuf),
}

/// Whose certificates a server may show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    /// A file of certificates, in PEM, that count beside the system's.
    pub bundle: Option<PathBuf>,
    /// Anybody's. Only MLflow's own variable asks for it.
    pub anybody: bool,
}

const TIMEOUT: Duration = Duration::from_secs(30);

impl RegistrySettings {
    pub(crate) fn new(globals: &Globals, project: Option<&Project>) -> Result<Self> {
        Self::of(super::registry(globals, project)?)
    }

    /// For this registry, whichever is in use.
    pub(crate) fn of(target: RegistryTarget) -> Result<Self> {
        let timeout = match env::text(env::REGISTRY_TIMEOUT) {
            Some(text) => clock::parse_duration(&text)
                .map_err(|error| error.context(env::REGISTRY_TIMEOUT))?,
            None => TIMEOUT,
        };
        let (mut target, mut passed_over) = (target, vec![]);
        let (mut login, mut source, mut trust) = (Login::None, Source::Nowhere, Trust::default());
        if let RegistryTarget::Remote(url) = &mut target {
            let given = take_userinfo(url);
            (login, source) = find_login(url, given, &mut passed_over)?;
            trust = find_trust(url);
        }
        Ok(Self {
            target,
            login,
            source,
            passed_over,
            trust,
            plain_http: env::text(env::REGISTRY_PLAIN_HTTP).is_some_and(|text| text != "0"),
            timeout,
            actor: folders::user_name(),
        })
    }

    /// Refuse to send a secret where everybody on the way can read it.
    pub(crate) fn check_secrecy(&self) -> Result<()> {
        let RegistryTarget::Remote(url) = &self.target else { return Ok(()) };
        let bare = url.scheme() == "http" && !is_loopback(url);
        if !bare || self.plain_http || matches!(self.login, Login::None) {
            return Ok(());
        }
        Err(Error::new(
            ExitCode::NotAllowed,
            format!(
                "what {} says would go to {} in the clear: it is plain http",
                self.source, self.target
            ),
        )
        .hint(format!(
            "use the registry's https address, or allow it on a network that you trust: `{}=1`",
            env::REGISTRY_PLAIN_HTTP
        )))
    }
}

/// Whether an address is of this machine alone.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The user and password of an address, which from there on has none.
pub(crate) fn take_userinfo(url: &mut Url) -> Option<(String, Secret)> {
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let found = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            Some((decoded(user), Secret::new(decoded(password.unwrap_or_default()))))
        }
    };
    // An address without a host can't carry a user, so nothing is left there either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    found
}

/// Our own variables first, then the address itself, `mlx login`, and MLflow's variables.
fn find_login(
    url: &Url,
    given: Option<(String, Secret)>,
    passed_over: &mut Vec<String>,
) -> Result<(Login, Source)> {
    let beside = env::text(env::REGISTRY_URL);
    if let Some(token) = env::text(env::REGISTRY_TOKEN) {
        if belongs(beside.as_deref(), url) {
            let token = Secret::new(token.trim().to_owned());
            return Ok((Login::Token(token), Source::Variable(env::REGISTRY_TOKEN)));
        }
        passed_over.push(of_another(env::REGISTRY_TOKEN, env::REGISTRY_URL));
    }
    if let Some(path) = env::path(env::REGISTRY_TOKEN_FILE) {
        if belongs(beside.as_deref(), url) {
            let failed = |error: Error| error.context(env::REGISTRY_TOKEN_FILE);
            let text = files::read_text(&path).map_err(failed)?;
            let token = text.trim();
            if token.is_empty() || token.contains(char::is_whitespace) {
                return Err(failed(Error::file("read", &path, "it does not hold one token"))
                    .hint("a file of a token holds the token and nothing else"));
            }
            let token = Secret::new(token.to_owned());
            return Ok((Login::Token(token), Source::File(env::REGISTRY_TOKEN_FILE, path)));
        }
        passed_over.push(of_another(env::REGISTRY_TOKEN_FILE, env::REGISTRY_URL));
    }
    if let Some((user, password)) = given {
        return Ok((Login::Password { user, password }, Source::Address));
    }
    if let Some(stored) = logins::find(url)? {
        return Ok(match (stored.secret, stored.user) {
            (None, user) => (Login::Keyring { registry: stored.registry, user }, Source::Keyring),
            (Some(password), Some(user)) => {
                (Login::Password { user, password }, Source::Logins(logins::file()?))
            }
            (Some(token), None) => (Login::Token(token), Source::Logins(logins::file()?)),
        });
    }
    let Some((login, name)) = mlflow_login() else { return Ok((Login::None, Source::Nowhere)) };
    if belongs(env::text(env::MLFLOW_TRACKING_URI).as_deref(), url) {
        return Ok((login, Source::Variable(name)));
    }
    passed_over.push(of_another(name, env::MLFLOW_TRACKING_URI));
    Ok((Login::None, Source::Nowhere))
}

/// User and password win over the token, as they do in MLflow.
fn mlflow_login() -> Option<(Login, &'static str)> {
    let user = env::text(env::MLFLOW_TRACKING_USERNAME);
    let password = env::text(env::MLFLOW_TRACKING_PASSWORD);
    match (user, password, env::text(env::MLFLOW_TRACKING_TOKEN)) {
        (Some(user), Some(password), _) => Some((
            Login::Password { user, password: Secret::new(password) },
            env::MLFLOW_TRACKING_PASSWORD,
        )),
        (_, _, Some(token)) => Some((Login::Token(Secret::new(token)), env::MLFLOW_TRACKING_TOKEN)),
        _ => None,
    }
}

/// A variable's secret is for the address in the variable beside it; where there is none, for the
/// registry in use.
fn belongs(beside: Option<&str>, url: &Url) -> bool {
    let Some(beside) = beside else { return true };
    Url::parse(beside).is_ok_and(|beside| beside.origin() == url.origin())
}

fn of_another(variable: &str, beside: &str) -> String {
    format!("{variable} is for the registry of {beside}, and not sent to this one")
}

/// What whoever turned the check of certificates off should hear of it, whatever they do.
pub(crate) fn trusts_anybody() -> Option<&'static str> {
    let address = env::text(env::MLFLOW_TRACKING_URI).and_then(|text| Url::parse(&text).ok())?;
    find_trust(&address).anybody.then_some(
        "MLFLOW_TRACKING_INSECURE_TLS is set: the registry may be anybody, and whoever it is gets your token",
    )
}

/// MLflow's variables speak of MLflow's address alone.
fn find_trust(url: &Url) -> Trust {
    let of_mlflow =
        env::text(env::MLFLOW_TRACKING_URI).is_some_and(|address| belongs(Some(&address), url));
    let bundle = env::path(env::CA_BUNDLE)
        .or_else(|| env::path(env::MLFLOW_TRACKING_SERVER_CERT_PATH).filter(|_| of_mlflow));
    let asked = env::text(env::MLFLOW_TRACKING_INSECURE_TLS)
        .is_some_and(|text| ["true", "1"].contains(&text.to_ascii_lowercase().as_str()));
    Trust { bundle, anybody: asked && of_mlflow && url.scheme() == "https" }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("none"),
            Self::Variable(name) => f.write_str(name),
            Self::File(name, path) => write!(f, "{name} ({})", path.display()),
            Self::Address => f.write_str("the registry's address"),
            Self::Keyring => f.write_str("`mlx login` (the keyring)"),
            Self::Logins(path) => write!(f, "`mlx login` ({})", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn a_secret_belongs_to_scheme_host_and_port() {
        let here = url("https://registry.example.com/mlflow");
        assert!(belongs(None, &here));
        for beside in ["https://registry.example.com", "https://registry.example.com:443/other"] {
            assert!(belongs(Some(beside), &here), "{beside}");
        }
        for beside in [
            "http://registry.example.com",
            "https://registry.example.com:8443",
            "https://registry.example.com.evil.example",
            "https://example.com",
            "./folder",
            "embedded",
        ] {
            assert!(!belongs(Some(beside), &here), "{beside}");
        }
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for text in
            ["http://127.0.0.1:5000", "http://localhost", "http://[::1]:5", "http://a.localhost"]
        {
            assert!(is_loopback(&url(text)), "{text}");
        }
        for text in
            ["http://10.0.0.7", "http://localhost.example.com", "http://0.0.0.0", "http://[::]"]
        {
            assert!(!is_loopback(&url(text)), "{text}");
        }
    }

    #[test]
    fn user_and_password_leave_the_address() {
        let mut address = url("https://ana:hunt%40er2@registry.example.com/x");
        let (user, password) = take_userinfo(&mut address).expect("a user");
        assert_eq!((user.as_str(), password.reveal()), ("ana", "hunt@er2"));
        assert_eq!(address.as_str(), "https://registry.example.com/x");
        assert!(take_userinfo(&mut address).is_none());
    }
}
