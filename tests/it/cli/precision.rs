//! `train.precision`: for GPUs, and tried on the plain steps that a GPU runs.

use super::train::{epochs, lock, project, weights};
use crate::support::{Answer, Home};

#[test]
fn the_cpu_and_what_trains_there_alone_know_float32() {
    let home = Home::new();
    project(&home);
    insta::assert_snapshot!(home.mlx_in("churn", "train -q --set train.precision=float16").show(), @"
    exit 2
    --- stderr
    error: train.precision is float16, and the CPU trains in float32 alone
      try: it is for GPUs: `--device cuda` or `--device metal`; else leave it out
    ");
    let settings = home.read("churn/mlx.toml");
    let trees = settings.replace("kind = \"mlp\"\nhidden = [8]\nmembers = 1", "kind = \"trees\"");
    home.write("churn/mlx.toml", trees.replace("batch = 64", "precision = \"bfloat16\""));
    insta::assert_snapshot!(home.mlx_in("churn", "train -q").show(), @"
    exit 1
    --- stderr
    error: train.precision is bfloat16, and trees is trained in float32 alone
      try: leave it out
    ");
    assert!(!home.join("churn/.mlx").exists(), "no run was begun");
}

/// Some epochs on plain steps.
fn plain(home: &Home, line: &str) -> Answer {
    let mut command = home.command_in("churn");
    let line = format!("train -q --max-epochs 4 {line}");
    home.answer(command.env("MLX_FUSED", "0").args(line.split_whitespace()))
}

#[test]
fn plain_steps_learn_the_same_in_half_the_size_and_the_lock_records_it() {
    let trained = |precision: &str| {
        let home = Home::new();
        project(&home);
        plain(&home, &format!("--set train.precision={precision}")).ok();
        let losses = epochs(&home).into_iter().map(|epoch| epoch["train_loss"].as_f64());
        let losses: Vec<f64> = losses.map(|loss| loss.expect("a number")).collect();
        (home, losses)
    };
    let (_, exact) = trained("float32");
    for (precision, within) in [("float16", 1e-2), ("bfloat16", 3e-2)] {
        let (home, half) = trained(precision);
        assert_ne!(half, exact);
        for (half, exact) in half.iter().zip(&exact) {
            assert!((half - exact).abs() < within * exact, "{half} and {exact} in {precision}");
        }
        assert_eq!(lock(&home)["settings"]["train"]["precision"].as_str(), Some(precision));
        let digest = weights(&home);
        plain(&home, &format!("--locked --set train.precision={precision}")).ok();
        assert_eq!(weights(&home), digest);
        let refused = plain(&home, "--locked").fails_with(1).stderr();
        let said = format!("train.precision: \"{precision}\" in mlx.lock, \"float32\" now");
        assert!(refused.contains(&said), "{refused}");
    }
}

#[test]
fn a_lock_that_says_nothing_of_it_is_of_float32() {
    let home = Home::new();
    project(&home);
    home.mlx_in("churn", "train -q --max-epochs 1").ok();
    let text = home.read("churn/mlx.lock");
    let older: Vec<&str> = text.lines().filter(|line| !line.starts_with("precision")).collect();
    assert_ne!(older.len(), text.lines().count());
    home.write("churn/mlx.lock", older.join("\n"));
    home.mlx_in("churn", "train -q --max-epochs 1 --locked").ok();
}
