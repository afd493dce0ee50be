//! Whom a registry takes us for.

use http::StatusCode;

use super::failure::Failure;
use super::request::Remote;
use crate::api::mlflow::RegisteredModels;
use crate::api::mlx::WhoAmI;
use crate::error::Result;

impl Remote {
    /// Whom an mlx registry takes us for.
    pub(crate) async fn whoami(&self) -> Result<WhoAmI> {
        Ok(self.get("/api/mlx/1/whoami", vec![]).await?)
    }

    /// Whether the registry answers us what it would not answer a stranger who may read nothing.
    pub(crate) async fn lets_in(&self) -> Result<bool> {
        let path = "/api/2.0/mlflow/registered-models/search";
        let asked: Result<RegisteredModels, Failure> =
            self.get(path, vec![("max_results", "1".to_owned())]).await;
        match asked {
            Ok(_) => Ok(true),
            Err(Failure::Refused(refusal))
                if matches!(refusal.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
            {
                Ok(false)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}
