//! `mlx promote` through a gate, on trained models: what it lets pass, what it refuses, and where it can't decide.

use serde_json::Value;

use crate::road::Road;
use crate::support::Answer;

const FLOOR: &str = "[gates.production]\naccuracy = { min = 0.75 }\nece = { max = 0.9 }";

#[test]
fn a_good_model_passes_and_a_bad_one_is_refused() {
    Road::both(|road| {
        let [better, worse] = road.trained();
        road.gates(FLOOR);
        road.mlx(&format!("register {better}")).ok();
        road.mlx(&format!("register {worse}")).ok();

        // It never decides on numbers of its own: they are those of `mlx eval`.
        let planned = road.mlx("promote churn/1 --to production --dry-run --json").ok().json();
        for rule in planned["gate"]["rules"].as_array().expect("rules") {
            assert_eq!(rule["candidate"], evaluated(road, "churn/1", &rule["metric"]), "{rule}");
        }
        assert_eq!(events(road), Vec::<Value>::new(), "a dry run moves nothing");

        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(road, &road.mlx("promote churn/1 --to production")), @"
            exit 0
            --- stdout
            checked churn/1: its example of 5 rows is answered as it was
            gate of production, on data/test.csv (100 rows)

            metric  rule  candidate  against  verdict
            accuracy  at least 0.75  [SEEN]  [SEEN]  pass
            ece  at most 0.9  [SEEN]  [SEEN]  pass

            promoted churn/1 to production, where nothing was live
            --- stderr
            checking churn/1 for production
            ");
            insta::assert_snapshot!(shown(road, &road.mlx("promote churn/2 --to production")), @"
            exit 3
            --- stdout
            checked churn/2: its example of 5 rows is answered as it was
            gate of production, on data/test.csv (100 rows)

            metric  rule  candidate  against  verdict
            accuracy  at least 0.75  [SEEN]  [SEEN]  fail
            ece  at most 0.9  [SEEN]  [SEEN]  pass

            no: the gate of production refuses churn/2; nothing was moved
            --- stderr
            checking churn/2 for production
            ");
        }
        assert_eq!(live(road), 1, "what was refused is not live");
        let log = events(road);
        assert_eq!(log.len(), 1, "what was refused is not told of");
        let evidence = &log[0]["evidence"];
        assert_eq!(evidence["decision"], "pass");
        assert_eq!(evidence["rules"], planned["gate"]["rules"]);
        assert_eq!(evidence["model"]["version"], 1);
    });
}

#[test]
fn what_can_not_be_decided_is_inconclusive_and_nothing_moves() {
    Road::both(|road| {
        let [better, _] = road.trained();
        road.mlx(&format!("register {better}")).ok();

        road.gates("[gates.production]\nauc = { no_worse_than = \"production\" }");
        let nothing_live = road.mlx("promote churn/1 --to production");
        road.gates("[gates.production]\n\"auc@plan\" = { min = 0.1 }\nece = { max = 0.9 }");
        let slice = road.mlx("promote churn/1 --to production");
        // One class alone: what compares classes has no value there.
        road.gates("[gates.production]\nauc = { min = 0.1 }\nece = { max = 0.9 }");
        let rows = road.home.read("churn/data/test.csv");
        let only: Vec<_> = rows.lines().filter(|line| !line.ends_with(",yes")).collect();
        road.home.write("churn/data/test.csv", format!("{}\n", only.join("\n")));
        let undefined = road.mlx("promote churn/1 --to production");
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(road, &nothing_live), @"
            exit 5
            --- stdout
            checked churn/1: its example of 5 rows is answered as it was
            gate of production, on data/test.csv (100 rows)

            metric  rule  candidate  against  verdict
            auc  no worse than production  [SEEN]  –  skipped  nothing is live in production yet

            inconclusive: the gate of production can't decide on churn/1; nothing was moved
            --- stderr
            checking churn/1 for production
            ");
            insta::assert_snapshot!(shown(road, &slice), @"
            exit 5
            --- stdout
            checked churn/1: its example of 5 rows is answered as it was
            gate of production, on data/test.csv (100 rows)

            metric  rule  candidate  against  verdict
            auc@plan  at least 0.1  –  [SEEN]  inconclusive  slices (`plan`) are not evaluated yet
            ece  at most 0.9  [SEEN]  [SEEN]  pass

            inconclusive: the gate of production can't decide on churn/1; nothing was moved
            --- stderr
            checking churn/1 for production
            ");
            insta::assert_snapshot!(shown(road, &undefined), @"
            exit 5
            --- stdout
            checked churn/1: its example of 5 rows is answered as it was
            gate of production, on data/test.csv (56 rows)

            metric  rule  candidate  against  verdict
            auc  at least 0.1  –  [SEEN]  inconclusive  undefined on this data
            ece  at most 0.9  [SEEN]  [SEEN]  pass

            inconclusive: the gate of production can't decide on churn/1; nothing was moved
            --- stderr
            checking churn/1 for production
            ");
        }
        assert_eq!(live(road), Value::Null);
        assert_eq!(events(road), Vec::<Value>::new());
    });
}

#[test]
fn no_worse_than_what_is_live_refuses_a_worse_model() {
    Road::both(|road| {
        let [better, worse] = road.trained();
        road.mlx(&format!("register {worse}")).ok();
        road.mlx(&format!("register {better}")).ok();
        road.mlx("promote churn/1 --to staging").ok();
        road.gates("[gates.production]\nauc = { min = 0.1, no_worse_than = \"production\" }\nlogloss = { no_worse_than = \"staging\" }");
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(road, &road.mlx("promote churn/2 --to production")), @"
            exit 0
            --- stdout
            checked churn/2: its example of 5 rows is answered as it was
            gate of production, on data/test.csv (100 rows)

            metric  rule  candidate  against  verdict
            auc  at least 0.1  [SEEN]  [SEEN]  pass
            auc  no worse than production  [SEEN]  –  skipped  nothing is live in production yet
            logloss  no worse than staging  [SEEN]  [SEEN]  pass

            promoted churn/2 to production, where nothing was live
            --- stderr
            checking churn/2 for production
            comparing with churn/1, live in staging
            ");
        }
        // Where the better one is live, the worse is held against it.
        road.gates("[gates.production]\nlogloss = { no_worse_than = \"production\", by = 0.05 }");
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(road, &road.mlx("promote churn/1 --to production")), @"
            exit 3
            --- stdout
            checked churn/1: its example of 5 rows is answered as it was
            gate of production, on data/test.csv (100 rows)

            metric  rule  candidate  against  verdict
            logloss  no worse than production by more than 0.05  [SEEN]  [SEEN]  fail

            no: the gate of production refuses churn/1; nothing was moved
            --- stderr
            checking churn/1 for production
            comparing with churn/2, live in production
            ");
        }
        let refused = road.mlx("promote churn/1 --to production --json").fails_with(3).json();
        let rule = &refused["gate"]["rules"][0];
        assert_eq!(rule["candidate"], evaluated(road, "churn/1", &"logloss".into()));
        assert_eq!(rule["reference"], evaluated(road, "churn/2", &"logloss".into()));
        assert_eq!((live(road), events(road).len()), (2.into(), 2));
        // A gate looks forward; the way back stays open.
        road.mlx("rollback churn --env production").fails_with(1);
        road.gates("");
        road.mlx("promote churn/1 --to production").ok();
        road.gates("[gates.production]\nauc = { min = 1.0 }");
        road.mlx("rollback churn --env production").ok();
        assert_eq!(live(road), 2);
    });
}

#[test]
fn a_metric_that_the_task_does_not_have_is_a_mistake_and_no_decision() {
    let road = Road::embedded();
    let [better, _] = road.trained();
    road.mlx(&format!("register {better}")).ok();
    road.gates(&FLOOR.replace("accuracy", "acuracy"));
    insta::assert_snapshot!(shown(&road, &road.mlx("promote churn/1 --to production")), @"
    exit 1
    --- stderr
    checking churn/1 for production
    error: [gates.production]: the gate asks for `acuracy`, which this task does not have
      try: did you mean `accuracy`?
    ");
    assert_eq!(live(&road), Value::Null);
}

#[test]
fn a_gate_needs_test_rows_that_the_model_did_not_see() {
    let road = Road::embedded();
    let [better, _] = road.trained();
    road.mlx(&format!("register {better}")).ok();
    road.gates("[gates.production]\nauc = { min = 0.1 }");
    let settings = road.home.read("churn/mlx.toml");
    road.home.write("churn/mlx.toml", settings.replace("data/test.csv", "data/train.csv"));
    insta::assert_snapshot!(shown(&road, &road.mlx("promote churn/1 --to production")), @"
    exit 1
    --- stderr
    checking churn/1 for production
    error: churn/1 was trained with another split: it may have learned from the rows that test it
      try: put `data.split` and `data.test` back, or train and register anew
    ");
    assert_eq!(live(&road), Value::Null);
}

#[test]
fn a_test_split_that_is_drawn_anew_decides_nothing() {
    let road = Road::embedded();
    super::train::project(&road.home);
    let settings = road.home.read("churn/mlx.toml");
    let gate = |rules: &str| {
        road.home.write("churn/mlx.toml", format!("{settings}\n[gates.production]\n{rules}\n"));
    };
    let train = || {
        road.mlx("train -q --max-epochs 2").ok();
        road.mlx("register").ok();
    };
    train();
    let rows = road.home.read("churn/data/train.csv");
    gate("accuracy = { min = 0.1 }");
    assert!(
        road.mlx("promote churn/1 --to production --dry-run")
            .ok()
            .stderr()
            .ends_with("production\n")
    );

    // One more row, and the split of all rows is another one.
    road.home.write("churn/data/train.csv", format!("{rows}c400,30,pro,no\n"));
    insta::assert_snapshot!(shown(&road, &road.mlx("promote churn/1 --to production")), @"
    exit 5
    --- stdout
    metric  rule  candidate  against  verdict
    accuracy  at least 0.1  –  [SEEN]  inconclusive  data/train.csv changed since it was trained

    inconclusive: the gate of production can't decide on churn/1; nothing was moved
    --- stderr
    checking churn/1 for production
    warning: churn/1 was trained on other content of data/train.csv than is there now, and may have learned from rows that the test split draws from it now: to decide, train and register anew on the present data; with test rows in a file of their own (`data.test`), it won't happen again
    ");
    assert_eq!(events(&road), Vec::<Value>::new());

    train();
    road.mlx("promote churn/2 --to production").ok();
    // Back to the first content: the first version can be tested again, and not held against the second.
    road.home.write("churn/data/train.csv", &rows);
    road.mlx("promote churn/1 --to staging").ok();
    gate("accuracy = { min = 0.1 }\nauc = { no_worse_than = \"production\" }");
    insta::assert_snapshot!(shown(&road, &road.mlx("promote churn/1 --to production")), @"
    exit 5
    --- stdout
    checked churn/1: its example of 5 rows is answered as it was
    gate of production, on the test split of data/train.csv (80 rows)

    metric  rule  candidate  against  verdict
    accuracy  at least 0.1  [SEEN]  [SEEN]  pass
    auc  no worse than production  [SEEN]  –  inconclusive  version 2, live in production: data/train.csv changed since it was trained

    inconclusive: the gate of production can't decide on churn/1; nothing was moved
    --- stderr
    checking churn/1 for production
    comparing with churn/2, live in production
    warning: churn/2 was trained on other content of data/train.csv than is there now, and may have learned from rows that the test split draws from it now: to decide, ask for limits (`min`, `max`) until a version that was trained on the present data is live in production
    ");
    assert_eq!(live(&road), 2);
}

#[test]
fn a_test_file_of_its_own_outlives_the_training_file() {
    let road = Road::embedded();
    let [better, _] = road.trained();
    road.mlx(&format!("register {better}")).ok();
    road.gates(FLOOR);
    let rows = road.home.read("churn/data/train.csv");
    road.home.write("churn/data/train.csv", format!("{rows}c400,30,pro,no\n"));
    road.mlx("promote churn/1 --to production").ok();
    let evaluated = road.mlx("eval churn/1 --json").ok().json();
    assert_eq!(evaluated["notices"], serde_json::json!([]));
}

/// A metric of `mlx eval`.
fn evaluated(road: &Road, model: &str, metric: &Value) -> Value {
    let found = road.mlx(&format!("eval {model} --json")).ok().json();
    let metrics = found["metrics"].as_array().expect("metrics");
    metrics.iter().find(|row| row["name"] == *metric).expect("the metric")["value"].clone()
}

/// What is live in production.
fn live(road: &Road) -> Value {
    road.mlx("models show churn --json").ok().json()["environments"]["production"].clone()
}

fn events(road: &Road) -> Vec<Value> {
    let history = road.mlx("models history churn --json").ok().json();
    history["events"].as_array().expect("events").clone()
}

/// What was answered, metrics as `[SEEN]`: their last digits are the processor's.
fn shown(road: &Road, answer: &Answer) -> String {
    let seen = |word: &str| {
        word.len() == 8 && word.starts_with("0.") && word[2..].bytes().all(|b| b.is_ascii_digit())
    };
    let text = road.shown(answer);
    let lines = text.lines().map(|line| {
        let words: Vec<_> =
            line.split(' ').map(|word| if seen(word) { "[SEEN]" } else { word }).collect();
        words.join(" ") + "\n"
    });
    lines.collect()
}
