//! Nets: shapes that are stored, and forward passes that read weights by name.
//!
//! Training and scoring share the forward pass: the weights are either a run's variables or what
//! a package holds.

mod mlp;
mod settings;

pub(crate) use mlp::{Mlp, MlpShape, encoded};
pub(crate) use settings::MlpSettings;
