//! `mlx rollback`, embedded and over the wire.

use crate::road::Road;

#[test]
fn rollbacks_walk_back_through_what_was_live() {
    Road::both(|road| {
        road.registered(3);
        for version in 1..=3 {
            road.mlx(&format!("promote churn/{version} --to production")).ok();
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production --dry-run")), @"
            exit 0
            --- stdout
            checked churn/2: 4 files, 7393 bytes, every digest right
            would roll production back to churn/2, from churn/3
            --- stderr
            checking churn/2 before production moves to it
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production --reason slow")), @"
            exit 0
            --- stdout
            checked churn/2: 4 files, 7393 bytes, every digest right
            rolled production back to churn/2, from churn/3
            --- stderr
            checking churn/2 before production moves to it
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production")), @"
            exit 0
            --- stdout
            checked churn/1: 4 files, 7393 bytes, every digest right
            rolled production back to churn/1, from churn/2
            --- stderr
            checking churn/1 before production moves to it
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production")), @"
            exit 1
            --- stderr
            error: nothing to roll back to in production for `churn`: no version but 1 has been live there
              try: see what was live when: `mlx models history churn`
            ");
        }
        let live = road.mlx("models show churn --json").ok().json();
        assert_eq!(live["environments"]["production"], 1);
        road.mlx("rollback churn --env production --version 3").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn --env production")), @"
            exit 0
            --- stdout
            when  environment  what  from  to  gate  who  why
            [TIME]  production  promote  –  1  ungated  [USER]
            [TIME]  production  promote  1  2  ungated  [USER]
            [TIME]  production  promote  2  3  ungated  [USER]
            [TIME]  production  rollback  3  2  –  [USER]  slow
            [TIME]  production  rollback  2  1  –  [USER]
            [TIME]  production  rollback  1  3  –  [USER]
            ");
        }
    });
}

#[test]
fn only_what_was_live_can_be_rolled_back_to() {
    Road::both(|road| {
        road.registered(2);
        road.mlx("promote churn/1 --to production").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production --version 2")), @"
            exit 1
            --- stderr
            error: churn/2 was never live in production, so going to it is not a rollback
              try: promote it: `mlx promote churn/2 --to production`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env staging")), @"
            exit 1
            --- stderr
            error: nothing to roll back to in staging for `churn`: nothing is live there
              try: see what was live when: `mlx models history churn`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn/1 --env production")), @"
            exit 2
            --- stderr
            error: `churn/1` names a version
              try: write `mlx rollback churn --env production --version 1`
            ");
        }
    });
}

#[test]
fn bytes_that_changed_stop_a_rollback_and_nothing_moves() {
    let road = Road::embedded();
    road.registered(2);
    road.mlx("promote churn/1 --to production").ok();
    road.mlx("promote churn/2 --to production").ok();
    // Same length, other content, in every stored file that holds version 1's text.
    let mut changed = 0;
    for path in files(&road.home.join(".local/share/mlx/registry")) {
        let bytes = std::fs::read(&path).expect("a file");
        if bytes.starts_with(b"model 1model 1") {
            let mut permissions = std::fs::metadata(&path).expect("a file").permissions();
            #[expect(
                clippy::permissions_set_readonly_false,
                reason = "the folder is deleted after"
            )]
            permissions.set_readonly(false);
            std::fs::set_permissions(&path, permissions).expect("own file");
            std::fs::write(&path, b"MODEL 1".repeat(bytes.len() / 7)).expect("a write");
            changed += 1;
        }
    }
    assert_eq!(changed, 1, "the stored bytes are where this test looks");
    let answer = road.mlx("rollback churn --env production");
    assert_ne!(answer.code(), 0, "{}", answer.show());
    let live = road.mlx("models show churn --json").ok().json();
    assert_eq!(live["environments"]["production"], 2);
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}
