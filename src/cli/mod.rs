//! What can be typed: the clap structs and their help text, one verb a file.

pub(crate) mod approve;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod environments;
pub(crate) mod eval;
pub(crate) mod login;
pub(crate) mod models;
pub(crate) mod new;
pub(crate) mod predict;
pub(crate) mod promote;
pub(crate) mod register;
pub(crate) mod registry;
pub(crate) mod rollback;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod tour;
pub(crate) mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The paved road from a table of data to a model in production.
#[derive(Debug, Parser)]
#[command(name = "mlx", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// Answer with one JSON document (or, while training or serving, one event a line).
    #[arg(long, global = true)]
    pub json: bool,
    /// Only the answer and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Work in this folder instead of the current one.
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The registry to use: an address, a folder of an embedded one, or `embedded` for your own.
    #[arg(long, global = true, value_name = "URL")]
    pub registry: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(new::NewArgs),
    Init(new::InitArgs),
    #[command(subcommand)]
    Data(data::DataCommand),
    Train(train::TrainArgs),
    #[command(subcommand)]
    Runs(runs::RunsCommand),
    Eval(eval::EvalArgs),
    Predict(predict::PredictArgs),
    Register(register::RegisterArgs),
    Promote(promote::PromoteArgs),
    Rollback(rollback::RollbackArgs),
    #[command(subcommand)]
    Env(environments::EnvCommand),
    Approve(approve::ApproveArgs),
    #[command(subcommand)]
    Models(models::ModelsCommand),
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    Login(login::LoginArgs),
    Logout(login::LogoutArgs),
    Tour(tour::TourArgs),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Doctor(doctor::DoctorArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}
