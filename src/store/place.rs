//! Where a registry's rows and bytes are: files of a folder, a database server, a bucket.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::sqlite::FILE;
use crate::error::{Error, Result};
use crate::sys::secret::Secret;

/// Both parts of a registry, and the folder that holds whichever is not elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub folder: PathBuf,
    pub database: DatabasePlace,
    pub artifacts: ArtifactsPlace,
}

#[derive(Clone, Debug)]
pub(crate) enum DatabasePlace {
    /// A file of SQLite's.
    File(PathBuf),
    Server(Server),
}

/// A PostgreSQL server's database. Its address may hold a password and is shown without.
#[derive(Clone)]
pub(crate) struct Server {
    url: Secret,
    shown: String,
}

#[derive(Clone, Debug)]
pub(crate) enum ArtifactsPlace {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A bucket of a cloud, or of a server that speaks like one.
#[derive(Clone)]
pub(crate) struct Bucket {
    pub(super) cloud: Cloud,
    pub(super) url: Url,
    /// What the environment says of that cloud: names and values of variables, secrets among them.
    pub(super) variables: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    S3,
    Google,
    Azure,
}

impl Place {
    /// All in one folder: what the embedded registry is.
    pub(crate) fn folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            database: DatabasePlace::File(folder.join(FILE)),
            artifacts: ArtifactsPlace::Folder(folder.to_owned()),
        }
    }

    /// As addresses say; what none is given for is in the folder. Paths are relative to `working`.
    /// `variables` are those of the environment that clouds are known by.
    pub(crate) fn new(
        folder: &Path,
        database: Option<&str>,
        artifacts: Option<&str>,
        working: &Path,
        variables: &[(String, String)],
    ) -> Result<Self> {
        let mut place = Self::folder(folder);
        if let Some(text) = database {
            place.database = DatabasePlace::parse(text, working)?;
        }
        if let Some(text) = artifacts {
            place.artifacts = ArtifactsPlace::parse(text, working, variables)?;
        }
        Ok(place)
    }

    /// Is the whole of it in the folder?
    pub(crate) fn is_folder(&self) -> bool {
        matches!(&self.database, DatabasePlace::File(file) if *file == self.folder.join(FILE))
            && matches!(&self.artifacts, ArtifactsPlace::Folder(folder) if *folder == self.folder)
    }

    /// Is there a registry? Of a server's database only its opening tells.
    pub(crate) fn is_there(&self) -> bool {
        match &self.database {
            DatabasePlace::File(file) => file.is_file(),
            DatabasePlace::Server(_) => true,
        }
    }

    /// Whether anything of it is in the folder, which then has to be there.
    pub(super) fn uses_folder(&self) -> bool {
        matches!(self.database, DatabasePlace::File(_))
            || matches!(self.artifacts, ArtifactsPlace::Folder(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_folder() {
            return write!(f, "{}", self.folder.display());
        }
        write!(f, "{}, with files in {}", self.database, self.artifacts)
    }
}

impl DatabasePlace {
    fn parse(text: &str, working: &Path) -> Result<Self> {
        match scheme(text) {
            Some("postgres" | "postgresql") => Server::parse(text).map(Self::Server),
            Some("sqlite") => {
                let path = text["sqlite:".len()..].trim_start_matches("//");
                if path.is_empty() {
                    return Err(Error::usage("`--database sqlite:` names no file")
                        .hint("write `sqlite:PATH`, or `sqlite:///PATH` for one from the root"));
                }
                // `sqlite:///a/b` is `/a/b`: two slashes were taken, the third is the path's.
                let path = match text.starts_with("sqlite:///") {
                    true => format!("/{}", path.trim_start_matches('/')),
                    false => path.to_owned(),
                };
                Ok(Self::File(working.join(path)))
            }
            None => Ok(Self::File(working.join(text))),
            Some(other) => {
                Err(Error::usage(format!("a registry's database can't be of the kind `{other}`"))
                    .hint("`postgres://USER@HOST/DATABASE`, or the path of an SQLite file"))
            }
        }
    }
}

impl fmt::Display for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(server) => server.fmt(f),
        }
    }
}

impl Server {
    pub(super) fn parse(text: &str) -> Result<Self> {
        // The text is not in the message: it may hold a password.
        let url = Url::parse(text).map_err(|error| {
            Error::usage(format!("`--database` is no address: {error}")).hint(
                "write `postgres://USER@HOST:PORT/DATABASE`; in a password, `@`, `/`, `:` and `%` \
                 are `%40`, `%2F`, `%3A` and `%25`",
            )
        })?;
        Ok(Self { shown: shown(&url), url: Secret::new(text.to_owned()) })
    }

    /// The address, password included.
    pub(super) fn url(&self) -> &str {
        self.url.reveal()
    }
}

/// `postgres://host:port/database`, by what the address says; the rest is the environment's.
fn shown(url: &Url) -> String {
    let said = |key: &str| {
        url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    };
    let host = said("host").or_else(|| said("hostaddr"));
    let host = host.or_else(|| url.host_str().filter(|host| !host.is_empty()).map(str::to_owned));
    let port = url.port().map(|port| port.to_string()).or_else(|| said("port"));
    let database = said("dbname").unwrap_or_else(|| url.path().trim_start_matches('/').to_owned());
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("postgres://{}{port}/{database}", host.unwrap_or_default())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl ArtifactsPlace {
    fn parse(text: &str, working: &Path, variables: &[(String, String)]) -> Result<Self> {
        let (cloud, prefix) = match scheme(text) {
            None => return Ok(Self::Folder(working.join(text))),
            Some("file") => {
                let folder = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
                return folder.map(Self::Folder).ok_or_else(|| {
                    Error::usage(format!("`{text}` names no folder of this machine"))
                        .hint("write the folder's path, or `file:///PATH`")
                });
            }
            Some("s3") => (Cloud::S3, "AWS_"),
            Some("gs") => (Cloud::Google, "GOOGLE_"),
            Some("az") => (Cloud::Azure, "AZURE_"),
            Some(other) => {
                return Err(Error::usage(format!(
                    "a registry's files can't be kept in a place of the kind `{other}`"
                ))
                .hint("a folder, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`"));
            }
        };
        let url = Url::parse(text)
            .map_err(|error| Error::usage(format!("`{text}` is no address: {error}")))?;
        if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(Error::usage(format!("`{}` names no bucket", without_login(&url))).hint(
                format!(
                    "write `{}://BUCKET/PREFIX`; who asks is said by {prefix}… variables",
                    url.scheme()
                ),
            ));
        }
        let variables =
            variables.iter().filter(|(name, _)| name.starts_with(prefix)).cloned().collect();
        Ok(Self::Bucket(Bucket { cloud, url, variables }))
    }
}

fn without_login(url: &Url) -> String {
    let mut url = url.clone();
    // An address without a host has no login to take away, and says so.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string()
}

impl fmt::Display for ArtifactsPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(bucket) => write!(f, "{}", bucket.url),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}

/// The word before the first colon, unless it is a drive's letter or part of a path.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_word = scheme.len() > 1
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_word.then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(database: &str, artifacts: &str) -> Result<Place> {
        let variables = [
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned()),
            ("GOOGLE_BUCKET".to_owned(), "other".to_owned()),
        ];
        Place::new(
            Path::new("/data"),
            Some(database),
            Some(artifacts),
            Path::new("/work"),
            &variables,
        )
    }

    #[test]
    fn a_file_is_named_by_path_or_address() {
        for (text, file) in [
            ("r.db", "/work/r.db"),
            ("/abs/r.db", "/abs/r.db"),
            ("sqlite:r.db", "/work/r.db"),
            ("sqlite://sub/r.db", "/work/sub/r.db"),
            ("sqlite:///abs/r.db", "/abs/r.db"),
            ("sqlite:////abs/r.db", "/abs/r.db"),
        ] {
            let DatabasePlace::File(path) = place(text, "files").unwrap().database else {
                panic!("{text}");
            };
            assert_eq!(path, Path::new(file), "{text}");
        }
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        let place = place("postgres://ada:pass%40word@db.example:5433/mlx?options=x", "s3://b/p/q");
        let place = place.unwrap();
        for shown in [format!("{place}"), format!("{place:?}")] {
            assert!(shown.contains("postgres://db.example:5433/mlx"), "{shown}");
            assert!(!shown.contains("word") && !shown.contains("hush"), "{shown}");
        }
        let ArtifactsPlace::Bucket(bucket) = &place.artifacts else { panic!("{place}") };
        assert_eq!(bucket.variables.len(), 1, "of Google's variables none is S3's");
        let socket = shown(&Url::parse("postgres:///mlx?host=/run/pg&port=6000").unwrap());
        assert_eq!(socket, "postgres:///run/pg:6000/mlx");
    }

    #[test]
    fn other_kinds_are_refused_without_repeating_a_password() {
        for (database, artifacts, said) in [
            ("mysql://ada:hush@h/d", "files", "can't be of the kind `mysql`"),
            ("postgres://ada:hush@h:port/d", "files", "`--database` is no address"),
            ("r.db", "ftp://host/x", "of the kind `ftp`"),
            ("r.db", "s3:///prefix", "names no bucket"),
            ("r.db", "s3://key:hush@bucket/x", "names no bucket"),
            ("sqlite:", "files", "names no file"),
        ] {
            let error = place(database, artifacts).unwrap_err();
            assert!(error.message().contains(said), "{error}");
            assert!(!error.message().contains("hush"), "{error}");
        }
    }
}
