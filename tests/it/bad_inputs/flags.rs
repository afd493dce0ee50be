//! Command lines that can't be meant.

use super::Rows;
use super::fixture::project;

#[test]
fn command_line() {
    let mut rows = Rows::of("Command line");
    let home = project();
    let mut tried = |wrong: &str, line: &str| rows.tried(wrong, &home, line);

    insta::assert_snapshot!(tried("an unknown verb", "trian"), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'trian'

      tip: a similar subcommand exists: 'train'

    Usage: mlx [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(tried("an unknown flag", "train --epochs 3"), @"
    exit 2
    --- stderr
    error: unexpected argument '--epochs' found

      tip: a similar argument exists: '--max-epochs'

    Usage: mlx train --max-epochs <N>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(tried("`--set` without `=`", "train --set train.seed"), @"
    exit 2
    --- stderr
    error: `--set train.seed` has no `=`
      try: write a key of mlx.toml and its value, such as `--set train.seed=8`
    ");
    insta::assert_snapshot!(tried("`--set` of an unknown key", "train --set train.sead=3"), @"
    exit 2
    --- stderr
    error: unknown key `train.sead` in `--set train.sead=3`
      try: did you mean `train.seed`?
    ");
    insta::assert_snapshot!(tried("`--set` of nothing", "train --set =3"), @r#"
    exit 2
    --- stderr
    error: `` is not a key
      try: keys are dotted names, such as `train.seed` or `columns."zip code"`
    "#);
    insta::assert_snapshot!(tried("`--set` of a value of another type", "train --set train.max_epochs=many"), @r#"
    exit 2
    --- stderr
    error: `train.max_epochs` in the command line is "many", and a whole number from 0 on is wanted
      try: see what each key takes: `mlx schema mlx.toml`
    "#);
    insta::assert_snapshot!(tried("flags that exclude each other", "train --resume --locked"), @"
    exit 2
    --- stderr
    error: the argument '--resume [<RUN>]' cannot be used with '--locked'

    Usage: mlx train --resume [<RUN>]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(tried("quiet and verbose", "models list -q -v"), @"
    exit 2
    --- stderr
    error: the argument '--quiet' cannot be used with '--verbose...'

    Usage: mlx models list --quiet

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(tried("a seed that is no number", "train --seed seven"), @"
    exit 2
    --- stderr
    error: invalid value 'seven' for '--seed <SEED>': invalid digit found in string

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(tried("a folder that is not there", "-C nowhere train"), @"
    exit 1
    --- stderr
    error: there is no folder [HOME]/churn/nowhere
      try: `-C` names a folder that exists, from where you are
    ");
    insta::assert_snapshot!(tried("a reference of two slashes", "eval churn/7/1"), @"
    exit 2
    --- stderr
    error: `7/1` is not a version number
      try: versions are whole numbers from 1, such as `churn/7`
    ");
    insta::assert_snapshot!(tried("version 0", "promote churn/0 --to staging"), @"
    exit 2
    --- stderr
    error: `0` is not a version number
      try: versions are whole numbers from 1, such as `churn/7`
    ");
    insta::assert_snapshot!(tried("a version that is no number", "models show churn/latest"), @"
    exit 2
    --- stderr
    error: `latest` is not a version number
      try: versions are whole numbers from 1, such as `churn/7`
    ");
    insta::assert_snapshot!(tried("a reference that names nothing", "eval models:/"), @"
    exit 2
    --- stderr
    error: `models:/` names no model
      try: write `NAME`, `NAME/VERSION` or `NAME@ENVIRONMENT`
    ");
    insta::assert_snapshot!(tried("a name that no model can have", "models show my:model"), @"
    exit 2
    --- stderr
    error: `my:model` is not a valid model name
      try: use 1 to 200 letters, digits, spaces, `_`, `-` and `.`, starting with a letter or digit
    ");
    insta::assert_snapshot!(tried("an environment that MLflow reserves", "promote churn --to latest"), @"
    exit 2
    --- stderr
    error: `latest` is reserved and cannot name an environment
      try: use a name such as `staging` or `production`
    ");
    insta::assert_snapshot!(tried("an environment of no name", "eval churn@"), @"
    exit 2
    --- stderr
    error: `` is not a valid environment name
      try: use 1 to 200 letters, digits, `_`, `-` and `.`, starting with a letter or digit
    ");
    insta::assert_snapshot!(tried("an expectation that is no version", "promote churn/1 --to staging --expect soon"), @"
    exit 2
    --- stderr
    error: `--expect soon` is neither a version number nor `none`
      try: write the version that must be live there now, such as `--expect 3`
    ");
    insta::assert_snapshot!(tried("a promotion to nowhere", "promote churn/1"), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --to <ENV>

    Usage: mlx promote --to <ENV> <MODEL>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(tried("a shell that mlx does not know", "completions tcsh"), @"
    exit 2
    --- stderr
    error: no completions for a shell named `tcsh`
      try: there are completions for bash, zsh, fish, powershell and elvish
    ");
    insta::assert_snapshot!(tried("a schema of another file", "schema cargo.toml"), @"
    exit 2
    --- stderr
    error: mlx has no schema for `cargo.toml`
      try: there is one for `mlx.toml`
    ");
    insta::assert_snapshot!(tried("an age that is no time", "runs rm --older-than yesterday"), @"
    exit 1
    --- stderr
    error: --older-than: `yesterday` is not a duration
      try: write a number and a unit, such as `90s`, `10m`, `2h` or `30d`
    ");
    insta::assert_snapshot!(tried("an unknown template", "new shop --template regression"), @"
    exit 2
    --- stderr
    error: no template is named `regression`
      try: use `--template classification`, `forecasting` or `ranking`, or a team's own with `--from`
    ");
    insta::assert_snapshot!(tried("a name that a model can't have", "new bad:name --template ranking"), @"
    exit 1
    --- stderr
    error: the folder's name, `bad:name`, cannot be the model's name, which has 1 to 200 letters, digits, spaces, `_`, `-` and `.`, and starts with a letter or digit
      try: give the model a name of its own: `--name NAME`
    ");
    insta::assert_snapshot!(tried("a folder that is not empty", "new ../churn --template ranking"), @"
    exit 1
    --- stderr
    error: [HOME]/churn is not empty
      try: choose another folder, or add what is missing to this one: `mlx init ../churn`
    ");
    insta::assert_snapshot!(tried("a column that the data has not", "new shop --data train.csv --target chrned"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/train.csv has no column `chrned`
      try: did you mean `--target churned`?
    ");
    insta::assert_snapshot!(tried("an unknown verb, with --json", "--json trian"), @r#"
    exit 2
    --- stdout
    {"schema":"mlx.error/1","error":{"code":2,"kind":"usage","message":"unrecognized subcommand 'trian'","hint":"a similar subcommand exists: 'train'"}}
    --- stderr
    error: unrecognized subcommand 'trian'
      try: a similar subcommand exists: 'train'
    "#);
    insta::assert_snapshot!(tried("a model that is not there, with --json", "--json models show churn"), @r#"
    exit 1
    --- stdout
    {"schema":"mlx.error/1","error":{"code":1,"kind":"failed","message":"no model `churn` in [HOME]/.local/share/mlx/registry (embedded)","hint":"the registry is empty; register a run: `mlx register`"}}
    --- stderr
    error: no model `churn` in [HOME]/.local/share/mlx/registry (embedded)
      try: the registry is empty; register a run: `mlx register`
    "#);
    assert!(!home.join("churn/shop").exists(), "nothing is half-written");
    rows.end();
}
