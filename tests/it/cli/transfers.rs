//! Bytes on their way: lines that are cut, servers and clients that die, bytes that need no sending.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cutting::{Cuts, Proxy};
use crate::road::{Road, run_id, sha256};
use crate::support::Answer;

/// Of which the weights are a thousand: larger than what is sent in one piece whole.
const CONTENT: usize = 4_000;

/// A model whose weights are some megabytes that no other model has.
fn large(seed: usize, kilobytes: usize) -> String {
    (0..kilobytes).map(|at| char::from(b'a' + ((at * 7 + at / 26 + seed) % 26) as u8)).collect()
}

/// A line of the command in the project, through this proxy.
fn through(road: &Road, proxy: &Proxy, line: &str) -> Command {
    let mut command = road.command_in("churn");
    command
        .args(line.split_whitespace())
        .env("MLX_REGISTRY_URL", &proxy.url)
        .env("MLX_REGISTRY_TIMEOUT", "5s")
        .env("TMPDIR", road.home.path());
    command
}

fn run(road: &Road, proxy: &Proxy, line: &str) -> Answer {
    road.home.answer(&mut through(road, proxy, line))
}

/// Repeat what fails as a line that is cut fails, and nothing else, until it is done.
#[track_caller]
fn until_done(road: &Road, proxy: &Proxy, line: &str) -> (Answer, usize) {
    for tries in 0..60 {
        let answer = run(road, proxy, line);
        if answer.code() == 0 {
            return (answer, tries);
        }
        let said = answer.stderr();
        assert!(answer.code() == 7 && said.contains("error: "), "{line}: {}", answer.show());
    }
    panic!("{line} did not come to an end in 60 tries");
}

fn weights(road: &Road, folder: &str) -> String {
    sha256(std::fs::read(road.home.join(folder).join("mlx/weights.safetensors")).expect("weights"))
}

#[test]
fn a_line_that_is_cut_anywhere_brings_every_byte_in_the_end() {
    let rounds: u8 = std::env::var("MLX_SOAK_ROUNDS")
        .map_or(4, |rounds| rounds.parse::<u32>().expect("a number").min(200) as u8);
    let road = Road::served();
    let (mut failed, mut cuts) = (0, 0);
    for round in 1..=rounds {
        let proxy = Proxy::before(road.url(), u64::from(round));
        // From hardly ever to nearly always.
        let one_in = 1 + u32::from(round % 4);
        proxy.cut(Cuts::Random { one_in, below_bytes: 600_000 });
        let content = large(usize::from(round), CONTENT);
        road.run(round, &content);
        failed += until_done(&road, &proxy, &format!("register {}", run_id(round))).1;
        failed += until_done(&road, &proxy, &format!("models pull churn/{round} -o back{round}")).1;
        let (came, sent) = (weights(&road, &format!("churn/back{round}")), content.repeat(1000));
        assert_eq!(came, sha256(sent), "round {round}");
        cuts += proxy.cuts_made();
    }
    road.mlx("registry verify").ok();
    let shown = road.mlx("models show churn --json").ok().json();
    assert_eq!(shown["versions"].as_array().map(Vec::len), Some(usize::from(rounds)), "none twice");
    assert!(cuts > u64::from(rounds), "{cuts} cuts, of which {failed} ended a command");
    let left: Vec<_> = std::fs::read_dir(road.home.join("churn"))
        .expect("a folder")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(".mlx-pull"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_a_server_had_when_it_died_is_not_sent_again() {
    let mut road = Road::served();
    let proxy = Proxy::before(road.url(), 1);
    proxy.pause(Duration::from_millis(4));
    let content = large(1, 80_000);
    road.run(1, &content);
    let line = format!("register {}", run_id(1));
    let client = through(&road, &proxy, &line).stderr(Stdio::null()).spawn().expect("mlx starts");
    wait_until(|| proxy.up_bytes() > 50_000_000);
    road.kill_server();
    let code = client.wait_with_output().expect("it ends").status.code();
    assert_eq!(code, Some(7));
    road.start_server();
    proxy.aim(road.url());
    proxy.pause(Duration::ZERO);
    let before = proxy.up_bytes();
    let again = run(&road, &proxy, &line).ok();
    assert!(again.stderr().contains("the upload went on from there"), "{}", again.show());
    // A part is 32 MiB: the first was whole, and what of the second was lost is sent.
    let sent = proxy.up_bytes() - before;
    assert!(sent < 80_000_000 - 33_000_000, "{sent} bytes were sent again");
    road.mlx("registry verify").ok();
    assert_eq!(road.mlx("models show churn --json").ok().json()["versions"][0]["version"], 1);
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_says_so_and_the_next_goes_on() {
    let road = Road::served();
    let proxy = Proxy::before(road.url(), 1);
    proxy.pause(Duration::from_millis(20));
    road.run(1, &large(1, 20_000));
    let line = format!("register {}", run_id(1));
    let interrupted = |line: &str, far: &dyn Fn() -> bool| {
        let child = through(&road, &proxy, line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mlx starts");
        wait_until(far);
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        road.home.answered(child.wait_with_output().expect("it ends"))
    };
    let answer = interrupted(&line, &|| proxy.up_bytes() > 8_000_000);
    assert_eq!(answer.code(), 130, "{}", answer.show());
    assert!(answer.stderr().contains("what has come is not sent again"), "{}", answer.show());
    proxy.pause(Duration::ZERO);
    let again = run(&road, &proxy, &line).ok();
    assert!(again.stderr().contains("the upload went on from there"), "{}", again.show());

    proxy.pause(Duration::from_millis(20));
    let before = proxy.down_bytes();
    let pull = "models pull churn/1 -o back";
    let answer = interrupted(pull, &|| proxy.down_bytes() - before > 8_000_000);
    assert_eq!(answer.code(), 130, "{}", answer.show());
    assert!(!road.home.join("churn/back").exists());
    proxy.pause(Duration::ZERO);
    let before = proxy.down_bytes();
    run(&road, &proxy, pull).ok();
    let came = proxy.down_bytes() - before;
    assert!(came < 14_000_000, "{came} bytes came again");
    assert_eq!(weights(&road, "churn/back"), sha256(large(1, 20_000).repeat(1000)));
}

#[test]
fn a_download_that_is_cut_goes_on_in_the_next_command() {
    let road = Road::served();
    let content = large(1, 20_000);
    road.run(1, &content);
    road.mlx(&format!("register {}", run_id(1))).ok();
    let proxy = Proxy::before(road.url(), 1);
    // Every connection brings some megabytes, and then none brings anything.
    proxy.cut(Cuts::After(7_000_000));
    let before = proxy.down_bytes();
    run(&road, &proxy, "models pull churn/1 -o whole").ok();
    let came = proxy.down_bytes() - before;
    assert!(came < 21_000_000, "{came} bytes came for 20 MB");

    let client = through(&road, &proxy, "models pull churn/1 -o back");
    let mut client = client_of(client);
    let before = proxy.down_bytes();
    wait_until(|| proxy.down_bytes() - before > 7_000_000);
    proxy.aim("127.0.0.1:1");
    client.wait().expect("it ends");
    if !road.home.join("churn/back").exists() {
        proxy.aim(road.url());
        proxy.cut(Cuts::Never);
        let before = proxy.down_bytes();
        run(&road, &proxy, "models pull churn/1 -o back").ok();
        let came = proxy.down_bytes() - before;
        assert!(came < 14_000_000, "{came} bytes came again");
    }
    assert_eq!(weights(&road, "churn/back"), sha256(content.repeat(1000)));
}

fn client_of(mut command: Command) -> std::process::Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mlx starts")
}

#[test]
fn bytes_that_the_registry_has_are_not_sent() {
    let road = Road::served();
    let content = large(1, CONTENT);
    road.run(1, &content);
    road.mlx(&format!("register {}", run_id(1))).ok();
    let proxy = Proxy::before(road.url(), 1);
    let line = format!("register {} --name other", run_id(1));
    let answer = run(&road, &proxy, &line).ok();
    assert!(answer.stderr().contains("4.0 MB did not have to be sent"), "{}", answer.show());
    assert!(proxy.up_bytes() < 100_000, "{} bytes were sent", proxy.up_bytes());
    road.mlx("registry verify").ok();
    road.mlx("models pull other/1 -o other").ok();
    assert_eq!(weights(&road, "churn/other"), sha256(content.repeat(1000)));
}

#[test]
fn to_know_a_digest_is_not_to_have_the_bytes() {
    let road = Road::served();
    road.run(1, "a secret");
    road.mlx(&format!("register {}", run_id(1))).ok();
    let secret = "a secret".repeat(1000);
    let file = json!({
        "path": "0/mine/artifacts/w", "size_bytes": secret.len(), "sha256": sha256(&secret),
    });
    let (status, begun) = road.call("POST", "/api/mlx/1/uploads", &json!({ "files": [file] }));
    assert_eq!((status, &begun["uploads"][0]["known"]), (200, &json!(true)));
    let id = begun["uploads"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/mlx/1/uploads/{id}/complete");
    for proof in [json!(sha256(&secret)), json!(sha256(format!("{id}{secret}"))), json!("")] {
        let (status, said) = road.call("POST", &path, &json!({ "proof": proof }));
        assert_eq!(status, 409, "{said}");
    }
    // And without a proof the bytes have to be there.
    assert_eq!(road.call("POST", &path, &json!({})).0, 400);
    let mine = "/api/2.0/mlflow-artifacts/artifacts/0/mine/artifacts/w";
    assert_eq!(road.call("GET", mine, &Value::Null).0, 404);
}

#[test]
fn what_was_uploaded_later_changes_the_run_and_never_the_version() {
    let road = Road::served();
    road.registered(1);
    let version =
        road.call("GET", "/api/2.0/mlflow/model-versions/get?name=churn&version=1", &Value::Null).1;
    let source = version["model_version"]["source"].as_str().expect("a source").to_owned();
    let run = source.trim_start_matches("mlflow-artifacts:/");
    let file = format!("/api/2.0/mlflow-artifacts/artifacts/{run}/MLmodel");
    assert_eq!(road.call("PUT", &file, &json!("changed")).0, 200);
    assert_eq!(road.call("GET", &file, &Value::Null), (200, json!("changed")));
    road.mlx("models pull churn/1 -o before").ok();
    assert_eq!(road.home.read("churn/before/MLmodel"), "flavors: {}\n");
    assert_eq!(road.call("DELETE", &file, &Value::Null).0, 200);
    assert_eq!(road.call("GET", &file, &Value::Null).0, 404);
    road.mlx("models pull churn/1 -o after").ok();
    assert_eq!(road.home.read("churn/after/MLmodel"), "flavors: {}\n");
    road.mlx("registry verify").ok();
}

/// Nothing that garbage collection may take, and nothing that anybody deletes, is what an environment points to.
#[test]
fn what_is_live_outlives_every_deletion() {
    let road = Road::served();
    road.registered(2);
    road.mlx("promote churn/1 --to production --ungated").ok();
    road.mlx("models delete churn/1").fails_with(1);
    road.mlx("models delete churn --all").fails_with(1);
    let mlflow = "/api/2.0/mlflow";
    let (status, _) = road.call(
        "DELETE",
        &format!("{mlflow}/model-versions/delete"),
        &json!({ "name": "churn", "version": "1" }),
    );
    assert_eq!(status, 400);
    let (status, _) = road.call(
        "DELETE",
        &format!("{mlflow}/registered-models/delete"),
        &json!({ "name": "churn" }),
    );
    assert_eq!(status, 400);
    let version = road
        .call("GET", &format!("{mlflow}/model-versions/get?name=churn&version=1"), &Value::Null)
        .1;
    let run_id = version["model_version"]["run_id"].as_str().expect("a run").to_owned();
    let run = road.call("GET", &format!("{mlflow}/runs/get?run_id={run_id}"), &Value::Null).1;
    let experiment =
        run["run"]["info"]["experiment_id"].as_str().expect("an experiment").to_owned();
    road.mlflow("runs/delete", &json!({ "run_id": run_id }));
    road.mlflow("experiments/delete", &json!({ "experiment_id": experiment }));
    let collected = road.mlx("registry gc --older-than 0s --deleted-runs --json").ok().json();
    assert_eq!((&collected["runs"], &collected["kept_runs"]), (&json!([]), &json!(2)));
    road.mlx("models pull churn/1 -o back").ok();
    road.mlx("rollback churn --env production --version 1").ok();
    road.mlx("registry verify").ok();
    // What is not live, and whose version is gone, goes with its bytes.
    road.mlx("models delete churn/2").ok();
    let dry = road.mlx("registry gc --older-than 0s --deleted-runs --dry-run --json").ok().json();
    let gone = road.mlx("registry gc --older-than 0s --deleted-runs --json").ok().json();
    assert_eq!(dry["objects"], gone["objects"]);
    assert_eq!(gone["runs"].as_array().map(Vec::len), Some(1), "{gone}");
    assert!(gone["size_bytes"].as_u64() > Some(1000), "{gone}");
    road.mlx("registry verify").ok();
    road.mlx("models pull churn/1 -o still").ok();
}

#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_mins(1), "it takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}
