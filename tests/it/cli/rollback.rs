//! `mlx rollback`, embedded and over the wire.

use crate::road::{Road, sha256};

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
            checked churn/2: 4 files, 7393 bytes, every digest right; it has no stored example, so nothing was scored
            would roll production back to churn/2, from churn/3
            --- stderr
            checking churn/2 before production moves to it
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production --reason slow")), @"
            exit 0
            --- stdout
            checked churn/2: 4 files, 7393 bytes, every digest right; it has no stored example, so nothing was scored
            rolled production back to churn/2, from churn/3
            --- stderr
            checking churn/2 before production moves to it
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production")), @"
            exit 0
            --- stdout
            checked churn/1: 4 files, 7393 bytes, every digest right; it has no stored example, so nothing was scored
            rolled production back to churn/1, from churn/2
            --- stderr
            checking churn/1 before production moves to it
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production")), @"
            exit 1
            --- stderr
            error: nothing to roll back to in production for `churn`: churn/3, churn/2 were rolled back from
              try: to go there all the same: `mlx rollback churn --env production --version 2`
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

            production has 3 live; a rollback goes to 1
            ");
        }
    });
}

#[test]
fn a_version_that_was_rolled_back_from_is_reached_by_its_number() {
    let road = Road::embedded();
    road.registered(2);
    road.mlx("promote churn/1 --to production").ok();
    road.mlx("promote churn/2 --to production").ok();
    road.mlx("rollback churn --env production").ok();
    insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production")), @"
    exit 1
    --- stderr
    error: nothing to roll back to in production for `churn`: churn/2 was rolled back from
      try: to go there all the same: `mlx rollback churn --env production --version 2`
    ");
    road.mlx("rollback churn --env production --version 2").ok();
    road.mlx("rollback churn --env production").ok();
    road.mlx("models delete churn/2").ok();
    insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production")), @"
    exit 1
    --- stderr
    error: nothing to roll back to in production for `churn`: what was live there besides 1 is deleted or yanked
      try: see what was live when: `mlx models history churn`
    ");
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

#[test]
fn a_model_that_answers_otherwise_stops_a_rollback_and_a_gate_and_nothing_moves() {
    let road = Road::embedded();
    super::train::project(&road.home);
    let package = |seed: u8| {
        let line = format!("train -q --json --max-epochs 2 --seed {seed}");
        let answer = road.mlx(&line).ok().stdout();
        let last = answer.lines().last().expect("an event").replace("[HOME]/", "");
        let event: serde_json::Value = serde_json::from_str(&last).expect("JSON");
        event["package"].as_str().expect("a folder").to_owned()
    };
    let [sound, changed, latest] = [1, 2, 3].map(package);
    // The weights of another model of the same shape, and digests to match: every byte checks out.
    let weights = "mlx/weights.safetensors";
    let other = std::fs::read(road.home.join(&format!("{latest}/{weights}"))).expect("weights");
    repackage(&road, &changed, weights, &other);
    for package in [&sound, &changed, &latest] {
        let id = package.split('/').nth(3).expect("an id");
        road.mlx(&format!("register {id}")).ok();
    }
    for version in 1..=3 {
        road.mlx(&format!("promote churn/{version} --to production")).ok();
    }
    let refused = road.mlx("rollback churn --env production").fails_with(1);
    let said = refused.stderr();
    assert!(
        said.contains(
            "error: production stays as it is: churn/2: the model doesn't answer its stored example as it did: "
        ),
        "{said}"
    );
    assert!(said.contains(" of 10 answers differ, most of all `prob_"), "{said}");
    assert_eq!(live(&road), 3);

    let toml = road.home.read("churn/mlx.toml");
    let gate = format!("{toml}\n[gates.staging]\nauc = {{ min = 0.0 }}\n");
    road.home.write("churn/mlx.toml", gate);
    let said = road.mlx("promote churn/2 --to staging").fails_with(1).stderr();
    assert!(said.contains("error: churn/2: the model doesn't answer its stored example"), "{said}");
    let promoted = road.mlx("promote churn/1 --to staging").ok().stdout();
    assert!(
        promoted.starts_with("checked churn/1: its example of 5 rows is answered as it was\n"),
        "{promoted}"
    );

    let dry = road.mlx("rollback churn --env production --version 1 --dry-run --json").ok().json();
    assert_eq!(dry["checked"]["example_rows"], 5);
    let said = road.mlx("rollback churn --env production --version 1").ok().stdout();
    assert!(said.contains("digest right; its example of 5 rows is answered as it was\n"), "{said}");
    assert_eq!(live(&road), 1);
}

#[test]
fn a_model_that_cannot_be_loaded_stops_a_rollback() {
    let road = Road::embedded();
    super::train::project(&road.home);
    for (seed, change) in [(1, true), (2, false)] {
        road.mlx(&format!("train -q --max-epochs 1 --seed {seed}")).ok();
        let runs = road.mlx("runs list --json").ok().json();
        let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
        if change {
            let package = format!("churn/.mlx/runs/{id}/package");
            repackage(&road, &package, "mlx/weights.safetensors", b"no weights");
        }
        road.mlx(&format!("register {id}")).ok();
        road.mlx("promote churn --to production").ok();
    }
    let said = road.mlx("rollback churn --env production").fails_with(1).stderr();
    assert!(
        said.contains("production stays as it is: churn/1: cannot load the model in "),
        "{said}"
    );
    assert!(said.contains("mlx/weights.safetensors: "), "{said}");
    assert_eq!(live(&road), 2);
}

fn live(road: &Road) -> u64 {
    let shown = road.mlx("models show churn --json").ok().json();
    shown["environments"]["production"].as_u64().expect("a version")
}

/// Put other bytes into a run's package, as if they had been packaged.
fn repackage(road: &Road, package: &str, file: &str, bytes: &[u8]) {
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_str(&road.home.read(path)).expect("JSON")
    };
    road.home.write(&format!("{package}/{file}"), bytes);
    let path = format!("{package}/mlx/manifest.json");
    let mut manifest = json(&path);
    manifest["files"][file] =
        serde_json::json!({ "sha256": sha256(bytes), "size_bytes": bytes.len() });
    let manifest = manifest.to_string();
    road.home.write(&path, &manifest);
    let path = format!("{}/manifest.json", package.trim_end_matches("/package"));
    let mut run = json(&path);
    run["package_digest"] = sha256(manifest.as_bytes()).into();
    road.home.write(&path, run.to_string());
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}
