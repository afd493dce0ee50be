//! A version's bytes on their way to the registry.

use std::path::Path;

use http::Method;

use super::request::{Remote, segments};
use super::transport::{Body, Call};
use crate::api::mlflow::{ARTIFACT_ROUTE, ARTIFACT_SCHEME, Empty};
use crate::error::{Error, Result};

impl Remote {
    /// Stream a file to `path` below an artifact address. The server refuses bytes of another digest.
    pub(crate) async fn upload(
        &self,
        artifact_uri: &str,
        path: &str,
        file: &Path,
        sha256: &str,
        size_bytes: u64,
    ) -> Result<()> {
        let _: Empty = self
            .answer(Call {
                method: Method::PUT,
                path: route(artifact_uri, path)?,
                query: vec![],
                body: Body::File { path: file.to_owned(), size_bytes, sha256: sha256.to_owned() },
                repeatable: true,
            })
            .await
            .map_err(Error::from)
            .map_err(|error| error.context(format!("cannot upload {path}")))?;
        Ok(())
    }
}

/// The route of a file below an artifact address of this server.
pub(super) fn route(artifact_uri: &str, path: &str) -> Result<String> {
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
    let inside = inside.trim_matches('/');
    Ok(format!("{ARTIFACT_ROUTE}/{}/{}", segments(inside), segments(path)))
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
