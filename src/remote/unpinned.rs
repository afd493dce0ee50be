//! A version's files on a plain MLflow server, which pins nothing: anyone may upload other bytes to
//! the run or logged model that they belong to.
//!
//! So the version's tags keep the package's digest and manifest, and what is downloaded has to be
//! that. Nothing here can keep bytes from changing; it can keep changed ones from being used.

use http::Method;

use super::artifacts::route;
use super::failure::Failure;
use super::models::{ROUTES, VersionRecord};
use super::request::{Remote, segment};
use crate::api::mlflow::{
    ARTIFACT_ROUTE, CreateLoggedModel, Empty, Files, FinalizeLoggedModel, KeyValue, LogOutputs,
    LoggedModelInfo, LoggedModelReply, ModelOutput, RunInfo, RunKeyValue,
};
use crate::api::mlx::VersionFile;
use crate::error::{Error, Result};
use crate::registry::{ModelName, VersionNumber};
use crate::sys::files;

/// The package's manifest, where it fits into a tag.
const MANIFEST_TAG: &str = "mlx.manifest";
/// MLflow 2 takes 5,000 characters a tag.
const TAG_CHARACTERS: usize = 4_900;
/// Where a package has its manifest.
const MANIFEST: &str = "mlx/manifest.json";
/// The logged model that holds a run's package, so that a registration which died goes on with it.
const MODEL_ID_TAG: &str = "mlx.model_id";
/// No model of anyone's has more files, or folders in folders; a server that says so is broken.
const MOST_FILES: usize = 10_000;

/// Where the files of a version to come are uploaded, and what the version then names.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub artifact_uri: String,
    pub source: String,
    /// The logged model that the files belong to; absent: they are the run's.
    pub model_id: Option<String>,
}

impl Remote {
    /// Where a run's package goes: into a logged model on MLflow 3, else below the run.
    pub(crate) async fn place(&self, run: &RunInfo) -> Result<Place> {
        let place = if self.is_plain().await? && self.has_logged_models().await? {
            let model = self.logged_model(run).await?;
            Place {
                source: format!("models:/{}", model.model_id),
                artifact_uri: model.artifact_uri,
                model_id: Some(model.model_id),
            }
        } else {
            let folder = format!("{}/model", run.artifact_uri.trim_end_matches('/'));
            Place { artifact_uri: folder.clone(), source: folder, model_id: None }
        };
        // Files that can't be reached are told of before anything is written.
        route(&place.artifact_uri, MANIFEST)?;
        Ok(place)
    }

    /// Every file has arrived.
    pub(crate) async fn filled(&self, place: &Place, run_id: &str) -> Result<()> {
        let Some(model_id) = &place.model_id else { return Ok(()) };
        let body = FinalizeLoggedModel {
            model_id: model_id.clone(),
            status: Some("LOGGED_MODEL_READY".into()),
        };
        let path = format!("{ROUTES}/logged-models/{}", segment(model_id));
        let _: LoggedModelReply = self.send_json(Method::PATCH, path, &body, true).await?;
        let output = ModelOutput { model_id: model_id.clone(), step: 0 };
        let body = LogOutputs { run_id: run_id.to_owned(), models: Some(vec![output]) };
        let path = format!("{ROUTES}/runs/outputs");
        let _: Empty = self.send_json(Method::POST, path, &body, true).await?;
        Ok(())
    }

    /// The logged model of a run, made where there is none.
    async fn logged_model(&self, run: &RunInfo) -> Result<LoggedModelInfo> {
        let tags = self.find_run(&run.run_id).await?.map(|run| run.data.tags).unwrap_or_default();
        if let Some(begun) = tags.iter().find(|tag| tag.key == MODEL_ID_TAG) {
            let path = format!("{ROUTES}/logged-models/{}", segment(&begun.value));
            match self.get::<LoggedModelReply>(path, vec![]).await {
                Ok(reply) => return Ok(reply.model.info),
                Err(failure) if failure.is_absent() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let body = CreateLoggedModel {
            experiment_id: run.experiment_id.clone(),
            name: Some("model".into()),
            source_run_id: Some(run.run_id.clone()),
            ..Default::default()
        };
        let made: LoggedModelReply = self.post(format!("{ROUTES}/logged-models"), &body).await?;
        let tag = RunKeyValue {
            run_id: run.run_id.clone(),
            key: MODEL_ID_TAG.into(),
            value: made.model.info.model_id.clone(),
            ..Default::default()
        };
        let _: Empty =
            self.send_json(Method::POST, format!("{ROUTES}/runs/set-tag"), &tag, true).await?;
        Ok(made.model.info)
    }

    /// The tags that keep what a plain server doesn't keep itself; none for a server of ours.
    pub(crate) async fn keeping_tags(&self, actor: &str, manifest: &[u8]) -> Result<Vec<KeyValue>> {
        if !self.is_plain().await? {
            return Ok(vec![]);
        }
        let mut tags = vec![KeyValue::new(VersionRecord::ACTOR, actor)];
        let text = std::str::from_utf8(manifest).ok();
        let text = text.filter(|text| text.chars().count() <= TAG_CHARACTERS);
        tags.extend(text.map(|text| KeyValue::new(MANIFEST_TAG, text)));
        Ok(tags)
    }

    /// The files that a version was registered with, as its tags have them.
    pub(super) async fn unpinned_files(
        &self,
        model: &ModelName,
        version: VersionNumber,
    ) -> Result<Vec<VersionFile>> {
        let record = self.version(model, version).await?;
        let Some(digest) = record.digest() else {
            let uri = self.download_uri(model, version).await?;
            return self.files_below(&uri).await;
        };
        let kept = record.tags.get(MANIFEST_TAG).map(String::as_bytes);
        let manifest = match kept.filter(|kept| files::digest_bytes(kept) == digest) {
            Some(kept) => kept.to_vec(),
            None => self.fetch_manifest(model, version, digest).await?,
        };
        listed(&manifest, digest).ok_or_else(|| {
            Error::user(format!("the manifest of {model}/{version} cannot be read"))
                .hint("a newer mlx registered it: update mlx here")
        })
    }

    async fn fetch_manifest(
        &self,
        model: &ModelName,
        version: VersionNumber,
        digest: &str,
    ) -> Result<Vec<u8>> {
        let uri = self.download_uri(model, version).await?;
        let changed = |what: String| {
            Error::user(format!("{model}/{version} is not what was registered: {what}")).hint(
                "this server lets anyone change a version's files; register the run again: `mlx register`",
            )
        };
        let manifest = match self.bytes(route(&uri, MANIFEST)?, vec![]).await {
            Ok(manifest) => manifest,
            Err(Failure::Refused(refusal)) if refusal.status.as_u16() == 404 => {
                return Err(changed(format!("its {MANIFEST} is gone")));
            }
            Err(failure) => return Err(failure.into()),
        };
        let found = files::digest_bytes(&manifest);
        if found != digest {
            return Err(changed(format!("its {MANIFEST} has SHA-256 {found}, not {digest}")));
        }
        Ok(manifest)
    }

    /// The files below an artifact address as they are now; nobody knows what they were.
    async fn files_below(&self, artifact_uri: &str) -> Result<Vec<VersionFile>> {
        // The route of a file, without the file: what it is below.
        let root = route(artifact_uri, "")?;
        let root = root.strip_prefix(ARTIFACT_ROUTE).unwrap_or(&root).trim_matches('/').to_owned();
        let root = percent_encoding::percent_decode_str(&root).decode_utf8_lossy().into_owned();
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = format!("{root}/{folder}");
            let query = vec![("path", path.trim_end_matches('/').to_owned())];
            let listed: Files = self.get(ARTIFACT_ROUTE, query).await?;
            for file in listed.files {
                let path = format!("{folder}{}", file.path);
                if file.is_dir {
                    folders.push(format!("{path}/"));
                } else {
                    let size_bytes = file.file_size.unwrap_or_default().max(0) as u64;
                    files.push(VersionFile { path, size_bytes, sha256: String::new() });
                }
                if files.len() + folders.len() > MOST_FILES {
                    return Err(Error::user(format!(
                        "{artifact_uri} holds more than {MOST_FILES} files"
                    )));
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

/// The files of a manifest, and the manifest itself.
fn listed(manifest: &[u8], digest: &str) -> Option<Vec<VersionFile>> {
    let value: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    let mut files = vec![VersionFile {
        path: MANIFEST.into(),
        size_bytes: manifest.len() as u64,
        sha256: digest.to_owned(),
    }];
    for (path, file) in value.get("files")?.as_object()? {
        files.push(VersionFile {
            path: path.clone(),
            size_bytes: file.get("size_bytes")?.as_u64()?,
            sha256: file.get("sha256")?.as_str()?.to_owned(),
        });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_lists_its_files_and_itself() {
        let manifest =
            br#"{"format": 1, "files": {"mlx/model.json": {"sha256": "ab", "size_bytes": 7}}}"#;
        let files = listed(manifest, "cd").expect("a manifest");
        let files: Vec<_> =
            files.iter().map(|file| (&*file.path, file.size_bytes, &*file.sha256)).collect();
        assert_eq!(files, [(MANIFEST, manifest.len() as u64, "cd"), ("mlx/model.json", 7, "ab")]);
        assert!(listed(b"{}", "cd").is_none());
        assert!(listed(b"no JSON", "cd").is_none());
    }
}
