//! mlx: the paved road from a table of data to a model in production.
//!
//! The rooms, in reading order. Who may use whom is a table in
//! `tests/it/architecture.rs`, which reads these files; ARCHITECTURE.md is the walk through.

pub(crate) mod error;

pub(crate) mod cli;
pub(crate) mod settings;
pub(crate) mod commands;
pub(crate) mod outcome;
pub(crate) mod ui;

pub(crate) mod scaffold;
pub(crate) mod train;
#[doc(hidden)]
pub mod bench;
pub(crate) mod eval;
pub(crate) mod model;
pub(crate) mod engine;
pub(crate) mod trees;
pub(crate) mod data;
pub(crate) mod metrics;

pub(crate) mod registry;
pub(crate) mod api;
pub(crate) mod remote;
pub(crate) mod serve;
pub(crate) mod store;

pub(crate) mod sys;

/// Run the command line of this process and answer its exit code.
pub fn main() -> std::process::ExitCode {
    commands::main()
}
