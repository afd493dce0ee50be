//! What `mlx eval` and `mlx predict` can't score, or can't write.

use std::process::Stdio;

use super::Rows;
use super::fixture::{customers, forecasting, sales, trained};
use crate::support::{Answer, Home};

#[test]
fn scoring() {
    let mut rows = Rows::of("Scoring");
    let home = trained();
    let mut tried = |wrong: &str, line: &str| rows.tried(wrong, &home, line);
    let write = |name: &str, text: &str| home.write(&format!("churn/{name}"), text);
    let header = "customer,age,plan,churned\n";

    write("renamed.csv", &customers().replacen("plan", "plam", 1));
    insta::assert_snapshot!(tried("an input without a column", "predict -q -i renamed.csv -o out.csv"), @"
    exit 1
    --- stderr
    error: the model needs column `plan`, and [HOME]/churn/renamed.csv has no such column
      try: did you mean `plam`? rename it to `plan`
    ");
    insta::assert_snapshot!(tried("the same to evaluate", "eval -q --data renamed.csv"), @"
    exit 1
    --- stderr
    error: cannot evaluate run [ID], the latest finished one on renamed.csv: the model needs column `plan`, and [HOME]/churn/renamed.csv has no such column
      try: did you mean `plam`? rename it to `plan`
    ");
    write("none.csv", header);
    insta::assert_snapshot!(tried("no rows to predict", "predict -q -i none.csv -o out.csv"), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/none.csv: it has a header and no rows
      try: check how the file was made
    ");
    insta::assert_snapshot!(tried("no rows to evaluate", "eval -q --data none.csv"), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/none.csv: it has a header and no rows
      try: check how the file was made
    ");
    write("words.csv", &format!("{header}c1,old,pro,no\n"));
    insta::assert_snapshot!(tried("a word where the model knows numbers", "predict -q -i words.csv -o out.csv"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/words.csv row 1 column `age`: `old` is not a number
      try: mend the cell: the model knows `age` as numbers
    ");
    write("unlabelled.csv", "customer,age,plan\nc1,30,pro\n");
    insta::assert_snapshot!(tried("nothing to compare with", "eval -q --data unlabelled.csv"), @"
    exit 1
    --- stderr
    error: cannot evaluate run [ID], the latest finished one on unlabelled.csv: [HOME]/churn/unlabelled.csv has no column `churned`
      try: its columns are: customer, age, plan
    ");
    write("classes.csv", &format!("{header}c1,30,pro,maybe\nc2,31,max,no\n"));
    insta::assert_snapshot!(tried("a class that the model has not", "eval -q --data classes.csv"), @"
    exit 1
    --- stderr
    error: cannot evaluate run [ID], the latest finished one on classes.csv: [HOME]/churn/classes.csv row 1: `churned` is `maybe`, a class that training did not see
      try: the classes are: no, yes
    ");

    insta::assert_snapshot!(tried("an input that is not there", "predict -q -i nothing.csv -o out.csv"), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/nothing.csv: there is no such file
      try: did you mean `[HOME]/churn/none.csv`?
    ");
    insta::assert_snapshot!(tried("an input that is a folder", "predict -q -i .mlx -o out.csv"), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/.mlx: it is a folder
      try: name a file in it, or all: `[HOME]/churn/.mlx/*.csv`
    ");
    insta::assert_snapshot!(tried("an output of no known format", "predict -q -i train.csv -o out.xlsx"), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/churn/out.xlsx: its name says no format
      try: name it .csv, .jsonl or .parquet, or give `--output-format`
    ");
    insta::assert_snapshot!(tried("a format that is none", "predict -q -i train.csv -o out --format exel"), @"
    exit 2
    --- stderr
    error: `exel` is no format that mlx reads
      try: use one of csv, jsonl, parquet, arrow, svmlight
    ");
    insta::assert_snapshot!(tried("an output that is a folder", "predict -q -i train.csv -o .mlx --format csv"), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/churn/.mlx: Is a directory (os error 21)
      try: it is a folder: name a file
    ");
    insta::assert_snapshot!(tried("an output in a file", "predict -q -i train.csv -o train.csv/out.csv"), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/churn/train.csv/out.csv: File exists (os error 17)
      try: a file is where a folder should be: name another folder
    ");
    insta::assert_snapshot!(tried("rolling where nothing is forecast", "predict -q -i train.csv -o out.csv --rolling 3"), @"
    exit 2
    --- stderr
    error: `--rolling` is for forecasting, and this model is for classification
      try: leave it out
    ");
    insta::assert_snapshot!(tried("no input", "predict -o out.csv"), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --input <FILE>

    Usage: mlx predict --input <FILE> --output <FILE> [MODEL]

    For more information, try '--help'.
    ");
    assert!(!home.join("churn/out.csv").exists(), "nothing is half-written");

    if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
        let line = "predict -q -i train.csv -o -";
        let answer = answer_to(&home, line, full);
        insta::assert_snapshot!(rows.saw("standard output on a full disk", line, &answer), @"
        exit 1
        --- stderr
        error: cannot write to standard output: No space left on device (os error 28)
          try: make room where it goes, or name a file
        ");
    }

    let home = Home::new();
    home.write("churn/notes.txt", "");
    insta::assert_snapshot!(rows.tried("no project and no model", &home, "predict -q -i notes.txt -o out.csv"), @"
    exit 1
    --- stderr
    error: no model is named, and there is no project here whose latest run to take
      try: go to a project: `mlx -C DIR …`, or name a model: `churn/7`, `./package`
    ");

    let home = forecasting(sales());
    home.mlx_in("churn", "train -q").ok();
    insta::assert_snapshot!(rows.tried("a forecast every no steps", &home, "predict -q -i train.csv -o out.csv --rolling 0"), @"
    exit 2
    --- stderr
    error: `--rolling 0` would never move on
      try: use 1 or more
    ");
    insta::assert_snapshot!(rows.tried("a time that the series has not", &home, "predict -q -i train.csv -o out.csv --rolling 7 --from soon"), @"
    exit 1
    --- stderr
    error: `soon` is not a time of the input
      try: its times go from 2024-01-01 to 2024-03-04, written just so
    ");
    home.write("churn/short.csv", "ds,shop,sold\n");
    insta::assert_snapshot!(rows.tried("a history without rows", &home, "predict -q -i short.csv -o out.csv"), @"
    exit 1
    --- stderr
    error: cannot read [HOME]/churn/short.csv: it has a header and no rows
      try: check how the file was made
    ");
    home.write("churn/timeless.csv", sales().replacen("ds", "date", 1));
    insta::assert_snapshot!(rows.tried("a history without times", &home, "predict -q -i timeless.csv -o out.csv"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/timeless.csv has no column `ds`
      try: its columns are date, shop, sold
    ");
    rows.end();
}

/// Run `line` with its standard output on `full`.
fn answer_to(home: &Home, line: &str, full: std::fs::File) -> Answer {
    let mut command = home.command_in("churn");
    let child = command.args(line.split(' ')).stdout(full).stderr(Stdio::piped()).spawn();
    home.answered(child.expect("mlx starts").wait_with_output().expect("it ends"))
}
