//! `kill -9` in the middle of `mlx register`, `promote` and `rollback`, and of the server under them.
//!
//! The moments are spread over the time that the command takes, so that somewhere among them are
//! those between any two of its steps. After each, the registry is sound, the command can be
//! repeated, and the repetition ends where the first would have.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::road::{Road, run_id};

const MOMENTS: u8 = 24;

#[test]
fn a_killed_registration_leaves_no_version_without_its_bytes() {
    let road = Road::embedded();
    road.run(100, "the measure");
    let whole = timed(|| road.mlx("register").ok());
    for moment in 1..=MOMENTS {
        road.run(moment, &format!("model {moment}"));
        let line = format!("register {}", run_id(moment));
        kill_at(start(&road, &line), whole, moment);
        sound(&road);
        let again = road.mlx(&format!("{line} --json")).ok().json();
        assert_eq!(again["version"], moment + 1, "moment {moment}");
        assert_eq!(files(&road, moment + 1), 4, "moment {moment}");
    }
    sound(&road);
    assert_eq!(versions(&road).len(), usize::from(MOMENTS) + 1, "none twice");
}

#[test]
fn a_registry_whose_first_command_was_killed_is_a_registry() {
    let measure = Road::embedded();
    measure.run(1, "first");
    let whole = timed(|| measure.mlx("register").ok());
    for moment in (1..=MOMENTS).step_by(2) {
        let road = Road::embedded();
        road.run(1, "first");
        kill_at(start(&road, "register"), whole, moment);
        let again = road.mlx("register --json").ok().json();
        assert_eq!(again["version"], 1, "moment {moment}");
        sound(&road);
        assert_eq!((versions(&road).len(), files(&road, 1)), (1, 4), "moment {moment}");
    }
}

#[test]
fn a_killed_promotion_happened_or_did_not() {
    let road = Road::embedded();
    road.registered(2);
    let whole = timed(|| road.mlx("promote churn/2 --to production").ok());
    for moment in 1..=MOMENTS {
        let version = 2 - moment % 2;
        let line = format!("promote churn/{version} --to production");
        moved_once(&road, &line, version, |road| kill_at(start(road, &line), whole, moment));
    }
}

#[test]
fn a_killed_rollback_happened_or_did_not() {
    let road = Road::embedded();
    road.registered(3);
    for version in 1..=3 {
        road.mlx(&format!("promote churn/{version} --to production")).ok();
    }
    let whole = timed(|| road.mlx("rollback churn --env production --version 2").ok());
    for moment in 1..=MOMENTS {
        let version = 2 - moment % 2;
        let line = format!("rollback churn --env production --version {version}");
        moved_once(&road, &line, version, |road| kill_at(start(road, &line), whole, moment));
    }
}

#[test]
fn a_client_that_is_killed_leaves_a_run_that_the_next_one_ends() {
    let road = Road::served();
    road.run(100, "the measure");
    let whole = timed(|| road.mlx("register").ok());
    let mut left_running = 0;
    for moment in 1..=MOMENTS {
        road.run(moment, &format!("model {moment}"));
        let line = format!("register {}", run_id(moment));
        kill_at(start(&road, &line), whole, moment);
        settled(&road);
        left_running += statuses(&road).iter().filter(|status| **status == "RUNNING").count();
        assert_eq!(road.mlx(&format!("{line} --json")).ok().json()["version"], moment + 1);
    }
    sound(&road);
    assert!(left_running > 0, "no moment was between the run's beginning and its end");
    assert_eq!(statuses(&road), vec!["FINISHED"; usize::from(MOMENTS) + 1], "one of each, done");
    // What was deleted comes back as another version, from the same run.
    road.mlx("models delete churn/2").ok();
    let line = format!("register {} --json", run_id(1));
    assert_eq!(road.mlx(&line).ok().json()["version"], MOMENTS + 2);
    assert_eq!(statuses(&road).len(), usize::from(MOMENTS) + 1);
    sound(&road);
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_it_promised() {
    const KILLS: u8 = 6;
    let mut road = Road::served();
    road.run(100, "the measure");
    let whole = timed(|| road.mlx("register").ok());
    for kill in 1..=KILLS {
        road.run(kill, &format!("model {kill}"));
        let line = format!("register {}", run_id(kill));
        let client = start(&road, &line);
        sleep_until(whole, kill * (MOMENTS / KILLS));
        die_under(&mut road, client);
        sound(&road);
        let again = road.mlx(&format!("{line} --json")).ok().json();
        assert_eq!((&again["version"], files(&road, kill + 1)), (&json!(kill + 1), 4));
    }
    road.mlx("promote churn/2 --to production").ok();
    let whole = timed(|| road.mlx("promote churn/1 --to production").ok());
    for kill in 1..=KILLS {
        let version = 1 + kill % 2;
        let verb = if kill > KILLS / 2 {
            "rollback churn --env production --version "
        } else {
            "promote --to production churn/"
        };
        let line = format!("{verb}{version}");
        let before = events(&road);
        let client = start(&road, &line);
        sleep_until(whole, kill * (MOMENTS / KILLS));
        die_under(&mut road, client);
        sound(&road);
        road.mlx(&line).ok();
        assert_eq!((live(&road), events(&road)), (json!(version), before + 1), "{line}");
    }
    sound(&road);
}

/// Kill a move, look, repeat it: it is made once.
fn moved_once(road: &Road, line: &str, version: u8, kill: impl FnOnce(&Road)) {
    let (before, was) = (events(road), live(road));
    kill(road);
    sound(road);
    let moved = events(road) - before;
    assert_eq!(live(road), if moved == 0 { was } else { json!(version) }, "{line}");
    road.mlx(line).ok();
    assert_eq!((live(road), events(road)), (json!(version), before + 1), "{line}");
    sound(road);
}

fn start(road: &Road, line: &str) -> Child {
    // What is killed tidies nothing up, so its temporary folders are in the home that goes.
    let mut command = road.command_in("churn");
    let command = command.args(line.split_whitespace()).env("TMPDIR", road.home.path());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mlx starts")
}

/// Kill it at this of the moments, the last of which are around its end.
fn kill_at(mut child: Child, whole: Duration, moment: u8) {
    sleep_until(whole, moment);
    let _ = child.kill();
    child.wait().expect("it ends");
}

fn sleep_until(whole: Duration, moment: u8) {
    std::thread::sleep(whole * u32::from(moment) / u32::from(MOMENTS));
}

/// Kill the server; what its client says is that it is away, or that it had been told in time.
fn die_under(road: &mut Road, mut client: Child) {
    road.kill_server();
    let code = client.wait().expect("it ends").code();
    assert!(matches!(code, Some(0 | 7)), "{code:?}");
    road.start_server();
}

fn timed<T>(act: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}

/// Every byte, every link of the log, and every alias is as it should be.
#[track_caller]
fn sound(road: &Road) {
    road.mlx("registry verify").ok();
}

fn versions(road: &Road) -> Vec<Value> {
    let shown = road.mlx("models show churn --json").ok().json();
    shown["versions"].as_array().expect("versions").clone()
}

fn files(road: &Road, version: u8) -> usize {
    let shown = road.mlx(&format!("models show churn/{version} --json")).ok().json();
    shown["detail"]["files"].as_array().map_or(0, Vec::len)
}

fn live(road: &Road) -> Value {
    road.mlx("models show churn --json").ok().json()["environments"]["production"].clone()
}

fn events(road: &Road) -> usize {
    let history = road.mlx("models history churn --json").ok().json();
    history["events"].as_array().map_or(0, Vec::len)
}

/// Wait for what the killed client had asked for: writes are made one after the other.
fn settled(road: &Road) {
    road.mlflow("registered-models/set-tag", &json!({ "name": "churn", "key": "k", "value": "v" }));
}

/// How far the registry's runs are.
fn statuses(road: &Road) -> Vec<String> {
    let all: Vec<String> = (0..10).map(|id| id.to_string()).collect();
    let found = road.mlflow("runs/search", &json!({ "experiment_ids": all, "max_results": 1000 }));
    let runs = found["runs"].as_array().cloned().unwrap_or_default();
    let status = |run: &Value| run["info"]["status"].as_str().expect("a status").to_owned();
    runs.iter().map(status).collect()
}
