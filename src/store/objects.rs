//! Bytes by their SHA-256: `objects/ab/cdef…`. A file is visible only when it is whole, synced to
//! disk and named by the digest of what was written.

use std::path::Path as FilePath;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio_util::io::ReaderStream;

use super::Failure;
use crate::error::{Error, Result};
use crate::sys::random::hex_id;

/// How much of an upload is held in memory at once, and how much of a download is read at once.
const UPLOAD_PART_BYTES: usize = 4 << 20;
const DOWNLOAD_PART_BYTES: usize = 512 << 10;

/// Bytes on their way out.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// What was stored: its name and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub sha256: String,
    pub size_bytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
}

impl Objects {
    pub(crate) fn local(folder: &FilePath) -> Result<Self> {
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| Error::file("open", folder, error))?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store) })
    }

    /// Where an object is in a registry's folder.
    pub(crate) fn relative_path(sha256: &str) -> String {
        let (first, rest) = sha256.split_at(2);
        format!("objects/{first}/{rest}")
    }

    /// Store what the stream brings, in constant memory; nothing where it breaks off, or where it
    /// is not the bytes of `expected`.
    pub(crate) async fn put<S, E>(
        &self,
        stream: S,
        expected: Option<&str>,
    ) -> Result<Object, Failure>
    where
        S: Stream<Item = std::result::Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let mut stream = std::pin::pin!(stream);
        let mut incoming = Incoming::default();
        let mut staged: Option<Staged> = None;
        let read: Result<(), Failure> =
            async {
                while let Some(chunk) = stream.next().await {
                    incoming.add(chunk.map_err(|error| {
                        Failure::Invalid(format!("the upload broke off: {error}"))
                    })?);
                    if incoming.part_bytes >= UPLOAD_PART_BYTES {
                        let staged = match &mut staged {
                            Some(staged) => staged,
                            None => staged.insert(Staged::begin(&*self.store).await?),
                        };
                        staged.write(incoming.take_part()).await?;
                    }
                }
                incoming.check(expected)
            }
            .await;
        if let Err(failure) = read {
            if let Some(staged) = staged {
                staged.abort().await;
            }
            return Err(failure);
        }
        let object = incoming.object();
        let path = Path::from(Self::relative_path(&object.sha256));
        let there = self.has(&object).await?;
        match staged {
            // Small: one write under the final name, which is staged and renamed beneath.
            None if there => {}
            None => {
                self.store.put(&path, incoming.take_part()).await?;
            }
            Some(staged) if there => staged.abort().await,
            Some(mut staged) => {
                staged.write(incoming.take_part()).await?;
                let from = staged.finish().await?;
                self.store.rename(&from, &path).await?;
            }
        }
        Ok(object)
    }

    /// The size and bytes of an object. Whoever reads them checks the digest.
    pub(crate) async fn get(&self, sha256: &str) -> Result<(u64, ByteStream), Failure> {
        let found = self.store.get(&Path::from(Self::relative_path(sha256))).await?;
        let size = found.meta.size;
        let stream: ByteStream = match found.payload {
            GetResultPayload::File(file, _) => Box::pin(ReaderStream::with_capacity(
                tokio::fs::File::from_std(file),
                DOWNLOAD_PART_BYTES,
            )),
            GetResultPayload::Stream(stream) => Box::pin(stream.map_err(std::io::Error::other)),
        };
        Ok((size, stream))
    }

    /// The digest and size of the bytes that are really there; none where there is no object.
    pub(crate) async fn measure(&self, sha256: &str) -> Result<Option<Object>, Failure> {
        let path = Path::from(Self::relative_path(sha256));
        match self.store.head(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let (_, mut stream) = self.get(sha256).await?;
        let mut hasher = Sha256::new();
        let mut size_bytes = 0;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                Error::user(format!("cannot read object {sha256} of the registry: {error}"))
            })?;
            size_bytes += chunk.len() as u64;
            hasher.update(&chunk);
        }
        Ok(Some(Object { sha256: hex::encode(hasher.finalize()), size_bytes }))
    }

    /// An object of the wrong size is damage, and counts as absent: a new upload heals it.
    async fn has(&self, object: &Object) -> Result<bool, Failure> {
        match self.store.head(&Path::from(Self::relative_path(&object.sha256))).await {
            Ok(meta) => Ok(meta.size == object.size_bytes),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// What has come of an upload: its digest so far, and the part that is not written yet.
#[derive(Default)]
struct Incoming {
    hasher: Sha256,
    size_bytes: u64,
    part: Vec<Bytes>,
    part_bytes: usize,
}

impl Incoming {
    fn add(&mut self, chunk: Bytes) {
        self.hasher.update(&chunk);
        self.size_bytes += chunk.len() as u64;
        self.part_bytes += chunk.len();
        self.part.push(chunk);
    }

    fn take_part(&mut self) -> PutPayload {
        self.part_bytes = 0;
        std::mem::take(&mut self.part).into_iter().collect()
    }

    fn object(&self) -> Object {
        Object { sha256: hex::encode(self.hasher.clone().finalize()), size_bytes: self.size_bytes }
    }

    fn check(&self, expected: Option<&str>) -> Result<(), Failure> {
        let came = self.object().sha256;
        match expected {
            Some(expected) if !expected.eq_ignore_ascii_case(&came) => Err(Failure::Invalid(
                format!("the upload's SHA-256 is {came}, and {expected} was announced"),
            )),
            _ => Ok(()),
        }
    }
}

/// A large upload under a name of its own until it is whole. Hashing one part and writing the one
/// before go on at the same time.
struct Staged {
    path: Path,
    upload: Box<dyn object_store::MultipartUpload>,
    writing: Option<tokio::task::JoinHandle<object_store::Result<()>>>,
}

impl Staged {
    async fn begin(store: &dyn ObjectStore) -> Result<Self, Failure> {
        let path = Path::from(format!("uploads/{}", hex_id(16)));
        let upload = store.put_multipart(&path).await?;
        Ok(Self { path, upload, writing: None })
    }

    async fn write(&mut self, part: PutPayload) -> Result<(), Failure> {
        self.settle().await?;
        self.writing = Some(tokio::spawn(self.upload.put_part(part)));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        if let Some(writing) = self.writing.take() {
            writing
                .await
                .map_err(|error| Error::bug(format!("an upload's write was lost: {error}")))??;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Path, Failure> {
        self.settle().await?;
        self.upload.complete().await?;
        Ok(self.path)
    }

    async fn abort(mut self) {
        // What cannot be removed now lies in `uploads/`, where nothing reads it.
        let _ = self.settle().await;
        let _ = self.upload.abort().await;
    }
}
