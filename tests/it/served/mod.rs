//! What a server does beside answering: it tells webhooks, and counts for Prometheus.

mod metrics;
mod receiver;
mod webhooks;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Home;

const MLFLOW: &str = "/api/2.0/mlflow";

/// `mlx registry serve --port 0`, killed when dropped. Its log is in the home's `log`.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(home: &Home, more: &[&str]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(home.join("log"));
        let mut child = home
            .command_in("")
            .args(["registry", "serve", "--port", "0", "--data", "registry"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("mlx starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, url }
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let url = format!("{}{path}", self.url);
        let response =
            client().request(method, url).body(body.to_string()).send().expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().expect("a text");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.request("POST", path, body);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    fn create_model(&self, name: &str) {
        self.post(&format!("{MLFLOW}/registered-models/create"), &json!({ "name": name }));
    }

    /// A version with one file.
    fn create_version(&self, model: &str) {
        let run = self.post(&format!("{MLFLOW}/runs/create"), &json!({ "experiment_id": "0" }));
        let id = run["run"]["info"]["run_id"].as_str().expect("an id").to_owned();
        let file = format!("/api/2.0/mlflow-artifacts/artifacts/0/{id}/artifacts/model/weights");
        assert_eq!(self.request("PUT", &file, &json!("weights")).0, 200);
        self.post(
            &format!("{MLFLOW}/model-versions/create"),
            &json!({ "name": model, "source": format!("runs:/{id}/model"), "run_id": id }),
        );
    }

    /// `/metrics`, as a client reads it that asks for nothing in particular.
    fn metrics(&self) -> String {
        let response = client().get(format!("{}/metrics", self.url)).send().expect("an answer");
        assert_eq!(response.status(), 200);
        response.text().expect("a text")
    }

    /// Gone at once, as by a power cut.
    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    #[cfg(unix)]
    fn stop(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill is there").success());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client() -> reqwest::blocking::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Whatever proxy this machine has, it is not between a test and its server.
    reqwest::blocking::Client::builder().no_proxy().build().expect("a client")
}

fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir_all(home.path()).expect("a folder");
    home
}

/// Wait until this holds, within reason.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
