//! `mlx data check`: what it finds in good data, and what it says of bad.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::support::Home;

const CLASSIFICATION: &str = "[project]\nname = \"churn\"\ntask = \"classification\"\n\n[data]\ntrain = \"train.csv\"\ntarget = \"churned\"\n";

const FORECASTING: &str = "[project]\nname = \"sales\"\ntask = \"forecasting\"\n\n[data]\ntrain = \"train.csv\"\ntarget = \"y\"\ntime = \"ds\"\nseries = \"shop\"\nhorizon = 2\n";

/// A small table with signal, a gap, an id and two classes.
fn customers(rows: usize) -> String {
    let mut text = String::from("customer,age,plan,partner,churned\n");
    for row in 1..=rows {
        let age = if row % 9 == 0 { String::new() } else { (20 + row * 7 % 50).to_string() };
        let plan = ["basic", "plus", "pro"][row * 5 % 3];
        let partner = if row % 2 == 0 { "Yes" } else { "No" };
        let churned = if row * 13 % 5 == 0 { "yes" } else { "no" };
        let _ = writeln!(text, "C{row:05},{age},{plan},{partner},{churned}");
    }
    text
}

fn project(settings: &str, train: impl AsRef<[u8]>) -> Home {
    let home = Home::new();
    home.write("mlx.toml", settings);
    home.write("train.csv", train);
    home
}

/// The error of a project whose training file is this.
fn broken(train: impl AsRef<[u8]>) -> String {
    project(CLASSIFICATION, train).mlx("data check").fails_with(1).stderr()
}

/// The error of a file looked at by itself.
fn broken_file(name: &str, content: impl AsRef<[u8]>) -> String {
    let home = Home::new();
    home.write(name, content);
    home.mlx(&format!("data check {name}")).fails_with(1).stderr()
}

#[test]
fn good_data_is_described() {
    let home = project(CLASSIFICATION, customers(100));
    insta::assert_snapshot!(home.mlx("data check").show(), @r#"
    exit 0
    --- stdout
    file       rows
    train.csv   100

    split: 70 to train, 10 to validate, 20 to test

    column    kind         role     missing  distinct  values
    customer  id           unused         –       100  C00001, C00002, C00003, …
    age       numeric      feature   11.0 %        50  20 to 69
    plan      categorical  feature        –         3  pro, plus, basic
    partner   boolean      feature        –         2  No, Yes
    churned   categorical  target         –         2  no, yes

    class  rows   share  test rows
    no       80  80.0 %          –
    yes      20  20.0 %          –

    note: `customer` is left out: it reads like an id, with 100 distinct texts in 100 rows (else `[columns] customer = "categorical"`)

    nothing is wrong with this data
    "#);
}

#[test]
fn the_json_form_says_the_same() {
    let home = project(CLASSIFICATION, customers(100));
    let report = home.mlx("data check --json").ok().json();
    assert_eq!(report["split"], serde_json::json!({ "train": 70, "valid": 10, "test": 20 }));
    assert_eq!(report["columns"][1]["name"], "age");
    assert_eq!(report["columns"][1]["kind"], "numeric");
    assert_eq!(report["classes"][0]["class"], "no");
    assert_eq!(report["files"][0]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn what_is_suspicious_is_a_warning_and_no_failure() {
    let mut text = String::from("id,refund,ticket,one,churned\n");
    for row in 0..200 {
        let churned = row % 7 == 0;
        let refund = if churned { 20 + row % 5 } else { 0 };
        let ticket = row * 7919 % 100_003;
        let answer = if churned { "yes" } else { "no" };
        let _ = writeln!(text, "{},{refund},{ticket},1,{answer}", row / 2 * 3);
    }
    let home = project(&format!("{CLASSIFICATION}id = \"id\"\n"), text);
    insta::assert_snapshot!(home.mlx("data check").show(), @r#"
    exit 0
    --- stdout
    file       rows
    train.csv   200

    split: 140 to train, 20 to validate, 40 to test

    column   kind         role     missing  distinct  values
    id       id           id             –       100  0, 3, 6, …
    refund   numeric      feature        –         6  0 to 24
    ticket   numeric      feature        –       200  0 to 99798
    one      numeric      feature        –         1  1 to 1
    churned  categorical  target         –         2  no, yes

    class  rows   share  test rows
    no      171  85.5 %          –
    yes      29  14.5 %          –

    warning: `refund` alone predicts `churned` (balanced accuracy 1.000 on rows it was not fitted on): is it known when the prediction is made? else `[columns] refund = "ignore"`
    warning: `ticket` looks like an id: 200 distinct integers in 200 rows; if it is one, `[columns] ticket = "id"`
    warning: `one` has the same value in every row
    warning: 100 rows repeat an id of `id`

    the data can be used; look at the 4 warnings first
    "#);
}

#[test]
fn series_are_described_and_their_gaps_named() {
    let mut text = String::from("shop,ds,y\n");
    for shop in ["a", "b"] {
        for day in 1..=20 {
            if shop == "a" || day != 7 {
                let _ = writeln!(text, "{shop},2024-01-{day:02},{}", day * 3 % 10);
            }
        }
    }
    let home = project(FORECASTING, text);
    insta::assert_snapshot!(home.mlx("data check").show(), @"
    exit 0
    --- stdout
    file       rows
    train.csv    39

    split: 31 to train, 4 to validate, 4 to test

    column  kind       role    missing  distinct  values
    shop    id         series        –         2  a, b
    ds      timestamp  time          –        20  2024-01-01 to 2024-01-20
    y       numeric    target        –        10  0 to 9

    2 series, step D, 2024-01-01 to 2024-01-20, 20 to 20 steps long, 1 without a value

    warning: 1 steps in 1 of 2 series have no value, the first at 2024-01-07 of `b`

    the data can be used; look at the warning first
    ");
}

#[test]
fn a_file_needs_no_project() {
    let home = Home::new();
    home.write(
        "a;b.csv",
        "when;price;note\n2024-05-31T12:30:00+02:00;1,5;x\n2024-06-01T12:30:00+02:00;2,25;y\n",
    );
    insta::assert_snapshot!(home.mlx("data check a;b.csv").show(), @"
    exit 0
    --- stdout
    file     rows
    a;b.csv     2

    column  kind         role     missing  distinct  values
    when    timestamp    feature        –         2  2024-05-31T10:30:00+00:00 to 2024-06-01T10:30:00+00:00
    price   numeric      feature        –         2  1.5 to 2.25
    note    categorical  feature        –         2  x, y

    note: times of `when` carry a zone: shown on the clock of +00:00 (`data.timezone`)
    note: numbers are written with a decimal comma (say otherwise by `data.decimal`)

    nothing is wrong with this data
    ");
}

#[test]
fn cells_that_do_not_fit_name_file_row_and_column() {
    let mut text = String::from("age,churned\n");
    for row in 1..=12_000 {
        let age = if row == 10_417 { "abc".into() } else { format!("{}.5", row % 80) };
        let _ = writeln!(text, "{age},{}", if row % 3 == 0 { "yes" } else { "no" });
    }
    insta::assert_snapshot!(broken(&text), @r#"
    error: train.csv row 10417 column `age`: `abc` is not a number
      try: mend the cell; or `[data] missing = ["abc"]` if it means missing; or `[columns] age = "categorical"` if it is a name
    "#);
    let dates = |first: &str| {
        let mut text = String::from("when,churned\n");
        for row in 1..=60 {
            let when =
                if row == 31 { first.to_owned() } else { format!("2024-01-{:02}", row % 28 + 1) };
            let _ = writeln!(text, "{when},{}", if row % 3 == 0 { "yes" } else { "no" });
        }
        text
    };
    insta::assert_snapshot!(broken(dates("2024-02-31")), @r#"
    error: train.csv row 31 column `when`: `2024-02-31` is not a time that mlx reads
      try: write times like 2024-05-31 or 2024-05-31T12:30:00+02:00; or `[columns] when = "categorical"`
    "#);
    insta::assert_snapshot!(broken("age,churned\n1,yes\n2\n"), @"
    error: cannot read train.csv: row 2 (line 3) has 1 cells where the header has 2
      try: a cell that holds the delimiter needs quotes; another delimiter is `data.delimiter`
    ");
    insta::assert_snapshot!(broken("age,churned\n1,yes\n\"2,no\n3,yes\n"), @"
    error: cannot read train.csv: row 2 (line 3) has 1 cells where the header has 2
      try: a quote that opens in this row may never close
    ");
    insta::assert_snapshot!(broken(b"age,churned\n1,yes\n2,caf\xe9\n"), @"
    error: cannot read train.csv: row 2 column `churned` is not UTF-8 text
      try: save it as UTF-8, such as: `iconv -f WINDOWS-1252 -t UTF-8 train.csv`
    ");
    insta::assert_snapshot!(broken("age,churned\n1,yes\n2,\n3,no\n"), @"
    error: train.csv row 2 column `churned`: the target is missing
      try: leave out the rows that have no target
    ");
}

#[test]
fn a_day_before_the_month_is_asked_about() {
    let mut text = String::from("when,churned\n");
    for row in 0..60 {
        let _ =
            writeln!(text, "{:02}/03/2024,{}", row % 28 + 1, if row % 3 == 0 { "y" } else { "n" });
    }
    insta::assert_snapshot!(broken(&text), @"
    error: train.csv row 13 column `when`: `13/03/2024` is not a time that mlx reads
      try: if it has the day first, say so: `[data] day_first = true`
    ");
    let home = project(&format!("{CLASSIFICATION}day_first = true\n"), text);
    home.mlx("data check").ok();
}

#[test]
fn headers_are_checked() {
    insta::assert_snapshot!(broken("age,age,churned\n1,2,yes\n"), @"
    error: cannot read train.csv: columns 1 and 2 are both named `age`
      try: rename one of them in the header
    ");
    insta::assert_snapshot!(broken(",age,churned\n0,2,yes\n"), @"
    error: cannot read train.csv: column 1 has no name
      try: give every column a name in the header; pandas leaves out its own with `to_csv(index=False)`
    ");
    insta::assert_snapshot!(broken("age,churnd\n1,yes\n2,no\n"), @"
    error: train.csv has no column `churned`
      try: did you mean `churnd`?
    ");
    insta::assert_snapshot!(broken("age,x\n1,yes\n2,no\n"), @"
    error: train.csv has no column `churned`
      try: its columns are: age, x
    ");
}

#[test]
fn files_that_hold_nothing_or_are_not_there() {
    insta::assert_snapshot!(broken(""), @"
    error: cannot read train.csv: the file is empty
      try: a table has a header line and at least one row
    ");
    insta::assert_snapshot!(broken("age,churned\n"), @"
    error: cannot read train.csv: it has a header and no rows
      try: check how the file was made
    ");
    let home = project(CLASSIFICATION, customers(10));
    std::fs::create_dir(home.join("folder")).expect("a folder");
    let mut answers = String::new();
    for line in [
        "trian.csv",
        "folder",
        "nowhere/train.csv",
        "part-*.csv",
        "s3://bucket/train.csv",
        "train.csv --set data.format=cvs",
        "train.csv --set data.taget=x",
    ] {
        let answer = home.mlx(&format!("data check {line}"));
        let _ = writeln!(answers, "{line}: {}{}", answer.code(), answer.stderr());
    }
    insta::assert_snapshot!(answers, @"
    trian.csv: 1error: cannot read trian.csv: there is no such file
      try: did you mean `train.csv`?

    folder: 1error: cannot read folder: it is a folder
      try: name a file in it, or all: `folder/*.csv`

    nowhere/train.csv: 1error: cannot read nowhere/train.csv: there is no such file
      try: the folder [HOME]/nowhere isn't there either

    part-*.csv: 1error: no file matches `part-*.csv`
      try: check the folder and the pattern: `*` is any part of one name, `**` any folders

    s3://bucket/train.csv: 1error: cannot read s3://bucket/train.csv: `s3` is not read yet
      try: download the file and name it by its path

    train.csv --set data.format=cvs: 1error: `cvs` is no format that mlx reads
      try: use one of csv, jsonl, parquet, arrow, svmlight

    train.csv --set data.taget=x: 2error: unknown key `data.taget` in `--set data.taget=x`
      try: did you mean `data.target`?
    ");
    let empty = Home::new();
    insta::assert_snapshot!(empty.mlx("data check").show(), @"
    exit 1
    --- stderr
    error: no mlx.toml here or in any folder above
      try: make a project: `mlx new DIR --template classification`, or go to one: `mlx -C DIR …`
    ");
}

#[test]
fn damaged_files_say_what_is_damaged() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(customers(5000).as_bytes()).expect("packed");
    let packed = packed.finish().expect("packed");
    insta::assert_snapshot!(broken_file("t.csv.gz", &packed[..packed.len() / 2]), @"
    error: cannot read t.csv.gz: the file ends in the middle
      try: it was cut off, perhaps by a download or a full disk: fetch it again
    ");
    insta::assert_snapshot!(broken_file("plain.csv.gz", customers(5)), @"
    error: cannot read plain.csv.gz: its name says it is packed, its bytes do not
      try: rename it to what it is, or pack it
    ");
    insta::assert_snapshot!(broken_file("t.parquet", "PAR1 and no more"), @"
    error: cannot read t.parquet: it is not whole as a Parquet file: Parquet error: Invalid Parquet file. Corrupt footer
      try: write it again; a file in another format needs a name that says so, such as .csv
    ");
    insta::assert_snapshot!(broken_file("t.arrow", "ARROW1 and no more"), @"
    error: cannot read t.arrow: it is not whole as a Arrow file: Parser error: Arrow file does not contain correct footer
      try: write it again; a file in another format needs a name that says so, such as .csv
    ");
    insta::assert_snapshot!(broken_file("t.jsonl", "{\"a\": 1}\n{\"a\": 1,}\n"), @"
    error: cannot read t.jsonl: line 2 is not JSON: trailing comma at column 9
      try: mend the line, or leave it out
    ");
    insta::assert_snapshot!(broken_file("t.jsonl", "[{\"a\": 1}]\n"), @"
    error: cannot read t.jsonl: line 1 is an array, not an object
      try: JSON lines have one object a line: `jq -c '.[]' FILE` makes them of an array
    ");
    insta::assert_snapshot!(broken_file("t.jsonl", "{\"a\": 1}\n{\"a\": [1, 2]}\n"), @"
    error: cannot read t.jsonl: row 2 column `a` holds [1,2]
      try: a cell is a text, a number, true, false or null: flatten the rest first
    ");
    insta::assert_snapshot!(broken_file("t.svm", "1 qid:1 1:0.5\n0 1:x\n"), @"
    error: cannot read t.svm: line 2 gives feature 1 the value `x`, not a number
      try: a line reads like `2 qid:7 1:0.5 9:1.25`; a file in another format needs a name that says so
    ");
    insta::assert_snapshot!(broken_file("utf16.csv", b"\xff\xfea\x00,\x00b\x00\n\x00"), @"
    error: cannot read utf16.csv: it is UTF-16 text
      try: save it as UTF-8: `iconv -f UTF-16 -t UTF-8 utf16.csv`
    ");
    let home = Home::new();
    home.write("rank.train", "1 1:0.5\n0 1:0.25\n0 2:1\n");
    home.write("rank.train.query", "1\n1\n");
    insta::assert_snapshot!(home.mlx("data check rank.train").stderr(), @"
    error: cannot read rank.train.query: its sizes add up to fewer than the 3 rows of rank.train
      try: the two files belong to different data
    ");
}

#[test]
fn a_target_that_teaches_nothing_is_refused() {
    insta::assert_snapshot!(broken("age,churned\n1,yes\n2,yes\n3,yes\n"), @"
    error: the target `churned` of train.csv has one class, `yes`
      try: there is nothing to tell apart: check the file and `data.target`
    ");
    let settings = format!("{CLASSIFICATION}positive = \"Yes\"\n");
    let home = project(&settings, customers(20));
    insta::assert_snapshot!(home.mlx("data check").stderr(), @"
    error: `data.positive` is `Yes`, which is no class of `churned`
      try: did you mean `yes`?
    ");
    let home = project(CLASSIFICATION, customers(20));
    insta::assert_snapshot!(home.mlx("data check --set data.split.test=0.6 --set data.split.valid=0.6").stderr(), @"
    error: `data.split` holds out 0.6 and 0.6 of the rows, which leaves none to learn from
      try: shares are between 0 and 1, such as `split = { test = 0.2, valid = 0.1 }`
    ");
    insta::assert_snapshot!(home.mlx("data check --set columns.agee=numeric").stderr(), @"
    error: train.csv has no column `agee`
      try: did you mean `age`?
    ");
}

#[test]
fn a_test_file_is_held_against_the_training_file() {
    let settings = format!("{CLASSIFICATION}test = \"test.csv\"\n");
    let home = project(&settings, customers(100));
    let tested = |content: &str| {
        home.write("test.csv", content);
        home.mlx("data check").fails_with(1).stderr()
    };
    insta::assert_snapshot!(tested("customer,age,plan,partner,churned\nC1,30,pro,Yes,no\nC2,31,pro,No,maybe\n"), @"
    error: test.csv row 2 column `churned`: the class `maybe` is in no row of the training data
      try: a model can't say a class that it never saw: leave these rows out
    ");
    insta::assert_snapshot!(tested("customer,Age,plan,partner,churned\nC1,30,pro,Yes,no\n"), @"
    error: test.csv has no column `age`, which train.csv has
      try: is it `Age` there? name columns alike
    ");
    insta::assert_snapshot!(tested("customer,age,plan,partner,churned\nC1,old,pro,Yes,no\n"), @r#"
    error: test.csv row 1 column `age`: `old` is not a number
      try: mend the cell; or `[data] missing = ["old"]` if it means missing; or `[columns] age = "categorical"` if it is a name
    "#);
    insta::assert_snapshot!(tested("customer,age,plan,partner,churned\nC1,30,pro,Yes,\n"), @"
    error: test.csv row 1 column `churned`: the target is missing
      try: leave out the rows that have no target
    ");
    home.write("test.csv", customers(3));
    let shared = "3 of 3 rows of test.csv are in the training file too";
    assert!(home.mlx("data check").ok().stdout().contains(shared));
}

#[test]
fn forecasting_needs_one_row_a_time_and_enough_of_them() {
    let forecast = |text: &str| project(FORECASTING, text).mlx("data check").fails_with(1).stderr();
    insta::assert_snapshot!(forecast("shop,ds,y\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-01,3\n"), @"
    error: train.csv row 3 repeats train.csv row 1: both are series `a` at 2024-01-01
      try: one row a series and time: sum them up, or name what tells them apart in `data.series`
    ");
    insta::assert_snapshot!(forecast("shop,ds,y\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-03,3\n"), @"
    error: no series of train.csv is long enough for a horizon of 2: 5 times are the least
      try: use a shorter `data.horizon`, or more history
    ");
    insta::assert_snapshot!(forecast("shop,ds,y\na,2024-01-01,1\na,,2\na,2024-01-03,3\n"), @"
    error: train.csv row 2 column `ds`: the time is missing
      try: give the row a time, or leave it out
    ");
    insta::assert_snapshot!(forecast("shop,ds,y\na,monday,1\na,2024-01-02,2\na,2024-01-03,3\n"), @r#"
    error: train.csv row 1 column `ds`: `monday` is not a time that mlx reads
      try: write times like 2024-05-31 or 2024-05-31T12:30:00+02:00; or `[columns] ds = "categorical"`
    "#);
    let home = project(
        &format!("{FORECASTING}test = \"test.csv\"\n"),
        "shop,ds,y\na,1,1\na,2,2\na,3,3\na,4,4\n",
    );
    home.write("test.csv", "shop,ds,y\na,4,4\na,5,5\n");
    insta::assert_snapshot!(home.mlx("data check").stderr(), @"
    error: test.csv row 1 is in train.csv too: series `a` at 4
      try: test data is never trained on: leave these rows out of one of the files
    ");
}

/// The data sets of `../shared`, where they are: each reads as what it is.
#[test]
fn real_data_reads() {
    let shared = std::env::var_os("MLX_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        std::path::PathBuf::from,
    );
    let data = shared.join("data");
    if !data.is_dir() {
        // The one line that says why nothing was tested.
        println!("skipped: ../shared is not here");
        return;
    }
    let home = Home::new();
    let check = |train: &str, test: Option<&str>, task: &str, keys: &str| {
        let test = test.map_or(String::new(), |test| format!("test = {:?}\n", data.join(test)));
        home.write(
            "mlx.toml",
            format!(
                "[project]\nname = \"real\"\ntask = \"{task}\"\n[data]\ntrain = {:?}\n{test}{keys}\n",
                data.join(train)
            ),
        );
        home.mlx("data check --json").ok().json()
    };
    let kinds = |report: &serde_json::Value, kind: &str| {
        let columns = report["columns"].as_array().expect("columns").clone();
        columns.iter().filter(|column| column["kind"] == kind).count()
    };

    let adult = check(
        "adult/train.csv.gz",
        Some("adult/test.csv.gz"),
        "classification",
        "target = \"income\"",
    );
    assert_eq!((kinds(&adult, "numeric"), kinds(&adult, "categorical")), (6, 9));
    assert_eq!(adult["classes"][0]["class"], "<=50K");
    assert_eq!(adult["split"], serde_json::json!({ "train": 29305, "valid": 3256, "test": 16281 }));

    let telco = check(
        "telco_churn/train.csv.gz",
        Some("telco_churn/test.csv.gz"),
        "classification",
        "target = \"Churn\"",
    );
    assert_eq!((kinds(&telco, "numeric"), kinds(&telco, "boolean")), (4, 4));

    let letter = check(
        "letter/train.csv.gz",
        Some("letter/test.csv.gz"),
        "classification",
        "target = \"letter\"",
    );
    assert_eq!(
        (kinds(&letter, "numeric"), letter["classes"].as_array().map(Vec::len)),
        (16, Some(26))
    );

    let mammography = check(
        "mammography/train.csv.gz",
        Some("mammography/test.csv.gz"),
        "classification",
        "target = \"label\"",
    );
    assert_eq!(kinds(&mammography, "numeric"), 6);

    let keys = "target = \"label\"\nquery = \"qid\"";
    for (train, test) in [("rank.train.gz", "rank.test.gz"), ("train.svm.gz", "test.svm.gz")] {
        let (train, test) = (format!("lightgbm_rank/{train}"), format!("lightgbm_rank/{test}"));
        let ranking = check(&train, Some(&test), "ranking", keys);
        assert_eq!(ranking["queries"]["queries"], 201);
        assert_eq!(ranking["columns"].as_array().map(Vec::len), Some(302));
        assert_eq!(ranking["split"]["test"], 768);
    }

    let keys = "target = \"y\"\ntime = \"ds\"\nseries = \"unique_id\"\nhorizon = 48";
    let m4 = check("m4_hourly/train.csv.gz", Some("m4_hourly/test.csv.gz"), "forecasting", keys);
    assert_eq!(
        (m4["series"]["series"].as_u64(), m4["split"]["test"].as_u64()),
        (Some(414), Some(19872))
    );
    assert_eq!(m4["split"]["valid"], 414 * 48);

    let keys = "target = \"Passengers\"\ntime = \"Month\"\nhorizon = 24";
    let airline = check("airline_passengers/airline-passengers.csv.gz", None, "forecasting", keys);
    assert_eq!(airline["split"], serde_json::json!({ "train": 96, "valid": 24, "test": 24 }));
    assert_eq!(airline["series"]["last"], "1960-12");

    let etth1 = check(
        "etth1/ETTh1.csv.gz",
        None,
        "forecasting",
        "time = \"date\"\nhorizon = 96\nlayout = \"wide\"",
    );
    assert_eq!(etth1["series"]["series"], 7);
}
