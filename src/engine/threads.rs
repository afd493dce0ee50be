//! The threads that shards run on.

use crate::error::{Error, Result};

/// Runs `work` where shards are spread over this many threads, the one that works included.
pub(crate) fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::user(format!("cannot start {threads} threads: {error}")))?;
    Ok(pool.install(work))
}
