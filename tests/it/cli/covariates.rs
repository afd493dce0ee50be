//! Forecasts with covariates, from the data to a rollback.

use std::fmt::Write as _;

use crate::support::Home;

const HORIZON: usize = 7;
const DAYS: usize = 120;

/// Sales of two shops that triple on promotion days, and what is known of the week after.
fn shops() -> (String, String) {
    let mut known = String::from("day,shop,region,promo,price,sales\n");
    let mut all = known.clone();
    for (shop, size, region) in [("a", 100.0, "north"), ("b", 30.0, "south")] {
        for day in 0..DAYS {
            let at = (day * 7919 + shop.len() + size as usize) % 101;
            let promo = at.is_multiple_of(5) || at % 7 == 3;
            let price = 4.0 + (at % 4) as f64 / 2.0;
            let week = [1.0, 1.2, 0.8, 1.0, 1.5, 1.9, 0.4][day % 7];
            let sales = size * week * if promo { 3.0 } else { 1.0 } * (4.0 / price)
                + (at as f64 / 101.0 - 0.5) * size / 20.0;
            let row = format!("{day},{shop},{region},{promo},{price}");
            let _ = writeln!(all, "{row},{sales:.3}");
            let told = if day < DAYS - HORIZON { format!("{sales:.3}") } else { String::new() };
            let _ = writeln!(known, "{row},{told}");
        }
    }
    (all, known)
}

fn project(home: &Home, data: &str, model: &str) {
    let (all, known) = shops();
    home.write("shops/sales.csv", all);
    home.write("shops/future.csv", known);
    home.write(
        "shops/mlx.toml",
        format!(
            "[project]\nname = \"shops\"\ntask = \"forecasting\"\n\n[data]\ntrain = \"sales.csv\"\n\
             target = \"sales\"\ntime = \"day\"\nseries = \"shop\"\nhorizon = {HORIZON}\nseason = 7\n{data}\n\
             [model]\n{model}\n\n[train]\ndevice = \"cpu\"\nmax_epochs = 20\n"
        ),
    );
}

const TOLD: &str = "known_future = [\"promo\", \"price\"]\nstatic = \"region\"\n";
const FEW: &str = "kind = \"auto\"\nestimators = [\"seasonal-naive\", \"ridge\"]";

fn mase(home: &Home) -> f64 {
    let eval = home.mlx_in("shops", "eval --json").ok().json();
    let metrics = eval["metrics"].as_array().expect("metrics");
    let mase = metrics.iter().find(|metric| metric["name"] == "mase").expect("one of them");
    mase["value"].as_f64().expect("a number")
}

#[test]
fn covariates_go_the_whole_road() {
    let home = Home::new();
    project(&home, "", FEW);
    home.mlx_in("shops", "train -q").ok();
    let without = mase(&home);

    project(&home, TOLD, FEW);
    let check = home.mlx_in("shops", "data check").ok();
    for (column, role) in [("promo", "known future"), ("region", "static")] {
        let line = check.stdout();
        let line = line.lines().find(|line| line.contains(column)).expect("a line").to_owned();
        assert!(line.contains(role), "{line}");
    }
    let train = home.mlx_in("shops", "train").ok();
    assert!(train.show().contains("promo, price"), "{}", train.show());
    let with = mase(&home);
    assert!(with < 0.4 * without, "{with} beside {without}");
    // From many origins, the last of which reach beyond the data.
    home.mlx_in("shops", "eval --set eval.stride=1").ok();

    home.mlx_in("shops", "predict -i future.csv -o out.csv").ok();
    let out = home.read("shops/out.csv");
    assert_eq!(out.lines().count(), 1 + 2 * HORIZON, "{out}");
    assert!(
        out.lines().nth(1).expect("a row").starts_with(&format!("a,{},", DAYS - HORIZON)),
        "{out}"
    );
    let short = home.read("shops/future.csv");
    let short: String = short
        .lines()
        .filter(|line| !line.starts_with(&format!("{},b", DAYS - 2)))
        .fold(String::new(), |text, line| text + line + "\n");
    home.write("shops/short.csv", short);
    insta::assert_snapshot!(home.mlx_in("shops", "predict -q -i short.csv -o out.csv").show(), @r"
    exit 1
    --- stderr
    error: series `b`: `promo` is in no row at 118, which lies in the forecast of 7 steps from 113
      try: give the rows of the steps to forecast too, with what data.known_future names and an empty `sales`
    ");

    home.mlx_in("shops", "register").ok();
    home.mlx_in("shops", "train -q --set train.seed=8").ok();
    home.mlx_in("shops", "register").ok();
    for version in 1..=2 {
        home.mlx_in("shops", &format!("promote shops/{version} --to production --ungated")).ok();
    }
    let back = home.mlx_in("shops", "rollback shops --env production").ok();
    assert!(back.show().contains("rolled production back to shops/1"), "{}", back.show());
    home.mlx_in("shops", "predict shops@production -i future.csv -o again.csv").ok();
    assert_eq!(home.read("shops/again.csv").lines().count(), out.lines().count());
}

#[test]
fn trees_read_covariates_and_keep_their_example() {
    let home = Home::new();
    project(&home, TOLD, "kind = \"trees\"\nleaves = 7\nmin_rows_per_leaf = 10");
    home.mlx_in("shops", "train -q").ok();
    home.mlx_in("shops", "predict -i future.csv -o out.csv").ok();
    home.mlx_in("shops", "register").ok();
    home.mlx_in("shops", "promote shops/1 --to production --ungated").ok();
    home.mlx_in("shops", "promote shops/1 --to staging --ungated").ok();
    assert!(mase(&home) < 1.0);
}

#[test]
fn covariates_that_cannot_be_are_told() {
    let home = Home::new();
    let refused = |data: &str| {
        project(&home, data, FEW);
        home.mlx_in("shops", "train -q").fails_with(1).stderr()
    };
    insta::assert_snapshot!(refused("known_future = \"prom\""), @r"
    error: sales.csv has no column `prom`
      try: did you mean `promo`?
    ");
    insta::assert_snapshot!(refused("static = \"promo\""), @r"
    error: sales.csv row 2: the static column `promo` of series `a` is `false`, and was `true` in sales.csv row 1
      try: what data.static names stays the same within a series; a column that changes, and whose future is known, is for data.known_future
    ");
    insta::assert_snapshot!(refused("known_future = [\"promo\", \"shop\"]"), @r"
    error: data.known_future names `shop`, which is one of data.series
      try: a covariate is a column of its own, and is in one of data.known_future and data.static
    ");
    insta::assert_snapshot!(refused("known_future = \"promo\"\nstatic = \"promo\""), @r"
    error: data.static names `promo`, which is named twice
      try: a covariate is a column of its own, and is in one of data.known_future and data.static
    ");
    project(&home, TOLD, FEW);
    let sales =
        home.read("shops/sales.csv").replacen("12,a,north,false,4,", "12,a,north,false,cheap,", 1);
    home.write("shops/sales.csv", sales);
    let answer = home.mlx_in("shops", "train -q --set columns.price=numeric").fails_with(1);
    assert!(
        answer.stderr().contains("row 13 column `price`: `cheap` is not a number"),
        "{}",
        answer.show()
    );
}
