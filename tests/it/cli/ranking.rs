//! `mlx train` of rankings: what `auto` answers, and settings that can't be.

use std::fmt::Write as _;

use crate::support::Home;

/// Queries of ten documents, of which two columns tell the grade and a third doesn't.
fn project(home: &Home) {
    let mut rows = "query,clicks,age,noise,grade\n".to_owned();
    for row in 0..600_u32 {
        // Knuth's multiplicative hash: numbers without a pattern, the same everywhere.
        let noise = row.wrapping_mul(2_654_435_761) >> 8;
        let (clicks, age) = (noise % 97, noise / 97 % 89);
        let grade = (clicks / 33) + u32::from(age < 20);
        let _ = writeln!(rows, "q{},{clicks},{age},{},{grade}", row / 10, noise / 9000 % 50);
    }
    home.write("search/data/train.csv", rows);
    home.write(
        "search/mlx.toml",
        "[project]\nname = \"search\"\ntask = \"ranking\"\n\n\
         [data]\ntrain = \"data/train.csv\"\nquery = \"query\"\ntarget = \"grade\"\n\
         split = { kind = \"group\", valid = 0.2, test = 0.2 }\n\n\
         [train]\ndevice = \"cpu\"\nmax_epochs = 4\n\n\
         [model]\nkind = \"auto\"\n",
    );
}

#[test]
fn auto_blends_and_says_of_what_and_is_the_same_on_any_number_of_threads() {
    let home = Home::new();
    project(&home);
    let weights = || {
        let lock: toml::Table = toml::from_str(&home.read("search/mlx.lock")).expect("a lock");
        lock["result"]["weights_sha256"].as_str().expect("a digest").to_owned()
    };
    let answer = home.mlx_in("search", "train --threads 1").ok();
    let page = answer.stdout();
    for word in ["trees", "mlp", "together", "best_feature", "ndcg@5"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let first = weights();
    home.mlx_in("search", "train --threads 2").ok();
    assert_eq!(weights(), first);

    let evaluation = home.mlx_in("search", "eval --json").ok().json();
    let metric = &evaluation["metrics"][0];
    let (value, baseline) = (&metric["value"], &metric["baselines"]["best_feature"]);
    assert!(value.as_f64() > baseline.as_f64(), "{metric}");
}

#[test]
fn settings_that_cannot_be_are_errors() {
    let home = Home::new();
    project(&home);
    let mut answers = String::new();
    for told in [
        "model.kind=\"mlp\" --set model.loss=\"lambdarnk\"",
        "model.kind=\"mlp\" --set model.loss=2",
        "model.kind=\"linear\" --set model.hidden=[8]",
        "model.kind=\"trees\" --set model.loss=\"softmax\"",
        "model.loss=\"softmax\"",
    ] {
        let answer = home.mlx_in("search", &format!("train -q --set {told}"));
        let _ = writeln!(answers, "{told}: {} {}", answer.code(), answer.stderr());
    }
    insta::assert_snapshot!(answers, @r#"
    model.kind="mlp" --set model.loss="lambdarnk": 1 error: there is no loss `lambdarnk` for ranking
      try: did you mean `lambdarank`?

    model.kind="mlp" --set model.loss=2: 1 error: `model.loss` is 2
      try: it is a name, such as "lambdarank"

    model.kind="linear" --set model.hidden=[8]: 1 error: there is no setting `model.hidden`
      try: there are: loss, estimators, seeds, folds

    model.kind="trees" --set model.loss="softmax": 1 error: there is no setting `model.loss`
      try: there are: learning_rate, leaves, depth, min_rows_per_leaf, min_curvature_per_leaf, min_gain, l1, l2, feature_fraction, row_fraction, bins, min_rows_per_bin, categories, estimators, seeds, folds

    model.loss="softmax": 1 error: `model.loss` is a setting of `mlp`, and `auto` trains several estimators
      try: write it under [model.mlp], or say kind = "mlp"
    "#);
}
