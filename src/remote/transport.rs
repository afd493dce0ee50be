//! How a call travels: over HTTP, or straight into the registry's router in this process.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use tower::ServiceExt;
use url::Url;

use super::tls;
use crate::error::{Error, Result};
use crate::sys::clock;
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
    timeout: Duration,
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
    /// Beyond those that every call has.
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// Whether sending it twice does no more than sending it once.
    pub repeatable: bool,
}

impl Call {
    /// A call without a body that must not be sent twice.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: vec![],
            headers: vec![],
            body: Body::Empty,
            repeatable: false,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Bytes),
    File(FilePart),
}

/// So many bytes of a file from a place on.
#[derive(Clone)]
pub(crate) struct FilePart {
    pub path: PathBuf,
    pub from: u64,
    pub size_bytes: u64,
    /// Told at which byte of the file sending is.
    pub report: Option<Report>,
}

/// Told how many bytes of a file have moved.
pub(crate) type Report = Arc<dyn Fn(u64) + Send + Sync>;

impl std::fmt::Debug for FilePart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of {} from {} on", self.size_bytes, self.path.display(), self.from)
    }
}

/// The head of an answer, with its body still to be read.
pub(crate) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>,
}

impl Reply {
    pub(crate) fn text(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn number(&self, name: impl http::header::AsHeaderName) -> Option<u64> {
        self.text(name).and_then(|text| text.trim().parse().ok())
    }

    /// How long the server asks to be left alone, in either of the forms of HTTP.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.text(RETRY_AFTER)?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at_ms = chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis();
        Some(Duration::from_millis(u64::try_from(at_ms - clock::now_ms()).unwrap_or(0)))
    }

    /// Where a redirect points to.
    pub(crate) fn location(&self) -> Option<String> {
        self.text(LOCATION).map(str::to_owned)
    }
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
            // A followed redirect turns a POST into a GET and may carry credentials elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Error::user(format!("cannot make an HTTP client: {}", chain(&error))).hint(
                    "https needs certificates to trust: install `ca-certificates`, or name a file: `MLX_CA_BUNDLE=ca.pem`",
                )
            })?;
        Ok(Self::Http(Http { client, base, credentials, timeout }))
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
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let sent = Arc::new(AtomicU64::new(0));
        request = match &call.body {
            Body::Empty => request,
            Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.clone()),
            Body::File(part) => request
                .header(CONTENT_LENGTH, part.size_bytes)
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(reqwest::Body::wrap_stream(open(part, sent.clone()).await?)),
        };
        let response = self.answer(request, &sent).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes_stream().map(|part| part.map_err(|error| chain(&error)));
        Ok(Reply { status, headers, body: patient(body, self.timeout) })
    }

    /// Wait for the answer: not longer than the server may be silent, but as long as the body of the
    /// request still moves. reqwest's own timeout runs from the start, and would end every long upload.
    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
        sent: &AtomicU64,
    ) -> Result<reqwest::Response, Fault> {
        let mut answer = std::pin::pin!(request.send());
        let mut before = None;
        loop {
            let Ok(answered) = tokio::time::timeout(self.timeout, &mut answer).await else {
                let now = sent.load(Ordering::Relaxed);
                if before.replace(now).unwrap_or(0) == now {
                    return Err(Fault::Lost(SILENT.into()));
                }
                continue;
            };
            return answered.map_err(|error| {
                if let Some(distrust) = tls::distrust(&error, self.base.as_str()) {
                    Fault::Ours(distrust)
                } else if error.is_connect() {
                    Fault::NotSent(chain(&error))
                } else if error.is_timeout() {
                    Fault::Lost(SILENT.into())
                } else {
                    Fault::Lost(chain(&error))
                }
            });
        }
    }
}

const SILENT: &str = "no answer in time";

/// A body that breaks off where its server is silent for too long.
fn patient(
    body: impl Stream<Item = Result<Bytes, String>> + Send + 'static,
    timeout: Duration,
) -> Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>> {
    let parts = futures::stream::unfold(Some(Box::pin(body)), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout(timeout, body.next()).await {
            Err(_) => Some((Err(SILENT.to_owned()), None)),
            Ok(None) => None,
            Ok(Some(part)) => Some((part, Some(body))),
        }
    });
    Box::pin(parts)
}

async fn send_in_process(router: &axum::Router, call: &Call) -> Result<Reply, Fault> {
    let mut uri = call.path.clone();
    if !call.query.is_empty() {
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
        uri = format!("{uri}?{query}");
    }
    let mut request = Request::builder().method(call.method.clone()).uri(uri);
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    let body = match &call.body {
        Body::Empty => axum::body::Body::empty(),
        Body::Json(json) => {
            request = request.header(CONTENT_TYPE, "application/json");
            axum::body::Body::from(json.clone())
        }
        Body::File(part) => {
            request = request.header(CONTENT_LENGTH, part.size_bytes);
            axum::body::Body::from_stream(open(part, Arc::default()).await?)
        }
    };
    let request = request
        .body(body)
        .map_err(|error| Fault::Ours(Error::bug(format!("a request is malformed: {error}"))))?;
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    Ok(Reply {
        status: response.status(),
        headers: response.headers().clone(),
        body: Box::pin(
            response
                .into_body()
                .into_data_stream()
                .map(|part| part.map_err(|error| error.to_string())),
        ),
    })
}

/// The bytes of a part of a file, counted as they go.
async fn open(
    part: &FilePart,
    sent: Arc<AtomicU64>,
) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + 'static, Fault> {
    let FilePart { path, from, size_bytes, report } = part.clone();
    let failed = |error: std::io::Error| Fault::Ours(Error::file("read", &path, error));
    let mut file = tokio::fs::File::open(&path).await.map_err(failed)?;
    if from > 0 {
        file.seek(SeekFrom::Start(from)).await.map_err(failed)?;
    }
    let bytes = ReaderStream::with_capacity(file.take(size_bytes), 256 * 1024);
    Ok(bytes.inspect_ok(move |bytes| {
        let length = bytes.len() as u64;
        let now = sent.fetch_add(length, Ordering::Relaxed) + length;
        if let Some(report) = &report {
            report(from + now);
        }
    }))
}

/// The innermost cause says what happened (`connection refused`); the outer ones that something did.
fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
