//! An `mlx.toml`, or a variable, that says what it can't.

use super::Rows;
use super::fixture::{SETTINGS, project, registered, with_more, with_settings};
use crate::support::{Answer, Home};

#[test]
fn settings() {
    let mut rows = Rows::of("Settings");

    let home = Home::new();
    home.write("churn/notes.txt", "");
    insta::assert_snapshot!(rows.tried("no mlx.toml", &home, "train"), @"
    exit 1
    --- stderr
    error: no mlx.toml here or in any folder above
      try: make a project: `mlx new DIR --template classification`, or go to one: `mlx -C DIR …`
    ");
    let home = with_settings("target = \"churned\"", "target = \"churned");
    insta::assert_snapshot!(rows.tried("a quote that is not closed", &home, "train"), @r#"
    exit 1
    --- stderr
    error: [HOME]/churn/mlx.toml line 8 is not valid TOML: invalid basic string, expected `"`
      try: mend the line: target = "churned
    "#);
    home.write("churn/mlx.toml", "");
    insta::assert_snapshot!(rows.tried("an empty mlx.toml", &home, "train"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/mlx.toml has no `project`
      try: see what it takes: `mlx schema mlx.toml`; `mlx init` writes a whole one
    ");
    home.write("churn/mlx.toml", b"name = \"\xff\"");
    insta::assert_snapshot!(rows.tried("mlx.toml is not text", &home, "config show"), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/mlx.toml: not UTF-8 text at byte 8
      try: save it as UTF-8
    ");

    let home = with_settings("max_epochs = 1", "max_epoch = 1");
    insta::assert_snapshot!(rows.tried("an unknown key", &home, "train"), @"
    exit 1
    --- stderr
    error: unknown key `train.max_epoch` in [HOME]/churn/mlx.toml line 16
      try: did you mean `train.max_epochs`?
    ");
    let home = with_settings("max_epochs = 1", "max_epochs = \"ten\"");
    insta::assert_snapshot!(rows.tried("text where a number is wanted", &home, "train"), @r#"
    exit 1
    --- stderr
    error: `train.max_epochs` in [HOME]/churn/mlx.toml line 16 is "ten", and a whole number from 0 on is wanted
      try: see what each key takes: `mlx schema mlx.toml`
    "#);
    let home = with_settings("\"classification\"", "\"clasification\"");
    insta::assert_snapshot!(rows.tried("an unknown task", &home, "train"), @"
    exit 1
    --- stderr
    error: `project.task` in [HOME]/churn/mlx.toml line 4 is `clasification`, and one of `classification`, `forecasting`, `ranking` is wanted
      try: did you mean `classification`?
    ");
    let home = with_settings("name = \"churn\"", "name = \"my/model\"");
    insta::assert_snapshot!(rows.tried("a name that a model can't have", &home, "train"), @"
    exit 1
    --- stderr
    error: `project.name` in [HOME]/churn/mlx.toml line 3: `my/model` is not a valid model name
      try: use 1 to 200 letters, digits, spaces, `_`, `-` and `.`, starting with a letter or digit
    ");
    let home = with_settings("task =", "schema = 99\ntask =");
    insta::assert_snapshot!(rows.tried("a schema of the future", &home, "train"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/mlx.toml has schema 99, and this mlx reads up to 1
      try: install a newer mlx
    ");
    let home = with_more("[columns]\nplan = \"category\"");
    insta::assert_snapshot!(rows.tried("an unknown kind of column", &home, "train"), @"
    exit 1
    --- stderr
    error: `columns.plan` in [HOME]/churn/mlx.toml line 19 is `category`, and one of `numeric`, `categorical`, `boolean`, `timestamp`, `text`, `id`, `ignore` is wanted
      try: did you mean `categorical`?
    ");
    let home = with_more("[columns]\nplam = \"categorical\"");
    insta::assert_snapshot!(rows.tried("a kind for a column that is not there", &home, "train"), @"
    exit 1
    --- stderr
    error: train.csv has no column `plam`
      try: did you mean `plan`?
    ");

    let home = with_settings("kind = \"mlp\"", "kind = \"mpl\"");
    insta::assert_snapshot!(rows.tried("an unknown estimator", &home, "train"), @"
    exit 1
    --- stderr
    error: there is no estimator `mpl`
      try: there are: auto, linear, mlp, tabm, resnet, realmlp, trees
    ");
    let home = with_settings("kind = \"mlp\"", "leaves = 8");
    insta::assert_snapshot!(rows.tried("a setting of one of several estimators", &home, "train"), @r#"
    exit 1
    --- stderr
    error: `model.leaves` is a setting of `trees`, and `auto` trains several estimators
      try: write it under [model.trees], or say kind = "trees"
    "#);
    let home = with_settings("kind = \"mlp\"", "kind = \"mlp\"\ndropuot = 0.1");
    insta::assert_snapshot!(rows.tried("a setting that the estimator has not", &home, "train"), @"
    exit 1
    --- stderr
    error: there is no setting `model.dropuot`
      try: did you mean `dropout`?
    ");
    let home = with_settings("kind = \"mlp\"", "kind = \"mlp\"\ndropout = 2");
    insta::assert_snapshot!(rows.tried("a share above one", &home, "train"), @"
    exit 1
    --- stderr
    error: `model.dropout` is 2
      try: it may be 0 to 0.95
    ");

    let home = with_settings("max_epochs = 1", "budget = \"ten minutes\"");
    insta::assert_snapshot!(rows.tried("a budget that is no time", &home, "train"), @"
    exit 1
    --- stderr
    error: in train.budget: `ten minutes` is not a duration
      try: write a number and a unit, such as `90s`, `10m`, `2h` or `30d`
    ");
    let home = with_settings("max_epochs = 1", "max_epochs = 0");
    insta::assert_snapshot!(rows.tried("no epochs", &home, "train"), @"
    exit 1
    --- stderr
    error: train.max_epochs is 0
      try: give it at least 1: `--set train.max_epochs=1`
    ");
    let home = with_settings("max_epochs = 1", "patience = -1");
    insta::assert_snapshot!(rows.tried("patience below zero", &home, "train"), @"
    exit 1
    --- stderr
    error: `train.patience` in [HOME]/churn/mlx.toml line 16 is `-1`, and a whole number from 0 on is wanted
      try: see what each key takes: `mlx schema mlx.toml`
    ");
    let home = with_settings("max_epochs = 1", "seed = -7");
    insta::assert_snapshot!(rows.tried("a seed below zero", &home, "train"), @"
    exit 1
    --- stderr
    error: `train.seed` in [HOME]/churn/mlx.toml line 16 is `-7`, and a whole number from 0 on is wanted
      try: see what each key takes: `mlx schema mlx.toml`
    ");
    let home = with_settings("max_epochs = 1", "learning_rate = -0.1");
    insta::assert_snapshot!(rows.tried("a learning rate below zero", &home, "train"), @"
    exit 1
    --- stderr
    error: train.learning_rate is -0.1
      try: give it more than 0, such as `--set train.learning_rate=0.001`
    ");
    let home = with_settings("\"cpu\"", "\"cuda:9\"");
    insta::assert_snapshot!(rows.tried("a device that is not there", &home, "train"), @"
    exit 1
    --- stderr
    error: this build of mlx has no CUDA
      try: use `--device cpu`, or build with `cargo install --path . --features cuda`
    ");
    let home = with_settings("\"cpu\"", "\"gpu\"");
    insta::assert_snapshot!(rows.tried("a device of no kind that mlx knows", &home, "train"), @"
    exit 1
    --- stderr
    error: no device is named `gpu`
      try: use auto, cpu, cuda, cuda:N or metal
    ");
    let home = with_settings("[model]", "split = { test = 0.7, valid = 0.4 }\n[model]");
    insta::assert_snapshot!(rows.tried("a split that leaves nothing", &home, "train"), @"
    exit 1
    --- stderr
    error: `data.split` holds out 0.7 and 0.4 of the rows, which leaves none to learn from
      try: shares are between 0 and 1, such as `split = { test = 0.2, valid = 0.1 }`
    ");

    let home = registered();
    home.write(
        "churn/mlx.toml",
        format!("{SETTINGS}\n[gates.production]\nauk = {{ min = 0.8 }}\n"),
    );
    insta::assert_snapshot!(rows.tried("an unknown metric in a gate", &home, "promote -q churn/1 --to production"), @"
    exit 1
    --- stderr
    error: [gates.production]: the gate asks for `auk`, which this task does not have
      try: did you mean `auc`?
    ");
    home.write("churn/mlx.toml", format!("{SETTINGS}\n[eval]\nmetrics = [\"auk\"]\n"));
    insta::assert_snapshot!(rows.tried("an unknown metric to evaluate", &home, "eval -q"), @"
    exit 1
    --- stderr
    error: `eval.metrics` names `auk`, which classification does not have
      try: did you mean `auc`?
    ");
    let home = with_more("[gates.production]\nauc = { minimum = 0.8 }");
    insta::assert_snapshot!(rows.tried("an unknown key in a rule", &home, "train"), @"
    exit 1
    --- stderr
    error: unknown key `gates.production.auc.minimum` in [HOME]/churn/mlx.toml line 19
      try: did you mean `gates.production.auc.min`?
    ");

    let seed = with_variable("MLX_SEED", "seven", "train");
    insta::assert_snapshot!(rows.saw("MLX_SEED=seven", "train", &seed), @r#"
    exit 1
    --- stderr
    error: `train.seed` in MLX_SEED is "seven", and a whole number from 0 on is wanted
      try: see what each key takes: `mlx schema mlx.toml`
    "#);
    let timeout = with_variable("MLX_REGISTRY_TIMEOUT", "soon", "models list");
    insta::assert_snapshot!(rows.saw("MLX_REGISTRY_TIMEOUT=soon", "models list", &timeout), @"
    exit 1
    --- stderr
    error: MLX_REGISTRY_TIMEOUT: `soon` is not a duration
      try: write a number and a unit, such as `90s`, `10m`, `2h` or `30d`
    ");
    let user = Home::new();
    user.write("churn/mlx.toml", SETTINGS);
    user.write(".config/mlx/config.toml", "[data]\ntarget = \"y\"\n");
    insta::assert_snapshot!(rows.tried("a user's file that sets a project's matter", &user, "train"), @"
    exit 1
    --- stderr
    error: `data` can't be set in [HOME]/.config/mlx/config.toml
      try: a user's file holds [train] and [registry]; the rest belongs in the project's mlx.toml
    ");
    rows.end();
}

fn with_variable(name: &str, value: &str, line: &str) -> Answer {
    let home = project();
    let mut command = home.command_in("churn");
    home.answer(command.env(name, value).args(line.split_whitespace()))
}
