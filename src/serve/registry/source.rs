//! Where a version's files are: from the `source` that it was made with to their folder, and back.

use super::failure::ApiError;
use crate::api::mlflow::ARTIFACT_SCHEME;
use crate::registry::{ArtifactPath, ModelName, ModelReference, VersionNumber};
use crate::store::{Files, PINNED, Store};

/// The files that a source names: `mlflow-artifacts:/…`, `runs:/<id>/…`, `models:/…`, or an
/// address elsewhere, which is taken as it is.
pub(super) async fn files(store: &Store, source: &str) -> Result<Files, ApiError> {
    if let Some(path) = path_of(source) {
        return below(path);
    }
    if let Some(rest) = source.strip_prefix("runs:/") {
        let (run, path) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest, ""));
        let root = store.run(run).await?.artifact_uri;
        return match path_of(&root) {
            Some(root) => {
                let root: ArtifactPath = root.parse()?;
                Ok(Files::Below(root.join(&path.parse()?)))
            }
            None => Ok(Files::Elsewhere),
        };
    }
    if let Some(id) = logged_model(source) {
        let root = store.logged_model(id).await?.artifact_uri;
        return path_of(&root).map_or(Ok(Files::Elsewhere), below);
    }
    if source.starts_with("models:/") {
        return Ok(match source.parse()? {
            ModelReference::Version(name, version) => Files::Of(name, version),
            ModelReference::Environment(name, environment) => {
                let version = store.alias(&name, environment.as_str()).await?;
                let version = version.ok_or_else(|| {
                    ApiError::invalid(format!("Registered model alias {environment} not found."))
                })?;
                Files::Of(name, version)
            }
            ModelReference::Latest(name) => {
                let latest = store.model(&name).await?.latest.pop();
                let latest = latest
                    .ok_or_else(|| ApiError::invalid(format!("model '{name}' has no versions")))?;
                Files::Of(name, latest.version)
            }
            _ => return Err(refused(source)),
        });
    }
    // A path of the client's machine or of ours: the one we can't read, the other nobody may.
    let scheme = source.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        None | Some("file" | "http" | "https") => Err(refused(source)),
        Some(_) => Ok(Files::Elsewhere),
    }
}

/// The id of the logged model that a source is.
pub(super) fn logged_model(source: &str) -> Option<&str> {
    let id = source.strip_prefix("models:/")?;
    (id.starts_with("m-") && !id.contains(['/', '@'])).then_some(id)
}

/// Where to download a version from: the files that it pinned, or for one that has none here the
/// address that it was made with.
pub(super) async fn download_uri(
    store: &Store,
    model: &ModelName,
    number: VersionNumber,
) -> Result<String, ApiError> {
    if !store.version_files(model, number).await?.is_empty() {
        return Ok(format!("{ARTIFACT_SCHEME}{PINNED}/{model}/{number}"));
    }
    let source = store.version(model, number).await?.source;
    Ok(match files(store, &source).await {
        Ok(Files::Below(path)) => format!("{ARTIFACT_SCHEME}{path}"),
        _ => source,
    })
}

/// The path of an address in our own storage; the host of `mlflow-artifacts://host/path` is us.
pub(super) fn path_of(uri: &str) -> Option<&str> {
    let path = uri.strip_prefix(ARTIFACT_SCHEME)?;
    Some(match path.strip_prefix('/') {
        Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
        None => path,
    })
}

fn below(path: &str) -> Result<Files, ApiError> {
    let path: ArtifactPath = path.trim_end_matches('/').parse()?;
    if path.is_root() {
        return Err(ApiError::invalid("a version's source is a folder, not all of them"));
    }
    let parts: Vec<_> = path.as_str().split('/').collect();
    match parts[..] {
        [PINNED, model, version] => Ok(Files::Of(model.parse()?, version.parse()?)),
        [PINNED, ..] => Err(ApiError::invalid(format!("'{path}' is no version"))),
        _ => Ok(Files::Below(path)),
    }
}

fn refused(source: &str) -> ApiError {
    ApiError::invalid(format!(
        "Invalid model version source: '{source}'. Upload the files to a run and name them as \
         'runs:/<run id>/<path>'."
    ))
}
