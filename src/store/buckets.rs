//! Buckets of S3, Google and Azure as object stores, with how long to wait for them and how often
//! to ask again.

use std::sync::{Arc, Once};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::place::{Bucket, Cloud};
use crate::error::{Error, Result};

/// How often a request is asked again that a bucket refused for the moment, and for how long.
const RETRIES: usize = 6;
const RETRY_FOR: Duration = Duration::from_secs(30);

/// The store of a bucket, its paths relative to the prefix of the address. Nothing is asked yet.
pub(super) fn open(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>> {
    install_tls();
    let name = bucket.url.host_str().unwrap_or_default();
    let prefix = Path::from_url_path(bucket.url.path())
        .map_err(|error| Error::usage(format!("`{}` is no place: {error}", bucket.url)))?;
    let failed = |error: object_store::Error| {
        Error::usage(format!("cannot use {}: {error}", bucket.url))
            .hint("check the variables of the environment that say who asks, and where")
    };
    Ok(match bucket.cloud {
        Cloud::S3 => {
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(name)
                .with_retry(retry())
                .with_client_options(client(allows_http(bucket)));
            for (name, value) in &bucket.variables {
                // A variable of another program that begins alike is none of ours.
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            within(builder.with_bucket_name(name).build().map_err(failed)?, prefix)
        }
        Cloud::Google => {
            let mut builder = GoogleCloudStorageBuilder::new()
                .with_retry(retry())
                .with_client_options(client(false));
            for (name, value) in &bucket.variables {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            within(builder.with_bucket_name(name).build().map_err(failed)?, prefix)
        }
        Cloud::Azure => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_retry(retry())
                .with_client_options(client(allows_http(bucket)));
            for (name, value) in &bucket.variables {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            within(builder.with_container_name(name).build().map_err(failed)?, prefix)
        }
    })
}

/// What speaks TLS for every client of this process.
pub(super) fn install_tls() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another part of the process may have installed it already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn within(store: impl ObjectStore, prefix: Path) -> Arc<dyn ObjectStore> {
    if prefix.as_ref().is_empty() {
        Arc::new(store)
    } else {
        Arc::new(PrefixStore::new(store, prefix))
    }
}

/// Whoever names an endpoint without TLS means it: object stores of one's own network.
fn allows_http(bucket: &Bucket) -> bool {
    bucket.variables.iter().any(|(name, value)| {
        name.contains("ENDPOINT") && value.to_ascii_lowercase().starts_with("http://")
    })
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: RETRY_FOR,
    }
}

/// A large file may take long, so what is bounded is how long a bucket may be silent.
fn client(http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(http)
        .with_connect_timeout(Duration::from_secs(5))
        .with_read_timeout(Duration::from_secs(20))
        .with_timeout_disabled()
}
