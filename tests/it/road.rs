//! A project with finished runs beside a registry, embedded or served: what the verbs of the lifecycle need.
//!
//! Most runs are made by hand, so that their tests train nothing: the packages are whole, and hold
//! files that are no model. Where a model must answer, two are trained once for all tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{Answer, Home};

pub struct Road {
    pub home: Home,
    server: Option<Server>,
    /// The address of a server that somebody else started.
    elsewhere: Option<String>,
}

/// A project with a run that learned its rule and one that hardly began, as `[better, worse]`.
static TRAINED: LazyLock<(Home, [String; 2])> = LazyLock::new(|| {
    let home = Home::new();
    crate::cli::train::project(&home);
    let rows = home.read("churn/data/train.csv");
    let (header, rows) = rows.split_once('\n').expect("a header");
    let rows: Vec<_> = rows.lines().collect();
    home.write("churn/data/train.csv", format!("{header}\n{}\n", rows[..300].join("\n")));
    home.write("churn/data/test.csv", format!("{header}\n{}\n", rows[300..].join("\n")));
    let settings = home.read("churn/mlx.toml");
    let settings = settings.replace("[project]\n", "[project]\nid = \"p-churn\"\n");
    let data = "train = \"data/train.csv\"\n";
    home.write(
        "churn/mlx.toml",
        settings.replace(data, &format!("{data}test = \"data/test.csv\"\n")),
    );
    let ids = ["--max-epochs 12", "--max-epochs 1 --set train.learning_rate=1e-9"].map(|how| {
        home.mlx_in("churn", &format!("train -q --seed 3 {how}")).ok();
        let runs = home.mlx_in("churn", "runs list --json").ok().json();
        runs["runs"][0]["id"].as_str().expect("an id").to_owned()
    });
    (home, ids)
});

/// `mlx registry serve` on a free port, ended when the test is.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(home: &Home) -> Self {
        Self::start_with(home, "served", &[])
    }

    /// Over the registry in this folder.
    fn start_over(home: &Home, folder: &str) -> Self {
        Self::start_with(home, folder, &[])
    }

    fn start_with(home: &Home, folder: &str, flags: &[&str]) -> Self {
        let mut process = home
            .command_in("")
            .args(["registry", "serve", "--port", "0", "--data", folder])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mlx starts");
        let stdout = process.stdout.take().expect("a pipe");
        let stderr = process.stderr.take().expect("a pipe");
        // Whichever stream says the address; both are read to their ends, so that neither fills up.
        let (sender, address) = std::sync::mpsc::channel();
        for stream in [Box::new(stdout) as Box<dyn std::io::Read + Send>, Box::new(stderr)] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Some(at) = line.find("http://") {
                        let rest = &line[at..];
                        let end = rest.find(|c: char| c.is_whitespace() || "\",)".contains(c));
                        let _ = sender.send(rest[..end.unwrap_or(rest.len())].to_owned());
                    }
                }
            });
        }
        let url = address
            .recv_timeout(std::time::Duration::from_secs(30))
            .expect("the server says its address");
        Self { process, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Road {
    pub fn embedded() -> Self {
        let home = Home::new();
        home.write("churn/mlx.toml", project("churn", "p-churn", ""));
        Self { home, server: None, elsewhere: None }
    }

    pub fn served() -> Self {
        let mut road = Self::embedded();
        road.server = Some(Server::start(&road.home));
        road
    }

    /// Beside our server without its extension: to a client, a plain MLflow server of version 2.
    pub fn plain() -> Self {
        let mut road = Self::embedded();
        road.server = Some(Server::start_with(&road.home, "served", &["--plain"]));
        road
    }

    /// Beside a server that is there already.
    pub fn beside(url: &str) -> Self {
        Self { elsewhere: Some(url.to_owned()), ..Self::embedded() }
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        let ours = self.server.as_ref().map(|server| &server.url);
        ours.or(self.elsewhere.as_ref()).expect("a served road")
    }

    /// Let the server die as it stands (`kill -9`).
    pub fn kill_server(&mut self) {
        self.server = None;
    }

    /// A server over the folder of the one that was killed.
    pub fn start_server(&mut self) {
        self.server = Some(Server::start(&self.home));
    }

    /// Send any request; null is no body, a text a file's bytes. What is answered, as JSON where it is.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> (u16, serde_json::Value) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let mut request =
            client.request(method.parse().expect("a method"), format!("{}{path}", self.url()));
        request = match body {
            serde_json::Value::Null => request,
            serde_json::Value::String(text) => request.body(text.clone()),
            body => request.body(body.to_string()),
        };
        let response = request.send().expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().expect("a text");
        (status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
    }

    /// Send a request to the server's MLflow routes.
    pub fn mlflow(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        self.mlflow_send("POST", path, Some(body))
    }

    /// Ask one of the server's MLflow routes.
    pub fn mlflow_get(&self, path: &str) -> serde_json::Value {
        self.mlflow_send("GET", path, None)
    }

    /// Delete by one of the server's MLflow routes.
    pub fn mlflow_delete(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        self.mlflow_send("DELETE", path, Some(body))
    }

    fn mlflow_send(
        &self,
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> serde_json::Value {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let method = method.parse().expect("a method");
        let mut request = client.request(method, format!("{}/api/2.0/mlflow/{path}", self.url()));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let text = request.send().and_then(reqwest::blocking::Response::text).expect("an answer");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Send a request to the registry as somebody else would, over HTTP: its status and what it says.
    /// An embedded registry is served for as long as it takes.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> (u16, serde_json::Value) {
        let own;
        let server = match &self.server {
            Some(server) => server,
            None => {
                own = Server::start_over(&self.home, ".local/share/mlx/registry");
                &own
            }
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let method = method.parse().expect("a method");
        let sent = client.request(method, format!("{}{path}", server.url)).body(body.to_string());
        let answer = sent.send().expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().unwrap_or_else(|error| panic!("{path}: {status}: {error}")))
    }

    /// This project with models that were trained, their runs `[better, worse]` not yet registered.
    pub fn trained(&self) -> [String; 2] {
        let (from, ids) = &*TRAINED;
        copy(&from.join("churn"), &self.home.join("churn"));
        ids.clone()
    }

    /// What `[gates]` of the trained project says from now on.
    pub fn gates(&self, gates: &str) {
        self.home
            .write("churn/mlx.toml", format!("{}\n{gates}\n", TRAINED.0.read("churn/mlx.toml")));
    }

    /// The same test on each transport.
    pub fn both(test: impl Fn(&Self)) {
        test(&Self::embedded());
        test(&Self::served());
    }

    pub fn command_in(&self, folder: &str) -> Command {
        let mut command = self.home.command_in(folder);
        if let Some(server) = &self.server {
            command.env("MLX_REGISTRY_URL", &server.url);
        }
        if let Some(url) = &self.elsewhere {
            command.env("MLFLOW_TRACKING_URI", url);
        }
        command
    }

    /// In the project's folder.
    pub fn mlx(&self, line: &str) -> Answer {
        self.mlx_in("churn", line)
    }

    pub fn mlx_in(&self, folder: &str, line: &str) -> Answer {
        self.home.answer(self.command_in(folder).args(line.split_whitespace()))
    }

    /// What was answered, the same for both transports.
    pub fn shown(&self, answer: &Answer) -> String {
        let mut text = answer.show();
        if let Some(server) = &self.server {
            text = text.replace(&server.url, "[REGISTRY]");
        }
        text = text.replace("[HOME]/.local/share/mlx/registry (embedded)", "[REGISTRY]");
        plain(&filtered(&text))
    }

    /// A finished run whose package holds `content`.
    pub fn run(&self, number: u8, content: &str) {
        self.run_in("churn", "p-churn", number, content);
    }

    pub fn run_in(&self, project: &str, project_id: &str, number: u8, content: &str) {
        let id = run_id(number);
        let run = format!("{project}/.mlx/runs/{id}");
        let files = [
            ("MLmodel", "flavors: {}\n".to_owned()),
            ("mlx/model.json", format!("{{\"content\": {content:?}}}")),
            ("mlx/weights.safetensors", content.repeat(1000)),
        ];
        let mut listed = serde_json::Map::new();
        for (path, text) in &files {
            self.home.write(&format!("{run}/package/{path}"), text);
            let entry = json!({ "sha256": sha256(text), "size_bytes": text.len() });
            listed.insert((*path).to_owned(), entry);
        }
        let manifest = json!({ "format": 1, "files": listed }).to_string();
        self.home.write(&format!("{run}/package/mlx/manifest.json"), &manifest);
        let record = json!({
            "id": id,
            "status": "finished",
            "name": project,
            "task": "classification",
            "kind": "mlp",
            "project_id": project_id,
            "started_ms": 1_700_000_000_000_i64 + i64::from(number) * 60_000,
            "ended_ms": 1_700_000_000_000_i64 + i64::from(number) * 60_000 + 5_000,
            "seed": 7,
            "device": "cpu",
            "settings": { "train": { "seed": 7 } },
            "sources": [],
            "best_epoch": 3,
            "epochs": 4,
            "steps": 40,
            "seconds": 5.0,
            "valid": [["auc", 0.9]],
            "package_digest": sha256(&manifest),
            "git": null,
            "mlx_version": "0.1.0",
        });
        self.home.write(&format!("{run}/manifest.json"), record.to_string());
    }

    /// Versions 1 to `versions` of churn.
    pub fn registered(&self, versions: u8) {
        for number in 1..=versions {
            self.run(number, &format!("model {number}"));
            self.mlx(&format!("register {}", run_id(number))).ok();
        }
    }
}

pub fn project(name: &str, id: &str, more: &str) -> String {
    format!(
        "[project]\nname = \"{name}\"\ntask = \"classification\"\nid = \"{id}\"\n\n[data]\ntrain = \"train.csv\"\ntarget = \"churned\"\n\n{more}"
    )
}

/// The id of the run of this number: `01010101…`.
pub fn run_id(number: u8) -> String {
    format!("{number:02x}").repeat(16)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let (path, to) =
            entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("an entry");
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).expect("a copy");
        }
    }
}

pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whoever runs the tests as `[USER]`, and columns two spaces apart whatever that name's length.
fn plain(text: &str) -> String {
    let output = Command::new("id").arg("-un").output().expect("`id` is everywhere");
    let user = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut plain = String::new();
    for line in text.lines() {
        let words = line.trim_end();
        let body = words.trim_start();
        plain.push_str(&words[..words.len() - body.len()]);
        let columns: Vec<_> = body.split("  ").filter(|part| !part.is_empty()).collect();
        let columns: Vec<_> = columns.iter().map(|part| part.trim()).collect();
        let line = columns.join("  ");
        let named: Vec<_> =
            line.split(' ').map(|word| if word == user { "[USER]" } else { word }).collect();
        plain.push_str(&named.join(" "));
        plain.push('\n');
    }
    plain
}

/// Times as `[TIME]`.
fn filtered(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("20") {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let is_time = tail.len() >= 19
            && tail.is_char_boundary(19)
            && tail[..19].bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                10 => byte == b' ',
                13 | 16 => byte == b':',
                _ => byte.is_ascii_digit(),
            });
        if is_time {
            out.push_str("[TIME]");
            rest = &tail[19..];
        } else {
            out.push_str("20");
            rest = &tail[2..];
        }
    }
    out + rest
}
