//! `mlx config show`, and the order in which settings win.

use crate::support::Home;

const PROJECT: &str =
    "[project]\nname = \"churn\"\ntask = \"classification\"\n\n[train]\nseed = 3\n";

#[test]
fn later_layers_win_and_every_value_names_its_origin() {
    let home = Home::new();
    home.write("churn/mlx.toml", PROJECT);
    home.write(".config/mlx/config.toml", "[train]\nseed = 2\npatience = 5\ndevice = \"cpu\"\n");
    let shown = |variable: Option<&str>, line: &str| {
        let mut command = home.command_in("churn");
        if let Some(value) = variable {
            command.env("MLX_SEED", value);
        }
        let output = command.args(line.split_whitespace()).output().expect("mlx starts");
        String::from_utf8(output.stdout)
            .expect("text")
            .replace(&home.path().display().to_string(), "[HOME]")
    };
    insta::assert_snapshot!(shown(None, "config show train"), @r#"
    project   [HOME]/churn
    registry  [HOME]/.local/share/mlx/registry (embedded)

    key                  value      origin
    train.batch          –          default
    train.budget         –          default
    train.device         "cpu"      [HOME]/.config/mlx/config.toml
    train.learning_rate  –          default
    train.max_epochs     200        default
    train.patience       5          [HOME]/.config/mlx/config.toml
    train.precision      "float32"  default
    train.seed           3          [HOME]/churn/mlx.toml
    train.threads        –          default
    train.weight_decay   –          default
    "#);
    let seed = |text: String| {
        text.lines().find(|line| line.starts_with("train.seed")).expect("a seed").to_owned()
    };
    insta::assert_snapshot!(seed(shown(Some("4"), "config show train")), @"train.seed           4          MLX_SEED");
    insta::assert_snapshot!(seed(shown(Some("4"), "config show train --set train.seed=5")), @"train.seed           5          command line");
}

#[test]
fn a_typo_in_the_file_names_line_and_key() {
    let home = Home::new();
    home.write("mlx.toml", format!("{PROJECT}patiense = 3\n"));
    insta::assert_snapshot!(home.mlx("config show").show(), @"
    exit 1
    --- stderr
    error: unknown key `train.patiense` in [HOME]/mlx.toml line 7
      try: did you mean `train.patience`?
    ");
}

#[test]
fn a_wrong_type_names_its_key() {
    let home = Home::new();
    home.write("mlx.toml", PROJECT.replace('3', "\"three\""));
    insta::assert_snapshot!(home.mlx("config show").show(), @r#"
    exit 1
    --- stderr
    error: `train.seed` in [HOME]/mlx.toml line 6 is "three", and a whole number from 0 on is wanted
      try: see what each key takes: `mlx schema mlx.toml`
    "#);
}

#[test]
fn a_newer_format_is_refused() {
    let home = Home::new();
    home.write("mlx.toml", PROJECT.replace("[train]", "schema = 99\n[train]"));
    insta::assert_snapshot!(home.mlx("config show").show(), @"
    exit 1
    --- stderr
    error: [HOME]/mlx.toml has schema 99, and this mlx reads up to 1
      try: install a newer mlx
    ");
}

#[test]
fn a_broken_command_line_fails_in_json_too() {
    let home = Home::new();
    insta::assert_snapshot!(home.mlx("config shwo --json").show(), @r#"
    exit 2
    --- stdout
    {"schema":"mlx.error/1","error":{"code":2,"kind":"usage","message":"unrecognized subcommand 'shwo'","hint":"a similar subcommand exists: 'show'"}}
    --- stderr
    error: unrecognized subcommand 'shwo'
      try: a similar subcommand exists: 'show'
    "#);
    insta::assert_snapshot!(home.mlx("promte").show(), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'promte'

      tip: some similar subcommands exist: 'approve', 'promote'

    Usage: mlx [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn a_variable_that_is_none_is_pointed_out() {
    let home = Home::new();
    let shown = |line: &str| {
        let mut command = home.command_in("");
        command.env("MLX_TRAIN_SEED", "8").env("MLX_REWRITE", "1").env("MLX_SEED", "9");
        home.answer(command.args(line.split(' '))).ok().stderr()
    };
    insta::assert_snapshot!(shown("config show"), @"warning: mlx reads no variable `MLX_TRAIN_SEED`: did you mean `MLX_SEED`?");
    assert_eq!(shown("config show -q"), "");
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let home = Home::new();
    let schema: serde_json::Value =
        serde_json::from_str(&home.mlx("schema").ok().stdout()).expect("JSON");
    assert!(schema["properties"]["train"].is_object());
    insta::assert_snapshot!(home.mlx("schema other.toml").show(), @"
    exit 2
    --- stderr
    error: mlx has no schema for `other.toml`
      try: there is one for `mlx.toml`
    ");
}
