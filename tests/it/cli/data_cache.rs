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
