//! Routers: the registry's, and later the model server's.

pub(crate) mod registry;
pub(crate) mod socket;
