//! What reading may use of the machine besides its processor: memory, and a folder for what needn't be read again.

use super::cache::Cache;
use crate::sys::memory;

/// Neither changes what is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Means {
    /// Where tables are kept from one command to the next; absent: nowhere.
    pub cache: Option<Cache>,
    /// The memory to count on, in bytes; absent: what the system says is free.
    pub memory_bytes: Option<u64>,
}

impl Means {
    /// The memory to count on; unknown on some systems.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.memory_bytes.or_else(memory::available_bytes)
    }
}
