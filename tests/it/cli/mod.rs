//! The real binary in a clean home, one verb a file.

mod completions;
mod config;
mod doctor;
mod new;
mod registry;
