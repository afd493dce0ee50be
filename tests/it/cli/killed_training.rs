//! `kill -9` at any moment of `mlx train`, and `--resume`: the same package to the last byte, whatever
//! learns and on however many threads.
//!
//! A few moments of each by default; `MLX_KILLS=20` makes twenty of each (`just kills`).

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::train::{project, start};
use crate::support::Home;

#[test]
fn a_net_comes_to_the_same_bytes_wherever_it_is_killed() {
    killed_anywhere("train --max-epochs 60", &project);
}

#[test]
fn rows_that_are_streamed_come_to_the_same_bytes_wherever_it_is_killed() {
    killed_anywhere("train --max-epochs 60", &|home| {
        project(home);
        let text = home.read("churn/mlx.toml");
        home.write("churn/mlx.toml", text.replace("[data]", "[data]\nstream = true"));
    });
}

#[test]
fn trees_come_to_the_same_bytes_wherever_they_are_killed() {
    killed_anywhere("train --max-epochs 60", &|home| {
        project(home);
        with_model(home, "kind = \"trees\"\nmin_rows_per_leaf = 5\n");
    });
}

#[test]
fn a_course_of_several_comes_to_the_same_bytes_wherever_it_is_killed() {
    killed_anywhere("train --max-epochs 30", &|home| {
        project(home);
        with_model(home, "kind = \"auto\"\n");
    });
}

#[test]
fn a_forecast_comes_to_the_same_bytes_wherever_it_is_killed() {
    killed_anywhere("train --max-epochs 12", &|home| forecasts(home, "kind = \"auto\"\n"));
}

#[test]
fn a_forecast_without_time_comes_to_the_same_bytes_wherever_it_is_killed() {
    // Reading the data takes more: whatever the machine, nothing but the stand-in is left.
    killed_anywhere("train --budget 1ms", &|home| forecasts(home, "kind = \"auto\"\n"));
}

#[test]
fn a_net_that_forecasts_comes_to_the_same_bytes_wherever_it_is_killed() {
    killed_anywhere("train --max-epochs 12", &|home| {
        let small = "look_back = 14\npatch = 7\nwidth = 8\nlayers = 1\nhidden = 16\n";
        forecasts(home, &format!("kind = \"patchtst\"\n{small}"));
    });
}

/// A project of three shops' sales.
fn forecasts(home: &Home, model: &str) {
    let mut rows = "step,shop,sold\n".to_owned();
    for step in 0..160_u32 {
        for shop in 0..3_u32 {
            let noise = (step * 3 + shop).wrapping_mul(2_654_435_761) >> 28;
            let sold = 20 + 10 * shop + 5 * (step % 7) + noise;
            let _ = writeln!(rows, "{step},s{shop},{sold}");
        }
    }
    home.write("churn/data.csv", rows);
    home.write(
        "churn/mlx.toml",
        "[project]\nname = \"churn\"\ntask = \"forecasting\"\n\n\
             [data]\ntrain = \"data.csv\"\ntarget = \"sold\"\ntime = \"step\"\nseries = \"shop\"\n\
             horizon = 4\nseason = 7\n\n[train]\ndevice = \"cpu\"\npatience = 1000\n\n[model]\n",
    );
    let text = home.read("churn/mlx.toml");
    home.write("churn/mlx.toml", format!("{text}{model}"));
}

#[test]
fn a_ranking_comes_to_the_same_bytes_wherever_it_is_killed() {
    killed_anywhere("train --max-epochs 20", &|home| ranking(home, "kind = \"mlp\"\n"));
}

#[test]
fn attention_comes_to_the_same_bytes_wherever_it_is_killed() {
    let model = "kind = \"attention\"\nfolds = 2\nwidth = 16\nhidden = [16]\n";
    killed_anywhere("train --max-epochs 6", &|home| ranking(home, model));
}

fn ranking(home: &Home, model: &str) {
    let mut rows = "query,grade,clicks,age\n".to_owned();
    for row in 0..600_u32 {
        let noise = row.wrapping_mul(2_654_435_761) >> 16;
        let grade = noise % 4;
        let clicks = grade * 3 + noise / 64 % 5;
        let _ = writeln!(rows, "q{},{grade},{clicks},{}", row / 8, noise % 37);
    }
    home.write("churn/data.csv", rows);
    home.write(
        "churn/mlx.toml",
        format!(
            "[project]\nname = \"churn\"\ntask = \"ranking\"\n\n\
             [data]\ntrain = \"data.csv\"\nquery = \"query\"\nrelevance = \"grade\"\n\n\
             [train]\ndevice = \"cpu\"\npatience = 1000\n\n[model]\n{model}"
        ),
    );
}

/// Another `[model]` in the project's settings, and no batch, which trees have none of.
fn with_model(home: &Home, model: &str) {
    let text = home.read("churn/mlx.toml").replace("batch = 64\n", "");
    let (before, _) = text.split_once("[model]\n").expect("a table");
    home.write("churn/mlx.toml", format!("{before}[model]\n{model}"));
}

/// Train in one piece; then again and again in pieces, each but the last cut off by `kill -9`.
fn killed_anywhere(line: &str, prepare: &dyn Fn(&Home)) {
    let whole = Home::new();
    prepare(&whole);
    let began = Instant::now();
    whole.mlx_in("churn", &format!("{line} -q --threads 1")).ok();
    let time = began.elapsed();
    let expected = (package(&whole), epochs(&whole));

    let home = Home::new();
    prepare(&home);
    let kills: u32 = std::env::var("MLX_KILLS").map_or(4, |kills| kills.parse().expect("a number"));
    let mut done = 0;
    for kill in 0..kills {
        // Spread evenly, in no order (the golden ratio's multiples): the last are around the end.
        let moment = time.mul_f64(f64::from(kill + 1) * 0.618_034 % 1.0 * 1.1);
        kill_after(&home, line, 1 + kill % 2, moment);
        if status(&home).as_deref() == Some("finished") {
            assert_eq!((package(&home), epochs(&home)), expected, "killed after kill {kill}");
            std::fs::remove_dir_all(home.join("churn/.mlx")).expect("removed");
            done += 1;
        }
    }
    home.mlx_in("churn", &format!("{} -q --threads 2", line_of(&home, line))).ok();
    assert_eq!((package(&home), epochs(&home)), expected, "after {done} whole runs");
}

fn kill_after(home: &Home, line: &str, threads: u32, moment: Duration) {
    let mut child = start(home, &format!("{} --threads {threads}", line_of(home, line)));
    std::thread::sleep(moment);
    let _ = child.kill();
    child.wait().expect("it ends");
}

/// What goes on with the run that there is, or begins one.
fn line_of(home: &Home, line: &str) -> String {
    status(home).map_or_else(|| line.to_owned(), |_| "train --resume".to_owned())
}

/// The folder of the one run.
fn run(home: &Home) -> Option<PathBuf> {
    let runs = std::fs::read_dir(home.join("churn/.mlx/runs")).ok()?;
    let mut runs: Vec<PathBuf> = runs
        .map(|run| run.expect("an entry").path())
        // What was killed before it had a manifest is no run.
        .filter(|run| run.join("manifest.json").is_file())
        .collect();
    assert!(runs.len() < 2, "{runs:?}");
    runs.pop()
}

fn status(home: &Home) -> Option<String> {
    let manifest = json(&run(home)?.join("manifest.json"));
    Some(manifest["status"].as_str().expect("a status").to_owned())
}

/// The digest of every file of the package but the lineage, which names the run.
fn package(home: &Home) -> Vec<(String, Value)> {
    let manifest = run(home).expect("a run").join("package/mlx/manifest.json");
    let files = json(&manifest)["files"].as_object().expect("files").clone();
    let files: Vec<_> = files.into_iter().filter(|(name, _)| name != "mlx/lineage.json").collect();
    assert!(files.len() > 3, "{files:?}");
    files
}

/// What each epoch came to, without time and memory: each is told once, in its order.
fn epochs(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(run(home).expect("a run").join("metrics.jsonl"));
    let events = text.expect("metrics");
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let ended = events.filter(|event| event["event"] == "epoch_ended");
    let told = ended.map(|event| {
        let of = |key: &str| event[key].clone();
        let what = ["part", "epoch", "total_steps", "train_loss", "valid", "best_epoch"].map(of);
        format!("{} {:?}", event["learning_rate"], what)
    });
    told.collect()
}

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}
