//! Unmodified MLflow clients of both major versions, against our server; and our answers beside those
//! of the server they come with.
//!
//! Their interpreters are named by `MLX_MLFLOW2_PYTHON` and `MLX_MLFLOW3_PYTHON`; where one is not,
//! its tests say that they are skipped. The scripts are in `tests/python`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Home;

/// `mlx registry serve --port 0`, killed when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(home: &Home) -> Self {
        let mut child = home
            .command_in("")
            .args(["registry", "serve", "--port", "0", "--data", "registry"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mlx starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter that this variable names; none, and a word on it, where it names none.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn python(variable: &str) -> Option<PathBuf> {
    let python = std::env::var_os(variable).map(PathBuf::from);
    if python.is_none() {
        eprintln!("skipped: {variable} names no Python with mlflow");
    }
    python
}

/// Run a script of `tests/python` in this home; what it says in the end.
fn run(python: &Path, home: &Home, script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python)
        .arg(&script)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("USER", "tester")
        .current_dir(home.path())
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{} failed\n{said}\n{}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// A flow of a client of this major version, and what its server's `verify` finds afterwards.
fn flow(variable: &str, script: &str) {
    let Some(python) = python(variable) else { return };
    let home = Home::new();
    let server = Server::start(&home);
    let said = run(&python, &home, script, &[&server.url]);
    assert!(said.contains(": done"), "{said}");
    drop(server);
    home.mlx("registry verify --registry registry").ok();
}

#[test]
fn the_fluent_flow_of_mlflow_2() {
    flow("MLX_MLFLOW2_PYTHON", "fluent_flow.py");
}

#[test]
fn the_client_flow_of_mlflow_2() {
    flow("MLX_MLFLOW2_PYTHON", "client_flow.py");
}

#[test]
fn the_fluent_flow_of_mlflow_3() {
    flow("MLX_MLFLOW3_PYTHON", "fluent_flow.py");
}

#[test]
fn the_client_flow_of_mlflow_3() {
    flow("MLX_MLFLOW3_PYTHON", "client_flow.py");
}

/// MLflow's own server on a free port, ended with its workers when dropped.
struct Reference {
    child: Child,
    url: String,
}

impl Reference {
    fn start(python: &Path, home: &Home) -> Self {
        // The server takes no port 0: a port that was free a moment ago is the next best.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let url = format!("http://127.0.0.1:{port}");
        let child = Command::new(python)
            .args(["-m", "mlflow", "server", "--workers", "1", "--port", &port.to_string()])
            .arg("--backend-store-uri")
            .arg(format!("sqlite:///{}", home.join("reference.db").display()))
            .arg("--artifacts-destination")
            .arg(home.join("reference"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .current_dir(home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mlflow starts");
        let reference = Self { child, url };
        let deadline = Instant::now() + Duration::from_mins(3);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        while client.get(format!("{}/health", reference.url)).send().is_err() {
            assert!(Instant::now() < deadline, "mlflow's server does not start");
            std::thread::sleep(Duration::from_millis(200));
        }
        reference
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // Asked to end, it ends its workers; killed, it would leave them.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn answers_are_those_of_mlflows_server() {
    let Some(python) = python("MLX_MLFLOW3_PYTHON") else { return };
    let home = Home::new();
    let reference = Reference::start(&python, &home);
    let server = Server::start(&home);
    run(&python, &home, "compare_servers.py", &[&reference.url, &server.url]);
}
