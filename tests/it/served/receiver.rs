//! A receiver of webhooks on a free port of this machine, which answers as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use hmac::{KeyInit as _, Mac as _};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub at: Instant,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Received {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a payload is JSON")
    }

    pub(super) fn event(&self) -> String {
        let payload = self.json();
        format!("{}.{}", text(&payload["entity"]), text(&payload["action"]))
    }

    pub(super) fn id(&self) -> &str {
        &self.headers["x-mlflow-delivery-id"]
    }

    /// Whether its signature is what a holder of the secret makes of it.
    pub(super) fn is_signed_by(&self, secret: &str) -> bool {
        let signed = format!("{}.{}.{}", self.id(), self.headers["x-mlflow-timestamp"], self.body);
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(signed.as_bytes());
        let signature =
            base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        self.headers.get("x-mlflow-signature") == Some(&format!("v1,{signature}"))
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("a text")
}

/// What to answer to the n-th request, from 0: status, more headers, body.
type Script = dyn Fn(usize, &Received) -> (u16, &'static str, &'static str) + Send + Sync;

pub(super) struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// One that answers 200 to all.
    pub(super) fn content() -> Self {
        Self::start(|_, _| (200, "", "thanks"))
    }

    pub(super) fn start(
        script: impl Fn(usize, &Received) -> (u16, &'static str, &'static str) + Send + Sync + 'static,
    ) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a free port"), Arc::new(script))
    }

    /// One that comes up where somebody looked for it before.
    pub(super) fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
        Self::on(listener, Arc::new(|_, _| (200, "", "")))
    }

    fn on(listener: TcpListener, script: Arc<Script>) -> Self {
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let all = received.clone();
        // It ends with the test process.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (all, script) = (all.clone(), script.clone());
                std::thread::spawn(move || serve(connection, &all, &*script));
            }
        });
        Self { url, received }
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic").clone()
    }

    /// Wait for so many requests.
    #[track_caller]
    pub(super) fn wait_for(&self, number: usize) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let received = self.received();
            if received.len() >= number {
                return received;
            }
            assert!(Instant::now() < deadline, "only {} of {number} arrived", received.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn serve(connection: TcpStream, all: &Mutex<Vec<Received>>, script: &Script) {
    let mut reader = BufReader::new(connection.try_clone().expect("a socket"));
    let mut writer = connection;
    while let Some(request) = read(&mut reader) {
        let number = {
            let mut all = all.lock().expect("no panic");
            all.push(request.clone());
            all.len() - 1
        };
        let (status, headers, body) = script(number, &request);
        let text = format!(
            "HTTP/1.1 {status} Whatever\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { at: Instant::now(), path, headers, body: String::from_utf8(body).ok()? })
}
