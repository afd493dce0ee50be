//! The shapes of MLflow's REST API 2.0, as `/api/2.0/mlflow/` speaks them.
//!
//! Versions are strings, timestamps numbers of milliseconds; empty lists are left out.

use serde::{Deserialize, Serialize};

/// The body of every failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    pub error_code: String,
    pub message: String,
}
