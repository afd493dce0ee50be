//! Who did what: a line in the log for every request, written when its answer has been sent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use hyper::body::{Frame, SizeHint};

/// One request, as the log tells of it.
#[derive(Debug)]
pub(super) struct Line {
    request: String,
    pub actor: String,
    method: Method,
    /// Without its query, which may hold anything.
    path: String,
    /// The pattern that the path matched.
    pub route: Option<String>,
    /// 0 where the client didn't wait for an answer.
    pub status: u16,
    /// Whether the route is one that only reads.
    pub reads: bool,
    /// Bytes of the request's body.
    pub received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    started: Instant,
}

impl Line {
    pub(super) fn new(request_id: &str, request: &Request) -> Self {
        Self {
            request: request_id.to_owned(),
            actor: String::new(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            route: None,
            status: 0,
            reads: false,
            received: Arc::default(),
            sent: Arc::default(),
            started: Instant::now(),
        }
    }

    /// The body of the answer; when it has been sent, or nobody wants it any more, the line is written.
    pub(super) fn until_sent(self, body: Body) -> Body {
        Body::new(Counted { body, bytes: self.sent.clone(), _line: Some(self) })
    }
}

/// Changes, refusals and failures are what an audit looks for; what only reads is told with `-v`.
impl Drop for Line {
    fn drop(&mut self) {
        let Self { request, actor, method, path, route, status, reads, .. } = self;
        let route = route.as_deref().unwrap_or("-");
        let (received, sent) =
            (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed));
        let ms = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: "mlx::audit",
                    %request, %actor, %method, path, route, status, received, sent, ms
                )
            };
        }
        if *reads && (200..400).contains(status) {
            tell!(debug);
        } else {
            tell!(info);
        }
    }
}

/// A body whose bytes are counted as they pass.
pub(super) fn counted(body: Body, bytes: Arc<AtomicU64>) -> Body {
    Body::new(Counted { body, bytes, _line: None })
}

struct Counted {
    body: Body,
    bytes: Arc<AtomicU64>,
    _line: Option<Line>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
