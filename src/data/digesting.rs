//! The digest of a file's bytes, taken as they are read.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// What was read so far, by SHA-256 and size. Copies count the same bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<(Sha256, u64)>>);

impl Tally {
    /// The digest in lower-case hex, and how many bytes there were.
    pub(crate) fn finish(&self) -> (String, u64) {
        let (hasher, size) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (hex::encode(hasher.clone().finalize()), *size)
    }
}

/// A stream whose bytes are counted as they pass.
pub(crate) struct Digesting<R> {
    pub stream: R,
    pub tally: Tally,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let (hasher, size) = &mut *self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        hasher.update(&buffer[..read]);
        *size += read as u64;
        Ok(read)
    }
}
