//! Wire shapes shared by the registry's client and server.
//!
//! `mlflow` holds MLflow's REST API 2.0, `mlx` the lifecycle extension under `/api/mlx/1/`, `uploads` the
//! one for files there.

pub(crate) mod mlflow;
pub(crate) mod mlx;
pub(crate) mod uploads;
