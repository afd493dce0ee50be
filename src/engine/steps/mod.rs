//! The steps that nets are made of, one a file.

pub(crate) mod activate;
mod attention;
pub(crate) mod decomposed;
pub(crate) mod gather;
pub(crate) mod linear;
mod members;
mod norm;
mod periodic;
pub(crate) mod piecewise;
pub(crate) mod pool;
mod quantiles;
mod residual;
pub(crate) mod stretch;
mod together;
