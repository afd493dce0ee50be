//! Where the files of an artifact address are on the server.

use super::request::segments;
use crate::api::mlflow::{ARTIFACT_ROUTE, ARTIFACT_SCHEME};
use crate::error::{Error, Result};

/// The route of a file below an artifact address of this server.
pub(super) fn route(artifact_uri: &str, path: &str) -> Result<String> {
    Ok(format!("{ARTIFACT_ROUTE}/{}/{}", segments(inside(artifact_uri)?), segments(path)))
}

/// The folder that an artifact address of this server names, below `mlflow-artifacts:/`.
pub(super) fn inside(artifact_uri: &str) -> Result<&str> {
    let Some(inside) = artifact_uri.strip_prefix(ARTIFACT_SCHEME) else {
        return Err(Error::user(format!(
            "the registry keeps its files at {artifact_uri}, where mlx cannot reach them"
        ))
        .hint("start the MLflow server with `--serve-artifacts`, or use `mlx registry serve`"));
    };
    // `mlflow-artifacts://host:port/path` names the host that we speak to anyway.
    let inside = match inside.strip_prefix('/') {
        Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
        None => inside,
    };
    Ok(inside.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_addresses_become_routes() {
        for (uri, expected) in [
            ("mlflow-artifacts:/1/ab/artifacts/model", "1/ab/artifacts/model/mlx/a%20b.json"),
            ("mlflow-artifacts://host:5000/1/ab", "1/ab/mlx/a%20b.json"),
        ] {
            let route = route(uri, "mlx/a b.json").expect("a route");
            assert_eq!(route, format!("{ARTIFACT_ROUTE}/{expected}"));
        }
        assert!(route("s3://bucket/1", "model").is_err());
    }
}
