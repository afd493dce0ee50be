//! The machine: files, folders, clock, memory, random streams, devices, git, signals.

pub(crate) mod clock;
pub(crate) mod device;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod git;
pub(crate) mod keyring;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod positional;
pub(crate) mod random;
pub(crate) mod secret;
pub(crate) mod signals;
pub(crate) mod tfrecord;
