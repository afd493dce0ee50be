//! A large upload under a name at which nobody looks, or at which nothing is until it is completed.

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::Failure;
use super::objects::{Kind, UPLOADS};
use crate::error::Error;
use crate::sys::random::hex_id;

/// Parts that are being written while the next one is received and hashed.
pub(super) struct Staged {
    path: Path,
    kind: Kind,
    /// None: completed, or given up.
    upload: Option<Box<dyn MultipartUpload>>,
    writing: JoinSet<object_store::Result<()>>,
    /// How many parts may be on their way.
    at_once: usize,
}

impl Staged {
    /// At this path, or at one of its own.
    pub(super) async fn begin(
        store: &dyn ObjectStore,
        kind: Kind,
        path: Option<Path>,
        at_once: usize,
    ) -> Result<Self, Failure> {
        let path = path.unwrap_or_else(|| Path::from(format!("{UPLOADS}/{}", hex_id(16))));
        let upload = store.put_multipart(&path).await.map_err(|error| kind.failure(error))?;
        Ok(Self { path, kind, upload: Some(upload), writing: JoinSet::new(), at_once })
    }

    pub(super) async fn write(&mut self, part: PutPayload) -> Result<(), Failure> {
        self.settle(self.at_once - 1).await?;
        let written = self.upload().put_part(part);
        self.writing.spawn(written);
        Ok(())
    }

    /// Wait until at most this many parts are on their way.
    async fn settle(&mut self, left: usize) -> Result<(), Failure> {
        while self.writing.len() > left {
            let Some(written) = self.writing.join_next().await else { break };
            written
                .map_err(|error| Error::bug(format!("an upload's write was lost: {error}")))?
                .map_err(|error| self.kind.failure(error))?;
        }
        Ok(())
    }

    /// The path at which all of it is.
    pub(super) async fn finish(mut self) -> Result<Path, Failure> {
        self.settle(0).await?;
        let completed = self.upload().complete().await;
        completed.map_err(|error| self.kind.failure(error))?;
        self.upload = None;
        Ok(self.path.clone())
    }

    /// Leave nothing. What can't be removed now lies where nothing reads it.
    pub(super) async fn abort(mut self) {
        self.writing.shutdown().await;
        if let Some(mut upload) = self.upload.take() {
            let _ = upload.abort().await;
        }
    }

    fn upload(&mut self) -> &mut dyn MultipartUpload {
        &mut **self.upload.as_mut().expect("taken only by what consumes the whole")
    }
}

/// Whoever sent it may be gone, and its request dropped: the bucket keeps what isn't aborted.
impl Drop for Staged {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), Handle::try_current()) {
            let mut writing = std::mem::take(&mut self.writing);
            runtime.spawn(async move {
                writing.shutdown().await;
                let _ = upload.abort().await;
            });
        }
    }
}
