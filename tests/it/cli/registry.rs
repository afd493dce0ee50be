//! `mlx registry`: a real server on a free port, ended by its own process id, and its folder's care.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

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

    fn request(
        &self,
        method: &str,
        path: &str,
        body: impl Into<reqwest::blocking::Body>,
    ) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let url = format!("{}{path}", self.url);
        let response = client().request(method, url).body(body).send().expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().expect("a text");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.request("POST", path, body.to_string());
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// A model of this name with this many versions, each with one file.
    fn register(&self, model: &str, versions: u64) {
        let mlflow = "/api/2.0/mlflow";
        self.post(&format!("{mlflow}/registered-models/create"), &json!({ "name": model }));
        for number in 1..=versions {
            let run = self.post(&format!("{mlflow}/runs/create"), &json!({ "experiment_id": "0" }));
            let id = run["run"]["info"]["run_id"].as_str().expect("an id").to_owned();
            let file =
                format!("/api/2.0/mlflow-artifacts/artifacts/0/{id}/artifacts/model/weights");
            assert_eq!(self.request("PUT", &file, format!("weights {number}")).0, 200);
            self.post(
                &format!("{mlflow}/model-versions/create"),
                &json!({ "name": model, "source": format!("runs:/{id}/model"), "run_id": id }),
            );
        }
    }

    fn promote(&self, operation: &str, to: u64, expect: Option<u64>) -> (u16, Value) {
        let body = json!({
            "operation_id": operation, "kind": "promote", "environment": "production",
            "to": to, "expect": expect, "actor": operation,
        });
        self.request("POST", "/api/mlx/1/models/churn/moves", body.to_string())
    }

    #[cfg(unix)]
    fn end(mut self, signal: &str) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("kill runs").success());
        self.child.wait().expect("it ends")
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
    reqwest::blocking::Client::builder().no_proxy().build().expect("a client")
}

fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir_all(home.join("registry")).expect("a folder");
    home
}

#[cfg(unix)]
#[test]
fn a_server_answers_and_stops_when_asked() {
    let home = home();
    let server = Server::start(&home);
    assert_eq!(server.request("GET", "/health", "").1, json!("OK"));
    let (status, info) = server.request("GET", "/api/3.0/mlflow/server-info", "");
    assert_eq!((status, &info["mlx_api"]), (200, &json!(1)));
    let (status, body) = server.request("GET", "/api/2.0/mlflow/nothing", "");
    assert_eq!((status, &body["error_code"]), (404, &json!("ENDPOINT_NOT_FOUND")));
    assert_eq!(server.end("-TERM").code(), Some(0));
}

#[test]
fn errors_have_the_codes_and_statuses_of_mlflow() {
    let home = home();
    let server = Server::start(&home);
    server.register("churn", 1);
    for (method, path, body, status, code) in [
        (
            "POST",
            "/api/2.0/mlflow/registered-models/create",
            r#"{"name":"churn"}"#,
            400,
            "RESOURCE_ALREADY_EXISTS",
        ),
        (
            "GET",
            "/api/2.0/mlflow/registered-models/get?name=fraud",
            "",
            404,
            "RESOURCE_DOES_NOT_EXIST",
        ),
        (
            "GET",
            "/api/2.0/mlflow/registered-models/alias?name=churn&alias=x",
            "",
            400,
            "INVALID_PARAMETER_VALUE",
        ),
        (
            "DELETE",
            "/api/2.0/mlflow/registered-models/alias",
            r#"{"name":"churn","alias":"x"}"#,
            200,
            "",
        ),
        (
            "GET",
            "/api/2.0/mlflow/model-versions/get?name=churn&version=9",
            "",
            404,
            "RESOURCE_DOES_NOT_EXIST",
        ),
        (
            "GET",
            "/api/2.0/mlflow/model-versions/search?filter=name%20%3D",
            "",
            400,
            "INVALID_PARAMETER_VALUE",
        ),
        (
            "GET",
            "/api/2.0/mlflow/registered-models/search?max_results=1001",
            "",
            400,
            "INVALID_PARAMETER_VALUE",
        ),
        ("POST", "/api/2.0/mlflow/runs/create", "{not json", 400, "INVALID_PARAMETER_VALUE"),
        (
            "POST",
            "/api/2.0/mlflow/model-versions/create",
            r#"{"name":"churn","source":"/etc/passwd"}"#,
            400,
            "INVALID_PARAMETER_VALUE",
        ),
        (
            "POST",
            "/api/2.0/mlflow/registered-models/alias",
            r#"{"name":"churn","alias":"latest","version":"1"}"#,
            400,
            "INVALID_PARAMETER_VALUE",
        ),
    ] {
        let (answered, answer) = server.request(method, path, body);
        assert_eq!(answered, status, "{method} {path}: {answer}");
        if status != 200 {
            assert_eq!(answer["error_code"], code, "{method} {path}");
        }
    }
}

#[test]
fn no_encoding_of_a_path_leaves_its_folder() {
    use std::io::Write;
    let home = home();
    let server = Server::start(&home);
    let address = server.url.trim_start_matches("http://");
    for path in [
        "../x",
        "a/../../x",
        "%2e%2e/x",
        ".%2e/x",
        "a/%2E%2E%2fx",
        "%252e%252e/x",
        "%25252e%25252e%25252fx",
        "a%5c..%5cx",
        "..%5cx",
        "a//x",
        "/etc/passwd",
        "%2fetc/passwd",
        "%00",
        "a%00.txt",
        "%ff",
        "%c0%ae%c0%ae/x",
        "%25c0%25ae%25c0%25ae/x",
        "%e0%80%ae%e0%80%ae/x",
        "%ef%bc%8e%ef%bc%8e/x",
        "%e2%80%a5/x",
        "..%e2%88%95x",
        "..%ef%bc%bcx",
        "%u002e%u002e/x",
        "C:/x",
        "c%3a/x",
        "c%253a%255cx",
        "a/..;/x",
        "...",
        "..%20/x",
        "a/%20/x",
        "a%0d%0ax",
    ] {
        // A client would tidy the path up, so the request is written by hand.
        let mut socket = std::net::TcpStream::connect(address).expect("a connection");
        let request = format!(
            "PUT /api/2.0/mlflow-artifacts/artifacts/{path} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: 1\r\nConnection: close\r\n\r\nx"
        );
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        assert!(answer.contains("INVALID_PARAMETER_VALUE"), "{path}: {answer}");
    }
}

#[test]
fn of_sixteen_moves_at_once_one_wins() {
    let home = home();
    let server = Server::start(&home);
    server.register("churn", 16);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let server = &server;
        let threads: Vec<_> = (1..=16)
            .map(|to| scope.spawn(move || server.promote(&format!("op{to}"), to, None).0))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 15, "{statuses:?}");
    let (_, events) = server.request("GET", "/api/mlx/1/models/churn/events", "");
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1));
}

#[cfg(unix)]
#[test]
fn killed_during_uploads_it_leaves_nothing_half_done() {
    let home = home();
    for _ in 0..5 {
        let server = Server::start(&home);
        let url = server.url.clone();
        let uploads = std::thread::spawn(move || {
            for number in 0.. {
                let content = vec![number as u8; 12 << 20];
                let url = format!("{url}/api/2.0/mlflow-artifacts/artifacts/0/big/{number}");
                if client().put(url).body(content).send().is_err() {
                    return;
                }
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(150));
        server.end("-KILL");
        uploads.join().expect("the uploads end");
        home.mlx("registry verify --data registry").ok();
    }
}

#[test]
fn a_changed_byte_is_found_and_a_backup_mends_it() {
    let home = home();
    let server = Server::start(&home);
    server.register("churn", 2);
    assert_eq!(server.promote("op", 1, None).0, 200);
    home.mlx("registry backup copy --data registry").ok();
    let refused = home.mlx("registry restore copy --data registry --replace").fails_with(1);
    assert!(refused.stderr().contains("is in use"), "{}", refused.show());
    drop(server);

    let objects =
        glob::glob(&home.join("registry/objects/*/*").to_string_lossy()).expect("a pattern");
    let path = objects
        .flatten()
        .find(|path| std::fs::read(path).is_ok_and(|bytes| bytes == b"weights 2"))
        .expect("the object");
    std::fs::write(path, "weighty 2").expect("written");
    let found = home.mlx("registry verify --data registry").fails_with(1);
    assert!(found.stdout().contains("`weights` of churn/2: its bytes are not"), "{}", found.show());
    home.mlx("registry restore copy --data registry").fails_with(1);
    home.mlx("registry restore copy --data registry --replace").ok();
    insta::assert_snapshot!(home.mlx("registry verify --data registry").ok().show(), @"
    exit 0
    --- stdout
    checked [HOME]/registry: 1 model, 2 versions, 4 files of versions and runs (18 B read and hashed), 1 event, 1 alias
    nothing is wrong
    ");
}

#[test]
fn status_says_where_and_what_and_makes_nothing() {
    let home = home();
    let embedded = home.mlx("registry status --json").ok().json();
    assert_eq!((&embedded["kind"], &embedded["models"]), (&json!("embedded"), &Value::Null));
    assert!(!home.join(".local/share/mlx/registry").exists());
    let server = Server::start(&home);
    server.register("churn", 1);
    let remote = home.mlx(&format!("registry status --json --registry {}", server.url)).ok().json();
    assert_eq!((&remote["kind"], &remote["models"]), (&json!("mlx"), &json!(1)));
    let verified =
        home.mlx(&format!("registry verify --json --registry {}", server.url)).ok().json();
    assert_eq!(verified["versions"], 1);
    home.mlx("registry verify --data nowhere").fails_with(1);
}

#[test]
fn a_folder_that_holds_no_registry_is_not_made_one_by_reading() {
    let home = home();
    for line in [
        "models list --registry ./typoo",
        "models show churn --registry ./typoo",
        "models history churn --registry ./typoo",
        "promote churn/1 --to production --registry ./typoo",
        "rollback churn --env production --registry ./typoo",
        "registry status --registry ./typoo",
        "registry verify --registry ./typoo",
    ] {
        let answer = home.mlx(line).fails_with(1);
        assert!(
            answer.stderr().contains("there is no registry in [HOME]/typoo"),
            "{}",
            answer.show()
        );
        assert!(!home.join("typoo").exists(), "{line}");
    }
    insta::assert_snapshot!(home.mlx("models list --registry ./typoo").show(), @"
    exit 1
    --- stderr
    error: there is no registry in [HOME]/typoo
      try: check the name; `mlx register --registry [HOME]/typoo` makes one there, and the address of a server begins with `http://`
    ");
    // One's own begins when it is asked.
    home.mlx("models list").ok();
    home.mlx("models list --registry embedded").ok();
}

#[test]
fn an_address_that_no_registry_has_says_what_to_try() {
    let home = home();
    let server = Server::start(&home);
    let shown = |line: &str| home.mlx(line).show().replace(&server.url, "[URL]");
    insta::assert_snapshot!(shown(&format!("models list --registry {}/foo", server.url)), @"
    exit 1
    --- stderr
    error: [URL]/foo does not answer GET /api/2.0/mlflow/registered-models/search: no endpoint answers GET /foo/api/2.0/mlflow/registered-models/search
      try: a registry's address ends with its host and port, such as `http://127.0.0.1:5000`
    ");
    // Of the addresses for documentation, which no machine has.
    insta::assert_snapshot!(shown("registry serve -q --no-auth --host 192.0.2.1 --port 0 --data registry"), @"
    exit 1
    --- stderr
    error: cannot listen on 192.0.2.1:0: Cannot assign requested address (os error 99)
      try: it is no address of this machine: `--host 127.0.0.1` serves this machine alone, `--host 0.0.0.0` others too
    ");
    // Port 9 of the loopback has no listener here.
    insta::assert_snapshot!(shown("registry status --registry http://127.0.0.1:9"), @"
    exit 7
    --- stderr
    error: cannot reach the registry at http://127.0.0.1:9: Connection refused (os error 111)
      try: check that it runs, and where its address was said: `mlx config show registry`
    ");
}

#[test]
fn an_address_without_its_scheme_is_no_folder() {
    let home = home();
    insta::assert_snapshot!(home.mlx("models list --registry localhost:5000").show(), @"
    exit 2
    --- stderr
    error: `localhost:5000` is neither an address nor a folder
      try: did you mean `http://localhost:5000`? a folder of that name is `./localhost:5000`
    ");
    let variable = home.answer(
        home.command_in("").env("MLX_REGISTRY_URL", "localhost:5000").args(["models", "list"]),
    );
    insta::assert_snapshot!(variable.show(), @"
    exit 1
    --- stderr
    error: `localhost:5000` is neither an address nor a folder
      try: did you mean `http://localhost:5000`? a folder of that name is `./localhost:5000`
    ");
    home.write(".config/mlx/config.toml", "[registry]\nurl = \"10.0.0.7:5000\"\n");
    insta::assert_snapshot!(home.mlx("models list").show(), @"
    exit 1
    --- stderr
    error: `10.0.0.7:5000` is neither an address nor a folder
      try: did you mean `http://10.0.0.7:5000`? a folder of that name is `./10.0.0.7:5000`
    ");
    assert!(!home.join("localhost:5000").exists());
}
