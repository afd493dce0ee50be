//! One attempt to deliver: signed, to a checked address, without following anybody elsewhere.

use std::error::Error as _;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response};

use super::address::{NotAllowed, Reach};
use crate::error::{Error, Result};
use crate::registry::webhook::{Answered, sign};
use crate::store::WebhookTarget;
use crate::sys::clock;

const DELIVERY_ID: &str = "x-mlflow-delivery-id";
const TIMESTAMP: &str = "x-mlflow-timestamp";
const SIGNATURE: &str = "x-mlflow-signature";

/// How long a receiver may take to be reached, and to answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(15);

/// What of an answer's body the tester of a webhook is shown.
const SHOWN_BYTES: usize = 4096;

/// Sends deliveries. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) reach: Reach,
    clients: Arc<[OnceLock<Client>; 2]>,
}

/// What came of an attempt, and why in words where it is not 2xx.
#[derive(Debug)]
pub(super) struct Attempt {
    pub answered: Answered,
    pub why: Option<String>,
}

impl Sender {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, clients: Arc::default() }
    }

    pub(super) async fn attempt(
        &self,
        target: &WebhookTarget,
        delivery_id: &str,
        payload: &str,
    ) -> Attempt {
        match self.send(target, delivery_id, payload).await {
            Ok(response) => {
                let status = response.status();
                let why = (!status.is_success()).then(|| format!("it answered {status}"));
                Attempt { answered: answered(&response), why }
            }
            Err(failed) => failed,
        }
    }

    /// An attempt of which the answer's text is wanted: the status and the text.
    pub(super) async fn try_out(
        &self,
        target: &WebhookTarget,
        delivery_id: &str,
        payload: &str,
    ) -> Result<(u16, String), String> {
        let failed = |attempt: Attempt| attempt.why.unwrap_or_default();
        let mut response = self.send(target, delivery_id, payload).await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while body.len() < SHOWN_BYTES {
            match response.chunk().await {
                Ok(Some(part)) => body.extend_from_slice(&part),
                // What came is what can be shown.
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(SHOWN_BYTES);
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn send(
        &self,
        target: &WebhookTarget,
        delivery_id: &str,
        payload: &str,
    ) -> Result<Response, Attempt> {
        // What may be reached may have changed since the webhook was made.
        let refused = |error: Error| Attempt {
            answered: Answered::Refused,
            why: Some(error.message().to_owned()),
        };
        let url = self.reach.check(&target.url).map_err(refused)?;
        let client = self.client(url.scheme() == "https").map_err(|error| Attempt {
            answered: Answered::Nothing,
            why: Some(error.message().to_owned()),
        })?;
        let timestamp_s = clock::now_ms() / 1000;
        let mut request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(DELIVERY_ID, delivery_id)
            .header(TIMESTAMP, timestamp_s)
            .body(payload.to_owned());
        let secret = target.secret.reveal();
        if !secret.is_empty() {
            request = request.header(SIGNATURE, sign(secret, delivery_id, timestamp_s, payload));
        }
        request.send().await.map_err(|error| failed(&error))
    }

    /// Made when first needed: to read the system's certificates takes longer than to start a server.
    fn client(&self, tls: bool) -> Result<&Client> {
        static PROVIDER: Once = Once::new();
        let cell = &self.clients[usize::from(tls)];
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        PROVIDER.call_once(|| {
            // Another part of the process may have installed it already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut builder = Client::builder();
        if !tls {
            // Certificates are for https; without this a machine that has none could not speak http.
            builder = builder.tls_certs_only(std::iter::empty());
        }
        let client = builder
            .user_agent(concat!("mlx/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would connect for us, to addresses that nobody looked at.
            .no_proxy()
            .dns_resolver(self.reach)
            .pool_max_idle_per_host(2)
            .build()
            .map_err(|error| {
                Error::user(format!("cannot make an HTTP client: {}", innermost(&error).1))
            })?;
        Ok(cell.get_or_init(|| client))
    }
}

fn answered(response: &Response) -> Answered {
    let asked = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry_after(value, clock::now_ms()));
    Answered::Status(response.status().as_u16(), asked)
}

/// How long a `Retry-After` asks to wait: it is in seconds, or a date.
fn retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(value.trim()).ok()?;
    let wait_ms = date.timestamp_millis().saturating_sub(now_ms);
    Some(Duration::from_millis(wait_ms.try_into().unwrap_or(0)))
}

fn failed(error: &reqwest::Error) -> Attempt {
    let (refused, innermost) = innermost(error);
    let (answered, why) = if refused {
        (Answered::Refused, innermost)
    } else if error.is_timeout() {
        (Answered::Nothing, "it didn't answer in time".into())
    } else {
        (Answered::Nothing, innermost)
    };
    Attempt { answered, why: Some(why) }
}

/// The innermost cause says what happened; whether it is that our resolver refused.
fn innermost(error: &reqwest::Error) -> (bool, String) {
    let mut refused = false;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        refused |= inner.is::<NotAllowed>();
        text = inner.to_string();
        cause = inner.source();
    }
    (refused, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_when_by_seconds_or_by_date() {
        let now_ms = 1_764_108_000_000;
        assert_eq!(retry_after("7", now_ms), Some(Duration::from_secs(7)));
        let date = "Tue, 25 Nov 2025 22:00:30 GMT";
        assert_eq!(retry_after(date, now_ms), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(date, now_ms + 60_000), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now_ms), None);
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_when_connecting() {
        let sender = Sender::new(Reach { private: false, http: true });
        let target = WebhookTarget {
            // Refused by its address, were it reached by that.
            url: "http://localhost:9/".into(),
            secret: crate::sys::secret::Secret::new(String::new()),
        };
        let attempt = sender.attempt(&target, "id", "{}").await;
        assert_eq!(attempt.answered, Answered::Refused, "{attempt:?}");
    }
}
