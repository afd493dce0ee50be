//! A router on a socket, until it is asked to stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::error::{Error, Result};

/// How long requests that are under way may take once the server was asked to stop.
const GRACE: Duration = Duration::from_secs(10);

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
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let signal = async move {
        stop.await;
        let _ = stopping.send(());
    };
    // Small answers must not wait for more to send: that alone is 40 ms a request.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(signal).into_future();
    let deadline = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server => ended.map_err(|error| Error::user(format!("the server failed: {error}"))),
        () = deadline => Ok(()),
    }
}
