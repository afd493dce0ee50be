//! `mlx promote` without a gate, embedded and over the wire. `gate.rs` tries gates on trained models.

use std::process::Stdio;

use crate::road::{Road, project};

#[test]
fn a_promotion_moves_the_environment_and_says_that_nothing_was_checked() {
    Road::both(|road| {
        road.registered(2);
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/1 --to production --reason first")), @"
            exit 0
            --- stdout
            promoted churn/1 to production, where nothing was live
            --- stderr
            warning: ungated: mlx.toml has no [gates.production], so nothing is checked
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn --to production --dry-run")), @"
            exit 0
            --- stdout
            would promote churn/2 to production, from churn/1
            --- stderr
            `churn` means churn/2
            warning: ungated: mlx.toml has no [gates.production], so nothing is checked
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/1 --to production")), @"
            exit 0
            --- stdout
            churn/1 is live in production already; nothing to do
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/2 --to production --expect 1")), @"
            exit 0
            --- stdout
            promoted churn/2 to production, from churn/1
            --- stderr
            warning: ungated: mlx.toml has no [gates.production], so nothing is checked
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn")), @"
            exit 0
            --- stdout
            when  environment  what  from  to  gate  who  why
            [TIME]  production  promote  –  1  ungated  [USER]  first
            [TIME]  production  promote  1  2  ungated  [USER]
            ");
        }
    });
}

#[test]
fn a_wrong_expectation_is_a_conflict() {
    Road::both(|road| {
        road.registered(3);
        road.mlx("promote churn/1 --to production").ok();
        road.mlx("promote churn/2 --to production").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/3 --to production --expect 1")), @"
            exit 6
            --- stderr
            error: production has churn/2, where churn/1 was expected: [USER] promoted churn/2 first
              try: look at `mlx models history churn`, then decide again
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/3 --to production --expect none")), @"
            exit 6
            --- stderr
            error: production has churn/2, where nothing was expected: [USER] promoted churn/2 first
              try: look at `mlx models history churn`, then decide again
            ");
        }
        assert_eq!(events(road), 2);
    });
}

#[test]
fn of_sixteen_promotions_at_once_one_wins() {
    Road::both(|road| {
        const RACERS: u8 = 16;
        road.registered(RACERS + 1);
        road.mlx(&format!("promote churn/{} --to production", RACERS + 1)).ok();
        let started: Vec<_> = (1..=RACERS)
            .map(|version| {
                let line =
                    format!("promote churn/{version} --to production --expect {}", RACERS + 1);
                road.command_in("churn")
                    .args(line.split_whitespace())
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("mlx starts")
            })
            .collect();
        let ended: Vec<_> =
            started.into_iter().map(|racer| racer.wait_with_output().expect("it ends")).collect();
        let codes: Vec<_> = ended.iter().map(|output| output.status.code()).collect();
        let said: Vec<_> =
            ended.iter().map(|output| String::from_utf8_lossy(&output.stderr)).collect();
        let count = |code| codes.iter().filter(|ended| **ended == Some(code)).count();
        assert_eq!((count(0), count(6)), (1, 15), "{codes:?} {said:#?}");
        assert_eq!(events(road), 2, "the first, and the one that won");
    });
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    Road::both(|road| {
        road.registered(1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("promote chrun/1 --to production")), @"
            exit 1
            --- stderr
            error: no model `chrun` in [REGISTRY]
              try: did you mean `churn`?
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/7 --to production")), @"
            exit 1
            --- stderr
            error: `churn` has no version 7
              try: the latest is 1; see all of them: `mlx models show churn`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn@prod --to production")), @"
            exit 1
            --- stderr
            error: nothing of `churn` is live in prod
              try: promote a version: `mlx promote churn --to prod`
            ");
        }
    });
}

#[test]
fn a_command_line_that_means_nothing_is_refused() {
    let road = Road::embedded();
    for line in [
        "promote churn/1",
        "promote churn/0 --to production",
        "promote churn/1 --to latest",
        "promote churn/1 --to production --expect soon",
        "promote ./package --to production",
        "promote models:/ --to production",
        "rollback a:b --env production",
        "rollback churn --env v1",
        "rollback churn --env production --version 0",
        "register --name a:b",
        "models show churn/x",
        "models history a:b",
        "models history churn --env latest",
        "models pull churn@",
        "models delete churn/0",
        "eval @production",
        "predict churn/0 -i - -o -",
    ] {
        road.mlx(line).fails_with(2);
    }
}

#[test]
fn a_gate_that_means_nothing_is_refused() {
    let road = Road::embedded();
    road.registered(1);
    let gate = "[gates.production]\nauc = { by = 0.1 }\n";
    road.home.write("churn/mlx.toml", project("churn", "p-churn", gate));
    insta::assert_snapshot!(road.shown(&road.mlx("promote churn/1 --to production")), @r#"
    exit 1
    --- stderr
    error: `gates.production.auc.by` needs `no_worse_than` beside it
      try: for example `{ no_worse_than = "production", by = 0.005 }`
    "#);
    assert_eq!(events(&road), 0);
}

#[test]
fn a_gate_of_another_project_does_not_speak_for_this_model() {
    let road = Road::embedded();
    road.registered(1);
    let gate = "[gates.production]\nauc = { min = 0.1 }\n";
    road.home.write("other/mlx.toml", project("other", "p-other", gate));
    insta::assert_snapshot!(road.shown(&road.mlx_in("other", "promote churn/1 --to production")), @"
    exit 1
    --- stderr
    error: churn/1 comes from another project than the one in [HOME]/other: its gates are not at hand
      try: promote it from its own project: `mlx -C DIR promote …`; to ask no gate: `--ungated`
    ");
}

#[test]
fn a_gate_is_not_escaped_by_leaving_the_project() {
    Road::both(|road| {
        road.registered(1);
        std::fs::create_dir(road.home.join("elsewhere")).expect("a folder");
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx_in("elsewhere", "promote churn/1 --to production")), @"
            exit 1
            --- stderr
            error: churn/1 comes from a project, and no mlx.toml is here: its gates are not at hand
              try: promote it from its own project: `mlx -C DIR promote …`; to ask no gate: `--ungated`
            ");
            assert_eq!(events(road), 0);
            insta::assert_snapshot!(road.shown(&road.mlx_in("elsewhere", "promote churn/1 --to production --ungated")), @"
            exit 0
            --- stdout
            promoted churn/1 to production, where nothing was live
            --- stderr
            warning: ungated: `--ungated` is given, so nothing is checked
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn")), @"
            exit 0
            --- stdout
            when  environment  what  from  to  gate  who  why
            [TIME]  production  promote  –  1  ungated  [USER]
            ");
        }
    });
}

#[test]
fn a_name_close_to_a_gated_environment_is_not_taken_for_another() {
    let road = Road::embedded();
    road.registered(1);
    let gate = "[gates.production]\nauc = { min = 0.1 }\n";
    road.home.write("churn/mlx.toml", project("churn", "p-churn", gate));
    for typed in ["Production", "prodction", "prod"] {
        let said = road.mlx(&format!("promote churn/1 --to {typed}")).fails_with(1).stderr();
        assert!(said.contains("did you mean `--to production`?"), "{said}");
    }
    insta::assert_snapshot!(road.shown(&road.mlx("promote churn/1 --to prodction")), @"
    exit 1
    --- stderr
    error: mlx.toml has no [gates.prodction], so nothing would be checked; it has [gates.production]
      try: did you mean `--to production`? where prodction is another environment, give it a gate, or `--ungated`
    ");
    assert_eq!(events(&road), 0);
    road.mlx("promote churn/1 --to production-eu").ok();
    road.mlx("promote churn/1 --to Production --ungated").ok();
    assert_eq!(events(&road), 2);
}

fn events(road: &Road) -> usize {
    let history = road.mlx("models history churn --json").ok().json();
    history["events"].as_array().map_or(0, Vec::len)
}
