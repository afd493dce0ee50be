//! A version's bytes on their way here: streamed, checked against the version's manifest, and only
//! then under their name.

use std::path::{Component, Path};

use futures::StreamExt;
use http::Method;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::artifacts::route;
use super::request::{Attempt, Remote, Retries};
use super::transport::{Body, Call};
use crate::api::mlx::VersionFile;
use crate::error::{Error, Result};
use crate::registry::{ModelName, VersionNumber};
use crate::sys::files;

impl Remote {
    /// Download a version into a folder that does not exist yet; it appears whole or not at all.
    pub(crate) async fn download(
        &self,
        model: &ModelName,
        version: VersionNumber,
        files: &[VersionFile],
        to: &Path,
    ) -> Result<()> {
        if files.is_empty() {
            return Err(Error::user(format!("{model}/{version} has no files")));
        }
        let artifact_uri = self.download_uri(model, version).await?;
        let parent =
            to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error: std::io::Error| Error::io("write", to, &error);
        std::fs::create_dir_all(parent).map_err(failed)?;
        let whole =
            tempfile::Builder::new().prefix(".mlx-pull-").tempdir_in(parent).map_err(failed)?;
        for file in files {
            check_path(&file.path)
                .map_err(|error| error.context(format!("cannot pull {model}/{version}")))?;
            self.download_file(
                &route(&artifact_uri, &file.path)?,
                file,
                &whole.path().join(&file.path),
            )
            .await
            .map_err(|error| error.context(format!("cannot pull {model}/{version}")))?;
        }
        files::open_folder(whole.path()).map_err(failed)?;
        std::fs::rename(whole.path(), to).map_err(failed)?;
        // It has moved away, so nothing is left to remove.
        let _ = whole.keep();
        files::sync_folder(parent).map_err(failed)
    }

    async fn download_file(&self, route: &str, file: &VersionFile, to: &Path) -> Result<()> {
        let call = Call {
            method: Method::GET,
            path: route.to_owned(),
            query: vec![],
            body: Body::Empty,
            repeatable: true,
        };
        let mut retries = Retries::new();
        loop {
            match self.download_once(&call, file, to).await {
                Ok(()) => return Ok(()),
                Err(attempt) => retries.again(self, &call, attempt).await?,
            }
        }
    }

    async fn download_once(
        &self,
        call: &Call,
        file: &VersionFile,
        to: &Path,
    ) -> Result<(), Attempt> {
        let ours = |error: std::io::Error| Attempt::Failed(Error::io("write", to, &error));
        let mut reply = self.open(call).await?;
        if let Some(folder) = to.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(ours)?;
        }
        let mut out = tokio::fs::File::create(to).await.map_err(ours)?;
        let mut hasher = Sha256::new();
        let mut size_bytes = 0;
        while let Some(part) = reply.body.next().await {
            let part = part.map_err(Attempt::Lost)?;
            hasher.update(&part);
            size_bytes += part.len() as u64;
            if size_bytes > file.size_bytes {
                break;
            }
            out.write_all(&part).await.map_err(ours)?;
        }
        // Writes go on behind our back, and syncing forgets how the last one ended: flushing tells.
        out.flush().await.map_err(ours)?;
        out.sync_all().await.map_err(ours)?;
        let sha256 = hex::encode(hasher.finalize());
        if size_bytes < file.size_bytes {
            return Err(Attempt::Lost(format!(
                "{} ended after {size_bytes} of {} bytes",
                file.path, file.size_bytes
            )));
        }
        if !file.is(size_bytes, &sha256) {
            return Err(Attempt::Failed(self.changed(file, &sha256).await));
        }
        Ok(())
    }
}

impl Remote {
    /// The error for bytes that are not those of the manifest.
    async fn changed(&self, file: &VersionFile, sha256: &str) -> Error {
        let error = Error::user(format!(
            "the registry's bytes of {} are not those that were registered (SHA-256 {sha256}, not {})",
            file.path, file.sha256
        ));
        match self.is_plain().await {
            Ok(true) => error.hint(
                "this server lets anyone change a version's files; register the run again: `mlx register`",
            ),
            _ => error.hint("check the registry: `mlx registry verify`"),
        }
    }
}

/// A name from elsewhere must stay inside the folder it is put in.
fn check_path(path: &str) -> Result<()> {
    let plain = !path.is_empty()
        && !path.contains(['\\', ':', '\0'])
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if plain {
        return Ok(());
    }
    Err(Error::user(format!("it holds a file named `{path}`, which would land outside its folder")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for path in ["", "../x", "/etc/passwd", "a/../../b", "C:\\x", "a\\b", "./a/.."] {
            assert!(check_path(path).is_err(), "{path}");
        }
        assert!(check_path("mlx/model.json").is_ok());
    }
}
