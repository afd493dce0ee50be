//! `mlx register`, embedded and over the wire.

use crate::road::{Road, project, run_id};

#[test]
fn a_run_becomes_the_next_version_and_stays_it() {
    Road::both(|road| {
        road.run(1, "first");
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("register")), @"
            exit 0
            --- stdout
            registered run 01010101 as churn/1 (4 files, 5032 bytes, digest 33428e2cc46a)
            --- stderr
            run 01010101 is meant, the latest finished one ([TIME] UTC)
            uploading 4 files
            ");
            // The same package is the version that it already is.
            insta::assert_snapshot!(road.shown(&road.mlx(&format!("register {}", &run_id(1)[..8]))), @"
            exit 0
            --- stdout
            run 01010101 is churn/1 already (digest 33428e2cc46a)
            ");
        }
        road.run(2, "second");
        let answer = road.mlx("register --json").ok();
        assert_eq!(answer.json()["version"], 2);
        assert_eq!(answer.json()["already_registered"], false);
        // The first is no more the latest run, and still version 1.
        assert_eq!(road.mlx(&format!("register {} --json", run_id(1))).ok().json()["version"], 1);
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    let road = Road::embedded();
    road.run(1, "first");
    insta::assert_snapshot!(road.shown(&road.mlx("register --dry-run")), @"
    exit 0
    --- stdout
    would register run 01010101 as the next version of churn (4 files, 5032 bytes, digest 33428e2cc46a)
    --- stderr
    run 01010101 is meant, the latest finished one ([TIME] UTC)
    ");
    assert_eq!(road.mlx("models list --json").ok().json()["models"], serde_json::json!([]));
}

#[test]
fn a_name_belongs_to_the_project_that_made_it() {
    Road::both(|road| {
        road.registered(1);
        road.home.write("other/mlx.toml", project("churn", "p-other", ""));
        road.run_in("other", "p-other", 9, "another model");
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx_in("other", "register")), @"
            exit 1
            --- stderr
            run 09090909 is meant, the latest finished one ([TIME] UTC)
            error: the name `churn` belongs to another project in [REGISTRY]
              try: use another name: `mlx register --name NAME`, or take `churn` over: `mlx register --adopt`
            ");
        }
        road.mlx_in("other", "register --name churn-2").ok();
        let adopted = road.mlx_in("other", "register --adopt --json").ok().json();
        assert_eq!((&adopted["version"], &adopted["adopted"]), (&2.into(), &true.into()));
        // Now it is the other's.
        road.run(3, "third");
        road.mlx("register").fails_with(1);
    });
}

#[test]
fn a_package_that_was_touched_is_refused() {
    let road = Road::embedded();
    road.run(1, "first");
    road.home.write(&format!("churn/.mlx/runs/{}/package/MLmodel", run_id(1)), "flavors: no\n");
    road.mlx("register").fails_with(1);
    assert_eq!(road.mlx("models list --json").ok().json()["models"], serde_json::json!([]));
}

#[test]
fn nothing_to_register_says_what_to_do() {
    let road = Road::embedded();
    insta::assert_snapshot!(road.shown(&road.mlx("register")), @"
    exit 1
    --- stderr
    error: no finished run in [HOME]/churn/.mlx/runs
      try: train one: `mlx train`
    ");
}
