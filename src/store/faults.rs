//! What becomes of requests when a bucket fails: a proxy before a server like S3 that refuses,
//! dawdles and cuts.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;

use super::conformance::{elsewhere, s3_bucket};
use super::*;
use crate::error::ExitCode;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Status(u16),
    Slow(Duration),
    /// The answer ends after so many bytes.
    Cut(usize),
}

#[derive(Debug)]
struct Proxy {
    upstream: String,
    client: reqwest::Client,
    /// What befalls the next requests.
    next: Mutex<VecDeque<Fault>>,
    /// What befalls all others.
    always: Mutex<Option<Fault>>,
    asked: Mutex<usize>,
}

impl Proxy {
    /// A store with its files behind a proxy; none where there is no server like S3.
    async fn store(folder: &Path) -> Option<(Store, Arc<Self>)> {
        let upstream = elsewhere("MLX_TEST_S3", "the address of a server like S3")?;
        let bucket = s3_bucket(&upstream).await;
        let proxy = Arc::new(Self {
            upstream,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            next: Mutex::default(),
            always: Mutex::default(),
            asked: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(relay).with_state(Arc::clone(&proxy));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let variables = [
            ("AWS_ENDPOINT_URL", &*address),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let place = Place::new(folder, None, Some(&bucket), folder, &variables).unwrap();
        Some((Store::open_at(&place).await.unwrap(), proxy))
    }

    fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.next.lock().unwrap().extend(faults);
    }

    fn always(&self, fault: Option<Fault>) {
        *self.always.lock().unwrap() = fault;
    }
}

async fn relay(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    *proxy.asked.lock().unwrap() += 1;
    let next = proxy.next.lock().unwrap().pop_front();
    let fault = next.or(*proxy.always.lock().unwrap());
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    match fault {
        Some(Fault::Status(status)) => {
            return StatusCode::from_u16(status).unwrap().into_response();
        }
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let url = format!("{}{}", proxy.upstream, parts.uri.path_and_query().unwrap());
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let sent = proxy.client.request(parts.method, url).headers(headers).body(body).send();
    let answer = sent.await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    let length = headers.get(header::CONTENT_LENGTH).cloned();
    let body = answer.bytes().await.unwrap();
    let body = match fault {
        Some(Fault::Cut(bytes)) if bytes < body.len() => {
            let some = [Ok(body.slice(..bytes)), Err(std::io::Error::other("cut"))];
            headers.insert(
                header::CONTENT_LENGTH,
                length.unwrap_or_else(|| HeaderValue::from(body.len())),
            );
            Body::from_stream(stream::iter(some))
        }
        _ => Body::from(body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Of more parts than one.
fn large() -> Vec<u8> {
    (0..20_000_000_u32).map(|i| (i % 253) as u8).collect()
}

async fn put(store: &Store, path: &str, bytes: &[u8], announced: bool) -> Result<Object, Failure> {
    let digest = announced.then(|| crate::sys::files::digest_bytes(bytes));
    let chunks: Vec<_> = bytes
        .chunks(1 << 20)
        .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
        .collect();
    store.put_artifact(&path.parse().unwrap(), stream::iter(chunks), digest.as_deref()).await
}

async fn read(store: &Store, sha256: &str) -> std::io::Result<Vec<u8>> {
    use futures::TryStreamExt;
    let (_, stream) = store.open_object(sha256).await.unwrap();
    Ok(stream.try_collect::<Vec<Bytes>>().await?.concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_refuses_for_a_moment_is_not_even_mentioned() {
    let folder = tempfile::tempdir().unwrap();
    let Some((store, proxy)) = Proxy::store(folder.path()).await else { return };
    let refusals = [500, 503, 500, 503].map(Fault::Status);
    let large = large();
    for (path, bytes, announced) in [
        ("0/small", &b"small"[..], false),
        ("0/announced", &large[..], true),
        ("0/staged", &large[1..], false),
    ] {
        proxy.next(refusals);
        let object = put(&store, path, bytes, announced).await.unwrap();
        assert!(proxy.next.lock().unwrap().is_empty(), "{path} met them all");
        proxy.next(refusals);
        assert!(read(&store, &object.sha256).await.unwrap() == bytes, "{path}");
    }
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_stays_away_is_said_and_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let Some((store, proxy)) = Proxy::store(folder.path()).await else { return };
    proxy.always(Some(Fault::Status(503)));
    let before = *proxy.asked.lock().unwrap();
    let failure = put(&store, "0/file", b"bytes", false).await.unwrap_err();
    let Failure::Broken(error) = failure else { panic!("{failure:?}") };
    assert_eq!(error.code(), ExitCode::Unreachable);
    assert!(error.message().contains("the bucket with the registry's files failed"), "{error}");
    let asked = *proxy.asked.lock().unwrap() - before;
    assert_eq!(asked, 7, "once, and six times more");
    proxy.always(None);
    let missing = store.artifact(&"0/file".parse().unwrap()).await;
    assert!(matches!(missing, Err(Failure::Missing(_))), "{missing:?}");
    put(&store, "0/file", b"bytes", false).await.unwrap();
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_bucket_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let Some((store, proxy)) = Proxy::store(folder.path()).await else { return };
    proxy.always(Some(Fault::Slow(Duration::from_millis(300))));
    let large = large();
    let object = put(&store, "0/large", &large, false).await.unwrap();
    assert!(read(&store, &object.sha256).await.unwrap() == large);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_is_cut_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let Some((store, proxy)) = Proxy::store(folder.path()).await else { return };
    let large = large();
    let object = put(&store, "0/large", &large, true).await.unwrap();
    proxy.next([Fault::Cut(5_000_000), Fault::Cut(1), Fault::Cut(9_000_000)]);
    assert!(read(&store, &object.sha256).await.unwrap() == large);
    assert!(proxy.next.lock().unwrap().is_empty());
}
