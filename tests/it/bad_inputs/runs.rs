//! Runs that are not there, not done, or not whole.

use super::Rows;
use super::fixture::{customers, project, run_folder, trained};
use crate::support::Home;

#[test]
fn runs() {
    let mut rows = Rows::of("Runs");

    let home = project();
    insta::assert_snapshot!(rows.tried("no run yet to evaluate", &home, "eval"), @"
    exit 1
    --- stderr
    error: no finished run in [HOME]/churn/.mlx/runs
      try: train one: `mlx train`
    ");
    insta::assert_snapshot!(rows.tried("no run yet to register", &home, "register"), @"
    exit 1
    --- stderr
    error: no finished run in [HOME]/churn/.mlx/runs
      try: train one: `mlx train`
    ");
    insta::assert_snapshot!(rows.tried("no run yet to resume", &home, "train --resume"), @"
    exit 1
    --- stderr
    error: no interrupted run in [HOME]/churn/.mlx/runs
      try: train anew: `mlx train`
    ");
    insta::assert_snapshot!(rows.tried("no lock yet to hold to", &home, "train --locked"), @"
    exit 1
    --- stderr
    error: there is no mlx.lock in [HOME]/churn
      try: `mlx train` without --locked writes one
    ");

    let home = trained();
    let folder = run_folder(&home);
    let id = folder.rsplit('/').next().expect("an id").to_owned();
    insta::assert_snapshot!(rows.tried("an id that no run has", &home, "runs show 0f0f0f0f0"), @"
    exit 1
    --- stderr
    error: no run `[ID]` in [HOME]/churn/.mlx/runs
      try: list the runs: `mlx runs list`
    ");
    insta::assert_snapshot!(rows.tried("an id that is none", &home, "eval run:xyz"), @"
    exit 2
    --- stderr
    error: `xyz` is not a run id
      try: list the runs: `mlx runs list`
    ");
    insta::assert_snapshot!(rows.tried("one run compared with nothing", &home, &format!("runs compare {id}")), @"
    exit 1
    --- stderr
    error: 1 run to compare, and it takes two
      try: name them: `mlx runs compare RUN RUN`
    ");
    insta::assert_snapshot!(rows.tried("a finished run to resume", &home, &format!("train --resume {id}")), @"
    exit 1
    --- stderr
    error: run [ID] is finished: nothing is left to resume
      try: train anew: `mlx train`, or look at it: `mlx runs show [ID]`
    ");

    let twin = id[..31].to_owned() + if id.ends_with('0') { "1" } else { "0" };
    let manifest = home.read(&format!("{folder}/manifest.json")).replace(&id, &twin);
    home.write(&format!("churn/.mlx/runs/{twin}/manifest.json"), manifest);
    let short = &id[..8];
    insta::assert_snapshot!(rows.tried("an id that two runs begin with", &home, &format!("runs show {short}")), @"
    exit 1
    --- stderr
    error: 2 runs start with `[ID]`
      try: write more of the id: `mlx runs list` shows them
    ");
    std::fs::remove_dir_all(home.join(&format!("churn/.mlx/runs/{twin}"))).expect("removed");

    let data = customers().replacen("c3,", "c300,", 1);
    home.write("churn/train.csv", &data);
    insta::assert_snapshot!(rows.tried("data that is not the lock's", &home, "train --locked"), @"
    exit 1
    --- stderr
    error: this is not what mlx.lock records:
      data train.csv: 60 rows, sha256 [ID]… in mlx.lock, 60 rows, [ID]… now
      try: undo the change, or train without --locked to write a new lock
    ");
    interrupt(&home, &folder);
    insta::assert_snapshot!(rows.tried("data that changed before a resume", &home, "train --resume"), @"
    exit 1
    --- stderr
    error: the data changed since run [ID] began:
      data train.csv: 60 rows, sha256 [ID]… in the run, 60 rows, [ID]… now
      try: put the data back, or train anew: `mlx train`
    ");
    home.write("churn/train.csv", customers());
    insta::assert_snapshot!(rows.tried("settings that are not the lock's", &home, "train --locked --seed 8"), @"
    exit 1
    --- stderr
    error: this is not what mlx.lock records:
      train.seed: 7 in mlx.lock, 8 now
      try: undo the change, or train without --locked to write a new lock
    ");

    for tensors in ["a", "b"] {
        cut(&home, &format!("{folder}/checkpoint/mlp/{tensors}.safetensors"));
    }
    insta::assert_snapshot!(rows.tried("a checkpoint that was cut off", &home, "train --resume"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/.mlx/runs/[ID]/checkpoint/mlp/a.safetensors is damaged: its checksum is not the recorded one
      try: train anew: `mlx train`
    ");
    std::fs::remove_dir_all(home.join(&folder).join("checkpoint")).expect("removed");
    std::fs::remove_dir_all(home.join(&folder).join("package")).expect("removed");
    insta::assert_snapshot!(rows.tried("a failed run to register", &home, &format!("register {id}")), @"
    exit 1
    --- stderr
    error: run [ID] is failed and has no package to register
      try: go on with it: `mlx train --resume [ID]`
    ");
    insta::assert_snapshot!(rows.tried("a failed run to evaluate", &home, &format!("eval run:{id}")), @"
    exit 1
    --- stderr
    error: run [ID] has no model yet: it is failed
      try: see the runs: `mlx runs list`; go on with it: `mlx train --resume`
    ");
    home.write(&format!("{folder}/manifest.json"), "{");
    insta::assert_snapshot!(rows.tried("a run whose manifest was cut off", &home, &format!("runs show {id}")), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/.mlx/runs/[ID]/manifest.json: EOF while parsing an object at line 1 column 1
      try: the run is damaged: remove its folder, [HOME]/churn/.mlx/runs/[ID]
    ");
    rows.end();
}

#[test]
fn packages() {
    let mut rows = Rows::of("Packages");
    let home = trained();
    let package = format!("{}/package", run_folder(&home));
    let weights = format!("{package}/mlx/weights.safetensors");
    let manifest = home.read(&format!("{package}/mlx/manifest.json"));
    let whole = std::fs::read(home.join(&weights)).expect("weights");

    cut(&home, &weights);
    insta::assert_snapshot!(rows.tried("a package whose weights were cut off", &home, "eval"), @"
    exit 1
    --- stderr
    error: run [ID], the latest finished one: [HOME]/churn/.mlx/runs/[ID]/package/mlx/weights.safetensors has 87104 bytes, and the manifest says 174208
      try: the package is damaged: train again, or pull it anew with `mlx models pull`
    ");
    insta::assert_snapshot!(rows.tried("the same, registered", &home, "register -q"), @"
    exit 1
    --- stderr
    error: cannot register run [ID]: [HOME]/churn/.mlx/runs/[ID]/package/mlx/weights.safetensors has 87104 bytes, and the manifest says 174208
      try: the package is damaged: train again, or pull it anew with `mlx models pull`
    ");
    let mut other = whole.clone();
    *other.last_mut().expect("a byte") ^= 1;
    home.write(&weights, other);
    insta::assert_snapshot!(rows.tried("a package with one bit flipped", &home, "eval"), @"
    exit 1
    --- stderr
    error: run [ID], the latest finished one: [HOME]/churn/.mlx/runs/[ID]/package/mlx/weights.safetensors is not the file that was packaged: its SHA-256 is [SHA256], and the manifest says [SHA256]
      try: the package is damaged: train again, or pull it anew with `mlx models pull`
    ");
    home.write(&weights, whole);
    home.write(&format!("{package}/notes.txt"), "not listed");
    insta::assert_snapshot!(rows.tried("a package with a file more", &home, "register -q"), @"
    exit 1
    --- stderr
    error: cannot register run [ID]: [HOME]/churn/.mlx/runs/[ID]/package holds notes.txt, which its manifest has not
      try: remove the file, or take the package anew
    ");
    std::fs::remove_file(home.join(&format!("{package}/notes.txt"))).expect("removed");

    let outside = manifest.replacen("\"README.md\"", "\"../../manifest.json\"", 1);
    home.write(&format!("{package}/mlx/manifest.json"), outside);
    insta::assert_snapshot!(rows.tried("a manifest that names a file outside", &home, "eval"), @"
    exit 1
    --- stderr
    error: run [ID], the latest finished one: the package's manifest names `../../manifest.json`, which is outside the package
      try: don't trust this package
    ");
    let future = manifest.replacen("\"format\": 1", "\"format\": 9", 1);
    home.write(&format!("{package}/mlx/manifest.json"), future);
    insta::assert_snapshot!(rows.tried("a package of a newer mlx", &home, "eval"), @"
    exit 1
    --- stderr
    error: run [ID], the latest finished one: [HOME]/churn/.mlx/runs/[ID]/package/mlx/manifest.json has format 9, and this mlx reads up to 1
      try: install a newer mlx
    ");
    home.write(&format!("{package}/mlx/manifest.json"), "[]");
    insta::assert_snapshot!(rows.tried("a manifest that is none", &home, "eval"), @"
    exit 1
    --- stderr
    error: run [ID], the latest finished one: cannot read [HOME]/churn/.mlx/runs/[ID]/package/mlx/manifest.json: invalid length 0, expected struct Manifest with 2 elements at line 1 column 2
      try: the package is damaged: train again, or pull it anew with `mlx models pull`
    ");
    insta::assert_snapshot!(rows.tried("a path where nothing is", &home, "eval ./nothing"), @"
    exit 1
    --- stderr
    error: there is no folder [HOME]/churn/nothing
      try: a model by path is a package, or a run of `.mlx/runs`
    ");
    insta::assert_snapshot!(rows.tried("a path to a file that is no package", &home, "eval ./train.csv"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/train.csv is not an mlx package: it has no mlx/manifest.json
      try: name a run, a registered model, or a package's folder
    ");
    rows.end();
}

/// As a killed process leaves a run.
fn interrupt(home: &Home, folder: &str) {
    let manifest = format!("{folder}/manifest.json");
    let text = home.read(&manifest).replacen("\"finished\"", "\"interrupted\"", 1);
    home.write(&manifest, text);
}

/// Keep the first half of a file, where there is one.
fn cut(home: &Home, path: &str) {
    if let Ok(bytes) = std::fs::read(home.join(path)) {
        home.write(path, &bytes[..bytes.len() / 2]);
    }
}
