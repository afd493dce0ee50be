//! A router on a socket, within limits, until it is asked to stop.

mod patience;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::error::{Error, Result};
use patience::{PatientBody, PatientStream};

pub(crate) use tls::Tls;

/// How long requests that are under way may take once the server was asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// What a client may take of the server. Bodies have no limit here: what reads them knows theirs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once; more wait until one ends.
    pub connections: usize,
    /// The line and the headers of a request together.
    pub head_bytes: usize,
    pub headers: usize,
    /// For the whole head of a request to arrive, from the connection or the last answer on: a
    /// connection that is slow is closed by it, and one that is idle.
    pub head_time: Duration,
    pub handshake_time: Duration,
    /// For the next bytes of a body to arrive, and for some of an answer to be taken.
    pub stall_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head_bytes: 64 << 10,
            headers: 100,
            head_time: Duration::from_secs(30),
            handshake_time: Duration::from_secs(10),
            stall_time: Duration::from_mins(1),
        }
    }
}

/// Listen here; port 0 takes a free one.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let failed = Error::user(format!("cannot listen on {address}: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                failed.hint("choose another port, or take a free one: `--port 0`")
            }
            std::io::ErrorKind::PermissionDenied => {
                failed.hint("ports under 1024 are the system's; choose a higher one: `--port 5000`")
            }
            std::io::ErrorKind::AddrNotAvailable => failed.hint(
                "it is no address of this machine: `--host 127.0.0.1` serves this machine alone, `--host 0.0.0.0` others too",
            ),
            _ => failed,
        }
    })
}

/// Answer requests until `stop`; those under way are finished, within reason.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(false);
    let accepting = async {
        loop {
            // Who finds no place waits in the system's queue, where it costs next to nothing.
            let place = places.clone().acquire_owned().await.expect("it is never closed");
            let stream = accept(&listener).await;
            let connection =
                connection(stream, router.clone(), tls.clone(), limits, stopped.clone());
            tokio::spawn(async move {
                connection.await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    // Who connects from here on is refused, not left waiting.
    drop(listener);
    let _ = stopping.send(true);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(GRACE, places.acquire_many(all)).await;
    Ok(())
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                use std::io::ErrorKind;
                let gone = matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionRefused
                );
                if !gone {
                    // Out of file descriptors, most likely: they come back as connections end.
                    tracing::error!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    tls: Option<Tls>,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) {
    // Small answers must not wait for more to send: that alone is 40 ms a request.
    let _ = stream.set_nodelay(true);
    let stream = PatientStream::new(stream, limits.stall_time);
    let ended = match tls {
        None => converse(stream, router, limits, stopped).await,
        Some(tls) => match tokio::time::timeout(limits.handshake_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, router, limits, stopped).await,
            Ok(Err(error)) => Err(format!("no TLS: {error}")),
            Err(_) => Err("no TLS in time".to_owned()),
        },
    };
    if let Err(why) = ended {
        tracing::debug!("a connection ended: {why}");
    }
}

/// The requests of one connection, one after the other.
async fn converse<S>(
    stream: S,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let request = request.map(|body| Body::new(PatientBody::new(body, limits.stall_time)));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { let _ = stopped.wait_for(|stop| *stop).await; } => {
            // It ends when the request that is under way was answered.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(|error| error.to_string())
}
