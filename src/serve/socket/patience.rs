//! How long a client may leave the server waiting in the middle of something.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A clock that runs while something is waited for.
struct Patience {
    most: Duration,
    /// Made when it is first waited, and then set anew.
    clock: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Patience {
    fn new(most: Duration) -> Self {
        Self { most, clock: None, waiting: false }
    }

    fn over(&mut self) {
        self.waiting = false;
    }

    /// Wait on; ready when it has been too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let most = self.most;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(most)));
        if !self.waiting {
            clock.as_mut().reset(Instant::now() + most);
            self.waiting = true;
        }
        clock.as_mut().poll(context)
    }
}

fn too_slow(what: &str, most: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} for {} seconds", most.as_secs()))
}

/// The body of a request, which may be of any length but must keep coming.
pub(super) struct PatientBody {
    body: Incoming,
    patience: Patience,
}

impl PatientBody {
    pub(super) fn new(body: Incoming, most: Duration) -> Self {
        Self { body, patience: Patience::new(most) }
    }
}

impl Body for PatientBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.patience.over();
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => match self.patience.wait(context) {
                Poll::Ready(()) => {
                    Poll::Ready(Some(Err(too_slow("nothing came", self.patience.most).into())))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose other end must keep taking what it is sent.
pub(super) struct PatientStream<S> {
    stream: S,
    patience: Patience,
}

impl<S> PatientStream<S> {
    pub(super) fn new(stream: S, most: Duration) -> Self {
        Self { stream, patience: Patience::new(most) }
    }

    fn sent<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.patience.over();
            return polled;
        }
        match self.patience.wait(context) {
            Poll::Ready(()) => Poll::Ready(Err(too_slow("nothing was taken", self.patience.most))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.sent(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.sent(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.sent(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_given_up() {
        let most = Duration::from_millis(400);
        let (near, mut far) = tokio::io::duplex(4);
        let mut stream = PatientStream::new(near, most);
        let started = Instant::now();
        let error = stream.write_all(b"more than fits").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= most);

        // One that takes a little now and then is slow, not gone.
        let started = Instant::now();
        let mut taken = [0; 4];
        far.read_exact(&mut taken).await.expect("some");
        let writing = tokio::spawn(async move { stream.write_all(&[0; 24]).await });
        for _ in 0..6 {
            tokio::time::sleep(most / 4).await;
            far.read_exact(&mut taken).await.expect("some");
        }
        assert!(writing.await.expect("it ends").is_ok());
        assert!(started.elapsed() > most);
    }
}
