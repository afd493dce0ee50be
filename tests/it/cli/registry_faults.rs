//! What a command says when the registry is out of reach, broken, or no registry.

use std::time::{Duration, Instant};

use crate::pretend::{Fault, PretendRegistry};
use crate::support::{Answer, Home};

fn list(fault: Fault) -> (Answer, PretendRegistry) {
    let home = Home::new();
    let server = PretendRegistry::start(fault);
    let answer = home.mlx(&format!("models list --registry {}", server.url));
    (answer, server)
}

fn shown(answer: &Answer, server: &PretendRegistry) -> String {
    answer.show().replace(&server.url, "[URL]")
}

#[test]
fn an_address_where_nothing_listens() {
    let home = Home::new();
    // A port that was free a moment ago and is nobody's now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let answer = home.mlx(&format!("models list --registry http://127.0.0.1:{port}/prefix"));
    insta::assert_snapshot!(answer.show().replace(&port.to_string(), "[PORT]"), @"
    exit 7
    --- stderr
    error: cannot reach the registry at http://127.0.0.1:[PORT]/prefix: Connection refused (os error 111)
      try: check that it runs, and where its address was said: `mlx config show registry`
    ");
}

#[test]
fn a_registry_that_fails() {
    let (answer, server) = list(Fault::Answer(500, "text/plain", "boom"));
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 7
    --- stderr
    error: registry [URL] failed: it answered 500 Internal Server Error
      try: try again in a while; the server's log says more
    ");
    assert_eq!(server.requests(), 4, "a read is tried again");
}

#[test]
fn a_registry_that_recovers_is_not_even_mentioned() {
    let (answer, server) = list(Fault::FailFirst(2));
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 0
    --- stdout
    no models in [URL]
    ");
}

#[test]
fn a_connection_that_is_cut() {
    let (answer, server) = list(Fault::CutBody);
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 7
    --- stderr
    error: lost the registry at [URL]: end of file before message length reached
      try: check that it runs, and where its address was said: `mlx config show registry`
    ");
    list(Fault::HangUp).0.fails_with(7);
}

#[test]
fn a_registry_that_never_answers() {
    let home = Home::new();
    let server = PretendRegistry::start(Fault::Silence);
    let started = Instant::now();
    let output = home
        .command_in("")
        .args(["models", "list", "--registry", &server.url])
        .env("MLX_REGISTRY_TIMEOUT", "300ms")
        .output()
        .expect("mlx starts");
    assert_eq!(output.status.code(), Some(7));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no answer in time"));
}

#[test]
fn an_address_that_is_no_registry() {
    let (answer, server) = list(Fault::Answer(200, "text/html", "<html>hello</html>"));
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 1
    --- stderr
    error: [URL] does not answer like an MLflow registry: GET /api/2.0/mlflow/registered-models/search gave something else (expected value at line 1 column 1)
      try: check the address: `mlx registry status`
    ");
    let (answer, server) = list(Fault::Answer(404, "text/html", "<html>gone</html>"));
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 1
    --- stderr
    error: [URL] does not answer like an MLflow registry: GET /api/2.0/mlflow/registered-models/search gave 404 Not Found
      try: check the address: `mlx registry status`
    ");
}

#[test]
fn a_registry_that_wants_to_know_who_asks() {
    let (answer, server) = list(Fault::Answer(401, "text/plain", "You are not authenticated."));
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 4
    --- stderr
    error: registry [URL] does not know you: it answered 401 Unauthorized
      try: log in: `mlx login [URL]`, or set MLX_REGISTRY_TOKEN; `mlx doctor` says what is sent
    ");
    let refusal = r#"{"error_code":"PERMISSION_DENIED","message":"readers only read"}"#;
    let (answer, server) = list(Fault::Answer(403, "application/json", refusal));
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 4
    --- stderr
    error: registry [URL] does not allow this: readers only read
      try: ask whoever runs the registry for the role that may do it
    ");
}

#[test]
fn a_plain_mlflow_server_cannot_verify_itself() {
    let home = Home::new();
    let server = PretendRegistry::start(Fault::Answer(404, "text/html", "<title>404</title>"));
    let answer = home.mlx(&format!("registry verify --registry {}", server.url));
    insta::assert_snapshot!(shown(&answer, &server), @"
    exit 1
    --- stderr
    error: [URL] is a plain MLflow server, which can't do this
      try: `mlx registry serve` can; `mlx registry status` says what holds here
    ");
}

#[test]
fn a_password_in_the_address_is_not_repeated() {
    let home = Home::new();
    let server = PretendRegistry::start(Fault::Answer(500, "text/plain", "boom"));
    let url = server.url.replace("http://", "http://ana:hunter2@");
    let answer = home.mlx(&format!("models list --registry {url}")).fails_with(7);
    assert!(!answer.stderr().contains("hunter2"), "{}", answer.show());
}
