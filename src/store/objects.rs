//! Bytes by their SHA-256: `objects/ab/cdef…`. An object is visible only when it is whole, on disk
//! or with the bucket, and named by the digest of what was written.
//!
//! A folder renames what was staged. A bucket can't: there, what was announced with its digest goes
//! straight to its name and is completed only if the digest is right, and what wasn't is staged
//! under `uploads/` and copied within the bucket.

use std::ops::Range;
use std::path::Path as FilePath;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::place::{ArtifactsPlace, Bucket};
use super::staged::Staged;
use super::{Failure, buckets};
use crate::error::{Error, Result};

/// How much of a download is read at once.
const DOWNLOAD_PART_BYTES: usize = 512 << 10;

/// About how large a part of an upload in pieces becomes: a killed server loses no more of one.
const PIECE_BYTES: u64 = 32 << 20;

/// The largest object that S3 copies in one request.
const LARGEST_COPY_BYTES: u64 = 5 << 30;

/// Where what is not whole yet is staged.
pub(super) const UPLOADS: &str = "uploads";

/// Bytes on their way out.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// What was stored: its name and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub sha256: String,
    pub size_bytes: u64,
}

/// What a put came to.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub object: Object,
    /// Whether its bytes were written just now; else they were there.
    pub wrote: bool,
}

/// Part of an upload that is an object of its own.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// 0: nothing was written.
    pub size_bytes: u64,
    pub end: PartEnd,
}

/// Why a part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PartEnd {
    /// It is as large as parts become; there may be more to come.
    Full,
    /// Nothing more came.
    Whole,
    Broke(String),
    /// More came than there may be.
    TooMuch,
}

/// A stored file by its own name, as the store itself lists it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub key: String,
    pub size_bytes: u64,
    /// By the clock of the store.
    pub modified_ms: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    pub(super) kind: Kind,
}

/// What a place for bytes can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Files are renamed, and disks fill up.
    Folder,
    /// Objects are copied, and networks fail.
    Bucket,
}

impl Kind {
    /// How much of an upload is sent at once: buckets want 5 MiB or more of all but the last part,
    /// all alike.
    fn part_bytes(self) -> usize {
        match self {
            Self::Folder => 4 << 20,
            Self::Bucket => 8 << 20,
        }
    }

    /// How many parts may be on their way while the next one fills.
    fn parts_on_their_way(self) -> usize {
        match self {
            Self::Folder => 1,
            Self::Bucket => 3,
        }
    }

    /// The failure that an error of the object store is.
    pub(super) fn failure(self, error: object_store::Error) -> Failure {
        let is_full = super::failure::has_no_room(&error);
        let error = super::failure::objects(self, error);
        if is_full { Failure::Full(error) } else { error.into() }
    }
}

impl Objects {
    pub(crate) async fn open(place: &ArtifactsPlace) -> Result<Self> {
        match place {
            ArtifactsPlace::Folder(folder) => Self::local(folder),
            ArtifactsPlace::Bucket(bucket) => Self::bucket(bucket).await,
        }
    }

    pub(crate) fn local(folder: &FilePath) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("open", folder, &error))?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| Error::file("open", folder, error))?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), kind: Kind::Folder })
    }

    /// A bucket that answers; another is an error at once, and not at the first upload.
    async fn bucket(bucket: &Bucket) -> Result<Self> {
        let objects = Self { store: buckets::open(bucket)?, kind: Kind::Bucket };
        let first = objects.store.list(Some(&Path::from("objects"))).next().await;
        match first.transpose() {
            Ok(_) => Ok(objects),
            Err(error) => Err(super::failure::objects(Kind::Bucket, error)
                .context(format!("cannot use {}", bucket.url))),
        }
    }

    /// Objects of this process's memory, which are copied as a bucket's are.
    #[cfg(test)]
    pub(super) fn memory() -> Self {
        let store = object_store::memory::InMemory::new();
        Self { store: Arc::new(store), kind: Kind::Bucket }
    }

    /// Where an object is, from the place of all.
    pub(crate) fn relative_path(sha256: &str) -> String {
        let (first, rest) = sha256.split_at(2);
        format!("objects/{first}/{rest}")
    }

    /// Store what the stream brings, in constant memory; nothing where it breaks off, or where it
    /// is not the bytes of `expected`.
    pub(crate) async fn put<S>(&self, stream: S, expected: Option<&str>) -> Result<Put, Failure>
    where
        S: Stream<Item = Result<Bytes, Failure>>,
    {
        let mut stream = std::pin::pin!(stream);
        let mut incoming = Incoming::default();
        let mut staged: Option<Staged> = None;
        let read: Result<(), Failure> = async {
            while let Some(chunk) = stream.next().await {
                incoming.add(chunk?);
                while incoming.buffer.size_bytes >= self.kind.part_bytes() {
                    let staged = match &mut staged {
                        Some(staged) => staged,
                        None => staged.insert(self.stage(expected).await?),
                    };
                    staged.write(incoming.buffer.take(self.kind.part_bytes())).await?;
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
        let rest = incoming.buffer.take(usize::MAX);
        let there = self.has(&object).await?;
        match (there, staged) {
            (true, None) => {}
            (true, Some(staged)) => staged.abort().await,
            // Small: one write under the final name, which is whole or not there.
            (false, None) => {
                let written = self.store.put(&path(&object.sha256), rest).await;
                written.map_err(|error| self.kind.failure(error))?;
            }
            (false, Some(staged)) => self.finish(staged, rest, &object).await?,
        }
        Ok(Put { object, wrote: !there })
    }

    /// Store what the stream brings, up to about [`PIECE_BYTES`], under a name of its own. Unlike a file,
    /// a part may end anywhere: what came is kept. Nothing is written where nothing came.
    pub(super) async fn put_part<S, E>(
        &self,
        key: &str,
        stream: &mut S,
        most: u64,
    ) -> Result<Part, Failure>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let mut buffer = Buffer::default();
        let mut staged: Option<Staged> = None;
        let mut size_bytes = 0;
        let end = loop {
            let chunk = match stream.next().await {
                None => break PartEnd::Whole,
                Some(Err(error)) => break PartEnd::Broke(error.to_string()),
                Some(Ok(chunk)) => chunk,
            };
            size_bytes += chunk.len() as u64;
            if size_bytes > most {
                if let Some(staged) = staged {
                    staged.abort().await;
                }
                return Ok(Part { size_bytes: 0, end: PartEnd::TooMuch });
            }
            buffer.add(chunk);
            while buffer.size_bytes >= self.kind.part_bytes() {
                let staged = match &mut staged {
                    Some(staged) => staged,
                    None => {
                        let at_once = self.kind.parts_on_their_way();
                        let path = Some(Path::from(key));
                        staged.insert(Staged::begin(&*self.store, self.kind, path, at_once).await?)
                    }
                };
                staged.write(buffer.take(self.kind.part_bytes())).await?;
            }
            if size_bytes >= PIECE_BYTES {
                break PartEnd::Full;
            }
        };
        let rest = buffer.take(usize::MAX);
        match staged {
            Some(mut staged) => {
                if rest.content_length() > 0 {
                    staged.write(rest).await?;
                }
                staged.finish().await?;
            }
            None if size_bytes == 0 => {}
            None => {
                let written = self.store.put(&Path::from(key), rest).await;
                written.map_err(|error| self.kind.failure(error))?;
            }
        }
        Ok(Part { size_bytes, end })
    }

    /// Begin a large upload. In a bucket one whose digest was announced goes to its final name: it
    /// is there once it is completed, which it is not before the digest is checked.
    async fn stage(&self, expected: Option<&str>) -> Result<Staged, Failure> {
        let name = expected.filter(|_| self.kind == Kind::Bucket);
        let path = name.filter(|name| is_digest(name)).map(|name| path(&name.to_ascii_lowercase()));
        Staged::begin(&*self.store, self.kind, path, self.kind.parts_on_their_way()).await
    }

    /// Give what was staged its name.
    async fn finish(
        &self,
        mut staged: Staged,
        rest: PutPayload,
        object: &Object,
    ) -> Result<(), Failure> {
        let to = path(&object.sha256);
        let completed = async {
            if rest.content_length() > 0 {
                staged.write(rest).await?;
            }
            staged.finish().await
        };
        let from = match completed.await {
            Ok(from) => from,
            // Two who upload the same at once: in some buckets the first to complete takes the
            // parts of the other along. A completion whose answer was lost is done all the same.
            Err(_) if self.has(object).await? => return Ok(()),
            Err(failure) => return Err(failure),
        };
        if from == to {
            return Ok(());
        }
        match self.kind {
            Kind::Folder => self.store.rename(&from, &to).await,
            Kind::Bucket if object.size_bytes > LARGEST_COPY_BYTES => {
                let (_, stream) = self.get_at(&from, None).await?;
                // Boxed, as a future that holds itself has no size.
                let stream = stream.map_err(|error| unreadable(&error));
                Box::pin(self.put(stream, Some(&object.sha256))).await?;
                let _ = self.store.delete(&from).await;
                return Ok(());
            }
            Kind::Bucket => self.store.copy(&from, &to).await,
        }
        .map_err(|error| self.kind.failure(error))?;
        if self.kind == Kind::Bucket {
            // A copy may be answered before it is made. What is not there is not stored.
            if !self.has(object).await? {
                return Err(Error::unreachable(format!(
                    "the bucket took object {} and does not show it",
                    object.sha256
                ))
                .into());
            }
            // What stays of it is swept later.
            let _ = self.store.delete(&from).await;
        }
        Ok(())
    }

    /// The size and bytes of an object. Whoever reads them checks the digest.
    pub(crate) async fn get(&self, sha256: &str) -> Result<(u64, ByteStream), Failure> {
        self.get_at(&path(sha256), None).await
    }

    /// The size and bytes of what has this name.
    pub(super) async fn open_key(&self, key: &str) -> Result<(u64, ByteStream), Failure> {
        self.get_at(&Path::from(key), None).await
    }

    /// The size of an object, and those of its bytes.
    pub(crate) async fn get_range(
        &self,
        sha256: &str,
        range: Range<u64>,
    ) -> Result<(u64, ByteStream), Failure> {
        self.get_at(&path(sha256), Some(range)).await
    }

    async fn get_at(
        &self,
        path: &Path,
        range: Option<Range<u64>>,
    ) -> Result<(u64, ByteStream), Failure> {
        if range.as_ref().is_some_and(Range::is_empty) {
            // No request for nothing; object stores refuse it.
            let meta = self.store.head(path).await.map_err(|error| self.kind.failure(error))?;
            return Ok((meta.size, Box::pin(futures::stream::empty())));
        }
        let options = GetOptions { range: range.map(Into::into), ..GetOptions::default() };
        let found = self.store.get_opts(path, options).await;
        let found = found.map_err(|error| self.kind.failure(error))?;
        let size = found.meta.size;
        let stream: ByteStream = match found.payload {
            GetResultPayload::File(file, at) => {
                let mut file = tokio::fs::File::from_std(file);
                if found.range.start > 0 {
                    let sought = file.seek(std::io::SeekFrom::Start(found.range.start)).await;
                    sought.map_err(|error| Error::io("read", &at, &error))?;
                }
                let length = found.range.end - found.range.start;
                Box::pin(ReaderStream::with_capacity(file.take(length), DOWNLOAD_PART_BYTES))
            }
            GetResultPayload::Stream(stream) => Box::pin(stream.map_err(std::io::Error::other)),
        };
        Ok((size, stream))
    }

    /// The digest and size of the bytes that are really there; none where there is no object.
    pub(crate) async fn measure(&self, sha256: &str) -> Result<Option<Object>, Failure> {
        match self.store.head(&path(sha256)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other.map_err(|error| self.kind.failure(error))?,
        };
        let (_, mut stream) = self.get(sha256).await?;
        let mut hasher = Sha256::new();
        let mut size_bytes = 0;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| unreadable(&error))?;
            size_bytes += chunk.len() as u64;
            hasher.update(&chunk);
        }
        Ok(Some(Object { sha256: hex::encode(hasher.finalize()), size_bytes }))
    }

    /// Remove what has this name; what is not there needs no removing.
    pub(super) async fn remove(&self, key: &str) -> Result<(), Failure> {
        match self.store.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.kind.failure(error)),
        }
    }

    /// Write an empty file, and answer what time the store stamps it with.
    pub(super) async fn touch(&self, key: &str) -> Result<i64, Failure> {
        let path = Path::from(key);
        let written = self.store.put(&path, PutPayload::new()).await;
        written.map_err(|error| self.kind.failure(error))?;
        let meta = self.store.head(&path).await.map_err(|error| self.kind.failure(error))?;
        Ok(meta.last_modified.timestamp_millis())
    }

    /// Everything below a folder of the store, in no order.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>, Failure> {
        let mut found = self.store.list(Some(&Path::from(folder)));
        let mut listed = Vec::new();
        while let Some(meta) = found.next().await {
            listed.push(Listed::from(meta.map_err(|error| self.kind.failure(error))?));
        }
        Ok(listed)
    }

    /// What the store itself says of a name now.
    pub(super) async fn look(&self, key: &str) -> Result<Option<Listed>, Failure> {
        match self.store.head(&Path::from(key)).await {
            Ok(meta) => Ok(Some(meta.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.kind.failure(error)),
        }
    }

    /// An object of the wrong size is damage, and counts as absent: a new upload heals it.
    pub(super) async fn has(&self, object: &Object) -> Result<bool, Failure> {
        match self.store.head(&path(&object.sha256)).await {
            Ok(meta) => Ok(meta.size == object.size_bytes),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.kind.failure(error)),
        }
    }
}

fn path(sha256: &str) -> Path {
    Path::from(Objects::relative_path(sha256))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl From<object_store::ObjectMeta> for Listed {
    fn from(meta: object_store::ObjectMeta) -> Self {
        Self {
            key: meta.location.to_string(),
            size_bytes: meta.size,
            modified_ms: meta.last_modified.timestamp_millis(),
        }
    }
}

/// What to say of a stored file that breaks off while it is read.
pub(super) fn unreadable(error: &std::io::Error) -> Failure {
    Failure::Broken(Error::user(format!("cannot read the registry's files: {error}")))
}

/// What came and is not written yet.
#[derive(Default)]
struct Buffer {
    chunks: std::collections::VecDeque<Bytes>,
    size_bytes: usize,
}

impl Buffer {
    fn add(&mut self, chunk: Bytes) {
        self.size_bytes += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// The first of the bytes, this many where there are.
    fn take(&mut self, bytes: usize) -> PutPayload {
        let mut taken = Vec::new();
        let mut wanted = bytes.min(self.size_bytes);
        self.size_bytes -= wanted;
        while wanted > 0 {
            let Some(mut chunk) = self.chunks.pop_front() else { break };
            if chunk.len() > wanted {
                self.chunks.push_front(chunk.split_off(wanted));
            }
            wanted -= chunk.len();
            taken.push(chunk);
        }
        taken.into_iter().collect()
    }
}

/// What has come of an upload: its digest so far, and what is not written yet.
#[derive(Default)]
struct Incoming {
    hasher: Sha256,
    size_bytes: u64,
    buffer: Buffer,
}

impl Incoming {
    fn add(&mut self, chunk: Bytes) {
        self.hasher.update(&chunk);
        self.size_bytes += chunk.len() as u64;
        self.buffer.add(chunk);
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
