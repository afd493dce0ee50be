//! Covariates from data to forecasts, on shops whose sales are made of known parts.

use candle_core::Device;
use rand::Rng;

use super::tests::finished;
use crate::data::series::tests::{column, long, settings};
use crate::data::{DataSettings, Dataset, SeriesSet, Table, Values};
use crate::model::{Example, ForecastingModel, Model};
use crate::sys::random::{Purpose, stream};

const DAYS: i64 = 240;
const HORIZON: i64 = 14;
const SHOPS: usize = 6;
/// What is quick, of every kind.
const KINDS: [&str; 5] = ["naive", "seasonal-naive", "seasonal-regression", "ridge", "trees"];

/// A day of a shop.
#[derive(Clone, Debug)]
struct Day {
    shop: usize,
    day: i64,
    promo: bool,
    price: f64,
    event: Option<&'static str>,
    sales: f64,
}

/// Sales of shops with a weekly rhythm that their region sets, times what promotions, prices and events do.
fn days(seed: u64) -> Vec<Day> {
    let random = &mut stream(seed, Purpose::Sample, 0);
    let events: Vec<Option<&'static str>> = (0..DAYS)
        .map(|_| match random.random::<f64>() {
            draw if draw < 0.05 => Some("match"),
            draw if draw < 0.08 => Some("strike"),
            _ => None,
        })
        .collect();
    let mut days = Vec::new();
    for shop in 0..SHOPS {
        let size = 50.0 * (shop + 1) as f64;
        let week = if region(shop) == "north" {
            [1.0, 0.9, 0.9, 1.0, 1.3, 1.6, 0.6]
        } else {
            [1.2, 1.2, 1.1, 1.1, 1.0, 0.7, 0.5]
        };
        let (mut promo, mut price) = (false, 10.0);
        for day in 0..DAYS {
            if random.random::<f64>() < 0.2 {
                promo = random.random::<f64>() < 0.5;
            }
            if random.random::<f64>() < 0.1 {
                price = 8.0 + 4.0 * random.random::<f64>();
            }
            let event = events[day as usize];
            let lift = if promo { 1.5 } else { 1.0 };
            let happens = match event {
                Some("match") => 1.6,
                Some(_) => 0.4,
                None => 1.0,
            };
            let noise = 1.0 + 0.1 * (random.random::<f64>() - 0.5);
            let usual = size * week[day as usize % 7] * (1.0 + day as f64 / 1000.0);
            let sales = usual * lift * happens * (price / 10.0_f64).powf(-1.2) * noise;
            days.push(Day { shop, day, promo, price, event, sales });
        }
    }
    days
}

fn region(shop: usize) -> &'static str {
    if shop.is_multiple_of(2) { "north" } else { "south" }
}

fn names<'a>(of: impl Iterator<Item = Option<&'a str>>) -> Values {
    Values::Texts(of.collect())
}

fn sales(days: &[Day]) -> Table {
    let keys: Vec<String> = days.iter().map(|day| format!("shop {}", day.shop)).collect();
    let base: Vec<(&str, i64, f64)> =
        keys.iter().zip(days).map(|(key, day)| (key.as_str(), day.day, day.sales)).collect();
    let mut table = long(&base);
    let flags = days.iter().map(|day| Some(if day.promo { "true" } else { "false" }));
    table.columns.push(column("promo", names(flags)));
    table
        .columns
        .push(column("price", Values::Numbers(days.iter().map(|day| day.price).collect())));
    table.columns.push(column("event", names(days.iter().map(|day| day.event))));
    table.columns.push(column("region", names(days.iter().map(|day| Some(region(day.shop))))));
    table
}

fn plain() -> DataSettings {
    DataSettings { horizon: Some(HORIZON as usize), season: Some(7), ..settings() }
}

fn told() -> DataSettings {
    DataSettings {
        known_future: vec!["promo".into(), "price".into(), "event".into()],
        static_columns: vec!["region".into()],
        ..plain()
    }
}

fn dataset(days: &[Day]) -> Dataset {
    let part = |from: i64, to: i64| {
        let taken: Vec<Day> =
            days.iter().filter(|day| (from..to).contains(&day.day)).cloned().collect();
        sales(&taken)
    };
    Dataset {
        train: part(0, DAYS - 2 * HORIZON),
        valid: part(DAYS - 2 * HORIZON, DAYS - HORIZON),
        test: part(DAYS - HORIZON, DAYS),
        stream: None,
        sources: vec![],
        notices: vec![],
    }
}

fn model(days: &[Day], data: &DataSettings, kinds: &[&'static str]) -> ForecastingModel {
    match finished(&dataset(days), data, kinds).model {
        Model::Forecasting(model) => model,
        _ => unreachable!("a forecasting learner makes a forecasting model"),
    }
}

fn origins() -> Vec<(usize, i64)> {
    (0..SHOPS).map(|shop| (shop, DAYS - HORIZON)).collect()
}

/// The mean absolute share that forecasts of the held-out days are off by.
fn error(model: &ForecastingModel, days: &[Day]) -> f64 {
    let set = model.series(&[&sales(days)]).unwrap();
    let said = model.forecast(&set, &origins()).unwrap();
    let off = (0..said.point.len()).map(|row| {
        let came = set.at(said.series[row], said.cutoff[row] + said.step[row] as i64);
        (said.point[row] - came).abs() / came
    });
    off.sum::<f64>() / said.point.len() as f64
}

#[test]
fn what_is_known_of_the_future_makes_forecasts_far_better() {
    let days = days(1);
    let (with, without) = (
        error(&model(&days, &told(), &KINDS), &days),
        error(&model(&days, &plain(), &KINDS), &days),
    );
    assert!(with < 0.35 * without, "{with} beside {without}");
    assert!(with < 0.06, "the noise itself is 0.025: {with}");
}

#[test]
fn covariates_that_mean_nothing_do_no_harm_and_are_named() {
    let days = days(2);
    let mut dealt = days.clone();
    let random = &mut stream(9, Purpose::Sample, 1);
    for day in &mut dealt {
        let other = random.random_range(0..days.len());
        day.promo = days[other].promo;
        day.price = days[other].price;
        day.event = days[other].event;
    }
    let with = finished(&dataset(&dealt), &told(), &KINDS);
    assert!(with.notices[0].contains("noise"), "{:?}", with.notices);
    let Model::Forecasting(with) = with.model else { unreachable!() };
    let (with, without) = (error(&with, &dealt), error(&model(&dealt, &plain(), &KINDS), &dealt));
    assert!(with < 1.03 * without, "{with} beside {without}");
}

#[test]
fn a_shop_that_is_known_to_be_closed_sells_nothing_and_is_no_dent_in_its_history() {
    let mut days = days(6);
    for day in &mut days {
        let is_closed = (day.day * 7 + day.shop as i64) % 19 == 0;
        day.event = is_closed.then_some("closed");
        // Only then, so that nothing but closing is learned.
        (day.promo, day.price) = (false, 10.0);
        let usual = [1.0, 0.9, 1.1, 1.0, 1.3, 1.6, 0.6][day.day as usize % 7];
        day.sales =
            if is_closed { 0.0 } else { 50.0 * usual * (1.0 + (day.day % 11) as f64 / 50.0) };
    }
    let model = model(&days, &told(), &["seasonal-naive", "seasonal-regression"]);
    let set = model.series(&[&sales(&days)]).unwrap();
    let said = model.forecast(&set, &origins()).unwrap();
    let mut closed = 0;
    for row in 0..said.point.len() {
        let came = set.at(said.series[row], said.cutoff[row] + said.step[row] as i64);
        closed += usize::from(came == 0.0);
        assert_eq!(said.point[row] == 0.0, came == 0.0);
        assert!(came == 0.0 || (said.point[row] - came).abs() < 0.3 * came, "{row}");
    }
    assert!(closed > 2, "{closed}");
}

#[test]
fn a_shop_of_which_only_closed_days_were_seen_is_no_trouble() {
    let mut days = days(6);
    for day in &mut days {
        let is_new = day.shop == 0 && day.day < DAYS - 2 * HORIZON;
        let is_closed = is_new || (day.day * 7 + day.shop as i64) % 19 == 0;
        (day.promo, day.price, day.event) = (false, 10.0, is_closed.then_some("closed"));
        if is_closed {
            day.sales = 0.0;
        }
    }
    let model = model(&days, &told(), &["seasonal-naive", "trees"]);
    let said = model.forecast(&model.series(&[&sales(&days)]).unwrap(), &origins()).unwrap();
    assert!(said.point.iter().all(|value| value.is_finite() && *value >= 0.0));
}

#[test]
fn only_covariates_within_the_horizon_and_values_before_it_are_read() {
    let days = days(3);
    let model = model(&days, &told(), &KINDS);
    let set = model.series(&[&sales(&days)]).unwrap();
    let at: Vec<(usize, i64)> = vec![(0, 150), (3, 200)];
    let before = model.forecast(&set, &at).unwrap();
    let changed = |change: &dyn Fn(&mut SeriesSet, usize, i64)| {
        let mut other = set.clone();
        for &(series, origin) in &at {
            change(&mut other, series, origin);
        }
        model.forecast(&other, &at).unwrap()
    };
    // Targets from the origin on, and covariates from the end of the horizon on.
    let later = changed(&|set, series, origin| {
        let from = (origin - set.start[series]) as usize;
        set.values[series][from..].fill(-1e9);
        for column in &mut set.covariates.known {
            column.values[series][from + HORIZON as usize..].fill(0.0);
        }
        set.covariates.given[series][from + HORIZON as usize..].fill(false);
    });
    assert_eq!(before, later);
    // What lies before all that is looked back on.
    let reach = (model.spec.look_back() + model.spec.season) as i64;
    let earlier = changed(&|set, series, origin| {
        let to = (origin - reach - set.start[series]).max(0) as usize;
        set.values[series][..to].fill(1e6);
        for column in &mut set.covariates.known {
            column.values[series][..to].fill(0.0);
        }
    });
    for (one, other) in before.point.iter().zip(&earlier.point) {
        assert!((one - other).abs() < 1e-9 * one.abs(), "{one} {other}");
    }
    // Another price within the horizon does.
    let cheaper = changed(&|set, series, origin| {
        let from = (origin - set.start[series]) as usize;
        set.covariates.known[1].values[series][from + 3] *= 0.8;
    });
    assert!(cheaper.point[3] > 1.05 * before.point[3]);
    assert_eq!(cheaper.point[4], before.point[4]);
}

#[test]
fn a_model_with_covariates_answers_alike_when_saved_and_keeps_its_example() {
    let days = days(4);
    let made = model(&days, &told(), &KINDS);
    let spec = serde_json::from_str(&serde_json::to_string(&made.spec).unwrap()).unwrap();
    let again = ForecastingModel::new(spec, made.weights.clone(), &Device::Cpu).unwrap();
    let set = made.series(&[&sales(&days)]).unwrap();
    assert_eq!(made.forecast(&set, &origins()).unwrap(), again.forecast(&set, &origins()).unwrap());

    let train = dataset(&days).train;
    let model = Model::Forecasting(made);
    let example = Example::new(&model, &train).unwrap();
    example.check(&model).unwrap();
    let text = String::from_utf8(example.input.clone()).unwrap();
    assert!(text.contains(r#"["id","t","promo","price","event","region","y"]"#), "{text}");
    assert!(text.trim_end().ends_with("null]\n]}"), "{text}");
}

#[test]
fn a_future_that_is_not_given_is_told_with_series_time_and_column() {
    let days = days(5);
    let model = model(&days, &told(), &["seasonal-naive"]);
    let known: Vec<Day> = days.iter().filter(|day| day.day < DAYS - HORIZON).cloned().collect();
    let set = model.series(&[&sales(&known)]).unwrap();
    let told = model.check_future(&set, &[(0, DAYS - HORIZON)]).unwrap_err();
    assert_eq!(
        told.message(),
        "series `shop 0`: `promo` is in no row at 226, which lies in the forecast of 14 steps from 226"
    );
    let mut table = sales(&days);
    let Values::Numbers(prices) = &mut table.columns[4].values else { panic!("prices") };
    prices[(DAYS - 2) as usize] = f64::NAN;
    let set = model.series(&[&table]).unwrap();
    let told = model.check_future(&set, &[(0, DAYS - HORIZON)]).unwrap_err();
    assert_eq!(
        told.message(),
        "series `shop 0`: `price` is empty at 238, which lies in the forecast of 14 steps from 226"
    );
    // Training has seen days without an event: an empty cell says that there is none.
    assert!(days.iter().any(|day| day.day >= DAYS - HORIZON && day.event.is_none()));
    model.check_future(&set, &[(1, DAYS - HORIZON)]).unwrap();
}
