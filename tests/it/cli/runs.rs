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
    for part in [
        newest.as_str(),
        "status    finished",
        "at its peak",
        "train.max_epochs",
        "data/train.csv: 400 rows",
    ] {
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
    assert_eq!(compared["cost"][0]["epochs"], 3);
    assert!(compared["curves"].is_null(), "{compared}");
    let best = compared["metrics"][0]["best"].as_array().expect("places");
    assert_eq!(best.len(), 1, "{compared}");

    // Drawn without a terminal as with one, and given in numbers.
    let drawn = home.mlx_in("churn", "runs show --plot").ok().stdout();
    for part in ["training loss, ", "validation logloss, ", "validation auc, ", "└──", "epoch  1"]
    {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    assert!(drawn.lines().all(|line| line.chars().count() < 90), "{drawn}");
    let drawn = home.mlx_in("churn", "runs compare --plot").ok().stdout();
    let legend = format!("validation auc: a {}  b {}", &newest[..8], &oldest[..8]);
    for part in [legend.as_str(), "best epoch", "* "] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    let curves = home.mlx_in("churn", "runs compare --plot --json").ok().json()["curves"].clone();
    assert_eq!(
        (curves[0][2]["epoch"].as_u64(), curves[1].as_array().map(Vec::len)),
        (Some(3), Some(2))
    );
    assert!(curves[0][0]["learning_rate"].as_f64().is_some_and(|rate| rate > 0.0), "{curves}");

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

#[test]
fn a_damaged_run_is_passed_over_and_named() {
    let home = Home::new();
    project(&home);
    home.mlx_in("churn", "train -q --max-epochs 1").ok();
    let whole = ids(&home).remove(0);
    let runs = "churn/.mlx/runs";
    let manifest = home.read(&format!("{runs}/{whole}/manifest.json"));
    let id = |digit: &str| digit.repeat(32);
    // Cut off, of another format, with an id that is none; a folder in its place is no run.
    home.write(&format!("{runs}/{}/manifest.json", id("a")), &manifest[..manifest.len() / 2]);
    home.write(&format!("{runs}/{}/manifest.json", id("b")), "{}");
    home.write(&format!("{runs}/{}/manifest.json", id("c")), manifest.replace(&whole, "c"));
    home.write(&format!("{runs}/{}/manifest.json/file", id("d")), "");
    home.write(&format!("{runs}/.DS_Store"), "");

    let list = home.mlx_in("churn", "runs list --json").ok();
    let warned = list.stderr();
    let warned: Vec<_> = warned
        .lines()
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": "))
        .collect();
    let named = ["a", "b", "c"]
        .map(|digit| format!("warning: cannot read [HOME]/{runs}/{}/manifest.json", id(digit)));
    assert_eq!(warned, named, "{}", list.show());
    assert_eq!(list.json()["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(list.json()["runs"][0]["id"], whole.as_str());

    // Whatever means the latest run means one that is whole.
    for line in ["runs show", "eval", "register", "predict -i data/train.csv -o scores.csv"] {
        let answer = home.mlx_in("churn", line).ok();
        assert!(answer.stderr().contains("this run is passed over"), "{}", answer.show());
    }
    home.mlx_in("churn", "train --resume").fails_with(1);
    // One that is named is not passed over, and one beside it does not matter.
    home.mlx_in("churn", &format!("runs show {}", &whole[..8])).ok();
    insta::assert_snapshot!(home.mlx_in("churn", "runs show bbbb").show(), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/.mlx/runs/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/manifest.json: missing field `id` at line 1 column 2
      try: the run is damaged: remove its folder, [HOME]/churn/.mlx/runs/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    ");
    home.mlx_in("churn", "runs rm --older-than 0s").ok();
    assert!(!home.join(&format!("{runs}/{whole}")).exists());
    assert!(
        home.join(&format!("{runs}/{}", id("a"))).exists(),
        "what can't be read is not removed"
    );
}

#[cfg(unix)]
#[test]
fn a_run_that_may_not_be_read_is_passed_over() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    project(&home);
    home.mlx_in("churn", "train -q --max-epochs 1").ok();
    let locked = home.join("churn/.mlx/runs").join("a".repeat(32));
    std::fs::create_dir(&locked).expect("a folder");
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).expect("own folder");
    // Nothing is closed to root.
    let closed = std::fs::read_dir(&locked).is_err();
    let list = home.mlx_in("churn", "runs list --json").ok();
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o700)).expect("own folder");
    assert_eq!(list.json()["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(list.stderr().contains("this run is passed over"), closed, "{}", list.show());
}
