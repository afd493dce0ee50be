//! Nets: shapes that are stored, and forward passes that read weights by name.
//!
//! Training and scoring share the steps: the weights are either a run's variables or what
//! a package holds.

mod settings;
mod shape;
mod tabular;

pub(crate) use settings::{NetSettings, Numbers};
pub(crate) use shape::{Body, NetShape};
pub(crate) use tabular::TabularNet;
