//! Data that is not what it should be.

use std::io::Write as _;

use super::Rows;
use super::fixture::{
    SETTINGS, customer, customers, forecasting, project, sales, with_data, with_more, with_settings,
};
use crate::support::Home;

#[test]
fn data() {
    let mut rows = Rows::of("Data");

    let home = with_data(customers().replacen("c7,29,", "c7,", 1));
    insta::assert_snapshot!(rows.tried("a row with a cell too few", &home, "data check"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: row 8 (line 9) has 3 cells where the header has 4
      try: a cell that holds the delimiter needs quotes; another delimiter is `data.delimiter`
    ");

    let home = with_data(customers().replacen("c9,", "c9,extra,", 1));
    insta::assert_snapshot!(rows.tried("a row with a cell too many", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: row 10 (line 11) has 5 cells where the header has 4
      try: a cell that holds the delimiter needs quotes; another delimiter is `data.delimiter`
    ");

    let home = with_more("[columns]\nage = \"numeric\"");
    let mut long = String::from("customer,age,plan,churned\n");
    for row in 0..10_500 {
        // Line 1 is the header, so the row of index 10,415 is line 10,417.
        let line = customer(row);
        let spoilt =
            line.split(',').enumerate().map(|(at, cell)| if at == 1 { "abc" } else { cell });
        let spoilt = spoilt.collect::<Vec<_>>().join(",");
        long += if row == 10_415 { &spoilt } else { &line };
    }
    home.write("churn/train.csv", long);
    insta::assert_snapshot!(rows.tried("`abc` on line 10,417 of a column said to be numeric", &home, "train"), @r#"
    exit 1
    --- stderr
    error: train.csv row 10416 column `age`: `abc` is not a number
      try: mend the cell; or `[data] missing = ["abc"]` if it means missing; or `[columns] age = "categorical"` if it is a name
    "#);

    let home = with_settings("train.csv", "train.csv.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(customers().as_bytes()).expect("packed");
    let packed = packed.finish().expect("packed");
    home.write("churn/train.csv.gz", &packed[..packed.len() / 2]);
    insta::assert_snapshot!(rows.tried("gzip that was cut off", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv.gz: the file ends in the middle
      try: it was cut off, perhaps by a download or a full disk: fetch it again
    ");

    home.write("churn/train.csv.gz", customers());
    insta::assert_snapshot!(rows.tried("named .gz, and plain text", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv.gz: its name says it is packed, its bytes do not
      try: rename it to what it is, or pack it
    ");

    let mut latin = customers().into_bytes();
    let at = latin.windows(5).position(|word| word == b"basic").expect("a plan");
    latin[at] = 0xe9;
    insta::assert_snapshot!(rows.tried("not UTF-8", &with_data(latin), "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: row 1 column `plan` is not UTF-8 text
      try: save it as UTF-8, such as: `iconv -f WINDOWS-1252 -t UTF-8 train.csv`
    ");

    insta::assert_snapshot!(rows.tried("an empty file", &with_data(""), "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: the file is empty
      try: a table has a header line and at least one row
    ");
    let header = "customer,age,plan,churned\n";
    insta::assert_snapshot!(rows.tried("a header without rows", &with_data(header), "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: it has a header and no rows
      try: check how the file was made
    ");

    let home = project();
    std::fs::remove_file(home.join("churn/train.csv")).expect("removed");
    insta::assert_snapshot!(rows.tried("a missing file", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: there is no such file
      try: paths in mlx.toml are relative to its folder, others to yours
    ");
    std::fs::create_dir(home.join("churn/train.csv")).expect("a folder");
    insta::assert_snapshot!(rows.tried("a folder where a file should be", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: it is a folder
      try: name a file in it, or all: `train.csv/*.csv`
    ");

    let home = with_settings("train.csv", "parts/*.csv");
    insta::assert_snapshot!(rows.tried("a glob that no file matches", &home, "train"), @"
    exit 1
    --- stderr
    error: no file matches `parts/*.csv`
      try: check the folder and the pattern: `*` is any part of one name, `**` any folders
    ");

    let home = with_settings("train.csv", "train.parquet");
    home.write("churn/train.parquet", [b"PAR1", [b'?'; 200].as_slice(), b"PAR1"].concat());
    insta::assert_snapshot!(rows.tried("Parquet that is none", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.parquet: it is not whole as a Parquet file: EOF: Parquet file too small. Size is 208 but need [ID]
      try: write it again; a file in another format needs a name that says so, such as .csv
    ");
    let home = with_settings("train.csv", "train.xlsx");
    home.write("churn/train.xlsx", b"PK\x03\x04 what Excel writes");
    insta::assert_snapshot!(rows.tried("a format that mlx does not read", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.xlsx: it is no table that mlx reads
      try: save it as CSV; mlx reads csv, jsonl, parquet, arrow and svmlight
    ");
    let home = with_settings("train.csv", "train.jsonl");
    home.write("churn/train.jsonl", "{\"age\": 1, \"churned\": \"no\"}\n{\"age\": 2,\n");
    insta::assert_snapshot!(rows.tried("JSON lines with a broken line", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.jsonl: line 2 is not JSON: EOF while parsing a value at column 0
      try: mend the line, or leave it out
    ");

    let same = customers().replace(",yes\n", ",no\n");
    insta::assert_snapshot!(rows.tried("a target with one class", &with_data(same), "train"), @"
    exit 1
    --- stderr
    error: the target `churned` of train.csv has one class, `no`
      try: there is nothing to tell apart: check the file and `data.target`
    ");
    let unsaid = customers().replacen(",no\n", ",\n", 1);
    insta::assert_snapshot!(rows.tried("a row whose target is empty", &with_data(unsaid), "train"), @"
    exit 1
    --- stderr
    error: train.csv row 2 column `churned`: the target is missing
      try: leave out the rows that have no target
    ");

    let home = with_settings("\"churned\"", "\"chruned\"");
    insta::assert_snapshot!(rows.tried("a typo in the target's name", &home, "train"), @"
    exit 1
    --- stderr
    error: train.csv has no column `chruned`
      try: did you mean `churned`?
    ");
    let home = with_data(customers().replacen("plan", "age", 1));
    insta::assert_snapshot!(rows.tried("two columns of one name", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read train.csv: columns 2 and 3 are both named `age`
      try: rename one of them in the header
    ");
    let lines: Vec<_> = customers().lines().take(3).map(str::to_owned).collect();
    let few = lines.join("\n");
    insta::assert_snapshot!(rows.tried("two rows", &with_data(few), "train"), @"
    exit 1
    --- stderr
    error: the split leaves no row for validation
      try: give more rows or groups, or other shares in `data.split`
    ");
    let home = with_more("[columns]\nage = \"ignore\"\nplan = \"ignore\"");
    insta::assert_snapshot!(rows.tried("nothing to learn from", &home, "train"), @"
    exit 1
    --- stderr
    error: the training data has no column to learn from
      try: columns of text and ids are left out: say under [columns] what they are
    ");

    let home = with_tests(&customers().replacen(",no\n", ",maybe\n", 1));
    insta::assert_snapshot!(rows.tried("a class in the test file that training has not", &home, "train"), @"
    exit 1
    --- stderr
    error: test.csv row 2 column `churned`: the class `maybe` is in no row of the training data
      try: a model can't say a class that it never saw: leave these rows out
    ");
    let home = with_tests(&customers().replacen("plan", "tariff", 1));
    insta::assert_snapshot!(rows.tried("a test file without one of the columns", &home, "train"), @"
    exit 1
    --- stderr
    error: test.csv has no column `plan`, which train.csv has
      try: test data has the columns of the training data
    ");
    let home = with_tests("");
    insta::assert_snapshot!(rows.tried("an empty test file", &home, "train"), @"
    exit 1
    --- stderr
    error: cannot read test.csv: the file is empty
      try: a table has a header line and at least one row
    ");

    let home = forecasting(sales().replacen("2024-01-09", "2024-13-09", 1));
    insta::assert_snapshot!(rows.tried("a month that the year has not", &home, "train"), @r#"
    exit 1
    --- stderr
    error: train.csv row 9 column `ds`: `2024-13-09` is not a time that mlx reads
      try: write times like 2024-05-31 or 2024-05-31T12:30:00+02:00; or `[columns] ds = "categorical"`
    "#);
    let home = forecasting(sales().replacen("2024-01-10,north", "2024-01-09,north", 1));
    insta::assert_snapshot!(rows.tried("a series with one time twice", &home, "train"), @"
    exit 1
    --- stderr
    error: train.csv row 10 repeats train.csv row 9: both are series `north` at 2024-01-09
      try: one row a series and time: sum them up, or name what tells them apart in `data.series`
    ");
    let home = forecasting("ds,shop,sold\n2024-01-01,north,1\n2024-01-02,north,2\n");
    insta::assert_snapshot!(rows.tried("a series shorter than the horizon", &home, "train"), @"
    exit 1
    --- stderr
    error: no series of train.csv is long enough for a horizon of 7: 15 times are the least
      try: use a shorter `data.horizon`, or more history
    ");

    let home = with_data([b"\xef\xbb\xbf", customers().as_bytes()].concat());
    assert!(
        home.mlx_in("churn", "data check").ok().stdout().contains("customer"),
        "a BOM is no error"
    );
    rows.end();
}

/// The project with a test file of its own.
fn with_tests(test: &str) -> Home {
    let home = project();
    let settings = SETTINGS.replacen("[data]\n", "[data]\ntest = \"test.csv\"\n", 1);
    home.write("churn/mlx.toml", settings);
    home.write("churn/test.csv", test);
    home
}
