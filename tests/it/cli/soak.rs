//! `kill -9` of the server again and again, while clients upload, promote and log.
//!
//! What was acknowledged is there afterwards, and nothing is half-done. A few rounds by default; set
//! MLX_SOAK_ROUNDS for more.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::road::{Road, sha256};

const MLFLOW: &str = "/api/2.0/mlflow";
const FILES: &str = "/api/2.0/mlflow-artifacts/artifacts";
const UPLOADS: &str = "/api/mlx/1/uploads";

/// Of an upload in pieces: some parts of the server's, so that it dies between and within them.
const PIECE_BYTES: usize = 3 << 20;
const PIECES: usize = 3;

/// What a server said that it had done, over all its lives.
#[derive(Default)]
struct Acknowledged {
    /// Digests by path.
    files: Mutex<BTreeMap<String, String>>,
    /// Bytes of an upload that is under way, by its id.
    offsets: Mutex<BTreeMap<String, u64>>,
    /// Operation ids of moves.
    moves: Mutex<Vec<String>>,
    /// Steps of the metric.
    steps: Mutex<Vec<u64>>,
}

#[test]
fn a_server_that_is_killed_again_and_again_keeps_what_it_acknowledged() {
    let rounds: u64 = std::env::var("MLX_SOAK_ROUNDS")
        .map_or(5, |rounds| rounds.parse().expect("MLX_SOAK_ROUNDS is a number"));
    let mut road = Road::served();
    road.registered(2);
    let run = road.mlflow("runs/create", &json!({ "experiment_id": "0" }));
    let run = run["run"]["info"]["run_id"].as_str().expect("an id").to_owned();
    let acknowledged = Acknowledged::default();
    let next = AtomicU64::new(0);
    let mut choice = ChaCha8Rng::seed_from_u64(7);
    for round in 1..=rounds {
        let dead = AtomicBool::new(false);
        let url = road.url().to_owned();
        let lives = Duration::from_millis(choice.random_range(30..500));
        std::thread::scope(|scope| {
            let (acknowledged, next, dead) = (&acknowledged, &next, &dead);
            let clients: [fn(&Server<'_>); 4] = [upload_whole, upload_in_pieces, promote, log];
            for client in clients {
                let server = Server { url: &url, run: &run, next, acknowledged, http: http() };
                scope.spawn(move || {
                    while !dead.load(Ordering::SeqCst) {
                        client(&server);
                    }
                });
            }
            std::thread::sleep(lives);
            road.kill_server();
            dead.store(true, Ordering::SeqCst);
        });
        road.start_server();
        check(&road, &run, &acknowledged, round);
    }
    let count = |what: usize, of: &str| assert!(what > 0, "no {of} was acknowledged");
    count(acknowledged.files.lock().expect("a lock").len(), "file");
    count(acknowledged.moves.lock().expect("a lock").len(), "move");
    count(acknowledged.steps.lock().expect("a lock").len(), "metric");
}

/// A client's view of a server that may die under it.
struct Server<'a> {
    url: &'a str,
    run: &'a str,
    next: &'a AtomicU64,
    acknowledged: &'a Acknowledged,
    http: Client,
}

impl Server<'_> {
    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(method.parse().expect("a method"), format!("{}{path}", self.url))
    }

    /// The answer, where there was one and it was a success.
    fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let answer = self.request("POST", path).body(body.to_string()).send().ok()?;
        let status = answer.status();
        let text = answer.text().ok()?;
        assert!(!status.is_server_error(), "{path}: {status} {text}");
        status.is_success().then(|| serde_json::from_str(&text).unwrap_or_default())
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }
}

fn http() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client")
}

fn bytes(number: u64, size: usize) -> Vec<u8> {
    let mut generator = ChaCha8Rng::seed_from_u64(number);
    let mut bytes = vec![0; size];
    rand::RngCore::fill_bytes(&mut generator, &mut bytes);
    bytes
}

fn upload_whole(server: &Server<'_>) {
    let number = server.number();
    let content = bytes(number, [100, 5 << 20][number as usize % 2]);
    let (path, digest) = (format!("0/soak/artifacts/{number}"), sha256(&content));
    let sent = server.request("PUT", &format!("{FILES}/{path}")).body(content).send();
    if sent.is_ok_and(|answer| answer.status() == 200) {
        server.acknowledged.files.lock().expect("a lock").insert(path, digest);
    }
}

fn upload_in_pieces(server: &Server<'_>) {
    let number = server.number();
    let content = bytes(number, PIECE_BYTES * PIECES);
    let (path, digest) = (format!("0/soak/artifacts/{number}"), sha256(&content));
    let file = json!({ "path": path, "size_bytes": content.len(), "sha256": digest });
    let Some(begun) = server.post(UPLOADS, &json!({ "files": [file] })) else { return };
    let id = begun["uploads"][0]["id"].as_str().expect("an id").to_owned();
    for piece in 0..PIECES {
        let from = piece * PIECE_BYTES;
        let sent = server
            .request("PATCH", &format!("{UPLOADS}/{id}"))
            .header("upload-offset", from)
            .body(content[from..from + PIECE_BYTES].to_vec())
            .send();
        let Ok(answer) = sent else { return };
        assert_eq!(answer.status(), 204);
        let offset = (from + PIECE_BYTES) as u64;
        server.acknowledged.offsets.lock().expect("a lock").insert(id.clone(), offset);
    }
    // From here on it is under way no more, or was completed by a request whose answer was lost.
    server.acknowledged.offsets.lock().expect("a lock").remove(&id);
    if server.post(&format!("{UPLOADS}/{id}/complete"), &json!({})).is_some() {
        server.acknowledged.files.lock().expect("a lock").insert(path, digest);
    }
}

fn promote(server: &Server<'_>) {
    let operation = format!("soak-{}", server.number());
    let models = server.request("GET", &format!("{MLFLOW}/registered-models/alias"));
    let live = models.query(&[("name", "churn"), ("alias", "soak")]).send();
    let Some(live) = live.ok().and_then(|answer| answer.json::<Value>().ok()) else { return };
    let live = live["model_version"]["version"].as_str().and_then(|text| text.parse::<u64>().ok());
    let body = json!({
        "operation_id": operation, "kind": "promote", "environment": "soak",
        "to": live.map_or(1, |live| 3 - live), "expect": live, "actor": "soak",
    });
    if server.post("/api/mlx/1/models/churn/moves", &body).is_some() {
        server.acknowledged.moves.lock().expect("a lock").push(operation);
    }
}

fn log(server: &Server<'_>) {
    let step = server.number();
    let metrics: Vec<_> = ["a", "b", "c"]
        .map(|key| json!({ "key": key, "value": step, "timestamp": 1, "step": step }))
        .into();
    let body = json!({ "run_id": server.run, "metrics": metrics });
    if server.post(&format!("{MLFLOW}/runs/log-batch"), &body).is_some() {
        server.acknowledged.steps.lock().expect("a lock").push(step);
    }
}

/// Everything that was acknowledged, and of each batch all or nothing.
fn check(road: &Road, run: &str, acknowledged: &Acknowledged, round: u64) {
    road.mlx("registry verify").ok();
    let offsets = std::mem::take(&mut *acknowledged.offsets.lock().expect("a lock"));
    for (id, offset) in offsets {
        let url = format!("{}{UPLOADS}/{id}", road.url());
        let answer = http().head(url).send().expect("an answer");
        let there = answer.headers()["upload-offset"].to_str().expect("a text").parse::<u64>();
        assert!(there.is_ok_and(|there| there >= offset), "round {round}: upload {id}");
    }
    for (path, digest) in &*acknowledged.files.lock().expect("a lock") {
        let answer = http().get(format!("{}{FILES}/{path}", road.url())).send();
        let content = answer.and_then(reqwest::blocking::Response::bytes).expect("a file");
        assert_eq!(sha256(content), *digest, "round {round}: {path}");
    }
    let events = road.call("GET", "/api/mlx/1/models/churn/events", &Value::Null).1;
    let made: Vec<_> = events["events"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|event| event["operation_id"].as_str())
        .collect();
    for operation in &*acknowledged.moves.lock().expect("a lock") {
        assert!(made.contains(&operation.as_str()), "round {round}: {operation} is lost");
    }
    let steps = |key: &str| -> Vec<u64> {
        let path = format!("{MLFLOW}/metrics/get-history?run_id={run}&metric_key={key}");
        let history = road.call("GET", &path, &Value::Null).1;
        let points = history["metrics"].as_array().cloned().unwrap_or_default();
        points.iter().filter_map(|point| point["step"].as_u64()).collect()
    };
    let (a, b, c) = (steps("a"), steps("b"), steps("c"));
    assert!(a == b && b == c, "round {round}: a batch is there in part");
    for step in &*acknowledged.steps.lock().expect("a lock") {
        assert!(a.contains(step), "round {round}: step {step} is lost");
    }
}
