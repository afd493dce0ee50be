//! `mlx predict`: what goes in, what comes out, and in which columns.

use crate::road::Road;
use crate::support::{Home, trained};

fn header(text: &str) -> &str {
    text.lines().next().expect("a header")
}

#[test]
fn classification_takes_what_comes() {
    let home = Home::new();
    trained(&home, "classification");
    let folder = "classification";
    let data = home.read("classification/data/customers.csv");
    let rows: Vec<&str> = data.lines().take(21).collect();
    home.write("classification/in.csv", format!("{}\n", rows.join("\n")));

    let answer = home.mlx_in(folder, "predict -i in.csv -o out.csv").ok();
    assert!(answer.stdout().contains("wrote 20 predictions to"), "{}", answer.show());
    let whole = home.read("classification/out.csv");
    assert_eq!(header(&whole), "customer_id,prediction,prob_no,prob_yes");
    for (line, row) in whole.lines().zip(&rows).skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[0], row.split(',').next().expect("an id"));
        let (no, yes): (f64, f64) = (cells[2].parse().unwrap(), cells[3].parse().unwrap());
        assert!((no + yes - 1.0).abs() < 1e-5);
        assert_eq!(cells[1], if yes > no { "yes" } else { "no" });
    }

    // JSON lines and Parquet hold the same; standard input and output are files as well.
    home.mlx_in(folder, "predict -i in.csv -o out.jsonl").ok();
    let lines = home.read("classification/out.jsonl");
    let first: serde_json::Value = serde_json::from_str(header(&lines)).expect("JSON");
    let cells: Vec<&str> = whole.lines().nth(1).expect("a row").split(',').collect();
    assert_eq!(first["customer_id"], cells[0]);
    assert_eq!(first["prob_yes"].as_f64(), cells[3].parse().ok());
    home.mlx_in(folder, "predict -i in.csv -o out.parquet").ok();
    assert!(std::fs::read(home.join("classification/out.parquet")).unwrap().starts_with(b"PAR1"));
    let piped = home
        .command_in(folder)
        .args(["predict", "-i", "-", "-o", "-"])
        .stdin(std::fs::File::open(home.join("classification/in.csv")).expect("the input"))
        .output()
        .expect("mlx starts");
    assert_eq!(String::from_utf8_lossy(&piped.stdout), whole);

    // A name that says its format is believed; `--format` and `--output-format` speak for the others.
    let piped = |line: &str| {
        let mut command = home.command_in(folder);
        command
            .args(line.split(' '))
            .stdin(std::fs::File::open(home.join("classification/in.csv")).expect("the input"));
        let answer = home.answer(&mut command);
        assert_eq!(answer.code(), 0, "{line}: {}", answer.show());
        answer.stdout()
    };
    assert_eq!(piped("predict -i in.csv -o - --format jsonl"), lines);
    assert_eq!(piped("predict -i - -o - --output-format jsonl"), lines);
    assert_eq!(piped("predict -i - -o - --format csv --output-format jsonl"), lines);
    assert_eq!(piped("predict -i - -o - --format csv"), whole);
    piped("predict -i in.csv -o named.csv --format parquet");
    assert_eq!(home.read("classification/named.csv"), whole);
    piped("predict -i in.csv -o unnamed --format jsonl");
    assert_eq!(home.read("classification/unnamed"), lines);

    // The target is not needed, other columns don't matter, and nothing unseen is fatal.
    let odd: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let mut cells: Vec<&str> = row.split(',').collect();
            cells.pop();
            if at > 0 {
                (cells[1], cells[4], cells[6]) = ("platinum", "", "");
            }
            cells.insert(0, if at == 0 { "extra" } else { "?" });
            cells.join(",")
        })
        .collect();
    home.write("classification/odd.csv", odd.join("\n"));
    home.mlx_in(folder, "predict -i odd.csv -o odd-out.csv").ok();
    let odd = home.read("classification/odd-out.csv");
    assert_eq!(header(&odd), header(&whole));
    assert_eq!(odd.lines().count(), 21);
    assert!(!odd.contains("NaN"), "{odd}");

    // A column that it needs is named.
    let without: Vec<String> = rows
        .iter()
        .map(|row| {
            let mut cells: Vec<&str> = row.split(',').collect();
            cells.remove(5);
            cells.join(",")
        })
        .collect();
    home.write("classification/without.csv", without.join("\n"));
    let missing = home.mlx_in(folder, "predict -i without.csv -o no.csv").fails_with(1);
    assert!(missing.stderr().contains("tenure_months"), "{}", missing.show());
    assert!(!home.join("classification/no.csv").exists());
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_read() {
    let home = Home::new();
    insta::assert_snapshot!(home.mlx("predict -i in.csv -o - --json").show(), @r#"
    exit 2
    --- stdout
    {"schema":"mlx.error/1","error":{"code":2,"kind":"usage","message":"`--json` and `-o -` both answer on standard output","hint":"for predictions as JSON lines, without `--json`: `-o - --output-format jsonl`"}}
    --- stderr
    error: `--json` and `-o -` both answer on standard output
      try: for predictions as JSON lines, without `--json`: `-o - --output-format jsonl`
    "#);
    insta::assert_snapshot!(home.mlx("predict -i in.csv -o out.csv --rolling 0").show(), @"
    exit 2
    --- stderr
    error: `--rolling 0` would never move on
      try: use 1 or more
    ");
}

#[test]
fn predictions_do_not_replace_what_they_are_made_from() {
    let home = Home::new();
    super::train::project(&home);
    home.mlx_in("churn", "train -q --max-epochs 1").ok();
    let rows = home.read("churn/data/train.csv");
    home.write("churn/new.csv", &rows);
    std::os::unix::fs::symlink("new.csv", home.join("churn/link.csv")).expect("a link");
    insta::assert_snapshot!(home.mlx_in("churn", "predict -q -i new.csv -o new.csv").show(), @"
    exit 2
    --- stderr
    error: the predictions would replace [HOME]/churn/new.csv, the file that they are made from
      try: name another file with `-o`
    ");
    for (input, output) in [
        ("new.csv", "./data/../new.csv"),
        ("new.csv", "link.csv"),
        ("link.csv", "new.csv"),
        ("n*.csv", "new.csv"),
    ] {
        home.mlx_in("churn", &format!("predict -q -i {input} -o {output}")).fails_with(2);
        assert_eq!(home.read("churn/new.csv"), rows, "-i {input} -o {output}");
    }
    // Another file is replaced, as before.
    for _ in 0..2 {
        home.mlx_in("churn", "predict -q -i new.csv -o scores.csv").ok();
    }
    assert!(home.read("churn/scores.csv").starts_with("id,prediction,"));

    // How files are read is the model's by now: no setting of the project's mends a cell.
    home.write("churn/bad.csv", "id,age,plan\n1,lots,pro\n");
    insta::assert_snapshot!(home.mlx_in("churn", "predict -q -i bad.csv -o scores.csv").show(), @"
    exit 1
    --- stderr
    error: [HOME]/churn/bad.csv row 1 column `age`: `lots` is not a number
      try: mend the cell: the model knows `age` as numbers
    ");
}

#[test]
fn forecasts_follow_each_series_and_roll() {
    let home = Home::new();
    trained(&home, "forecasting");
    let answer =
        home.mlx_in("forecasting", "predict -i data/sales.csv -o out.csv --json").ok().json();
    let out = home.read("forecasting/out.csv");
    let columns: Vec<&str> = header(&out).split(',').collect();
    assert_eq!(columns[..4], ["store", "item", "date", "prediction"]);
    let quantiles = &columns[4..];
    assert!(["q0.1", "q0.5", "q0.9"].iter().all(|level| quantiles.contains(level)), "{columns:?}");
    assert_eq!(answer["predictions"], out.lines().count() - 1);
    // The day after the last, for every series.
    let data = home.read("forecasting/data/sales.csv");
    let last = data.lines().skip(1).map(|row| row.split(',').next().unwrap()).max().unwrap();
    let first = out.lines().nth(1).unwrap().split(',').nth(2).unwrap();
    assert!(first > last, "{first} follows {last}");
    for line in out.lines().skip(1) {
        let rising: Vec<f64> = line.split(',').skip(4).map(|cell| cell.parse().unwrap()).collect();
        assert!(rising.is_sorted(), "{line}");
    }

    home.mlx_in("forecasting", "predict -i data/sales.csv -o roll.csv --rolling 100").ok();
    let roll = home.read("forecasting/roll.csv");
    assert!(header(&roll).starts_with("store,item,date,cutoff,step,prediction,q0.1,"));
    let first: Vec<&str> = roll.lines().nth(1).unwrap().split(',').collect();
    assert_eq!((first[2], first[4]), (first[3], "0"));
    // No forecast reaches beyond what was observed, so that each can be scored.
    assert!(roll.lines().skip(1).all(|row| row.split(',').nth(2).unwrap() <= last));
    let from = home.mlx_in(
        "forecasting",
        &format!("predict -i data/sales.csv -o from.csv --rolling 100 --from {}", first[3]),
    );
    from.ok();
    assert_eq!(home.read("forecasting/from.csv"), roll);
    let never = "predict -q -i data/sales.csv -o from.csv --rolling 100 --from never";
    let never = home.mlx_in("forecasting", never).fails_with(1);
    assert!(never.stderr().contains("`never` is not a time of the input"), "{}", never.show());
}

#[test]
fn rankings_keep_their_rows_and_rank_within_queries() {
    let home = Home::new();
    trained(&home, "ranking");
    home.mlx_in("ranking", "predict -i data/searches.csv -o out.csv").ok();
    let out = home.read("ranking/out.csv");
    assert_eq!(header(&out), "query_id,product_id,score,rank");
    let data = home.read("ranking/data/searches.csv");
    assert_eq!(out.lines().count(), data.lines().count());
    let rows: Vec<Vec<&str>> = out.lines().skip(1).map(|row| row.split(',').collect()).collect();
    let first: Vec<_> = rows.iter().take_while(|row| row[0] == rows[0][0]).collect();
    for a in &first {
        for b in &first {
            let (score_a, score_b): (f64, f64) = (a[2].parse().unwrap(), b[2].parse().unwrap());
            let (rank_a, rank_b): (usize, usize) = (a[3].parse().unwrap(), b[3].parse().unwrap());
            assert!(score_a <= score_b || rank_a < rank_b);
        }
    }
    let mut ranks: Vec<usize> = first.iter().map(|row| row[3].parse().unwrap()).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, (1..=first.len()).collect::<Vec<_>>());
    let rolling = home.mlx_in("ranking", "predict -q -i data/searches.csv -o out.csv --rolling 3");
    insta::assert_snapshot!(rolling.show(), @"
    exit 2
    --- stderr
    error: `--rolling` is for forecasting, and this model is for ranking
      try: leave it out
    ");
}

#[test]
fn a_registered_model_scores_as_its_run_did_wherever_it_is_pulled_to() {
    Road::both(|road| {
        let [better, worse] = road.trained();
        road.mlx(&format!("register {better}")).ok();
        road.mlx(&format!("register {worse}")).ok();
        road.mlx("promote churn/1 --to production").ok();
        road.mlx("models pull churn@production -o pulled").ok();
        let scores = |model: &str| {
            road.mlx(&format!("predict {model} -i data/test.csv -o scores.csv")).ok();
            road.home.read("churn/scores.csv")
        };
        let run = scores(&format!("run:{better}"));
        for name in [
            "churn/1",
            "models:/churn/1",
            "churn@production",
            "models:/churn@production",
            "./pulled",
        ] {
            assert_eq!(scores(name), run, "{name}");
        }
        assert_ne!(scores("churn"), run, "the latest is the other one");
        // The pointer moves, and what it means with it.
        road.mlx("promote churn/2 --to production").ok();
        assert_eq!(scores("churn@production"), scores("churn/2"));
        road.mlx("rollback churn --env production").ok();
        assert_eq!(scores("churn@production"), run);
    });
}
