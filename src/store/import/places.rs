//! Where an MLflow server's files are on this machine, and where they go in ours.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::registry::ArtifactPath;

/// The addresses of a server's own artifacts, of theirs and of ours alike.
const SCHEME: &str = "mlflow-artifacts:/";

/// A folder of files to bring, and the path that they get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub folder: PathBuf,
    pub path: ArtifactPath,
}

/// Where an address leads.
#[derive(Debug, PartialEq, Eq)]
enum Leads {
    /// To a folder of this machine.
    Here(PathBuf),
    /// To where the server keeps artifacts, and nobody said where that is.
    IntoArtifacts,
    /// To another machine, or nowhere.
    Elsewhere,
}

/// What is where.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The folder behind `mlflow-artifacts:/`.
    artifacts: Option<PathBuf>,
    /// The path that each folder gets.
    folders: BTreeMap<PathBuf, ArtifactPath>,
    /// What addresses become that are no folders with files of their own.
    addresses: HashMap<String, String>,
    /// The folders of versions, by model and number.
    versions: HashMap<(String, i64), PathBuf>,
    /// An address that only the server's folder of artifacts explains.
    unexplained: Option<String>,
}

impl Places {
    pub(super) fn new(artifacts: Option<&Path>) -> Self {
        Self { artifacts: artifacts.map(Path::to_owned), ..Self::default() }
    }

    /// An experiment's address says where its next runs go: with us.
    pub(super) fn experiment(&mut self, id: i64, address: &str) {
        if self.leads(address) != Leads::Elsewhere {
            self.addresses.insert(address.to_owned(), format!("{SCHEME}{id}"));
        }
    }

    pub(super) fn run(&mut self, experiment: i64, id: &str, address: &str) {
        self.add(address, &format!("{experiment}/{id}/artifacts"));
    }

    pub(super) fn logged_model(&mut self, experiment: i64, id: &str, address: &str) {
        self.add(address, &format!("{experiment}/models/{id}/artifacts"));
    }

    /// A version's files lie in a run's or a logged model's folder, or on their own.
    pub(super) fn version(&mut self, model: &str, number: i64, address: &str) {
        if let Some(folder) = self.here(address) {
            if self.path_of(&folder).is_none() {
                self.add(address, &format!("imported/{model}/{number}"));
            }
            self.versions.insert((model.to_owned(), number), folder);
        }
    }

    /// An error where addresses need the folder of artifacts and none was given.
    pub(super) fn checked(self) -> Result<Self> {
        match &self.unexplained {
            None => Ok(self),
            Some(address) => Err(Error::user(format!(
                "`{address}` is in the folder that the MLflow server keeps artifacts in, and its \
                 database does not say which one that is"
            ))
            .hint(
                "name it: `--from-artifacts DIR`, what the server's `--artifacts-destination` \
                 says, else `mlartifacts` where it was started",
            )),
        }
    }

    /// The folders to bring, none inside another.
    pub(super) fn folders(&self) -> impl Iterator<Item = Place> {
        let inside = |folder: &&PathBuf| {
            folder.ancestors().skip(1).any(|above| self.folders.contains_key(above))
        };
        self.folders
            .iter()
            .filter(move |(folder, _)| !inside(folder))
            .map(|(folder, path)| Place { folder: folder.clone(), path: path.clone() })
    }

    /// An address of theirs as it is here; one that leads elsewhere stays what it is.
    pub(super) fn address(&self, theirs: &str) -> String {
        if let Some(ours) = self.addresses.get(theirs) {
            return ours.clone();
        }
        let folder = self.here(theirs);
        match folder.and_then(|folder| self.path_of(&folder)) {
            Some(path) => format!("{SCHEME}{path}"),
            None => theirs.to_owned(),
        }
    }

    /// Where the files of a version are with us.
    pub(super) fn files_of(&self, model: &str, number: i64) -> Option<ArtifactPath> {
        self.path_of(self.versions.get(&(model.to_owned(), number))?)
    }

    fn add(&mut self, address: &str, path: &str) {
        match (self.leads(address), path.parse()) {
            (Leads::Here(folder), Ok(path)) => {
                self.folders.insert(folder, path);
            }
            (Leads::IntoArtifacts, _) => self.unexplained = Some(address.to_owned()),
            _ => {}
        }
    }

    /// The path of a folder, or that of the one around it and the rest.
    fn path_of(&self, folder: &Path) -> Option<ArtifactPath> {
        folder.ancestors().find_map(|above| {
            let path = self.folders.get(above)?;
            let rest: ArtifactPath = folder.strip_prefix(above).ok()?.to_str()?.parse().ok()?;
            Some(path.join(&rest))
        })
    }

    fn here(&self, address: &str) -> Option<PathBuf> {
        match self.leads(address) {
            Leads::Here(folder) => Some(folder),
            _ => None,
        }
    }

    fn leads(&self, address: &str) -> Leads {
        if let Some(rest) = address.strip_prefix("mlflow-artifacts:") {
            // `/path`, or `//host/path`: the host is the server itself.
            let rest = rest
                .strip_prefix("//")
                .map_or(rest, |with_host| with_host.split_once('/').map_or("", |(_, path)| path));
            return match &self.artifacts {
                Some(folder) => Leads::Here(folder.join(rest.trim_matches('/'))),
                None => Leads::IntoArtifacts,
            };
        }
        if let Some(path) = address.strip_prefix("file://") {
            let path = percent_decode_str(path.strip_prefix("localhost").unwrap_or(path));
            return local(&path.decode_utf8_lossy());
        }
        let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
        if address.is_empty() || (!scheme.is_empty() && scheme.chars().all(char::is_alphanumeric)) {
            return Leads::Elsewhere;
        }
        local(address)
    }
}

fn local(path: &str) -> Leads {
    match std::path::absolute(path.trim_end_matches('/')) {
        Ok(path) => Leads::Here(path),
        Err(_) => Leads::Elsewhere,
    }
}

/// Every file below a folder, and its path within; none for what a client could not name, and for
/// what is no file: a link may lead anywhere. A folder that is not there has no files.
pub(super) fn files(folder: &Path) -> Result<Vec<(PathBuf, Option<ArtifactPath>)>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(inside) = open.pop() {
        let entries = match std::fs::read_dir(&inside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && inside == folder => break,
            entries => entries.map_err(|error| Error::file("read", &inside, error))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| Error::file("read", &inside, error))?;
            let kind = entry.file_type().map_err(|error| Error::file("read", &inside, error))?;
            let file = entry.path();
            if kind.is_dir() {
                open.push(file);
                continue;
            }
            let within = file.strip_prefix(folder).ok().and_then(Path::to_str);
            let within = within.and_then(|within| within.parse().ok()).filter(|_| kind.is_file());
            found.push((file, within));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_folders_and_folders_to_paths() {
        let mut places = Places::new(Some(Path::new("/srv/artifacts")));
        places.experiment(1, "mlflow-artifacts:/1");
        places.run(1, "r", "mlflow-artifacts:/1/r/artifacts");
        places.run(2, "s", "file:///data/my%20runs/2/s/artifacts");
        places.run(3, "t", "s3://bucket/3/t/artifacts");
        places.version("churn", 1, "/data/my runs/2/s/artifacts/model");
        places.version("churn", 2, "/elsewhere/model/");
        places.version("churn", 3, "s3://bucket/model");
        let places = places.checked().unwrap();
        let folders: Vec<_> = places
            .folders()
            .map(|place| format!("{} {}", place.folder.display(), place.path))
            .collect();
        assert_eq!(
            folders,
            [
                "/data/my runs/2/s/artifacts 2/s/artifacts",
                "/elsewhere/model imported/churn/2",
                "/srv/artifacts/1/r/artifacts 1/r/artifacts",
            ]
        );
        assert_eq!(places.address("mlflow-artifacts:/1"), "mlflow-artifacts:/1");
        assert_eq!(
            places.address("mlflow-artifacts://host:5000/1/r/artifacts/m"),
            "mlflow-artifacts:/1/r/artifacts/m"
        );
        assert_eq!(places.address("s3://bucket/3/t/artifacts"), "s3://bucket/3/t/artifacts");
        assert_eq!(places.files_of("churn", 1).unwrap().as_str(), "2/s/artifacts/model");
        assert_eq!(places.files_of("churn", 2).unwrap().as_str(), "imported/churn/2");
        assert_eq!(places.files_of("churn", 3), None);
    }

    #[test]
    fn the_folder_of_artifacts_is_asked_for_where_an_address_needs_it() {
        let mut places = Places::new(None);
        places.run(1, "r", "mlflow-artifacts:/1/r/artifacts");
        let error = places.checked().unwrap_err();
        assert!(error.message().contains("mlflow-artifacts:/1/r/artifacts"), "{error}");
    }

    #[test]
    fn links_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let found = files(folder.path()).unwrap();
        let paths: Vec<_> =
            found.iter().map(|(_, path)| path.as_ref().map(ArtifactPath::as_str)).collect();
        assert_eq!(paths, [Some("a/b"), None]);
        assert_eq!(files(&folder.path().join("gone")).unwrap(), []);
    }
}
