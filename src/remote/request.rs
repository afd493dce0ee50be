//! The one road of every call: send, try again where that is safe, and say what went wrong.

use std::time::{Duration, Instant};

use futures::StreamExt;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::capabilities::Capabilities;
use super::failure::{Failure, Refusal};
use super::transport::{Body, Call, Fault, HttpSettings, Reply, Transport};
use crate::error::{Error, Result};

/// A registry, wherever it is.
pub(crate) struct Remote {
    transport: Transport,
    /// As messages name it, without credentials.
    address: String,
    /// What the server said of itself, once it was asked.
    pub(super) capabilities: OnceCell<Capabilities>,
    /// Who hears what a call comes upon and its caller did not ask for.
    listener: Box<dyn Fn(&str) + Send + Sync>,
}

/// Answers are small; a server that sends more than this is none of ours.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;
const ATTEMPTS: u32 = 4;
/// No new attempt starts after this; a server that hangs is not asked to hang again.
const RETRY_FOR: Duration = Duration::from_secs(15);

impl Remote {
    pub(crate) fn connect(settings: HttpSettings) -> Result<Self> {
        let mut shown = settings.base.clone();
        // An address without a host can't carry a user, so nothing is left to hide there.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        let address = shown.as_str().trim_end_matches('/').to_owned();
        Ok(Self::over(Transport::http(settings)?, address))
    }

    /// The registry whose router this is; `address` is how messages name it.
    pub(crate) fn in_process(router: axum::Router, address: impl Into<String>) -> Self {
        Self::over(Transport::InProcess(router), address.into())
    }

    fn over(transport: Transport, address: String) -> Self {
        Self { transport, address, capabilities: OnceCell::new(), listener: Box::new(|_| {}) }
    }

    /// Let `listener` hear what a call comes upon: an alias that the history doesn't explain, say.
    #[must_use]
    pub(crate) fn telling(self, listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { listener: Box::new(listener), ..self }
    }

    pub(super) fn tell(&self, sentence: &str) {
        (self.listener)(sentence);
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether no network is between.
    pub(super) fn is_in_process(&self) -> bool {
        matches!(self.transport, Transport::InProcess(_))
    }

    /// Whether the server says that it has this, which MLflow's servers have not.
    pub(super) async fn has_feature(&self, name: &str) -> Result<bool> {
        Ok(self.capabilities().await?.features.iter().any(|feature| feature == name))
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: impl Into<String>,
        query: Vec<(&'static str, String)>,
    ) -> Result<T, Failure> {
        self.answer(Call { query, repeatable: true, ..Call::new(Method::GET, path) }).await
    }

    /// Fetch what is no JSON, and small.
    pub(super) async fn bytes(
        &self,
        path: impl Into<String>,
        query: Vec<(&'static str, String)>,
    ) -> Result<Vec<u8>, Failure> {
        self.body(&Call { query, repeatable: true, ..Call::new(Method::GET, path) }).await
    }

    /// A request that must not be sent twice unless it surely never arrived.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: impl Into<String>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send_json(Method::POST, path.into(), body, false).await
    }

    pub(super) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: &impl Serialize,
        repeatable: bool,
    ) -> Result<T, Failure> {
        let json = serde_json::to_vec(body)
            .map_err(|error| Error::bug(format!("a request is no JSON: {error}")))?;
        let body = Body::Json(json.into());
        self.answer(Call { body, repeatable, ..Call::new(method, path) }).await
    }

    /// Send, and read the whole answer as `T`.
    pub(super) async fn answer<T: DeserializeOwned>(&self, call: Call) -> Result<T, Failure> {
        let body = self.body(&call).await?;
        // Some routes answer a success with nothing at all.
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        serde_json::from_slice(text).map_err(|error| {
            Error::user(format!(
                "{} does not answer like an MLflow registry: {} gave something else ({error})",
                self.address,
                shown(&call),
            ))
            .hint("check the address: `mlx registry status`")
            .into()
        })
    }

    async fn body(&self, call: &Call) -> Result<Vec<u8>, Failure> {
        let mut retries = Retries::new();
        loop {
            let read = async {
                let reply = self.send_once(call).await?;
                let retry_after = reply.retry_after();
                let (status, location) = (reply.status, reply.location());
                let body = read_all(reply).await.map_err(Attempt::Lost)?;
                if status.is_success() {
                    Ok(body)
                } else {
                    let refusal = self.refusal(status, location.as_deref(), body, call);
                    Err(Attempt::Refused(Box::new(refusal), retry_after))
                }
            };
            match read.await {
                Ok(body) => return Ok(body),
                Err(attempt) => retries.again(self, call, attempt).await?,
            }
        }
    }

    /// Send, and answer a success whose body is still to be read; a body that breaks is the caller's to retry.
    pub(super) async fn open(&self, call: &Call) -> Result<Reply, Attempt> {
        let reply = self.send_once(call).await?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        let (status, retry_after) = (reply.status, reply.retry_after());
        let location = reply.location();
        let body = read_all(reply).await.map_err(Attempt::Lost)?;
        let refusal = self.refusal(status, location.as_deref(), body, call);
        Err(Attempt::Refused(Box::new(refusal), retry_after))
    }

    fn refusal(
        &self,
        status: StatusCode,
        location: Option<&str>,
        body: Vec<u8>,
        call: &Call,
    ) -> Refusal {
        let ours = self.is_in_process();
        let refusal = Refusal::new(status, location, body, &self.address, shown(call));
        Refusal { ours, ..refusal }
    }

    async fn send_once(&self, call: &Call) -> Result<Reply, Attempt> {
        self.transport.send(call).await.map_err(|fault| match fault {
            Fault::NotSent(why) => Attempt::NotSent(why),
            Fault::Lost(why) => Attempt::Lost(why),
            Fault::Ours(error) => Attempt::Failed(error),
        })
    }
}

/// How one attempt failed.
pub(super) enum Attempt {
    NotSent(String),
    Lost(String),
    Refused(Box<Refusal>, Option<Duration>),
    /// No other attempt can help.
    Failed(Error),
}

/// Counts attempts, and waits between them: 0.1 s doubled each time, give or take half, so that many
/// clients that failed together don't come back together.
pub(super) struct Retries {
    started: Instant,
    failed: u32,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), failed: 0 }
    }

    /// Wait for the next attempt, or say why there is none.
    pub(super) async fn again(
        &mut self,
        remote: &Remote,
        call: &Call,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        self.failed += 1;
        let temporary = match &attempt {
            Attempt::NotSent(_) => true,
            Attempt::Lost(_) => call.repeatable,
            Attempt::Refused(refusal, _) => {
                // 503 and 429 are given before anything is done.
                matches!(refusal.status.as_u16(), 429 | 503)
                    || (call.repeatable
                        && refusal.status.is_server_error()
                        && refusal.status != StatusCode::NOT_IMPLEMENTED
                        // A disk does not empty itself.
                        && refusal.status != StatusCode::INSUFFICIENT_STORAGE)
            }
            Attempt::Failed(_) => false,
        };
        let asked = match &attempt {
            Attempt::Refused(_, retry_after) => *retry_after,
            _ => None,
        };
        let pause = asked.unwrap_or_else(|| jittered(Duration::from_millis(50 << self.failed)));
        let in_process = remote.is_in_process();
        // No network is between, but another process may be at the same folder.
        let busy = matches!(&attempt, Attempt::Refused(refusal, _) if refusal.status == 503);
        if temporary
            && (busy || !in_process)
            && self.failed < ATTEMPTS
            && self.started.elapsed() + pause < RETRY_FOR
        {
            tokio::time::sleep(pause).await;
            return Ok(());
        }
        Err(match attempt {
            Attempt::NotSent(why) => unreachable(&remote.address, "cannot reach", &why),
            // No network is between: what breaks off is the folder's own content.
            Attempt::Lost(why) if in_process => {
                Error::user(format!("the registry at {} is damaged: {why}", remote.address))
                    .hint("see what is wrong with it: `mlx registry verify`")
                    .into()
            }
            Attempt::Lost(why) => unreachable(&remote.address, "lost", &why),
            Attempt::Refused(refusal, _) => Failure::Refused(*refusal),
            Attempt::Failed(error) => Failure::Other(error),
        })
    }
}

/// A pause, give or take half.
pub(super) fn jittered(pause: Duration) -> Duration {
    let share = f64::from(OsRng.try_next_u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + share)
}

fn unreachable(address: &str, what: &str, why: &str) -> Failure {
    Error::unreachable(format!("{what} the registry at {address}: {why}"))
        .hint("check that it runs, and where its address was said: `mlx config show registry`")
        .into()
}

async fn read_all(mut reply: Reply) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = reply.body.next().await {
        body.extend_from_slice(&part?);
        if body.len() > LARGEST_ANSWER_BYTES {
            return Err(format!("the answer is over {LARGEST_ANSWER_BYTES} bytes"));
        }
    }
    Ok(body)
}

fn shown(call: &Call) -> String {
    format!("{} {}", call.method, call.path)
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// Segments with their slashes.
pub(super) fn segments(path: &str) -> String {
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}
