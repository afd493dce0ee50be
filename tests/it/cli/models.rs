//! `mlx models`, embedded and over the wire.

use crate::road::Road;

#[test]
fn an_empty_registry_says_so() {
    Road::both(|road| {
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models list")), @"
            exit 0
            --- stdout
            no models in [REGISTRY]
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models show churn")), @"
            exit 1
            --- stderr
            error: no model `churn` in [REGISTRY]
              try: the registry is empty; register a run: `mlx register`
            ");
        }
    });
}

#[test]
fn what_is_registered_is_listed_and_shown() {
    Road::both(|road| {
        road.registered(2);
        road.mlx("promote churn/1 --to production").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models list")), @"
            exit 0
            --- stdout
            model  latest  environments  updated
            churn  2  production 1  [TIME]
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models show churn")), @"
            exit 0
            --- stdout
            churn
            project  p-churn
            live  production 1

            version  digest  run  made  by  live in
                  2  d4eee8680ee3  02020202  [TIME]  [USER]
                  1  d665c8425923  01010101  [TIME]  [USER]  production
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models show churn@production")), @"
            exit 0
            --- stdout
            churn/1
            digest  d665c842592380ed7e53cb6a95be812925b842fa692f4b327af33ca7ad5f1f54
            run  01010101010101010101010101010101
            made  [TIME] by [USER]
            live in  production

            metric  value
            valid_auc  0.900000

            file  bytes  sha256
            MLmodel  12  7f8f4a879eef
            mlx/manifest.json  359  d665c8425923
            mlx/model.json  22  8e9c85b1cfe8
            mlx/weights.safetensors  7000  68999308c984
            ");
        }
        let list = road.mlx("models list --json").ok().json();
        assert_eq!(list["models"][0]["latest"], 2);
        assert_eq!(list["models"][0]["environments"]["production"], 1);
    });
}

#[test]
fn a_pulled_package_is_the_one_that_was_registered() {
    Road::both(|road| {
        road.registered(2);
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models pull churn/1")), @"
            exit 0
            --- stdout
            pulled churn/1 into [HOME]/churn/churn-1: 4 files, 7393 bytes, every digest checked
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models pull churn/1")), @"
            exit 1
            --- stderr
            error: [HOME]/churn/churn-1 is there already
              try: name another folder: `mlx models pull … -o DIR`
            ");
        }
        let run = format!("churn/.mlx/runs/{}/package", crate::road::run_id(1));
        for file in ["MLmodel", "mlx/manifest.json", "mlx/model.json", "mlx/weights.safetensors"] {
            let ours = road.home.read(&format!("{run}/{file}"));
            assert_eq!(road.home.read(&format!("churn/churn-1/{file}")), ours, "{file}");
        }
        road.mlx("models pull models:/churn/2 -o elsewhere/deep").ok();
        assert!(road.home.join("churn/elsewhere/deep/MLmodel").is_file());
        let left: Vec<_> = std::fs::read_dir(road.home.join("churn"))
            .expect("a folder")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(".mlx-"))
            .collect();
        assert_eq!(left, Vec::<String>::new(), "nothing temporary stays");
    });
}

#[test]
fn what_is_live_is_not_deleted() {
    Road::both(|road| {
        road.registered(2);
        road.mlx("promote churn/1 --to production").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models delete churn/1")), @"
            exit 1
            --- stderr
            error: cannot delete what is live: churn/1 in production
              try: promote another version there, or roll back, first
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models delete churn --all")), @"
            exit 1
            --- stderr
            error: cannot delete what is live: churn/1 in production
              try: promote another version there, or roll back, first
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models delete churn")), @"
            exit 2
            --- stderr
            error: `churn` names a model and not a version
              try: delete one version with `mlx models delete churn/VERSION`, or all of it with `--all`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models delete churn/2 --dry-run")), @"
            exit 0
            --- stdout
            would delete churn/2
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models delete churn/2")), @"
            exit 0
            --- stdout
            deleted churn/2
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models show churn/2")), @"
            exit 1
            --- stderr
            error: `churn` has no version 2
              try: the latest is 1; see all of them: `mlx models show churn`
            ");
        }
        // A number is never given twice.
        road.run(3, "model 3");
        assert_eq!(road.mlx("register --json").ok().json()["version"], 3);
    });
}

#[test]
fn a_model_goes_with_all_its_versions() {
    Road::both(|road| {
        road.registered(2);
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models delete churn --all")), @"
            exit 0
            --- stdout
            deleted churn with its versions 2, 1
            ");
        }
        assert_eq!(road.mlx("models list --json").ok().json()["models"], serde_json::json!([]));
    });
}

#[test]
fn the_history_of_an_environment_where_nothing_was_names_the_others() {
    let road = Road::embedded();
    road.registered(1);
    insta::assert_snapshot!(road.shown(&road.mlx("models history churn --env nope")), @"
    exit 0
    --- stdout
    nothing of `churn` has been promoted
    ");
    road.mlx("promote churn/1 --to production").ok();
    road.mlx("promote churn/1 --to staging").ok();
    insta::assert_snapshot!(road.shown(&road.mlx("models history churn --env nope")), @"
    exit 0
    --- stdout
    nothing of `churn` has been promoted to nope, only to production, staging
    ");
}

#[test]
fn a_yanked_version_is_shown_as_one_and_gone_to_by_no_road() {
    Road::both(|road| {
        road.registered(3);
        road.mlx("promote churn/1 --to production").ok();
        road.mlx("promote churn/2 --to production").ok();
        road.mlx("promote churn/3 --to production").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models yank churn/2 --reason leaks")), @"
            exit 0
            --- stdout
            yanked churn/2: no environment can be moved to it until `mlx models yank churn/2 --undo`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models yank churn/3 --reason leaks")), @"
            exit 0
            --- stdout
            yanked churn/3: no environment can be moved to it until `mlx models yank churn/3 --undo`
            --- stderr
            warning: churn/3 stays live in production: roll back with `mlx rollback churn --env production`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models yank churn/3 --reason again")), @"
            exit 0
            --- stdout
            churn/3 is yanked already; nothing to do
            --- stderr
            warning: churn/3 stays live in production: roll back with `mlx rollback churn --env production`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models list")), @"
            exit 0
            --- stdout
            model  latest  environments  updated
            churn  3 (yanked)  production 3  [TIME]
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models show churn")), @"
            exit 0
            --- stdout
            churn
            project  p-churn
            live  production 3

            version  digest  run  made  by  live in
                  3  0ab2a1479139  03030303  [TIME]  [USER]  production, (yanked)
                  2  d4eee8680ee3  02020202  [TIME]  [USER]  (yanked)
                  1  d665c8425923  01010101  [TIME]  [USER]
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/2 --to staging")), @"
            exit 1
            --- stderr
            error: [USER] yanked churn/2: leaks
              try: choose another version, or take it back: `mlx models yank churn/2 --undo`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production --version 2")), @"
            exit 1
            --- stderr
            error: [USER] yanked churn/2: leaks
              try: choose another version, or take it back: `mlx models yank churn/2 --undo`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn --env production")), @"
            exit 0
            --- stdout
            when  environment  what  from  to  gate  who  why
            [TIME]  production  promote  –  1  ungated  [USER]
            [TIME]  production  promote  1  2  ungated  [USER]
            [TIME]  production  promote  2  3  ungated  [USER]

            production has 3 live; a rollback goes to 1
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models yank churn/2 --undo")), @"
            exit 0
            --- stdout
            churn/2 is not yanked anymore
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models yank churn/2 --undo")), @"
            exit 0
            --- stdout
            churn/2 is not yanked; nothing to do
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn --limit 3")), @"
            exit 0
            --- stdout
            when  environment  what  from  to  gate  who  why
            [TIME]  –  yank  –  2  –  [USER]  leaks
            [TIME]  –  yank  –  3  –  [USER]  leaks
            [TIME]  –  un-yank  –  2  –  [USER]
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models yank churn --reason x")), @"
            exit 2
            --- stderr
            error: `churn` does not name one version
              try: name it by its number: `mlx models yank NAME/VERSION --reason …`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models yank churn/9 --reason x")), @"
            exit 1
            --- stderr
            error: `churn` has no version 9
              try: the latest is 3; see all of them: `mlx models show churn`
            ");
        }
        road.mlx("models yank churn/2").fails_with(2);
        assert_eq!(road.mlx("registry verify").code(), 0);
    });
}

#[test]
fn what_was_live_is_told_of_any_time() {
    Road::both(|road| {
        road.registered(2);
        let before = now_ms();
        road.mlx("promote churn/1 --to production --reason first").ok();
        let between = now_ms();
        road.mlx("promote churn/2 --to production").ok();
        road.mlx("promote churn/1 --to staging").ok();
        let told = |at: i64| {
            let line = format!("models history churn --at {at} --json");
            road.mlx(&line).ok().json()["standings"].clone()
        };
        assert_eq!(told(before), serde_json::json!([]));
        let one = told(between);
        assert_eq!(one.as_array().map(Vec::len), Some(1), "{one}");
        assert_eq!((&one[0]["live"], &one[0]["last_known_good"]), (&1.into(), &().into()));
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn --at now")), @"
            exit 0
            --- stdout
            churn at [TIME]

            environment  live  since  by  who  why  last known good
            production  2  [TIME]  promote  [USER]  1
            staging  1  [TIME]  promote  [USER]  –
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn --at now --env nope")), @"
            exit 0
            --- stdout
            nothing of `churn` had been live in nope at [TIME]
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn --at yesterday")), @"
            exit 2
            --- stderr
            error: `yesterday` is not a time
              try: write it as `2026-11-23T21:15:40Z`, `2026-11-23`, milliseconds since 1970, or `now`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history chrun --at now")), @"
            exit 1
            --- stderr
            error: no model `chrun` in [REGISTRY]
              try: did you mean `churn`?
            ");
        }
    });
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis() as i64;
    // So that what comes next is later.
    std::thread::sleep(std::time::Duration::from_millis(5));
    now
}

#[test]
fn a_truncated_object_of_the_embedded_registry_is_damage_and_no_fault_of_a_network() {
    let road = Road::embedded();
    road.registered(1);
    let mut folders = vec![road.home.join(".local/share/mlx/registry/objects")];
    let mut cut = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).expect("a file").starts_with(b"model 1model 1") {
                std::fs::remove_file(&path).expect("own file");
                std::fs::write(&path, "model 1").expect("a write");
                cut += 1;
            }
        }
    }
    assert_eq!(cut, 1, "the stored bytes are where this test looks");
    insta::assert_snapshot!(road.shown(&road.mlx("models pull churn/1")), @"
    exit 1
    --- stderr
    error: cannot pull churn/1: the registry at [REGISTRY] is damaged: mlx/weights.safetensors ended after 7 of 7000 bytes
      try: see what is wrong with it: `mlx registry verify`
    ");
    assert!(!road.home.join("churn/churn-1").exists());
}
