//! The steps that nets are made of, one a file.

pub(crate) mod activate;
pub(crate) mod attention;
mod beside;
pub(crate) mod decomposed;
pub(crate) mod gather;
mod interpolate;
pub(crate) mod linear;
mod members;
mod norm;
pub(crate) mod patches;
mod periodic;
pub(crate) mod piecewise;
pub(crate) mod pool;
mod quantiles;
mod residual;
pub(crate) mod stretch;
mod together;
