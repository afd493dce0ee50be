//! Fetching over http and https, through reqwest.
//!
//! libgit2 is built without a TLS library, which would bring OpenSSL. It lets others carry
//! its bytes: two requests of git's "smart" protocol, and nothing that pushes.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT, CONTENT_TYPE};

/// Begins the message of a failure that a retry may help.
pub(super) const OUT_OF_REACH: &str = "cannot reach the server";

/// Make libgit2 use this transport for `http://` and `https://`.
pub(super) fn register() -> Result<(), git2::Error> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    REGISTERED
        .get_or_init(|| {
            // Another part of the process may have chosen the same provider already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            for prefix in ["http", "https"] {
                #[expect(
                    unsafe_code,
                    reason = "the only way to add a transport; see the line below"
                )]
                // SAFETY: it must not run beside itself or beside the making of a transport.
                // `OnceLock` runs it once, and `super` makes no transport before it has returned.
                unsafe {
                    git2::transport::register(prefix, |remote| {
                        Transport::smart(remote, true, Http::default())
                    })
                }
                .map_err(|error| error.message().to_owned())?;
            }
            Ok(())
        })
        .clone()
        .map_err(|message| git2::Error::from_str(&message))
}

#[derive(Default)]
struct Http {
    client: OnceLock<Client>,
    /// Where the first request was redirected to; the second one goes there at once.
    moved: Arc<Mutex<Option<String>>>,
}

impl SmartSubtransport for Http {
    fn action(
        &self,
        url: &str,
        action: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let client = if let Some(client) = self.client.get() {
            client.clone()
        } else {
            let client = client().map_err(|error| git2::Error::from_str(&error.to_string()))?;
            self.client.get_or_init(|| client).clone()
        };
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let exchange = |step| {
            let url = moved.unwrap_or_else(|| url.trim_end_matches('/').to_owned());
            let moved = Arc::clone(&self.moved);
            Box::new(Exchange { client, url, step, request: Vec::new(), reply: None, moved })
        };
        match action {
            Service::UploadPackLs => Ok(exchange(Step::Advertise)),
            Service::UploadPack => Ok(exchange(Step::Negotiate)),
            Service::ReceivePackLs | Service::ReceivePack => {
                Err(git2::Error::from_str("mlx does not push"))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

fn client() -> reqwest::Result<Client> {
    Client::builder()
        // Some hosts serve git only to clients that say they are one.
        .user_agent(concat!("git/2.0 (mlx ", env!("CARGO_PKG_VERSION"), ")"))
        .connect_timeout(Duration::from_secs(20))
        .timeout(None)
        .build()
}

#[derive(Clone, Copy)]
enum Step {
    /// What the server has.
    Advertise,
    /// What we want of it, and the pack in return.
    Negotiate,
}

/// One request: libgit2 writes its body, then reads the reply.
struct Exchange {
    client: Client,
    url: String,
    step: Step,
    request: Vec<u8>,
    reply: Option<Response>,
    moved: Arc<Mutex<Option<String>>>,
}

const ADVERTISE: &str = "/info/refs?service=git-upload-pack";

impl Exchange {
    fn send(&mut self) -> io::Result<Response> {
        let request = match self.step {
            Step::Advertise => self.client.get(format!("{}{ADVERTISE}", self.url)),
            Step::Negotiate => self
                .client
                .post(format!("{}/git-upload-pack", self.url))
                .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
                .header(ACCEPT, "application/x-git-upload-pack-result")
                .body(std::mem::take(&mut self.request)),
        };
        let reply = request.send().map_err(|error| {
            io::Error::other(format!("{OUT_OF_REACH}: {}", innermost(&error.without_url())))
        })?;
        match reply.status().as_u16() {
            200 => {}
            401 | 403 => return Err(io::Error::other("the server asks for credentials")),
            404 => return Err(io::Error::other("there is no such repository")),
            status @ 500.. => {
                return Err(io::Error::other(format!("{OUT_OF_REACH}: it answers {status}")));
            }
            status => return Err(io::Error::other(format!("the server answers {status}"))),
        }
        if let (Step::Advertise, Some(moved)) =
            (self.step, reply.url().as_str().strip_suffix(ADVERTISE))
        {
            *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(moved.to_owned());
        }
        Ok(reply)
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reply.is_none() {
            self.reply = Some(self.send()?);
        }
        self.reply.as_mut().expect("sent above").read(buffer)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `connection refused` rather than `error sending request`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
