//! `mlx registry`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Run and look after a registry.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    Serve(RegistryServeArgs),
    Status(RegistryStatusArgs),
    Verify(RegistryVerifyArgs),
    Reconcile(RegistryReconcileArgs),
    Gc(RegistryGcArgs),
    Backup(RegistryBackupArgs),
    Restore(RegistryRestoreArgs),
    Import(RegistryImportArgs),
    #[command(subcommand)]
    Token(TokenCommand),
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
    /// Ask callers for a token of this file, which `mlx registry token` writes; `database`: of the
    /// registry's own database, which several servers share.
    #[arg(long, value_name = "FILE")]
    pub auth: Option<PathBuf>,
    /// Ask nobody who they are, even where other machines reach the server, or by other names than
    /// localhost.
    #[arg(long, conflicts_with = "auth")]
    pub no_auth: bool,
    /// The certificate to serve TLS with, and those that lead to its root, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// How many connections may be open at once; more wait.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
    /// Answer as a plain MLflow server does, without mlx's extension: to try what a client makes of one.
    #[arg(long, hide = true)]
    pub plain: bool,
    /// Where webhooks may go beyond HTTPS to the public network; may be given as a list.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHERE")]
    pub webhooks_allow: Vec<WebhooksAllow>,
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

/// Where webhooks may go beyond HTTPS to the public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WebhooksAllow {
    /// Private networks and this machine; never link-local addresses and clouds' metadata services
    Private,
    /// Plain HTTP
    Http,
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

/// Hold aliases against the history, where a plain MLflow server keeps the two apart.
///
/// On such a server anyone can move an alias past the history. This shows where it happened, and with
/// a flag settles it. It also finishes moves that were logged and died before their alias was set.
#[derive(Debug, Args)]
pub(crate) struct RegistryReconcileArgs {
    /// The model's name; default: every model that was moved with mlx.
    pub model: Option<String>,
    /// Only this environment.
    #[arg(long = "env", value_name = "ENV")]
    pub environment: Option<String>,
    /// Take what was moved outside mlx into the history, as it is.
    #[arg(long, conflicts_with = "restore")]
    pub adopt: bool,
    /// Move aliases back to what the history says.
    #[arg(long)]
    pub restore: bool,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT", requires = "adopt")]
    pub reason: Option<String>,
}

/// Remove what nothing refers to any more: orphaned files, and uploads that nobody went on with.
///
/// Safe while the registry is in use, by servers and by uploads. Files of versions and of runs stay.
#[derive(Debug, Args)]
pub(crate) struct RegistryGcArgs {
    /// Say what would go, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave alone what is younger, or was deleted since.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub older_than: String,
    /// Also remove deleted runs and experiments, for good; those that versions came from stay.
    #[arg(long)]
    pub deleted_runs: bool,
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

/// Make, list and revoke the tokens that callers of `mlx registry serve --auth` are known by.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(TokenCreateArgs),
    List(TokenListArgs),
    Revoke(TokenRevokeArgs),
}

/// Make a token and show it, this once: only its hash is kept.
#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// Whose it is, as events and the log will say: a person or a machine, such as `ci`.
    pub name: String,
    /// What its holder may do: `reader`, `writer`, `promoter:ENVIRONMENT[:MODEL]` (both may hold
    /// `*` and `?`) or `admin`; may be repeated.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub roles: Vec<String>,
    /// How long it is good for, such as `90d` or `8h`, or `never`.
    #[arg(long, value_name = "TIME", default_value = "90d")]
    pub expires: String,
    /// Make a second one for a name that has one, to change them without a gap.
    #[arg(long)]
    pub another: bool,
    #[command(flatten)]
    pub place: TokenPlaceArgs,
}

/// List the tokens: names, roles, and whether they are good.
#[derive(Debug, Args)]
pub(crate) struct TokenListArgs {
    #[command(flatten)]
    pub place: TokenPlaceArgs,
}

/// Revoke a token; servers refuse it within seconds.
#[derive(Debug, Args)]
pub(crate) struct TokenRevokeArgs {
    /// The id of one token, or a name, for all of its tokens.
    pub token: String,
    #[command(flatten)]
    pub place: TokenPlaceArgs,
}

/// Where tokens are kept.
#[derive(Debug, Args)]
pub(crate) struct TokenPlaceArgs {
    /// The file that the server was given by `--auth`; default, or `database`: the registry's own database.
    #[arg(long, value_name = "FILE")]
    pub auth: Option<PathBuf>,
    #[command(flatten)]
    pub registry: PlaceArgs,
}
