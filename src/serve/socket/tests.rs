//! The limits, over real sockets and in fractions of a second.

use std::io::ErrorKind;
use std::time::Instant;

use axum::body::Bytes;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

const SHORT: Duration = Duration::from_millis(400);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<()>>,
}

async fn start() -> Server {
    let slow = async || {
        tokio::time::sleep(SHORT).await;
        "slow"
    };
    let router = Router::new()
        .route("/", get(async || "ok"))
        .route("/slow", get(slow))
        .route("/length", post(async |body: Bytes| body.len().to_string()));
    let listener = listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let limits = Limits {
        connections: 2,
        head_bytes: 1024,
        headers: 10,
        head_time: SHORT,
        handshake_time: SHORT,
        stall_time: SHORT,
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        serve(listener, router, None, limits, stop).await
    });
    Server { address, stop, served }
}

/// Send these bytes, and read until the server hangs up.
async fn ask(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(bytes).await.expect("sent");
    heard(&mut socket).await
}

async fn heard(socket: &mut TcpStream) -> String {
    let mut answer = vec![];
    match socket.read_to_end(&mut answer).await {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8(answer).expect("text"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_is_hung_up_on() {
    let server = start().await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for (sent, expected) in [
        // Nothing, half a head, and a connection that idles after its answer.
        (&b""[..], ""),
        (b"GET / HT", ""),
        (request, "HTTP/1.1 200"),
        // Half a body.
        (b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n123", "HTTP/1.1 400"),
    ] {
        let started = Instant::now();
        let answer = ask(server.address, sent).await;
        assert!(answer.starts_with(expected), "{expected}: {answer}");
        let waited = started.elapsed();
        assert!(waited >= SHORT && waited < SHORT * 8, "{waited:?}");
    }
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(2000));
    assert!(ask(server.address, large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(20));
    assert!(ask(server.address, many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_place_waits_for_one() {
    let server = start().await;
    let mut idle = vec![];
    for _ in 0..2 {
        idle.push(TcpStream::connect(server.address).await.expect("a connection"));
    }
    // By then both have been accepted.
    tokio::time::sleep(SHORT / 4).await;
    let started = Instant::now();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(ask(server.address, request).await.ends_with("ok"));
    assert!(started.elapsed() >= SHORT / 2, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_answered_before_it_stops() {
    let server = start().await;
    let mut busy = TcpStream::connect(server.address).await.expect("a connection");
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    tokio::time::sleep(SHORT / 4).await;
    let started = Instant::now();
    server.stop.send(()).expect("it runs");
    let answer = heard(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("slow"), "{answer}");
    server.served.await.expect("it ends").expect("in peace");
    assert!(started.elapsed() < SHORT * 4, "{:?}", started.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err());
}
