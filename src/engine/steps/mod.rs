//! The steps that nets are made of, one a file.

pub(crate) mod gather;
pub(crate) mod linear;
mod quantiles;
