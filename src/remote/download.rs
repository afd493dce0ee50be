//! A version's bytes on their way here: several files at once, checked against the version's manifest,
//! and only then under their name.
//!
//! A download that breaks off goes on where it was, in the same process or in the next: what has come
//! stays in a folder beside the target, named for the manifest. Whatever the parts were, the digest of the
//! whole decides.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::artifacts::route;
use super::pulled::Pulled;
use super::request::{Attempt, Remote, Retries};
use super::transport::{Call, Report};
use super::upload::{FILES_AT_ONCE, Moved};
use crate::api::mlx::VersionFile;
use crate::error::{Error, Result};
use crate::registry::{ModelName, VersionNumber};

impl Remote {
    /// Download a version into a folder that does not exist yet; it appears whole or not at all.
    pub(crate) async fn download(
        &self,
        model: &ModelName,
        version: VersionNumber,
        files: &[VersionFile],
        to: &Path,
        moved: &Moved,
    ) -> Result<()> {
        if files.is_empty() {
            return Err(Error::user(format!("{model}/{version} has no files")));
        }
        let pulling = |error: Error| error.context(format!("cannot pull {model}/{version}"));
        let artifact_uri = self.download_uri(model, version).await?;
        for file in files {
            check_path(&file.path).map_err(pulling)?;
        }
        let parent =
            to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error: std::io::Error| Error::io("write", to, &error);
        std::fs::create_dir_all(parent).map_err(failed)?;
        let pulled = Pulled::open(parent, files).map_err(failed)?;
        let folder = pulled.folder().to_owned();
        let downloaded = futures::stream::iter(files.iter().enumerate())
            .map(|(number, file)| {
                let moved = moved.clone();
                let report: Report = Arc::new(move |bytes| moved(number, bytes));
                let to = folder.join(&file.path);
                let route = route(&artifact_uri, &file.path);
                async move { self.download_file(&route?, file, &to, &report).await }
            })
            .buffer_unordered(FILES_AT_ONCE)
            .try_collect::<()>()
            .await;
        match downloaded {
            Ok(()) => pulled.finish(to).map_err(failed),
            Err(error) => {
                pulled.end(&error);
                Err(pulling(error))
            }
        }
    }

    async fn download_file(
        &self,
        route: &str,
        file: &VersionFile,
        to: &Path,
        report: &Report,
    ) -> Result<()> {
        let mut partial = Partial::open(to).await?;
        if file.sha256.is_empty() {
            // Nothing would tell that what came before is of another file.
            partial.start_over().await?;
        }
        let mut retries = Retries::new();
        let mut most = partial.size_bytes;
        loop {
            let unsure = file.sha256.is_empty() && partial.etag.is_none();
            if unsure && partial.size_bytes > 0 && !partial.is_whole(file) {
                partial.start_over().await?;
            }
            report(partial.size_bytes);
            let call = partial.call(route);
            if partial.is_whole(file) {
                let sha256 = partial.finish().await?;
                if file.is(partial.size_bytes, &sha256) {
                    return Ok(());
                }
                if !partial.resumed {
                    return Err(self.changed(file, &sha256).await);
                }
                // What an earlier download left may be anything.
                partial.start_over().await?;
                most = 0;
                continue;
            }
            let attempt = self.download_rest(&call, file, &mut partial, report).await.err();
            // More of a file than ever before is progress, and a new beginning of patience.
            if partial.size_bytes > most {
                most = partial.size_bytes;
                retries = Retries::new();
            }
            if let Some(attempt) = attempt {
                retries.again(self, &call, attempt).await?;
            }
        }
    }

    /// Get what is missing of a file, or as much of it as comes.
    async fn download_rest(
        &self,
        call: &Call,
        file: &VersionFile,
        partial: &mut Partial,
        report: &Report,
    ) -> Result<(), Attempt> {
        let mut reply = match self.open(call).await {
            Err(Attempt::Refused(refusal, _))
                if refusal.status == StatusCode::RANGE_NOT_SATISFIABLE =>
            {
                partial.start_over().await.map_err(Attempt::Failed)?;
                return Err(Attempt::Lost(format!(
                    "{} is shorter than what came of it",
                    file.path
                )));
            }
            opened => opened?,
        };
        let from = format!("bytes {}-", partial.size_bytes);
        let goes_on = reply.status == StatusCode::PARTIAL_CONTENT
            && reply.text(CONTENT_RANGE).is_some_and(|range| range.starts_with(&from));
        if partial.size_bytes > 0 && !goes_on {
            // Another file than before, or a server that sends files only whole.
            partial.start_over().await.map_err(Attempt::Failed)?;
        }
        // A weak one says that two files mean the same, and not that their bytes are.
        let etag = reply.text(ETAG).filter(|etag| !etag.starts_with("W/"));
        partial.etag = etag.map(str::to_owned);
        while let Some(part) = reply.body.next().await {
            let part = part.map_err(Attempt::Lost)?;
            partial.add(&part).await.map_err(Attempt::Failed)?;
            report(partial.size_bytes);
            if partial.size_bytes > file.size_bytes {
                break;
            }
        }
        // A server of ours has the whole file, so what is short was cut on the way. On another the
        // file itself may be another, and an answer that was cut is an error of its own.
        if partial.size_bytes < file.size_bytes && self.is_plain().await.unwrap_or(false) {
            let sha256 = hex::encode(partial.hasher.clone().finalize());
            return Err(Attempt::Failed(self.changed(file, &sha256).await));
        }
        if partial.size_bytes < file.size_bytes {
            return Err(Attempt::Lost(format!(
                "{} ended after {} of {} bytes",
                file.path, partial.size_bytes, file.size_bytes
            )));
        }
        partial.looked_at = true;
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

/// What has come of a file.
struct Partial {
    path: PathBuf,
    out: tokio::fs::File,
    hasher: Sha256,
    size_bytes: u64,
    etag: Option<String>,
    /// Whether some of it came to an earlier process.
    resumed: bool,
    /// Whether the server was asked for its end: an empty file is not whole before.
    looked_at: bool,
}

impl Partial {
    async fn open(path: &Path) -> Result<Self> {
        let (owned, failed) =
            (path.to_owned(), |error: std::io::Error| Error::io("write", path, &error));
        let opened = tokio::task::spawn_blocking(move || hashed(&owned)).await;
        let (out, hasher, size_bytes) = opened
            .map_err(|error| Error::bug(format!("opening a download was lost: {error}")))?
            .map_err(failed)?;
        let out = tokio::fs::File::from_std(out);
        let resumed = size_bytes > 0;
        Ok(Self {
            path: path.to_owned(),
            out,
            hasher,
            size_bytes,
            etag: None,
            resumed,
            looked_at: resumed,
        })
    }

    fn call(&self, route: &str) -> Call {
        let mut headers = vec![];
        if self.size_bytes > 0 {
            headers.push((RANGE.as_str(), format!("bytes={}-", self.size_bytes)));
            headers.extend(self.etag.clone().map(|etag| (IF_RANGE.as_str(), etag)));
        }
        Call { headers, repeatable: true, ..Call::new(Method::GET, route) }
    }

    fn is_whole(&self, file: &VersionFile) -> bool {
        self.looked_at && self.size_bytes >= file.size_bytes
    }

    async fn add(&mut self, part: &[u8]) -> Result<()> {
        self.hasher.update(part);
        self.size_bytes += part.len() as u64;
        let written = self.out.write_all(part).await;
        written.map_err(|error| Error::io("write", &self.path, &error))
    }

    async fn start_over(&mut self) -> Result<()> {
        let emptied = async {
            self.out.flush().await?;
            self.out.set_len(0).await?;
            self.out.rewind().await
        };
        emptied.await.map_err(|error| Error::io("write", &self.path, &error))?;
        self.hasher = Sha256::new();
        self.size_bytes = 0;
        (self.resumed, self.looked_at) = (false, false);
        self.etag = None;
        Ok(())
    }

    /// The digest of what is on disk now.
    async fn finish(&mut self) -> Result<String> {
        let synced = async {
            // Writes go on behind our back, and syncing forgets how the last one ended: flushing tells.
            self.out.flush().await?;
            self.out.sync_all().await
        };
        synced.await.map_err(|error| Error::io("write", &self.path, &error))?;
        Ok(hex::encode(self.hasher.clone().finalize()))
    }
}

/// A file at its end, with the digest of what is in it so far.
fn hashed(path: &Path) -> std::io::Result<(std::fs::File, Sha256, u64)> {
    use std::io::Read as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file =
        std::fs::File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((file, hasher, size_bytes)),
            read => {
                hasher.update(&buffer[..read]);
                size_bytes += read as u64;
            }
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
