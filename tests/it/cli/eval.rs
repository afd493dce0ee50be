//! `mlx eval`: metrics beside baselines, on the test split or a file, in and out of a project.

use serde_json::Value;

use crate::road::Road;
use crate::support::{Home, trained};

fn names(evaluation: &Value) -> Vec<&str> {
    let metrics = evaluation["metrics"].as_array().expect("metrics");
    metrics.iter().map(|metric| metric["name"].as_str().expect("a name")).collect()
}

#[track_caller]
fn value(evaluation: &Value, name: &str) -> f64 {
    let metrics = evaluation["metrics"].as_array().expect("metrics");
    let metric = metrics.iter().find(|metric| metric["name"] == name).expect("the metric");
    metric["value"].as_f64().expect("defined")
}

#[test]
fn classification_on_the_test_split_and_on_a_file() {
    let home = Home::new();
    trained(&home, "classification");
    let split = home.mlx_in("classification", "eval --json").ok();
    assert!(split.stderr().starts_with("evaluating run "), "{}", split.show());
    assert!(split.stderr().contains("the latest finished one"), "{}", split.show());
    let split = split.json();
    assert_eq!(
        names(&split),
        [
            "auc",
            "average_precision",
            "logloss",
            "accuracy",
            "balanced_accuracy",
            "macro_f1",
            "brier",
            "ece"
        ]
    );
    // Three thousand rows, a fifth held out.
    assert_eq!(split["rows"], 600);
    assert_eq!(split["digest"].as_str().expect("a digest").len(), 64);
    let auc = &split["metrics"][0];
    assert_eq!(auc["better"], "higher");
    let best = auc["best_baseline"].as_str().expect("a baseline");
    let (ours, theirs) = (auc["value"].as_f64().unwrap(), auc["baselines"][best].as_f64().unwrap());
    let uplift = auc["uplift"].as_f64().expect("defined");
    assert!((uplift - (ours - theirs) / theirs).abs() < 1e-12);
    let beats = auc["baselines"].as_object().unwrap().values().all(|b| ours > b.as_f64().unwrap());
    assert_eq!(split["beats_baselines"], beats);

    // The text says the same, and the project says which metrics lead.
    let text = home.mlx_in("classification", r#"eval --set eval.metrics=["ece","auc"]"#).ok();
    let lines: Vec<String> = text.stdout().lines().map(str::to_owned).collect();
    assert!(
        lines[0].ends_with("on the test split of data/customers.csv, 600 rows"),
        "{}",
        text.show()
    );
    assert!(lines[2].starts_with("metric ") && lines[2].ends_with(" uplift"), "{}", text.show());
    assert!(lines[3].starts_with("ece ") && lines[4].starts_with("auc "), "{}", text.show());
    let typo = home.mlx_in("classification", r#"eval -q --set eval.metrics=["log_loss"]"#);
    insta::assert_snapshot!(typo.show(), @"
    exit 1
    --- stderr
    error: `eval.metrics` names `log_loss`, which classification does not have
      try: did you mean `logloss`?
    ");

    // A file, from outside the project.
    let data = home.read("classification/data/customers.csv");
    let rows: Vec<&str> = data.lines().collect();
    home.write("some.csv", format!("{}\n", rows[..400].join("\n")));
    let package = package(&home, "classification");
    let line = format!("eval {package} --data some.csv --json");
    let outside = home.mlx(&line).ok().json();
    assert_eq!(outside["rows"], 399);
    assert_eq!(outside["data"], "some.csv");
    assert_eq!(outside["digest"], split["digest"]);

    // One class only: what compares classes is undefined, never zero.
    let only: Vec<&str> =
        rows[1..].iter().copied().filter(|row| row.ends_with(",no")).take(50).collect();
    home.write("only.csv", format!("{}\n{}\n", rows[0], only.join("\n")));
    let only = home.mlx(&format!("eval {package} --data only.csv --json")).ok().json();
    assert_eq!(only["metrics"][0]["value"], Value::Null);
    assert_eq!(only["beats_baselines"], false);
    assert!(only["notices"][0].as_str().expect("a notice").starts_with("no row of `yes`"));

    // No rows is no success.
    home.write("none.csv", format!("{}\n", rows[0]));
    insta::assert_snapshot!(home.mlx(&format!("eval {package} -q --data none.csv")).show(), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/none.csv: it has a header and no rows
      try: check how the file was made
    ");
    // A class that training never saw.
    home.write("new.csv", format!("{}\n{}maybe\n", rows[0], rows[1].trim_end_matches("yes")));
    let unseen = home.mlx(&format!("eval {package} -q --data new.csv")).fails_with(1);
    assert!(unseen.stderr().contains("`maybe`"), "{}", unseen.show());
}

#[test]
fn rows_that_the_model_may_have_learned_from_are_told_of() {
    let home = Home::new();
    super::train::project(&home);
    home.mlx_in("churn", "train -q --max-epochs 1").ok();
    let notices = |line: &str| {
        let notices = home.mlx_in("churn", line).ok().json()["notices"].clone();
        let notices = notices.as_array().expect("notices").iter();
        let texts = notices.map(|notice| notice.as_str().expect("a text").to_owned());
        // Which run it is differs.
        texts
            .map(|text| {
                text.split_once(" finished one").map_or(text.clone(), |(_, rest)| rest.to_owned())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(notices("eval --json"), Vec::<String>::new());
    assert_eq!(
        notices("eval --json --data data/train.csv"),
        [
            " was trained on rows of data/train.csv, which has the content of its data/train.csv: on new rows it may do worse"
        ]
    );
    // Its name does not matter, its content does.
    let rows = home.read("churn/data/train.csv");
    home.write("churn/copy.csv", &rows);
    assert_eq!(notices("eval --json --data copy.csv").len(), 1);
    home.write("churn/data/train.csv", format!("{rows}c400,30,pro,no\n"));
    assert_eq!(notices("eval --json --data data/train.csv"), Vec::<String>::new());
    let drawn_anew = " was trained on other content of data/train.csv than is there now: it may have learned from the rows that test it here";
    assert_eq!(notices("eval --json"), [drawn_anew]);
    let text = home.mlx_in("churn", "eval").ok().stdout();
    assert!(text.lines().last().is_some_and(|line| line.ends_with(drawn_anew)), "{text}");
}

#[test]
fn forecasting_on_the_test_split() {
    let home = Home::new();
    trained(&home, "forecasting");
    let split = home.mlx_in("forecasting", "eval --json").ok().json();
    assert_eq!(
        names(&split),
        ["mase", "smape", "mae", "rmse", "mse_scaled", "mae_scaled", "wql", "coverage_80"]
    );
    let series = split["groups"].as_u64().expect("series");
    assert!(series > 1 && split["rows"].as_u64().expect("targets") >= series);
    for name in names(&split) {
        assert!(value(&split, name).is_finite());
    }
    let coverage = value(&split, "coverage_80");
    assert!((0.0..=1.0).contains(&coverage));

    // One whole forecast a series is all that its test steps, a horizon, have room for.
    let every = home.mlx_in("forecasting", "eval --json --set eval.stride=1").ok().json();
    assert_eq!(every["metrics"], split["metrics"]);
    let still = home.mlx_in("forecasting", "eval --set eval.stride=0");
    assert_eq!(still.code(), 1, "{}", still.show());
    assert!(still.stderr().contains("`eval.stride` is 0"), "{}", still.show());
}

#[test]
fn ranking_on_the_test_split() {
    let home = Home::new();
    trained(&home, "ranking");
    let split = home.mlx_in("ranking", "eval --json").ok().json();
    assert_eq!(names(&split), ["ndcg@10", "ndcg@5", "ndcg@3", "ndcg@1", "map", "mrr"]);
    for name in names(&split) {
        assert!((0.0..=1.0).contains(&value(&split, name)));
    }
    assert!(split["groups"].as_u64().expect("queries") > 1);
}

#[test]
fn a_registered_model_is_evaluated_by_every_name_that_it_has() {
    Road::both(|road| {
        let [better, worse] = road.trained();
        road.mlx(&format!("register {better}")).ok();
        road.mlx(&format!("register {worse}")).ok();
        road.mlx("promote churn/1 --to production").ok();
        let evaluated = |model: &str| road.mlx(&format!("eval {model} --json")).ok().json();
        let (first, second) =
            (evaluated(&format!("run:{better}")), evaluated(&format!("run:{worse}")));
        assert_ne!(first["metrics"], second["metrics"]);
        for (name, meant, run) in [
            ("churn/1", "churn/1", &first),
            ("models:/churn/1", "churn/1", &first),
            ("churn@production", "churn/1, which is churn@production", &first),
            ("models:/churn@production", "churn/1, which is churn@production", &first),
            ("churn", "churn/2, which is churn", &second),
        ] {
            let answer = road.mlx(&format!("eval {name} --json")).ok();
            assert_eq!(answer.stderr(), format!("evaluating {meant}\n"), "{name}");
            assert_eq!(answer.json()["metrics"], run["metrics"], "{name}");
            assert_eq!(answer.json()["digest"], run["digest"], "{name}");
        }
        // Outside of the project too, on a file.
        std::fs::create_dir(road.home.join("elsewhere")).expect("a folder");
        let line = "eval churn@production --data ../churn/data/test.csv --json";
        let outside = road.mlx_in("elsewhere", line).ok().json();
        assert_eq!(outside["metrics"], first["metrics"]);
        road.mlx("eval churn/3").fails_with(1);
        road.mlx("eval churn@staging").fails_with(1);
    });
}

#[test]
fn without_a_model_or_a_project_it_says_what_to_do() {
    let home = Home::new();
    insta::assert_snapshot!(home.mlx("eval").show(), @"
    exit 1
    --- stderr
    error: there is no project here whose test split to evaluate on
      try: name a file: `mlx eval MODEL --data FILE`, or go to a project: `mlx -C DIR eval`
    ");
    insta::assert_snapshot!(home.mlx("eval --data some.csv").show(), @"
    exit 1
    --- stderr
    error: no model is named, and there is no project here whose latest run to take
      try: go to a project: `mlx -C DIR …`, or name a model: `churn/7`, `./package`
    ");
    insta::assert_snapshot!(home.mlx("eval run:3f2a --data some.csv").show(), @"
    exit 1
    --- stderr
    error: `run:3f2a` is a project's, and there is no project here
      try: go to a project: `mlx -C DIR …`, or name a model: `churn/7`, `./package`
    ");
    insta::assert_snapshot!(home.mlx("eval ./package --data some.csv").show(), @"
    exit 1
    --- stderr
    error: there is no folder [HOME]/package
      try: a model by path is a package, or a run of `.mlx/runs`
    ");
    home.mlx("new churn --template classification").ok();
    insta::assert_snapshot!(home.mlx_in("churn", "eval").show(), @"
    exit 1
    --- stderr
    error: no finished run in [HOME]/churn/.mlx/runs
      try: train one: `mlx train`
    ");
}

/// The package of a project's only run, as a path from the home.
fn package(home: &Home, project: &str) -> String {
    let runs = home.join(&format!("{project}/.mlx/runs"));
    let run = std::fs::read_dir(runs)
        .expect("runs")
        .filter_map(Result::ok)
        .find(|entry| entry.path().join("package").is_dir())
        .expect("a run");
    format!("./{project}/.mlx/runs/{}", run.file_name().to_string_lossy())
}
