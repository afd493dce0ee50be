//! `mlx registry`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Run and look after a registry.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    Serve(RegistryServeArgs),
    Status(RegistryStatusArgs),
    Verify(RegistryVerifyArgs),
    Backup(RegistryBackupArgs),
    Restore(RegistryRestoreArgs),
    Import(RegistryImportArgs),
}

/// Answer MLflow's REST API and mlx's extension of it over HTTP.
#[derive(Debug, Args)]
pub(crate) struct RegistryServeArgs {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 5000)]
    pub port: u16,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Where a registry is.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The folder that holds the registry; default: the embedded one's.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Its database, where it is not in that folder: `postgres://USER@HOST/DATABASE`, or the path
    /// of an SQLite file. A password is better said by PGPASSWORD or ~/.pgpass than here, where
    /// every process of the machine can see it.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Its files, where they are not in that folder: another folder, `s3://BUCKET/PREFIX`,
    /// `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`. Who asks is said by the AWS_, GOOGLE_ or
    /// AZURE_ variables; AWS_ENDPOINT_URL names a server like S3.
    #[arg(long, value_name = "URL")]
    pub artifacts: Option<String>,
}

/// Say which registry is in use, where it is, and what it promises.
#[derive(Debug, Args)]
pub(crate) struct RegistryStatusArgs {}

/// Check every version's bytes, every event's hash and every alias against the log.
#[derive(Debug, Args)]
pub(crate) struct RegistryVerifyArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Write a copy of a registry, whole and consistent, while it is in use.
#[derive(Debug, Args)]
pub(crate) struct RegistryBackupArgs {
    /// The folder to write; must not exist.
    pub to: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Put a backup in place of a registry.
#[derive(Debug, Args)]
pub(crate) struct RegistryRestoreArgs {
    /// The backup's folder.
    pub from: PathBuf,
    /// The folder to restore into; default: the embedded one's.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Replace a registry that is there; it is kept beside as `NAME.before-restore-TIME`.
    #[arg(long)]
    pub replace: bool,
}

/// Make a registry of what an MLflow server keeps: experiments, runs, models, versions, files.
///
/// Ids, version numbers and times stay what they are, aliases become environments with a first event.
/// Stop the MLflow server first: what it writes meanwhile is not brought. Nothing of it is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mlx registry import sqlite:////srv/mlflow/mlflow.db --from-artifacts /srv/mlflow/mlartifacts --data /srv/registry
  mlx registry import postgres://mlflow@db/mlflow --from-artifacts /srv/mlartifacts --data /srv/registry")]
pub(crate) struct RegistryImportArgs {
    /// The MLflow server's database, as its `--backend-store-uri` has it.
    #[arg(value_name = "DATABASE")]
    pub from: String,
    /// The folder that the MLflow server keeps artifacts in, as its `--artifacts-destination` has it.
    #[arg(long, value_name = "DIR")]
    pub from_artifacts: Option<PathBuf>,
    #[command(flatten)]
    pub place: PlaceArgs,
}
