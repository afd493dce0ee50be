//! What must hold on a server that is no registry of ours: the verbs against our router without its
//! extension, in every run, and against real MLflow servers where there are some (`mlflow_servers`).

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::proxy::{Mishap, Proxy};
use crate::road::Road;
use crate::support::Answer;

/// Every story that any plain MLflow server must let happen.
pub fn every_story(road: &Road) {
    there_and_back(road, "road");
    moved_outside(road, "outside");
    one_of_many_wins(road, "race");
    killed_before_the_alias(road, "killed");
    an_answer_that_was_lost(road, "lost");
    entries_that_were_deleted(road, "damaged");
}

#[test]
fn a_server_without_our_extension_is_served_by_a_journal() {
    let road = Road::plain();
    every_story(&road);
    assert_eq!(road.mlx("registry status --json").ok().json()["kind"], "mlflow");
}

/// Versions 1 and 2 of `model`: one that learned its rule and one that hardly began.
fn register_both(road: &Road, model: &str) -> [String; 2] {
    let [better, worse] = road.trained();
    road.mlx(&format!("register {better} --name {model}")).ok();
    road.mlx(&format!("register {worse} --name {model}")).ok();
    [better, worse]
}

/// What the history tells, as `kind from>to`, oldest first.
fn history(road: &Road, model: &str) -> Vec<String> {
    let told = road.mlx(&format!("models history {model} --json")).ok().json();
    let number = |value: &Value| value.as_u64().map_or("-".into(), |number| number.to_string());
    told["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| {
            let kind = event["kind"].as_str().expect("a kind");
            format!("{kind} {}>{}", number(&event["from"]), number(&event["to"]))
        })
        .collect()
}

fn alias(road: &Road, model: &str) -> Option<String> {
    let reply = road.mlflow_get(&format!("registered-models/get?name={model}"));
    let aliases = reply["registered_model"]["aliases"].as_array().cloned().unwrap_or_default();
    let production = aliases.iter().find(|alias| alias["alias"] == "production")?;
    Some(production["version"].as_str().expect("a text").to_owned())
}

fn move_alias(road: &Road, model: &str, version: u64) {
    let body = json!({ "name": model, "alias": "production", "version": version.to_string() });
    road.mlflow("registered-models/alias", &body);
}

fn there_and_back(road: &Road, model: &str) {
    let [better, _] = register_both(road, model);
    let again = road.mlx(&format!("register {better} --name {model} --json")).ok().json();
    assert_eq!((&again["version"], &again["already_registered"]), (&json!(1), &json!(true)));

    road.mlx(&format!("promote {model}/1 --to production --ungated --reason first")).ok();
    road.mlx(&format!("promote {model}/2 --to production --ungated")).ok();
    assert_eq!(alias(road, model).as_deref(), Some("2"));
    let late = format!("promote {model}/1 --to production --ungated --expect 1");
    let late = road.mlx(&late).fails_with(6);
    assert!(late.stderr().contains(&format!("promoted {model}/2 first")), "{}", late.show());

    let back = road.mlx(&format!("rollback {model} --env production --json")).ok().json();
    assert!(back["checked"]["example_rows"].as_u64().is_some_and(|rows| rows > 0), "{back}");
    assert_eq!(alias(road, model).as_deref(), Some("1"));
    assert_eq!(history(road, model), ["promote ->1", "promote 1>2", "rollback 2>1"]);
    let then = road.mlx(&format!("models history {model} --at 2020-01-01 --json")).ok().json();
    assert_eq!(then["standings"], json!([]));

    let pulled = road.mlx(&format!("models pull {model}@production -o pulled-{model} --json"));
    let pulled = pulled.ok().json();
    let manifest = road.home.read(&format!("churn/pulled-{model}/mlx/manifest.json"));
    assert_eq!(pulled["digest"], crate::road::sha256(manifest));
    road.mlx(&format!("eval {model}@production")).ok();

    // The journal is a model like any other to the server, and none to us.
    let listed = road.mlx("models list").ok();
    assert!(!listed.stdout().contains("mlx-journal"), "{}", listed.show());
    let taken = road.mlx(&format!("register {better} --name x.mlx-journal")).fails_with(1);
    assert!(taken.stderr().contains("the name of a model's history"), "{}", taken.show());
    road.mlx(&format!("registry reconcile {model}")).ok();
}

fn moved_outside(road: &Road, model: &str) {
    register_both(road, model);
    // An alias from before mlx: it is told of, and has to be taken over before it is moved.
    move_alias(road, model, 2);
    let first = format!("promote {model}/1 --to production --ungated");
    road.mlx(&first).fails_with(6);
    road.mlx(&format!("registry reconcile {model} --adopt")).ok();
    road.mlx(&first).ok();

    move_alias(road, model, 2);
    // Every command that reads the environment tells it; none undoes it.
    for line in ["models show M@production", "models show M", "models history M"] {
        let answer = road.mlx(&line.replace('M', model)).ok();
        assert!(answer.stderr().contains("moved outside mlx"), "{}", answer.show());
    }
    let back = road.mlx(&format!("rollback {model} --env production")).fails_with(6);
    assert!(back.stderr().contains("moved outside mlx"), "{}", back.show());
    let found = road.mlx(&format!("registry reconcile {model} --json")).fails_with(1).json();
    let found = &found["models"][0]["environments"][0];
    assert_eq!((&found["alias"], &found["logged"]), (&json!(2), &json!(1)));
    assert_eq!(found["found"], "outside");
    assert_eq!(alias(road, model).as_deref(), Some("2"));

    road.mlx(&format!("registry reconcile {model} --restore")).ok();
    assert_eq!(alias(road, model).as_deref(), Some("1"));
    move_alias(road, model, 2);
    road.mlx(&format!("registry reconcile {model} --adopt --reason incident-7")).ok();
    road.mlx(&format!("rollback {model} --env production")).ok();
    let told = ["alias_set ->2", "promote 2>1", "alias_set 1>2", "rollback 2>1"];
    assert_eq!(history(road, model), told);
    let shown = road.mlx(&format!("models history {model}")).ok().stdout();
    assert!(shown.contains("outside") && shown.contains("incident-7"), "{shown}");
}

fn one_of_many_wins(road: &Road, model: &str) {
    const RACERS: u64 = 7;
    register_both(road, model);
    road.mlx(&format!("promote {model}/1 --to production --ungated")).ok();
    let promote = |environment: &str| {
        let line = format!("promote {model}/2 --to {environment} --ungated --expect 1 --json");
        let mut command = road.command_in("churn");
        command.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("mlx starts")
    };
    // Moves of other environments come between, and stop none: they only have to be read first.
    road.mlx(&format!("promote {model}/1 --to staging --ungated")).ok();
    let mut racers: Vec<_> = (0..RACERS).map(|_| promote("production")).collect();
    racers.push(promote("staging"));
    let ended: Vec<_> = racers
        .into_iter()
        .map(|racer| road.home.answered(racer.wait_with_output().expect("mlx ends")))
        .collect();
    let staging = ended.last().expect("one of staging");
    assert_eq!(staging.code(), 0, "{}", staging.show());
    let of_production = &ended[..RACERS as usize];
    let won: Vec<_> = of_production.iter().filter(|answer| answer.code() == 0).collect();
    assert_eq!(won.len(), 1, "{:?}", of_production.iter().map(Answer::show).collect::<Vec<_>>());
    for answer in of_production.iter().filter(|answer| answer.code() != 0) {
        assert_eq!(answer.code(), 6, "{}", answer.show());
        assert!(
            answer.stderr().contains(&format!("promoted {model}/2 first")),
            "{}",
            answer.show()
        );
    }
    let mut told = history(road, model);
    told.sort();
    let all = ["promote ->1", "promote ->1", "promote 1>2", "promote 1>2"];
    assert_eq!(told, all);
    assert_eq!(alias(road, model).as_deref(), Some("2"));
    road.mlx(&format!("registry reconcile {model}")).ok();
}

fn killed_before_the_alias(road: &Road, model: &str) {
    const ALIAS: &str = "POST /api/2.0/mlflow/registered-models/alias";
    register_both(road, model);
    road.mlx(&format!("promote {model}/1 --to production --ungated")).ok();
    let proxy = Proxy::before(road.url(), ALIAS, Mishap::Hang);
    let die = |version: u64| {
        let line = format!("promote {model}/{version} --to production --ungated");
        let mut command = road.command_in("churn");
        command.env("MLX_REGISTRY_URL", &proxy.url).args(line.split_whitespace());
        let met = proxy.met();
        let mut promoter =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mlx starts");
        let begun = Instant::now();
        while proxy.met() == met {
            assert!(begun.elapsed() < Duration::from_mins(1), "the alias is never set");
            std::thread::sleep(Duration::from_millis(10));
        }
        promoter.kill().expect("it is killed");
        promoter.wait().expect("it ended");
    };
    die(2);
    assert_eq!(alias(road, model).as_deref(), Some("1"));
    // The log has it, and says that the alias doesn't show it.
    let shown = road.mlx(&format!("models show {model}@production --json")).ok();
    assert!(shown.stderr().contains("its alias does not show it yet"), "{}", shown.show());
    assert_eq!(shown.json()["versions"][0]["version"], 2);
    road.mlx(&format!("registry reconcile {model}")).fails_with(1);
    assert_eq!(alias(road, model).as_deref(), Some("1"));
    road.mlx(&format!("models delete {model}/1")).fails_with(1);

    // The next writer finishes it before its own.
    road.mlx(&format!("rollback {model} --env production")).ok();
    assert_eq!(history(road, model), ["promote ->1", "promote 1>2", "rollback 2>1"]);
    assert_eq!(alias(road, model).as_deref(), Some("1"));
    road.mlx(&format!("registry reconcile {model}")).ok();

    // Or somebody who looks after the registry does.
    die(2);
    road.mlx(&format!("registry reconcile {model} --restore")).ok();
    assert_eq!(alias(road, model).as_deref(), Some("2"));
}

fn an_answer_that_was_lost(road: &Road, model: &str) {
    const APPEND: &str = "POST /api/2.0/mlflow/model-versions/create";
    register_both(road, model);
    road.mlx(&format!("promote {model}/1 --to production --ungated")).ok();
    let proxy = Proxy::before(road.url(), APPEND, Mishap::LoseAnswer);
    let line = format!("promote {model}/2 --to production --ungated");
    let mut command = road.command_in("churn");
    command.env("MLX_REGISTRY_URL", &proxy.url).args(line.split_whitespace());
    road.home.answer(&mut command).ok();
    assert_eq!(proxy.met(), 1, "it is found, and not appended again");
    assert_eq!(history(road, model), ["promote ->1", "promote 1>2"]);
    assert_eq!(alias(road, model).as_deref(), Some("2"));
}

fn entries_that_were_deleted(road: &Road, model: &str) {
    register_both(road, model);
    for version in [1, 2, 1, 2] {
        road.mlx(&format!("promote {model}/{version} --to production --ungated")).ok();
    }
    let body = json!({ "name": format!("{model}.mlx-journal"), "version": "3" });
    road.mlflow_delete("model-versions/delete", &body);
    let gone = road.mlx(&format!("models history {model}")).ok();
    let said = gone.stderr();
    assert!(said.contains(&format!("version 3 of `{model}.mlx-journal` was deleted")), "{said}");
    assert!(said.contains("what it moved is not known"), "{said}");
    let found = road.mlx(&format!("registry reconcile {model} --json")).fails_with(1).json();
    assert_eq!(found["models"][0]["damage"].as_array().map(Vec::len), Some(2), "{found}");
    // What is live is still known, and moves.
    road.mlx(&format!("promote {model}/1 --to production --ungated --expect 2")).ok();
    assert_eq!(alias(road, model).as_deref(), Some("1"));

    // Without its last entry the log knows less than the alias shows.
    let body = json!({ "name": format!("{model}.mlx-journal"), "version": "5" });
    road.mlflow_delete("model-versions/delete", &body);
    let refused = road.mlx(&format!("promote {model}/2 --to production --ungated"));
    assert!(refused.stderr().contains("moved outside mlx"), "{}", refused.show());
}

/// Not beside our own router, which lets nobody set the tag of a yanked version but itself.
pub fn a_yanked_version(road: &Road, model: &str) {
    register_both(road, model);
    road.mlx(&format!("promote {model}/1 --to production --ungated")).ok();
    road.mlx(&format!("models yank {model}/2 --reason leaks")).ok();
    let refused = road.mlx(&format!("promote {model}/2 --to production --ungated")).fails_with(1);
    assert!(refused.stderr().contains(&format!("yanked {model}/2: leaks")), "{}", refused.show());
    road.mlx(&format!("models yank {model}/2 --undo")).ok();
    road.mlx(&format!("promote {model}/2 --to production --ungated")).ok();
    assert_eq!(history(road, model), ["promote ->1", "yank ->2", "unyank ->2", "promote 1>2"]);
}
