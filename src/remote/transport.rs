//! How a call travels: over HTTP, or straight into the registry's router in this process.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use tokio_util::io::ReaderStream;
use tower::ServiceExt;
use url::Url;

use super::tls;
use crate::api::mlflow::DIGEST_HEADER;
use crate::error::{Error, Result};
use crate::sys::secret::Secret;

pub(crate) enum Transport {
    Http(Http),
    /// The registry's router, called without a socket.
    InProcess(axum::Router),
}

/// An HTTP client and the address it speaks to; the address may end in a path.
pub(crate) struct Http {
    client: reqwest::Client,
    base: Url,
    credentials: Credentials,
}

#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    pub base: Url,
    pub credentials: Credentials,
    /// How long the server may be silent.
    pub timeout: Duration,
    /// A file of certificates, in PEM, that count beside the system's.
    pub ca_bundle: Option<PathBuf>,
    /// Take any certificate for good.
    pub trust_anybody: bool,
    /// Whether it is this machine, to which no proxy leads.
    pub direct: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Credentials {
    #[default]
    None,
    Bearer(Secret),
    Basic {
        user: String,
        password: Secret,
    },
}

/// One request, so described that it can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub method: Method,
    /// From the registry's address on, percent-encoded, with a leading slash.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Body,
    /// Whether sending it twice does no more than sending it once.
    pub repeatable: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Bytes),
    File { path: PathBuf, size_bytes: u64, sha256: String },
}

/// The head of an answer, with its body still to be read.
pub(crate) struct Reply {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    /// Where a redirect points to.
    pub location: Option<String>,
    pub body: Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>,
}

/// Why a call brought no answer.
pub(crate) enum Fault {
    /// The server never saw the request.
    NotSent(String),
    /// The server may have seen it, and acted on it.
    Lost(String),
    /// Nothing to do with the server.
    Ours(Error),
}

impl Transport {
    pub(crate) fn http(settings: HttpSettings) -> Result<Self> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Another part of the process may have installed it already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let HttpSettings { base, credentials, timeout, ca_bundle, trust_anybody, direct } =
            settings;
        let mut client = reqwest::Client::builder();
        if direct {
            // What may go in the clear to this machine must not go to a proxy on another.
            client = client.no_proxy();
        }
        if base.scheme() == "http" {
            // Certificates are for https; without this a machine that has none could not speak http.
            client = client.tls_certs_only(std::iter::empty());
        } else if trust_anybody {
            client = client.tls_danger_accept_invalid_certs(true);
        } else if let Some(bundle) = &ca_bundle {
            client = tls::trust(client, bundle)?;
        }
        let client = client
            .user_agent(concat!("mlx/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .read_timeout(timeout)
            // A followed redirect turns a POST into a GET and may carry credentials elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Error::user(format!("cannot make an HTTP client: {}", chain(&error))).hint(
                    "https needs certificates to trust: install `ca-certificates`, or name a file: `MLX_CA_BUNDLE=ca.pem`",
                )
            })?;
        Ok(Self::Http(Http { client, base, credentials }))
    }

    pub(crate) async fn send(&self, call: &Call) -> Result<Reply, Fault> {
        match self {
            Self::Http(http) => http.send(call).await,
            Self::InProcess(router) => send_in_process(router, call).await,
        }
    }
}

impl Http {
    async fn send(&self, call: &Call) -> Result<Reply, Fault> {
        let mut url = self.base.clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), call.path);
        url.set_path(&path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.client.request(call.method.clone(), url);
        request = match &self.credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.reveal()),
            Credentials::Basic { user, password } => {
                request.basic_auth(user, Some(password.reveal()))
            }
        };
        request = match &call.body {
            Body::Empty => request,
            Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.clone()),
            Body::File { path, size_bytes, sha256 } => request
                .header(DIGEST_HEADER, sha256)
                .header(CONTENT_LENGTH, *size_bytes)
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(reqwest::Body::wrap_stream(open(path).await?)),
        };
        let response = request.send().await.map_err(|error| {
            if let Some(distrust) = tls::distrust(&error, self.base.as_str()) {
                Fault::Ours(distrust)
            } else if error.is_connect() {
                Fault::NotSent(chain(&error))
            } else if error.is_timeout() {
                Fault::Lost("no answer in time".into())
            } else {
                Fault::Lost(chain(&error))
            }
        })?;
        let head = Head::of(response.headers());
        Ok(Reply {
            status: response.status(),
            retry_after: head.retry_after,
            location: head.location,
            body: Box::pin(response.bytes_stream().map(|part| part.map_err(|error| chain(&error)))),
        })
    }
}

async fn send_in_process(router: &axum::Router, call: &Call) -> Result<Reply, Fault> {
    let mut uri = call.path.clone();
    if !call.query.is_empty() {
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
        uri = format!("{uri}?{query}");
    }
    let mut request = Request::builder().method(call.method.clone()).uri(uri);
    let body = match &call.body {
        Body::Empty => axum::body::Body::empty(),
        Body::Json(json) => {
            request = request.header(CONTENT_TYPE, "application/json");
            axum::body::Body::from(json.clone())
        }
        Body::File { path, size_bytes, sha256 } => {
            request = request.header(DIGEST_HEADER, sha256).header(CONTENT_LENGTH, *size_bytes);
            axum::body::Body::from_stream(open(path).await?)
        }
    };
    let request = request
        .body(body)
        .map_err(|error| Fault::Ours(Error::bug(format!("a request is malformed: {error}"))))?;
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let head = Head::of(response.headers());
    Ok(Reply {
        status: response.status(),
        retry_after: head.retry_after,
        location: head.location,
        body: Box::pin(
            response
                .into_body()
                .into_data_stream()
                .map(|part| part.map_err(|error| error.to_string())),
        ),
    })
}

async fn open(path: &std::path::Path) -> Result<ReaderStream<tokio::fs::File>, Fault> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| Fault::Ours(Error::file("read", path, error)))?;
    Ok(ReaderStream::with_capacity(file, 256 * 1024))
}

struct Head {
    retry_after: Option<Duration>,
    location: Option<String>,
}

impl Head {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            retry_after: text(RETRY_AFTER)
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
            location: text(LOCATION).map(str::to_owned),
        }
    }
}

/// The innermost cause says what happened (`connection refused`); the outer ones that something did.
fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
