//! `mlx runs`: what was trained; list, show, compare, rm.

use super::train::project;
use crate::support::Home;

fn ids(home: &Home) -> Vec<String> {
    let runs = home.mlx_in("churn", "runs list --json").ok().json();
    let runs = runs["runs"].as_array().expect("runs").clone();
    runs.iter().map(|run| run["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn runs_are_listed_shown_compared_and_removed() {
    let home = Home::new();
    project(&home);
    insta::assert_snapshot!(home.mlx_in("churn", "runs list").show(), @"
    exit 0
    --- stdout
    no runs yet: `mlx train` makes one
    ");
    home.mlx_in("churn", "train --max-epochs 2 --seed 1").ok();
    home.mlx_in("churn", "train --max-epochs 3 --seed 2").ok();
    let all = ids(&home);
    assert_eq!(all.len(), 2);
    let (newest, oldest) = (&all[0], &all[1]);

    let shown = home.mlx_in("churn", "runs show").ok().stdout();
    for part in
        [newest.as_str(), "status    finished", "train.max_epochs", "data/train.csv: 400 rows"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = home.mlx_in("churn", &format!("runs show {} --json", &oldest[..6])).ok().json();
    assert_eq!(shown["run"]["id"], oldest.as_str());
    assert_eq!(shown["epochs"].as_array().map(Vec::len), Some(2));

    let compared = home.mlx_in("churn", "runs compare --json").ok().json();
    let keys: Vec<&str> = compared["differences"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["key"].as_str().expect("a key"))
        .collect();
    assert_eq!(keys, ["train.max_epochs", "train.seed"]);

    let planned = home.mlx_in("churn", &format!("runs rm {oldest} --dry-run")).ok().stdout();
    assert!(planned.starts_with("would remove\n"), "{planned}");
    assert_eq!(ids(&home).len(), 2);
    home.mlx_in("churn", &format!("runs rm {oldest} nonsense")).fails_with(1);
    assert_eq!(ids(&home).len(), 2, "a typo removes nothing");
    home.mlx_in("churn", &format!("runs rm {oldest}")).ok();
    assert_eq!(ids(&home), [newest.as_str()]);
    home.mlx_in("churn", "runs rm --older-than 1h").ok();
    assert_eq!(ids(&home), [newest.as_str()]);
    home.mlx_in("churn", "runs rm --older-than 0s").ok();
    assert_eq!(ids(&home).len(), 0);
}

#[test]
fn a_run_that_is_not_there_is_said_to_be_so() {
    let home = Home::new();
    project(&home);
    insta::assert_snapshot!(home.mlx_in("churn", "runs show abc").show(), @"
    exit 1
    --- stderr
    error: no run `abc` in [HOME]/churn/.mlx/runs
      try: list the runs: `mlx runs list`
    ");
}
