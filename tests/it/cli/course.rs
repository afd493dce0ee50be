//! `mlx train` of several parts: blended, killed, resumed, locked, out of time; and what classifiers are told.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::train::{project, weights};
use crate::support::Home;

/// The project of `train`, whose estimators are small.
fn several(home: &Home, more: &str) {
    project(home);
    let text = home.read("churn/mlx.toml");
    let (rest, _) = text.split_once("[model]").expect("a table of the model");
    let rest = rest.replace("max_epochs = 40", "max_epochs = 6");
    home.write(
        "churn/mlx.toml",
        format!(
            "{rest}[model]\n{more}\n[model.mlp]\nhidden = [8]\nmembers = 1\n\n\
             [model.trees]\nleaves = 4\nmin_rows_per_leaf = 5\n"
        ),
    );
}

fn lock(home: &Home) -> toml::Table {
    toml::from_str(&home.read("churn/mlx.lock")).expect("a lock is TOML")
}

fn parts(home: &Home) -> Vec<(String, f64)> {
    let lock = lock(home);
    let parts = lock["parts"].as_array().expect("parts");
    let part = |part: &toml::Value| {
        (part["name"].as_str().expect("a name").to_owned(), part["weight"].as_float().expect("one"))
    };
    parts.iter().map(part).collect()
}

#[test]
fn auto_trains_each_in_folds_and_says_what_it_chose() {
    let home = Home::new();
    several(&home, "kind = \"auto\"");
    let answer = home.mlx_in("churn", "train").ok();
    for part in ["15 parts", "linear", "trees", "mlp", "together", "prior", "logistic_regression"] {
        assert!(answer.stdout().contains(part), "{part}: {}", answer.show());
    }
    let parts = parts(&home);
    let total: f64 = parts.iter().map(|(_, weight)| weight).sum();
    assert!(parts.len() == 15 && (total - 1.0).abs() < 1e-9, "{parts:?}");
    let show = home.mlx_in("churn", "runs show").ok();
    assert!(show.stdout().contains("5 folds"), "{}", show.show());
    let run = home.mlx_in("churn", "runs show --json").ok().json();
    let card = home.read(&format!(
        "churn/.mlx/runs/{}/package/README.md",
        run["run"]["id"].as_str().expect("an id")
    ));
    assert!(card.contains("## What it is made of"), "{card}");

    let eval = home.mlx_in("churn", "eval --json").ok().json();
    let metrics = eval["metrics"].as_array().expect("metrics");
    let loss = metrics.iter().find(|metric| metric["name"] == "logloss").expect("one of them");
    assert!(loss["uplift"].as_f64().expect("a number") > 0.0, "{eval}");
}

#[test]
fn a_course_that_is_killed_anywhere_ends_with_the_same_bytes_and_is_replayed() {
    let whole = Home::new();
    several(&whole, "kind = \"auto\"\nfolds = 2");
    let since = Instant::now();
    whole.mlx_in("churn", "train -q --threads 1").ok();
    let took = since.elapsed();

    let killed = Home::new();
    several(&killed, "kind = \"auto\"\nfolds = 2");
    let mut line = "train -q --threads 2";
    for moment in 1..=6 {
        let mut command = killed.command_in("churn");
        command.args(line.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("mlx starts");
        std::thread::sleep((took * moment / 8).max(Duration::from_millis(30)));
        if child.try_wait().expect("a process").is_some() {
            break;
        }
        child.kill().expect("killed");
        child.wait().expect("an end");
        if killed.mlx_in("churn", "runs list").ok().stdout().contains("interrupted") {
            line = "train -q --resume";
        }
    }
    if !killed.join("churn/mlx.lock").exists() {
        killed.mlx_in("churn", line).ok();
    }
    assert_eq!(weights(&killed), weights(&whole));
    assert_eq!(lock(&killed)["parts"], lock(&whole)["parts"]);

    let again = whole.mlx_in("churn", "train --locked").ok();
    assert!(!again.stderr().contains("SHA-256"), "{}", again.show());
}

#[test]
fn a_part_without_time_is_left_out_and_the_lock_replays_what_was_trained() {
    let home = Home::new();
    several(&home, "kind = \"auto\"\nfolds = 1");
    let answer = home.mlx_in("churn", "train --budget 1ms").ok();
    let left = "trees is left out: the budget ran out before it";
    assert!(answer.stderr().contains(left), "{}", answer.show());
    assert_eq!(parts(&home), [("linear".to_owned(), 1.0)]);
    let show = home.mlx_in("churn", "runs show").ok();
    assert!(show.stdout().contains("mlp is left out"), "{}", show.show());
    let digest = weights(&home);
    let again = home.mlx_in("churn", "train --locked").ok();
    assert!(!again.stderr().contains("SHA-256"), "{}", again.show());
    assert_eq!(weights(&home), digest);

    let since = Instant::now();
    let plenty = "train -q --budget 2s --max-epochs 100000 --set train.patience=100000";
    home.mlx_in("churn", plenty).ok();
    // Start and package are no part of the budget.
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    let run = home.mlx_in("churn", "runs show --json").ok().json();
    let seconds = run["run"]["seconds"].as_f64().expect("seconds");
    assert!(seconds < 3.0, "{seconds}");
}

#[test]
fn seeds_are_members_of_one_model() {
    let home = Home::new();
    several(&home, "kind = \"auto\"\nestimators = [\"mlp\"]\nseeds = 2\nfolds = 1");
    let text = home
        .read("churn/mlx.toml")
        .replace("[model.trees]\nleaves = 4\nmin_rows_per_leaf = 5\n", "");
    home.write("churn/mlx.toml", text.replace("[model.mlp]\n", ""));
    home.mlx_in("churn", "train -q").ok();
    let names: Vec<String> = parts(&home).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["mlp", "mlp-2"]);
    let lock = lock(&home);
    let seeds: Vec<_> =
        lock["parts"].as_array().expect("parts").iter().map(|p| &p["seed"]).collect();
    assert_eq!(seeds, [&toml::Value::from(7), &toml::Value::from(8)]);
}

#[test]
fn classes_count_as_told_thresholds_are_obeyed_and_sets_hold_what_is_not_ruled_out() {
    let home = Home::new();
    several(
        &home,
        "kind = \"linear\"\nclass_weight = \"balanced\"\nlabel_smoothing = 0.05\n\
         threshold = { false_positive = 1, false_negative = 5 }",
    );
    let text = home.read("churn/mlx.toml");
    let (rest, _) = text.split_once("\n[model.mlp]").expect("tables");
    home.write("churn/mlx.toml", rest.replace("batch = 64\n", ""));
    let answer = home.mlx_in("churn", "train").ok();
    assert!(answer.stdout().contains("weighted_logloss"), "{}", answer.show());
    let eval = home.mlx_in("churn", "eval").ok();
    let said = "costs of 1 for a false positive and 5 for a false negative";
    assert!(eval.show().contains(said), "{}", eval.show());
    let sets = |share: &str| {
        let line = format!("predict -q -i data/train.csv -o out.csv --sets {share}");
        home.mlx_in("churn", &line).ok();
        let out = home.read("churn/out.csv");
        let (header, rows) = out.split_once('\n').expect("lines");
        assert_eq!(header, "id,prediction,prob_no,prob_yes,prediction_set");
        let set = |row: &str| row.rsplit(',').next().expect("a cell").to_owned();
        rows.lines().map(set).collect::<std::collections::BTreeSet<_>>()
    };
    let some = sets("0.2");
    assert!(some.contains("no") && some.contains("yes"), "{some:?}");
    // So few rows rule nothing out for all but one in a thousand.
    assert_eq!(sets("0.001").into_iter().collect::<Vec<_>>(), ["no|yes"]);
    insta::assert_snapshot!(
        home.mlx_in("churn", "predict -i data/train.csv -o out.csv --sets 1.5").show(), @"
    exit 2
    --- stderr
    error: `--sets 1.5` is no share of rows
      try: it is between 0 and 1: `--sets 0.1` misses one row in ten
    ");
    insta::assert_snapshot!(
        home.mlx_in("churn", "train -q --set model.threshold=f2").show(), @r#"
    exit 1
    --- stderr
    error: `model.threshold` is "f2"
      try: it is "f1", "youden", "accuracy", a probability, or what mistakes cost: { false_positive = 1, false_negative = 5 }
    "#);
    insta::assert_snapshot!(
        home.mlx_in("churn", "train -q --set model.folds=300").show(), @"
    exit 1
    --- stderr
    error: `model.folds` is 300
      try: it is a whole number, 1 to 20; 1 is the validation set alone
    ");
}
