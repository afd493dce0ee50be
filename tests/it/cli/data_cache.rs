//! Data that is read once and kept, and data that is too large to be read at all.

use std::fmt::Write as _;

use super::train::{project, weights};
use crate::support::Home;

/// A few megabytes of rows; what is smaller isn't kept.
fn large(home: &Home) {
    project(home);
    let mut rows = "id,age,plan,churned\n".to_owned();
    for row in 0..60_000_u32 {
        let noise = row.wrapping_mul(2_654_435_761) >> 16;
        let plan = ["basic", "plus", "pro"][(noise / 64 % 3) as usize];
        let churned = if noise % 50 > 25 { "yes" } else { "no" };
        let filling = "of a customer whose number is long ".repeat(2);
        let _ = writeln!(rows, "{filling}{row},{},{plan},{churned}", noise % 50);
    }
    home.write("churn/data/train.csv", rows);
}

#[test]
fn a_second_run_reads_what_the_first_kept_and_comes_to_the_same() {
    let home = Home::new();
    large(&home);
    let line = "train -q --max-epochs 1 --set train.batch=4096";
    let train = |keep: &str| {
        let mut command = home.command_in("churn");
        let command = command.args(line.split_whitespace()).env("MLX_DATA_CACHE", keep);
        home.answer(command).ok();
        (weights(&home), home.read("churn/mlx.lock"))
    };
    let kept = || home.join("churn/.mlx/cache").read_dir().map_or(0, Iterator::count);
    let first = train("0");
    assert_eq!(kept(), 0);
    assert_eq!(train("1GB"), first);
    assert_eq!(kept(), 1);
    assert_eq!(train("1GB"), first);
    assert_eq!(kept(), 1);
    home.mlx_in("churn", "eval -q").ok();
    home.mlx_in("churn", "data check -q").ok();
    assert_eq!(kept(), 1);
}

#[test]
fn what_would_not_fit_is_refused_before_it_is_read() {
    let home = Home::new();
    large(&home);
    let with = |memory: &str, line: &str| {
        let mut command = home.command_in("churn");
        home.answer(command.args(line.split_whitespace()).env("MLX_MEMORY", memory)).show()
    };
    for line in ["train", "data check"] {
        let shown = with("4MB", line);
        assert!(shown.contains("of memory at the least, and 4.0 MB are free"), "{shown}");
    }
    insta::assert_snapshot!(with("lots", "train"), @"
    exit 1
    --- stderr
    error: `MLX_MEMORY` is `lots`, which is no size
      try: write a number and a unit: `MLX_MEMORY=8GB`
    ");
}

#[test]
fn rows_that_are_streamed_are_learned_from_as_well_as_rows_in_memory() {
    let home = Home::new();
    large(&home);
    let auc = |line: &str| {
        home.mlx_in("churn", line).ok();
        let answer =
            home.mlx_in("churn", "eval --json --set data.split.stratify=false").ok().json();
        answer["metrics"][0]["value"].as_f64().expect("a number")
    };
    let line = "train -q --max-epochs 2 --set data.split.stratify=false";
    let memory = auc(line);
    home.write(
        "churn/mlx.toml",
        home.read("churn/mlx.toml").replace("[data]", "[data]\nstream = true"),
    );
    // Under what the whole table would take.
    let mut command = home.command_in("churn");
    let shown = home.answer(command.args(["train", "--max-epochs", "1"]).env("MLX_MEMORY", "1MB"));
    let shown = shown.ok().stderr();
    assert!(shown.contains("streaming 4"), "{shown}");
    let streamed = auc(line);
    assert!((memory - streamed).abs() < 0.02, "{memory} in memory, {streamed} streamed");
    // The same rows in the same order: the lock is kept, on any number of threads.
    let first = weights(&home);
    home.mlx_in("churn", &format!("{line} --locked --threads 1")).ok();
    home.mlx_in("churn", &format!("{line} --threads 3")).ok();
    assert_eq!(weights(&home), first);
    // Without what was kept it is made again.
    std::fs::remove_dir_all(home.join("churn/.mlx/cache")).expect("removed");
    home.mlx_in("churn", line).ok();
    assert_eq!(weights(&home), first);

    let checked = home.mlx_in("churn", "data check --json").ok().json();
    let [train, valid, test] =
        ["train", "valid", "test"].map(|part| checked["split"][part].as_u64());
    let all = train.zip(valid).zip(test).map(|((train, valid), test)| train + valid + test);
    assert_eq!(all, Some(60_000));
}

#[test]
fn what_cannot_be_streamed_says_what_can() {
    let home = Home::new();
    project(&home);
    let with = |set: &str| {
        let line = format!("train -q --set data.stream=true {set}");
        home.mlx_in("churn", &line).show()
    };
    insta::assert_snapshot!(with("--set model.folds=3"), @"
    exit 1
    --- stderr
    error: `model.folds` is 3, and rows that are streamed can't be dealt out
      try: leave `model.folds` out, or train without `data.stream`
    ");
    insta::assert_snapshot!(with("--set data.split.kind=time --set data.split.time=age"), @"
    exit 1
    --- stderr
    error: `data.stream` and a split by time don't go together: it takes all rows at once
      try: put the rows to test on in a file of their own, `data.test`, and let the others be split at random
    ");
    let text = home.read("churn/mlx.toml").replace("hidden = [8]\nmembers = 1\n", "");
    home.write("churn/mlx.toml", text);
    insta::assert_snapshot!(with("--set model.kind=trees"), @"
    exit 1
    --- stderr
    error: `trees` learns from all rows at once, and `data.stream` has few of them in memory
      try: take a net, such as `--set model.kind=mlp`, or train without `data.stream`
    ");
}
