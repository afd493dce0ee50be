//! Wire shapes shared by the registry's client and server.
//!
//! `mlflow` holds MLflow's REST API 2.0, `mlx` the lifecycle extension under `/api/mlx/1/`.

pub(crate) mod mlflow;
pub(crate) mod mlx;
