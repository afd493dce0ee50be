//! The whole road against real `mlflow server` processes, of versions 2 and 3 where
//! `MLX_MLFLOW2_PYTHON` and `MLX_MLFLOW3_PYTHON` name a Python that has them.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::journal::{a_yanked_version, every_story};
use crate::road::Road;

/// A server on a free port, over SQLite, and ended with all its workers.
struct MlflowServer {
    python: PathBuf,
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl MlflowServer {
    /// `None`, said aloud, where the variable names no Python.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn start(variable: &str) -> Option<Self> {
        let Some(python) = std::env::var_os(variable).map(PathBuf::from) else {
            eprintln!("skipped: {variable} names no Python that has mlflow");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let process = Command::new(&python)
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1", "--port"])
            .arg(port.to_string())
            .args(["--backend-store-uri", "sqlite:///rows.db", "--artifacts-destination", "files"])
            .current_dir(folder.path())
            .env("DO_NOT_TRACK", "1")
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            // Its workers are children that a signal to it alone leaves behind.
            .process_group(0)
            .spawn()
            .expect("python starts");
        let server = Self { python, process, url: format!("http://127.0.0.1:{port}"), folder };
        server.wait();
        Some(server)
    }

    fn wait(&self) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let started = Instant::now();
        loop {
            let health = client.get(format!("{}/health", self.url)).send();
            if health.is_ok_and(|health| health.status().is_success()) {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log"));
            let late = started.elapsed() > Duration::from_mins(4);
            assert!(!late, "no mlflow server: {}", log().unwrap_or_default());
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// What a script of Python's mlflow prints, with this server's address as its argument.
    fn python(&self, script: &str) -> String {
        let output = Command::new(&self.python)
            .args(["-c", script, &self.url])
            .current_dir(self.folder.path())
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .output()
            .expect("python starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
    }
}

impl Drop for MlflowServer {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        std::thread::sleep(Duration::from_millis(500));
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }
}

#[test]
fn mlflow_2_is_a_registry() {
    whole_road("MLX_MLFLOW2_PYTHON", "MLflow 2.");
}

#[test]
fn mlflow_3_is_a_registry() {
    whole_road("MLX_MLFLOW3_PYTHON", "MLflow 3.");
}

fn whole_road(variable: &str, version: &str) {
    let Some(server) = MlflowServer::start(variable) else { return };
    let road = Road::beside(&server.url);
    let status = road.mlx("registry status").ok().stdout();
    assert!(status.contains(version), "{status}");
    assert!(status.contains("everyone names himself"), "{status}");
    every_story(&road);
    a_yanked_version(&road, "yanked");
    bytes_that_somebody_changed(&road);
    pythons_clients_read_what_mlx_registered(&server, &road);
    mlx_moves_what_pythons_clients_registered(&server, &road);
}

/// The server keeps nobody from it; what is downloaded is refused.
fn bytes_that_somebody_changed(road: &Road) {
    let [better, _] = road.trained();
    road.mlx(&format!("register {better} --name changed")).ok();
    let reply = road.mlflow_get("model-versions/get-download-uri?name=changed&version=1");
    let uri = reply["artifact_uri"].as_str().expect("an address");
    let path = uri.strip_prefix("mlflow-artifacts:/").expect("the server's own").trim_matches('/');
    let artifacts = format!("{}/api/2.0/mlflow-artifacts/artifacts", road.url());
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let put = client.put(format!("{artifacts}/{path}/mlx/model.json")).body("{}").send();
    assert!(put.is_ok_and(|put| put.status().is_success()));
    let pulled = road.mlx("models pull changed/1 -o never").fails_with(1);
    assert!(pulled.stderr().contains("mlx/model.json"), "{}", pulled.show());
    assert!(pulled.stderr().contains("this server lets anyone"), "{}", pulled.show());
    assert!(!road.home.join("churn/never").exists());
}

fn pythons_clients_read_what_mlx_registered(server: &MlflowServer, road: &Road) {
    let digest = server.python(
        "import hashlib, pathlib, sys, mlflow\n\
         mlflow.set_tracking_uri(sys.argv[1])\n\
         folder = mlflow.artifacts.download_artifacts('models:/road@production')\n\
         manifest = pathlib.Path(folder, 'mlx', 'manifest.json')\n\
         print(hashlib.sha256(manifest.read_bytes()).hexdigest())\n",
    );
    let shown = road.mlx("models show road@production --json").ok().json();
    assert_eq!(shown["versions"][0]["digest"], digest);
}

fn mlx_moves_what_pythons_clients_registered(server: &MlflowServer, road: &Road) {
    server.python(
        "import sys, mlflow\n\
         class Doubled(mlflow.pyfunc.PythonModel):\n\
         \x20   def predict(self, context, model_input, params=None):\n\
         \x20       return [2 * x for x in model_input['x']]\n\
         mlflow.set_tracking_uri(sys.argv[1])\n\
         for _ in range(2):\n\
         \x20   with mlflow.start_run():\n\
         \x20       mlflow.pyfunc.log_model('model', python_model=Doubled(), registered_model_name='doubled', pip_requirements=[])\n",
    );
    road.mlx("promote doubled/1 --to production --ungated").ok();
    road.mlx("promote doubled/2 --to production --ungated").ok();
    let back = road.mlx("rollback doubled --env production").ok();
    assert!(back.stdout().contains("only sizes were checked"), "{}", back.show());
    road.mlx("models show doubled/1").ok();
    let pulled = road.mlx("models pull doubled@production -o doubled").ok();
    assert!(pulled.stdout().contains("only sizes checked"), "{}", pulled.show());
    assert!(road.home.join("churn/doubled/MLmodel").exists());
    let answer = server.python(
        "import sys, mlflow, pandas\n\
         mlflow.set_tracking_uri(sys.argv[1])\n\
         model = mlflow.pyfunc.load_model('models:/doubled@production')\n\
         print(model.predict(pandas.DataFrame({'x': [1, 2]})))\n",
    );
    assert_eq!(answer, "[2, 4]");
}
