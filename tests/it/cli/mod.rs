//! The real binary in a clean home, one verb a file.

mod completions;
mod config;
mod course;
mod covariates;
mod data_check;
mod data_cache;
mod doctor;
mod eval;
mod gate;
mod killed;
mod killed_training;
mod new;
mod precision;
mod registry;
mod memory;
mod models;
mod promote;
mod register;
mod registry_faults;
mod rollback;
mod runs;
mod readme;
mod tensorboard;
mod tour;
pub mod train;
mod predict;
mod ranking;
