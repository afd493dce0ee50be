//! A version's bytes on their way to the registry: several files at once, each from where it broke off.
//!
//! A server of ours is asked first what it has. Of large files it gets the rest, or a proof that we have
//! them; small ones are sent whole, which takes no more requests. Any MLflow server gets every file whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use http::Method;

use super::artifacts::{inside, route};
use super::failure::Failure;
use super::request::{Attempt, Remote, Retries, segment};
use super::transport::{Body, Call, FilePart, Report};
use crate::api::mlflow::{DIGEST_HEADER, Empty};
use crate::api::uploads::{
    BeginUploads, BegunUpload, BegunUploads, CompleteUpload, FEATURE, FileToUpload, MOST_AT_ONCE,
    OFFSET_HEADER, Proof, StoredFile,
};
use crate::error::{Error, Result};

const ROUTES: &str = "/api/mlx/1/uploads";

/// Files that move at the same time, up or down. More fill no line better and take memory from the server.
pub(super) const FILES_AT_ONCE: usize = 4;

/// Smaller files are sent whole: beginning, sending and completing one would be three requests for one.
const RESUMABLE_FROM_BYTES: u64 = 1 << 20;

/// What one request carries: little enough for proxies that hold a request until it is whole.
const PIECE_BYTES: u64 = 32 << 20;

/// How often an upload that the server gave up is begun again.
const BEGINNINGS: u32 = 3;

/// Told how many bytes of which file are at the other end, or here: an absolute count, which falls where
/// something has to be sent again.
pub(crate) type Moved = Arc<dyn Fn(usize, u64) + Send + Sync>;

/// A file of this machine, and its path below an artifact address.
#[derive(Clone, Debug)]
pub(crate) struct LocalFile {
    pub path: String,
    pub file: PathBuf,
    /// Lower-case hex.
    pub sha256: String,
    pub size_bytes: u64,
}

/// What did not have to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spared {
    /// Bytes that the registry had, from other versions.
    pub known_bytes: u64,
    /// Bytes that an upload before this one had brought.
    pub resumed_bytes: u64,
}

impl Remote {
    /// Upload files below an artifact address. The server refuses bytes of another digest.
    pub(crate) async fn upload(
        &self,
        artifact_uri: &str,
        files: &[LocalFile],
        moved: &Moved,
    ) -> Result<Spared> {
        let mut begun = self.begin_large(artifact_uri, files).await?;
        let spared = futures::stream::iter(files.iter().enumerate())
            .map(|(number, file)| {
                let begun = begun.remove(&number);
                let moved = moved.clone();
                let report: Report = Arc::new(move |bytes| moved(number, bytes));
                async move {
                    let sent = match begun {
                        None => self.upload_whole(artifact_uri, file, &report).await,
                        Some(begun) => {
                            self.upload_resumable(artifact_uri, file, begun, &report).await
                        }
                    };
                    sent.map_err(|error| error.context(format!("cannot upload {}", file.path)))
                }
            })
            .buffer_unordered(FILES_AT_ONCE)
            .try_fold(Spared::default(), |sum, one| async move {
                Ok(Spared {
                    known_bytes: sum.known_bytes + one.known_bytes,
                    resumed_bytes: sum.resumed_bytes + one.resumed_bytes,
                })
            })
            .await?;
        Ok(spared)
    }

    /// Begin the uploads that are worth it, by their place among the files.
    async fn begin_large(
        &self,
        artifact_uri: &str,
        files: &[LocalFile],
    ) -> Result<HashMap<usize, BegunUpload>> {
        let large: Vec<(usize, &LocalFile)> = files
            .iter()
            .enumerate()
            .filter(|(_, file)| file.size_bytes >= RESUMABLE_FROM_BYTES)
            .collect();
        // In process nothing breaks off, and what is stored already is hashed and dropped.
        if large.is_empty() || self.is_in_process() || !self.has_feature(FEATURE).await? {
            return Ok(HashMap::new());
        }
        let mut begun = HashMap::new();
        for some in large.chunks(MOST_AT_ONCE) {
            let some_files: Vec<&LocalFile> = some.iter().map(|(_, file)| *file).collect();
            let uploads = self.begin(artifact_uri, &some_files).await?;
            begun.extend(some.iter().map(|(number, _)| *number).zip(uploads));
        }
        Ok(begun)
    }

    async fn begin(&self, artifact_uri: &str, files: &[&LocalFile]) -> Result<Vec<BegunUpload>> {
        let folder = inside(artifact_uri)?;
        let files: Vec<FileToUpload> = files
            .iter()
            .map(|file| FileToUpload {
                path: format!("{folder}/{}", file.path),
                size_bytes: file.size_bytes,
                sha256: file.sha256.clone(),
            })
            .collect();
        let asked = files.len();
        // Beginning the same upload again is going on with it.
        let reply: BegunUploads =
            self.send_json(Method::POST, ROUTES.to_owned(), &BeginUploads { files }, true).await?;
        if reply.uploads.len() != asked {
            return Err(Error::user(format!(
                "{} began {} uploads of {asked}",
                self.address(),
                reply.uploads.len()
            )));
        }
        Ok(reply.uploads)
    }

    async fn upload_whole(
        &self,
        artifact_uri: &str,
        file: &LocalFile,
        report: &Report,
    ) -> Result<Spared> {
        let _: Empty = self
            .answer(Call {
                headers: vec![(DIGEST_HEADER, file.sha256.clone())],
                body: Body::File(FilePart {
                    path: file.file.clone(),
                    from: 0,
                    size_bytes: file.size_bytes,
                    report: Some(report.clone()),
                }),
                repeatable: true,
                ..Call::new(Method::PUT, route(artifact_uri, &file.path)?)
            })
            .await?;
        report(file.size_bytes);
        Ok(Spared::default())
    }

    async fn upload_resumable(
        &self,
        artifact_uri: &str,
        file: &LocalFile,
        begun: BegunUpload,
        report: &Report,
    ) -> Result<Spared> {
        let mut upload = begun;
        let mut spared = Spared { known_bytes: 0, resumed_bytes: upload.offset };
        let mut beginnings = 1;
        loop {
            let tried = if upload.known {
                self.prove(&upload.id, file).await
            } else {
                self.send_rest(&upload, file, report).await
            };
            match tried {
                Ok(()) => {
                    if upload.known {
                        spared = Spared { known_bytes: file.size_bytes, resumed_bytes: 0 };
                    }
                    report(file.size_bytes);
                    return Ok(spared);
                }
                // It was removed meanwhile, or the server doubts the proof: the bytes convince it.
                Err(failure) if upload.known && failure.is_conflict() => upload.known = false,
                // Given up by the server, or completed by a request whose answer was lost.
                Err(failure) if failure.is_not_found() && beginnings < BEGINNINGS => {
                    beginnings += 1;
                    let again = self.begin(artifact_uri, &[file]).await?;
                    upload = again.into_iter().next().expect("as many uploads as were asked for");
                    spared.resumed_bytes = spared.resumed_bytes.min(upload.offset);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn prove(&self, id: &str, file: &LocalFile) -> Result<(), Failure> {
        let (key, path) = (id.to_owned(), file.file.clone());
        let proof = tokio::task::spawn_blocking(move || prove(&key, &path))
            .await
            .map_err(|error| Error::bug(format!("a proof was lost: {error}")))??;
        self.complete(id, file, Some(proof)).await
    }

    /// Send what the server does not have yet, and have it put together.
    async fn send_rest(
        &self,
        upload: &BegunUpload,
        file: &LocalFile,
        report: &Report,
    ) -> Result<(), Failure> {
        let path = format!("{ROUTES}/{}", segment(&upload.id));
        let mut offset = upload.offset;
        report(offset);
        let mut retries = Retries::new();
        while offset < file.size_bytes {
            let call = Call {
                headers: vec![(OFFSET_HEADER, offset.to_string())],
                body: Body::File(FilePart {
                    path: file.file.clone(),
                    from: offset,
                    size_bytes: PIECE_BYTES.min(file.size_bytes - offset),
                    report: Some(report.clone()),
                }),
                // At another offset than the next it changes nothing.
                repeatable: true,
                ..Call::new(Method::PATCH, path.clone())
            };
            let now = match self.open(&call).await {
                Ok(reply) => match reply.number(OFFSET_HEADER) {
                    Some(now) if now > offset => now,
                    _ => {
                        let lost = Attempt::Lost(format!(
                            "nothing of {} arrived from byte {offset} on",
                            file.path
                        ));
                        retries.again(self, &call, lost).await?;
                        offset
                    }
                },
                // The server has another part of it than we think: an answer was lost.
                Err(Attempt::Refused(refusal, _)) if refusal.status.as_u16() == 409 => {
                    let now = self.offset(&path).await?;
                    if now <= offset {
                        retries.again(self, &call, Attempt::Lost(refusal.message)).await?;
                    }
                    now
                }
                Err(attempt) => {
                    retries.again(self, &call, attempt).await?;
                    self.offset(&path).await?
                }
            };
            if now > offset {
                retries = Retries::new();
            }
            offset = now;
            report(offset);
        }
        self.complete(&upload.id, file, None).await
    }

    /// How much of an upload the server has.
    async fn offset(&self, path: &str) -> Result<u64, Failure> {
        let call = Call { repeatable: true, ..Call::new(Method::HEAD, path.to_owned()) };
        let mut retries = Retries::new();
        loop {
            let attempt = match self.open(&call).await {
                Ok(reply) => match reply.number(OFFSET_HEADER) {
                    Some(offset) => return Ok(offset),
                    None => Attempt::Lost("it does not say how much of an upload it has".into()),
                },
                Err(attempt) => attempt,
            };
            retries.again(self, &call, attempt).await?;
        }
    }

    async fn complete(
        &self,
        id: &str,
        file: &LocalFile,
        proof: Option<String>,
    ) -> Result<(), Failure> {
        let path = format!("{ROUTES}/{}/complete", segment(id));
        let request = CompleteUpload { proof };
        // Putting together is reading and writing on the server: slow disks do 5 MB in a second.
        let patience = Duration::from_mins(1) + Duration::from_secs(file.size_bytes / 5_000_000);
        let asked = Instant::now();
        loop {
            let stored: StoredFile =
                self.send_json(Method::POST, path.clone(), &request, true).await?;
            if !stored.sha256.is_empty() {
                return Ok(());
            }
            if asked.elapsed() > patience {
                return Err(Error::unreachable(format!(
                    "{} is putting the file together for {} s now",
                    self.address(),
                    asked.elapsed().as_secs()
                ))
                .hint("run the command again in a while: what is there is not sent again")
                .into());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// What shows the server that every byte of a file is here.
fn prove(id: &str, path: &Path) -> Result<String> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut buffer = vec![0; 1 << 20];
    let mut proof = Proof::of(id);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(proof.finish()),
            read => proof.update(&buffer[..read]),
        }
    }
}
