//! The steps that nets are made of, one a file.

pub(crate) mod decomposed;
pub(crate) mod gather;
pub(crate) mod linear;
pub(crate) mod pool;
mod quantiles;
pub(crate) mod stretch;
