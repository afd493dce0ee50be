//! The environment variables that mlx reads: all of them, and nowhere else.

use std::path::PathBuf;

/// The address of the registry.
pub(crate) const REGISTRY_URL: &str = "MLX_REGISTRY_URL";
/// The folder of the embedded registry.
pub(crate) const REGISTRY_DATA: &str = "MLX_REGISTRY_DATA";
/// The database of a registry that this process opens itself, as `--database` says it.
pub(crate) const DATABASE_URL: &str = "MLX_DATABASE_URL";
/// The files of a registry that this process opens itself, as `--artifacts` says it.
pub(crate) const ARTIFACTS_URL: &str = "MLX_ARTIFACTS_URL";
/// A token that the remote registry knows us by.
pub(crate) const REGISTRY_TOKEN: &str = "MLX_REGISTRY_TOKEN";
/// A file that holds that token, as secrets are mounted.
pub(crate) const REGISTRY_TOKEN_FILE: &str = "MLX_REGISTRY_TOKEN_FILE";
/// `1` lets a token or password go over plain http to another machine.
pub(crate) const REGISTRY_PLAIN_HTTP: &str = "MLX_REGISTRY_PLAIN_HTTP";
/// Certificates in PEM to trust beside the system's.
pub(crate) const CA_BUNDLE: &str = "MLX_CA_BUNDLE";
/// `0` keeps what `mlx login` is told in a file, whatever keyring there is.
pub(crate) const KEYRING: &str = "MLX_KEYRING";
/// How long a remote registry may be silent, such as `10s`.
pub(crate) const REGISTRY_TIMEOUT: &str = "MLX_REGISTRY_TIMEOUT";
/// The user's configuration file.
pub(crate) const CONFIG: &str = "MLX_CONFIG";
/// The folder of what can be fetched again.
pub(crate) const CACHE: &str = "MLX_CACHE";
/// How large a project's folder of tables that needn't be read again may get, such as `20GB`; `0` keeps none but
/// the rows of the last run that streamed them.
pub(crate) const DATA_CACHE: &str = "MLX_DATA_CACHE";
/// How much memory data may take, such as `8GB`, in place of what the system says is free.
pub(crate) const MEMORY: &str = "MLX_MEMORY";
/// The device to train on.
pub(crate) const DEVICE: &str = "MLX_DEVICE";
/// The seed of every random stream.
pub(crate) const SEED: &str = "MLX_SEED";
/// By when `mlx train` ends.
pub(crate) const BUDGET: &str = "MLX_BUDGET";
/// How many threads train.
pub(crate) const THREADS: &str = "MLX_THREADS";
/// `0` runs nets as plain tensor operations on the CPU too: the reference for the fused ones.
pub(crate) const FUSED: &str = "MLX_FUSED";
/// MLflow's address of the registry, read where `MLX_REGISTRY_URL` is not set.
pub(crate) const MLFLOW_TRACKING_URI: &str = "MLFLOW_TRACKING_URI";
/// MLflow's ways to say who asks, read where `MLX_REGISTRY_TOKEN` is not set.
pub(crate) const MLFLOW_TRACKING_TOKEN: &str = "MLFLOW_TRACKING_TOKEN";
pub(crate) const MLFLOW_TRACKING_USERNAME: &str = "MLFLOW_TRACKING_USERNAME";
pub(crate) const MLFLOW_TRACKING_PASSWORD: &str = "MLFLOW_TRACKING_PASSWORD";
/// MLflow's words on certificates, for the server of `MLFLOW_TRACKING_URI`: a file to trust, and
/// `true` to trust anybody.
pub(crate) const MLFLOW_TRACKING_SERVER_CERT_PATH: &str = "MLFLOW_TRACKING_SERVER_CERT_PATH";
pub(crate) const MLFLOW_TRACKING_INSECURE_TLS: &str = "MLFLOW_TRACKING_INSECURE_TLS";
/// No colour (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// The kind of terminal; `dumb` shows no colour.
pub(crate) const TERM: &str = "TERM";
/// Set by continuous integration: no moving bars.
pub(crate) const CI: &str = "CI";

/// Where programs are found.
pub(crate) const PATH: &str = "PATH";
/// Where a session's bus is, by which Linux speaks with keyrings.
pub(crate) const DBUS_SESSION_BUS_ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";
pub(crate) const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Set by a shell that asks for completions.
pub(crate) const COMPLETE: &str = "COMPLETE";

/// Those that only mlx reads; README.md lists them.
pub(crate) const OURS: &[&str] = &[
    REGISTRY_URL,
    REGISTRY_DATA,
    DATABASE_URL,
    ARTIFACTS_URL,
    REGISTRY_TOKEN,
    REGISTRY_TOKEN_FILE,
    REGISTRY_PLAIN_HTTP,
    CA_BUNDLE,
    KEYRING,
    REGISTRY_TIMEOUT,
    CONFIG,
    CACHE,
    DATA_CACHE,
    MEMORY,
    DEVICE,
    SEED,
    BUDGET,
    THREADS,
    FUSED,
];

/// Those of mlx's own tests, benches and scripts.
pub(crate) const DEVELOPMENT: &[&str] = &[
    "MLX_PYTHON",
    "MLX_SHARED",
    "MLX_REWRITE",
    "MLX_TEST_POSTGRES",
    "MLX_TEST_S3",
    "MLX_SOAK_SECONDS",
    "MLX_SOAK_ROUNDS",
    "MLX_BENCH_COMPILE",
    "MLX_BENCH_MEGABYTES",
    "MLX_BENCH_PEER",
    "MLX_BENCH_PEER_MLFLOW",
    "MLX_BENCH_PYTHON",
    "MLX_KILLS",
    "MLX_MLFLOW2_PYTHON",
    "MLX_MLFLOW3_PYTHON",
    "MLX_ONNX_PYTHON",
    "MLX_BENCH_ROUNDS",
    "MLX_BENCH_SECONDS",
    "MLX_BENCH_VERSIONS",
    "MLX_BENCH_WORKLOADS",
    "MLX_TORCH_PEER",
    "MLX_TORCH_PYTHON",
];

/// A variable that is set and not empty.
pub(crate) fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// What clouds are known by, and who asks them: `AWS_…`, `GOOGLE_…` and `AZURE_…`.
pub(crate) fn clouds() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| {
            !value.is_empty()
                && ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|cloud| name.starts_with(cloud))
        })
        .collect()
}
