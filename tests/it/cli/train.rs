//! `mlx train`: from a table to a package; killed, interrupted, resumed, locked.

use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::Home;

/// A project whose rows follow a rule, so that there is something to learn. Its run is long
/// enough to be stopped in the middle.
pub fn project(home: &Home) {
    let mut rows = "id,age,plan,churned\n".to_owned();
    for row in 0..400_u32 {
        // Knuth's multiplicative hash: numbers without a pattern, the same everywhere.
        let noise = row.wrapping_mul(2_654_435_761) >> 16;
        let age = 20 + noise % 50;
        let plan = ["basic", "plus", "pro"][(noise / 64 % 3) as usize];
        let churned = age > 45 && plan != "pro" || noise % 11 == 0;
        let _ = writeln!(rows, "c{row},{age},{plan},{}", if churned { "yes" } else { "no" });
    }
    home.write("churn/data/train.csv", rows);
    home.write(
        "churn/mlx.toml",
        "[project]\nname = \"churn\"\ntask = \"classification\"\n\n\
         [data]\ntrain = \"data/train.csv\"\ntarget = \"churned\"\nid = \"id\"\n\n\
         [train]\ndevice = \"cpu\"\nmax_epochs = 40\npatience = 1000\nbatch = 64\n\n\
         [model]\nkind = \"mlp\"\nhidden = [8]\nmembers = 1\n",
    );
}

pub fn lock(home: &Home) -> toml::Table {
    toml::from_str(&home.read("churn/mlx.lock")).expect("a lock is TOML")
}

pub fn weights(home: &Home) -> String {
    lock(home)["result"]["weights_sha256"].as_str().expect("a digest").to_owned()
}

pub fn start(home: &Home, line: &str) -> Child {
    let mut command = home.command_in("churn");
    let command = command.args(line.split_whitespace());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mlx starts")
}

/// The ends of epochs in `metrics.jsonl`, of all runs.
pub fn epochs(home: &Home) -> Vec<serde_json::Value> {
    let Ok(runs) = std::fs::read_dir(home.join("churn/.mlx/runs")) else { return Vec::new() };
    let texts = runs.map(|run| {
        let path = run.expect("an entry").path().join("metrics.jsonl");
        std::fs::read_to_string(path).unwrap_or_default()
    });
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
        .filter(|event| event["event"] == "epoch_ended")
        .collect()
}

/// Wait until so many epochs are told; false where the process ended before.
pub fn reaches(home: &Home, child: &mut Child, count: usize) -> bool {
    let since = Instant::now();
    while epochs(home).len() < count {
        if child.try_wait().expect("a process").is_some() {
            return false;
        }
        assert!(since.elapsed() < Duration::from_mins(5), "no epoch {count} in five minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// What an epoch came to, without the time that it took.
fn results(home: &Home) -> Vec<String> {
    let told = |event: &serde_json::Value| {
        format!("{} {} {}", event["epoch"], event["train_loss"], event["valid"])
    };
    epochs(home).iter().map(told).collect()
}

#[test]
fn a_run_makes_a_package_a_lock_and_an_answer() {
    let home = Home::new();
    project(&home);
    let answer = home.mlx_in("churn", "train --max-epochs 3").ok();
    let said = answer.stdout();
    for part in ["churn run ", "best epoch", "of 3", "package ", "next     mlx eval run:"] {
        assert!(said.contains(part), "{part}: {}", answer.show());
    }
    assert!(answer.stderr().contains("epoch 3/3  loss "), "{}", answer.show());
    let lock = lock(&home);
    assert_eq!(lock["schema"]["age"].as_str(), Some("numeric"));
    assert_eq!(lock["settings"]["train"]["max_epochs"].as_integer(), Some(3));
    assert_eq!(lock["data"][0]["rows"].as_integer(), Some(400));

    let events = home.mlx_in("churn", "train --max-epochs 2 --json").ok().stdout();
    let names: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .inspect(|event| assert_eq!(event["schema"], "mlx.train/2"))
        .map(|event| event["event"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "started",
            "part_started",
            "epoch_ended",
            "epoch_ended",
            "part_ended",
            "chosen",
            "finished"
        ]
    );
}

/// A value that can't be is the command line's fault where it said it, and names the flag; else the file's.
#[test]
fn a_wrong_value_is_blamed_on_whoever_said_it() {
    let home = Home::new();
    project(&home);
    let mut answers = String::new();
    for line in [
        "--budget 5",
        "--set train.budget=5",
        "--device tpu",
        "--set train.device=tpu",
        "--threads 0",
        "--set train.threads=0",
        "--max-epochs 0",
        "--set train.batch=0",
        "--set train.learning_rate=0",
        "--set train.precision=bf16",
    ] {
        let answer = home.mlx_in("churn", &format!("train -q {line}"));
        let _ = writeln!(answers, "{line}: {} {}", answer.code(), answer.stderr());
    }
    insta::assert_snapshot!(answers, @"
    --budget 5: 2 error: in --budget: `5` is not a duration
      try: write a number and a unit, such as `90s`, `10m`, `2h` or `30d`

    --set train.budget=5: 2 error: in train.budget: `5` is not a duration
      try: write a number and a unit, such as `90s`, `10m`, `2h` or `30d`

    --device tpu: 2 error: no device is named `tpu`
      try: use auto, cpu, cuda, cuda:N or metal

    --set train.device=tpu: 2 error: no device is named `tpu`
      try: use auto, cpu, cuda, cuda:N or metal

    --threads 0: 2 error: `--threads` is 0
      try: it may be 1 to 1024; leave it out for one a core

    --set train.threads=0: 2 error: `train.threads` is 0
      try: it may be 1 to 1024; leave it out for one a core

    --max-epochs 0: 2 error: --max-epochs is 0
      try: give it at least 1: `--set train.max_epochs=1`

    --set train.batch=0: 2 error: train.batch is 0
      try: give it at least 1: `--set train.batch=1`

    --set train.learning_rate=0: 2 error: train.learning_rate is 0
      try: give it more than 0, such as `--set train.learning_rate=0.001`

    --set train.precision=bf16: 2 error: `train.precision` in the command line is `bf16`, and one of `float32`, `bfloat16`, `float16` is wanted
      try: see what each key takes: `mlx schema mlx.toml`
    ");
    let settings = home.read("churn/mlx.toml");
    for (key, value) in [("budget", "\"5\""), ("threads", "0")] {
        home.write("churn/mlx.toml", settings.replace("batch = 64", &format!("{key} = {value}")));
        let answer = home.mlx_in("churn", "train -q").fails_with(1);
        assert!(answer.stderr().contains(&format!("train.{key}")), "{}", answer.show());
    }
    let variable = home.answer(home.command_in("churn").env("MLX_THREADS", "0").arg("train"));
    assert!(variable.fails_with(1).stderr().contains("MLX_THREADS"));
}

#[test]
fn a_run_that_diverges_says_where_over_which_rows_and_why() {
    let home = Home::new();
    project(&home);
    let answer = home.mlx_in("churn", "train -q --set train.learning_rate=1e30").fails_with(1);
    let said = answer.stderr();
    for part in
        ["training has diverged: ", "of epoch 1, over 64 rows: data/train.csv rows ", "and 59 more"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        said.contains(
            "times the estimator's own\n  try: lower the learning rate: `--set train.learning_rate="
        ),
        "{said}"
    );
    let list = home.mlx_in("churn", "runs list").ok().stdout();
    assert!(list.contains("failed"), "{list}");
}

#[test]
fn a_dry_run_leaves_nothing_behind() {
    let home = Home::new();
    project(&home);
    let answer = home.mlx_in("churn", "train --dry-run").ok();
    assert!(answer.stdout().contains("churn would train mlp on cpu"), "{}", answer.show());
    assert!(!home.join("churn/.mlx").exists() && !home.join("churn/mlx.lock").exists());
}

#[test]
fn a_run_that_is_killed_and_resumed_ends_with_the_same_bits() {
    let whole = Home::new();
    project(&whole);
    whole.mlx_in("churn", "train").ok();

    let killed = Home::new();
    project(&killed);
    let mut line = "train";
    for epoch in [1, 4, 5, 11] {
        let mut child = start(&killed, line);
        if reaches(&killed, &mut child, epoch) {
            child.kill().expect("killed");
        }
        child.wait().expect("an end");
        line = "train --resume";
        let list = killed.mlx_in("churn", "runs list").ok().stdout();
        assert!(list.contains("interrupted"), "{list}");
    }
    killed.mlx_in("churn", "train --resume").ok();
    assert_eq!(weights(&killed), weights(&whole));
    assert_eq!(results(&killed), results(&whole));
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_a_checkpoint_in_the_middle_of_an_epoch() {
    let whole = Home::new();
    project(&whole);
    whole.mlx_in("churn", "train").ok();

    let stopped = Home::new();
    project(&stopped);
    let mut child = start(&stopped, "train");
    assert!(reaches(&stopped, &mut child, 3), "the run ended before it could be stopped");
    let id = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill");
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    let list = stopped.mlx_in("churn", "runs list").ok().stdout();
    assert!(list.contains("interrupted"), "{list}");
    stopped.mlx_in("churn", "train --resume").ok();
    assert_eq!(weights(&stopped), weights(&whole));
    assert_eq!(results(&stopped), results(&whole));

    insta::assert_snapshot!(stopped.mlx_in("churn", "train --resume").show(), @"
    exit 1
    --- stderr
    error: no interrupted run in [HOME]/churn/.mlx/runs
      try: train anew: `mlx train`
    ");
}

#[test]
fn the_same_lock_gives_the_same_weights_twice() {
    let home = Home::new();
    project(&home);
    home.mlx_in("churn", "train --max-epochs 6").ok();
    let (text, digest) = (home.read("churn/mlx.lock"), weights(&home));
    for _ in 0..2 {
        let answer = home.mlx_in("churn", "train --max-epochs 6 --locked --json").ok();
        let last = answer.stdout().lines().last().expect("an event").to_owned();
        let event: serde_json::Value = serde_json::from_str(&last).expect("JSON");
        let package = event["package"].as_str().expect("a folder").replace("[HOME]", "");
        let manifest = home.read(&format!("{}/mlx/manifest.json", package.trim_start_matches('/')));
        assert!(manifest.contains(&digest), "{manifest}");
        assert!(!answer.stderr().contains("SHA-256"), "{}", answer.show());
    }
    assert_eq!(home.read("churn/mlx.lock"), text);
}

#[test]
fn any_number_of_threads_comes_to_the_same_weights() {
    let home = Home::new();
    project(&home);
    // A batch of several shards.
    let line = "train -q --max-epochs 4 --set train.batch=300";
    home.mlx_in("churn", &format!("{line} --threads 1")).ok();
    let one = weights(&home);
    home.mlx_in("churn", &format!("{line} --threads 3")).ok();
    assert_eq!(weights(&home), one);
}

#[test]
fn trees_are_trained_killed_resumed_and_locked_like_a_net() {
    let (whole, broken) = (Home::new(), Home::new());
    let line = "train --set model.kind=trees --max-epochs 60 --set train.patience=60";
    let trees = |home: &Home| {
        project(home);
        let text = home.read("churn/mlx.toml").replace("batch = 64\n", "");
        let text = text.replace("kind = \"mlp\"\nhidden = [8]\nmembers = 1\n", "");
        home.write("churn/mlx.toml", text + "kind = \"trees\"\nmin_rows_per_leaf = 5\n");
    };
    trees(&whole);
    whole.mlx_in("churn", &format!("{line} -q --threads 1")).ok();
    trees(&broken);
    let mut child = start(&broken, &format!("{line} --threads 2"));
    if reaches(&broken, &mut child, 3) {
        child.kill().expect("killed");
        child.wait().expect("gone");
        broken.mlx_in("churn", "train -q --resume").ok();
    }
    assert_eq!(weights(&broken), weights(&whole));
    whole.mlx_in("churn", &format!("{line} -q --locked")).ok();

    let eval = whole.mlx_in("churn", "eval --json").ok();
    let eval: serde_json::Value = serde_json::from_str(&eval.stdout()).expect("JSON");
    let metrics = eval["data"]["metrics"].as_array().expect("metrics");
    let loss = metrics.iter().find(|metric| metric["name"] == "logloss").expect("one of them");
    assert!(loss["uplift"].as_f64().expect("a number") > 0.0, "{eval}");
    insta::assert_snapshot!(whole.mlx_in("churn", "train -q --set train.batch=8").show(), @"
    exit 1
    --- stderr
    error: train.batch means nothing to trees
      try: leave it out; what trees can be told stands under [model]
    ");
    insta::assert_snapshot!(whole.mlx_in("churn", "train -q --set model.leafs=8").show(), @"
    exit 1
    --- stderr
    error: there is no setting `model.leafs`
      try: did you mean `leaves`?
    ");
}

#[test]
fn plain_steps_learn_the_same() {
    let loss = |fused: &str| {
        let home = Home::new();
        project(&home);
        let mut command = home.command_in("churn");
        command.env("MLX_FUSED", fused).args(["train", "-q", "--max-epochs", "4"]);
        assert!(command.output().expect("mlx runs").status.success());
        let epochs = epochs(&home);
        epochs.last().expect("an epoch")["train_loss"].as_f64().expect("a number")
    };
    let (fused, plain) = (loss("1"), loss("0"));
    assert!((fused - plain).abs() < 1e-4, "{fused} and {plain}");
}

#[test]
fn the_same_lock_gives_the_same_package_but_for_its_lineage() {
    let home = Home::new();
    project(&home);
    let [first, second] = ["", " --locked"].map(|how| {
        let line = format!("train -q --max-epochs 2 --json{how}");
        let files = manifest(&home, &line)["files"].as_object().expect("files").clone();
        files.into_iter().filter(|(name, _)| name != "mlx/lineage.json").collect::<Vec<_>>()
    });
    assert_eq!(first, second);
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "MLmodel",
            "README.md",
            "input_example.json",
            "mlx/example.json",
            "mlx/model.json",
            "mlx/weights.safetensors"
        ]
    );
}

#[test]
fn an_example_is_kept_unless_the_project_says_not_to() {
    let home = Home::new();
    project(&home);
    let run = |home: &Home| {
        let runs = home.mlx_in("churn", "runs list --json").ok().json();
        format!("churn/.mlx/runs/{}/package", runs["runs"][0]["id"].as_str().expect("an id"))
    };
    home.mlx_in("churn", "train -q --max-epochs 1").ok();
    let package = run(&home);
    insta::assert_snapshot!(home.read(&format!("{package}/input_example.json")), @r#"
    {"columns": ["age","plan"], "data": [
    [23, "pro"],
    [40, "plus"],
    [44, "plus"],
    [50, "plus"],
    [38, "plus"]
    ]}
    "#);
    let expected: serde_json::Value =
        serde_json::from_str(&home.read(&format!("{package}/mlx/example.json"))).expect("JSON");
    assert_eq!(expected["columns"], serde_json::json!(["prob_no", "prob_yes"]));
    let sums = expected["data"].as_array().expect("rows").iter().map(|row| {
        row.as_array().expect("a row").iter().filter_map(serde_json::Value::as_f64).sum::<f64>()
    });
    let sums: Vec<f64> = sums.collect();
    assert!(sums.len() == 5 && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-9), "{sums:?}");

    let toml = home.read("churn/mlx.toml") + "\n[package]\nexample = false\n";
    home.write("churn/mlx.toml", toml);
    home.mlx_in("churn", "train -q --max-epochs 1 --locked").ok();
    let package = run(&home);
    assert!(!home.join(&format!("{package}/input_example.json")).exists());
    assert!(!home.join(&format!("{package}/mlx/example.json")).exists());
    assert!(home.read(&format!("{package}/README.md")).contains("No rows of the data are kept"));
    assert!(!home.read(&format!("{package}/MLmodel")).contains("example"));
}

#[test]
fn a_wide_file_whose_series_are_named_is_trained_on_and_predicted_from() {
    let home = Home::new();
    let mut rows = "day,north,south,note\n".to_owned();
    for day in 0..80_u32 {
        let _ = writeln!(rows, "{day},{},{},x", 10 + day % 7, 300 + day % 7 * 20 + day);
    }
    home.write("sales/data.csv", rows);
    home.write(
        "sales/mlx.toml",
        "[project]\nname = \"sales\"\ntask = \"forecasting\"\n\n\
         [data]\ntrain = \"data.csv\"\ntime = \"day\"\nlayout = \"wide\"\n\
         series = [\"south\", \"north\"]\nhorizon = 7\n\n\
         [columns]\nnote = \"ignore\"\n\n[train]\ndevice = \"cpu\"\nmax_epochs = 1\n",
    );
    home.mlx_in("sales", "train -q").ok();
    let scores = home.mlx_in("sales", "predict -q -i data.csv -o -").ok().stdout();
    assert_eq!(scores.lines().count(), 1 + 2 * 7, "{scores}");
    assert!(scores.contains("\nnorth,80,"), "{scores}");
}

/// What the manifest of the package says that `line` trains.
fn manifest(home: &Home, line: &str) -> serde_json::Value {
    let answer = home.mlx_in("churn", line).ok().stdout();
    let last = answer.lines().last().expect("an event");
    let event: serde_json::Value = serde_json::from_str(last).expect("JSON");
    let package = event["package"].as_str().expect("a folder").replace("[HOME]/", "");
    serde_json::from_str(&home.read(&format!("{package}/mlx/manifest.json"))).expect("JSON")
}

#[test]
fn a_budget_is_replayed_as_steps() {
    let home = Home::new();
    project(&home);
    home.mlx_in("churn", "train --budget 150ms --max-epochs 100000").ok();
    let digest = weights(&home);
    let answer = home.mlx_in("churn", "train --budget 1h --max-epochs 100000 --locked").ok();
    assert!(!answer.stderr().contains("SHA-256"), "{}", answer.show());
    assert_eq!(weights(&home), digest);
}

#[test]
fn locked_refuses_what_differs_and_names_it() {
    let home = Home::new();
    project(&home);
    insta::assert_snapshot!(home.mlx_in("churn", "train --locked -q").show(), @"
    exit 1
    --- stderr
    error: there is no mlx.lock in [HOME]/churn
      try: `mlx train` without --locked writes one
    ");
    home.mlx_in("churn", "train --max-epochs 1").ok();
    insta::assert_snapshot!(home.mlx_in("churn", "train --max-epochs 2 --seed 8 --locked -q").show(), @"
    exit 1
    --- stderr
    error: this is not what mlx.lock records:
      train.max_epochs: 1 in mlx.lock, 2 now
      train.seed: 7 in mlx.lock, 8 now
      try: undo the change, or train without --locked to write a new lock
    ");
    let data = home.read("churn/data/train.csv");
    home.write("churn/data/train.csv", data + "c400,33,pro,no\n");
    let refused = home.mlx_in("churn", "train --max-epochs 1 --locked").fails_with(1);
    let said = refused.stderr();
    assert!(said.contains("data data/train.csv: 400 rows, sha256 "), "{said}");
    assert!(said.contains(" in mlx.lock, 401 rows, "), "{said}");
}

#[test]
fn data_that_changed_is_not_resumed_on() {
    let home = Home::new();
    project(&home);
    let mut child = start(&home, "train --max-epochs 100000");
    assert!(reaches(&home, &mut child, 2));
    child.kill().expect("killed");
    child.wait().expect("an end");
    let data = home.read("churn/data/train.csv");
    home.write("churn/data/train.csv", data + "c400,33,pro,no\n");
    let said = home.mlx_in("churn", "train --resume").fails_with(1).stderr();
    assert!(said.contains("the data changed since run "), "{said}");
    assert!(said.contains("data data/train.csv: 400 rows"), "{said}");
}

#[test]
fn two_runs_at_once_do_each_other_no_harm() {
    let home = Home::new();
    project(&home);
    let mut children = ["train --seed 1", "train --seed 2"].map(|line| start(&home, line));
    for child in &mut children {
        assert!(child.wait().expect("an end").success());
    }
    let runs = home.mlx_in("churn", "runs list --json").ok().json();
    let runs = runs["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run["status"] == "finished"), "{runs:?}");
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_an_error() {
    let home = Home::new();
    project(&home);
    let failed = home.mlx_in("churn", "train --set train.learning_rate=1e38 --json").fails_with(1);
    assert!(failed.stderr().contains("training has diverged"), "{}", failed.show());
    let last = failed.stdout().lines().last().expect("an event").to_owned();
    assert!(last.starts_with(r#"{"schema":"mlx.train/2","event":"error""#), "{last}");
    let list = home.mlx_in("churn", "runs list").ok().stdout();
    assert!(list.contains("failed"), "{list}");
}
