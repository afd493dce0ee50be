//! The learner from data to forecasts, with a loop of its own.

mod nets;

use candle_core::Device;

use crate::data::series::tests::{column, dictionary, long, settings, table};
use crate::data::{DataSettings, Dataset, SeriesSet, Table, Values};
use crate::error::Result;
use crate::model::{Example, ForecastingModel, Forecasts, Model};
use crate::sys::random::{Purpose, stream};
use crate::train::adamw::{AdamW, Moments};
use crate::train::checkpoint::Progress;
use crate::train::course::{Allowance, Cuts, FinishRequest, Finished, Trained};
use crate::train::deadline::Deadline;
use crate::train::estimator::{Common, Request};
use crate::train::learner::Learner;

use super::OFFER;

const CLOSED: [&str; 6] =
    ["naive", "seasonal-naive", "theta", "ets", "seasonal-regression", "ridge"];

fn learner(dataset: &Dataset, data: &DataSettings, kind: &str) -> Result<Box<dyn Learner>> {
    learner_with(dataset, data, kind, ("", ""))
}

/// With settings that all forecasters share.
fn learner_of(
    dataset: &Dataset,
    data: &DataSettings,
    kind: &str,
    shared: &str,
) -> Result<Box<dyn Learner>> {
    learner_with(dataset, data, kind, ("", shared))
}

/// The learner of these settings of its own and these that all share.
fn learner_with(
    dataset: &Dataset,
    data: &DataSettings,
    kind: &str,
    (own, shared): (&str, &str),
) -> Result<Box<dyn Learner>> {
    let estimator = OFFER.estimator(kind)?;
    let model = estimator.read("model", &toml::from_str(own).unwrap(), &OFFER)?;
    (estimator.build)(&Request {
        dataset,
        data,
        model: &model,
        shared: &toml::from_str(shared).unwrap(),
        seed: 7,
        device: &Device::Cpu,
        deadline: &Deadline::open(),
        common: &Common::default(),
    })
}

/// The parts of these kinds, made one model.
pub(super) fn finished(dataset: &Dataset, data: &DataSettings, kinds: &[&'static str]) -> Finished {
    finished_within(dataset, data, kinds, &Allowance::replayed(Cuts::new()))
}

/// The same, where there is time for so much.
pub(super) fn finished_within(
    dataset: &Dataset,
    data: &DataSettings,
    kinds: &[&'static str],
    allowance: &Allowance<'_>,
) -> Finished {
    let parts = kinds
        .iter()
        .map(|&kind| Trained {
            name: kind.to_owned(),
            member: kind.to_owned(),
            fold: None,
            kind,
            model: learner(dataset, data, kind).unwrap().model().unwrap(),
            progress: Progress::default(),
        })
        .collect();
    let shared = toml::Table::new();
    let request = FinishRequest {
        kind: "auto",
        dataset,
        data,
        shared: &shared,
        common: &Common::default(),
        allowance,
    };
    (OFFER.finish)(parts, &request).unwrap()
}

fn forecaster(model: Model) -> ForecastingModel {
    match model {
        Model::Forecasting(model) => model,
        _ => unreachable!("a forecasting learner makes a forecasting model"),
    }
}

/// A few epochs; the best parameters are kept.
fn fit(learner: &dyn Learner, epochs: usize) -> ForecastingModel {
    fit_at(learner, epochs, learner.defaults().learning_rate)
}

fn fit_at(learner: &dyn Learner, epochs: usize, learning_rate: f64) -> ForecastingModel {
    let defaults = learner.defaults();
    let parameters = learner.parameters();
    let mut optimiser = AdamW::new(parameters, &Moments::default()).unwrap();
    let mut step = 0;
    let mut best = (learner.validate().unwrap(), learner.parameters().snapshot().unwrap());
    for epoch in 0..epochs {
        let mut units: Vec<usize> = (0..learner.units()).collect();
        rand::seq::SliceRandom::shuffle(
            units.as_mut_slice(),
            &mut stream(1, Purpose::Shuffle, epoch as u64),
        );
        for batch in units.chunks(defaults.batch) {
            step += 1;
            let random = &mut stream(1, Purpose::Dropout, step as u64);
            let loss = learner.loss(batch, random).unwrap();
            let gradient = parameters.gradient(&loss).unwrap();
            optimiser.step(parameters, &gradient, 1.0, learning_rate, 0.0).unwrap();
        }
        let now = learner.validate().unwrap();
        if now.monitor < best.0.monitor {
            best = (now, learner.parameters().snapshot().unwrap());
        }
    }
    learner.parameters().restore(&best.1).unwrap();
    forecaster(learner.model().unwrap())
}

/// Two seasonal series of different size, with noise, a gap and a short third one.
pub(super) fn rows() -> Vec<(&'static str, i64, f64)> {
    let random = &mut stream(3, Purpose::Sample, 0);
    let mut rows = Vec::new();
    for (name, size, first) in [("big", 1000.0, 0), ("small", 10.0, 5), ("young", 50.0, 150)] {
        for t in first..160 {
            if name == "small" && (40..44).contains(&t) {
                continue;
            }
            let season = [1.0, 1.4, 0.7, 1.1, 0.8][t as usize % 5];
            let noise = 1.0 + 0.05 * (rand::Rng::random::<f64>(random) - 0.5);
            rows.push((name, t, size * season * (1.0 + t as f64 / 200.0) * noise));
        }
    }
    rows
}

pub(super) fn dataset(rows: &[(&'static str, i64, f64)], end: i64) -> Dataset {
    let (train, valid): (Vec<_>, Vec<_>) = rows.iter().copied().partition(|row| row.1 < end);
    Dataset {
        train: long(&train),
        valid: long(&valid),
        test: Table::default(),
        stream: None,
        sources: vec![],
        notices: vec![],
    }
}

fn built(dataset: &Dataset, horizon: usize) -> Box<dyn Learner> {
    let settings = DataSettings { horizon: Some(horizon), ..settings() };
    learner(dataset, &settings, "linear").unwrap()
}

#[test]
fn it_learns_beats_the_naive_and_says_the_same_when_saved() {
    let rows = rows();
    let known: Vec<_> =
        rows.iter().copied().filter(|row| row.1 < 150 || row.0 == "young").collect();
    let learner = built(&dataset(&known, 140), 10);
    let model = fit(&*learner, 3);
    assert_eq!(model.season(), 5);

    let set = model.series(&[&long(&rows)]).unwrap();
    let origins = [(0, 150), (1, 150)];
    let forecasts = model.forecast(&set, &origins).unwrap();
    let error = |point: &[f64]| -> f64 {
        (0..20)
            .map(|row| {
                let series = forecasts.series[row];
                let actual = set.at(series, forecasts.cutoff[row] + forecasts.step[row] as i64);
                (point[row] - actual).abs() / actual
            })
            .sum()
    };
    for (name, baseline) in model.baselines(&set, &origins).unwrap() {
        assert!(error(&forecasts.point) < error(&baseline.point), "{name}");
    }
    for row in 0..forecasts.point.len() {
        for pair in forecasts.quantiles.windows(2) {
            assert!(pair[0][row] <= pair[1][row]);
        }
    }

    let spec = serde_json::from_str(&serde_json::to_string(&model.spec).unwrap()).unwrap();
    let again = ForecastingModel::new(spec, model.weights.clone(), &Device::Cpu).unwrap();
    assert_eq!(again.spec, model.spec);
    assert_eq!(again.forecast(&set, &origins).unwrap(), forecasts);
}

#[test]
fn nothing_at_or_after_the_origin_is_used_and_nothing_is_too_short() {
    let rows = rows();
    let model = fit(&*built(&dataset(&rows, 150), 10), 0);
    let set = model.series(&[&long(&rows)]).unwrap();
    let origins = [(0, 120), (2, 151), (1, 42)];
    let mut later = set.clone();
    for (series, origin) in origins {
        let from = (origin - set.start[series]) as usize;
        later.values[series][from..].fill(-1e9);
    }
    let forecasts = model.forecast(&set, &origins).unwrap();
    assert_eq!(forecasts, model.forecast(&later, &origins).unwrap());
    assert!(forecasts.point.iter().all(|value| value.is_finite()));
    assert_eq!(forecasts.cutoff[0], 42);
    let error = model.forecast(&set, &[(2, 150)]).unwrap_err();
    assert_eq!(error.message(), "series `young` has no value before 150");
}

#[test]
fn a_learner_built_twice_is_the_same() {
    let rows = rows();
    let dataset = dataset(&rows, 150);
    let (one, two) = (built(&dataset, 10), built(&dataset, 10));
    let values = |learner: &dyn Learner| learner.parameters().flat().to_vec1::<f32>().unwrap();
    assert_eq!(values(&*one), values(&*two));
}

#[test]
fn a_few_values_are_enough_and_none_are_told() {
    let rows: Vec<_> = (0..4).map(|t| ("a", t, t as f64)).collect();
    let model = fit(&*built(&dataset(&rows, 3), 6), 1);
    let set = model.series(&[&long(&rows)]).unwrap();
    assert!(model.forecast(&set, &[(0, 4)]).unwrap().point.iter().all(|value| value.is_finite()));

    let settings = DataSettings { horizon: Some(6), ..settings() };
    let fails =
        |dataset: &Dataset, settings: &DataSettings| match learner(dataset, settings, "linear") {
            Ok(_) => panic!("a learner was built"),
            Err(error) => error.message().to_owned(),
        };
    assert_eq!(
        fails(&dataset(&rows, 1), &settings),
        "no series has two values to learn from before the last 6 steps"
    );
    let covariates = DataSettings { known_future: vec!["promo".into()], ..settings.clone() };
    assert_eq!(fails(&dataset(&rows, 3), &covariates), "the table has no column `promo`");
    let at_once = DataSettings { horizon: Some(0), ..settings.clone() };
    assert!(fails(&dataset(&rows, 3), &at_once).starts_with("data.horizon is 0"));
    let endless = DataSettings { horizon: None, ..settings };
    assert!(fails(&dataset(&rows, 3), &endless).starts_with("data.horizon is not set"));
}

#[test]
fn months_are_written_as_they_came() {
    let texts = |count: i32| (0..count).map(|month| (1949 + month / 12, month % 12 + 1));
    let micros = |(year, month): (i32, i32)| {
        let date = chrono::NaiveDate::from_ymd_opt(year, month as u32, 1).unwrap();
        date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_micros()
    };
    let part = |from: usize, to: i32| {
        let times = texts(to).skip(from).map(micros).collect();
        let values = (from..to as usize).map(|t| t as f64 + (t % 12) as f64).collect();
        let mut table = table(vec![
            column("id", dictionary(&vec!["a"; to as usize - from])),
            column("t", Values::Times(times)),
            column("y", Values::Numbers(values)),
        ]);
        table.origin.time_formats.insert("t".into(), "%Y-%m".into());
        table
    };
    let dataset = Dataset {
        train: part(0, 60),
        valid: part(60, 72),
        test: Table::default(),
        stream: None,
        sources: vec![],
        notices: vec![],
    };
    let model = fit(&*built(&dataset, 12), 1);
    assert_eq!(model.season(), 12);
    let set = model.series(&[&part(0, 72)]).unwrap();
    let forecasts = model.forecast(&set, &[(0, set.end(0))]).unwrap();
    assert_eq!(set.axis.text(forecasts.cutoff[0]), "1955-01");
    let example = Example::new(&Model::Forecasting(model.clone()), &dataset.train).unwrap();
    let text = String::from_utf8(example.input.clone()).unwrap();
    assert!(
        text.starts_with("{\"columns\": [\"id\",\"t\",\"y\"], \"data\": [\n[\"a\", \"19"),
        "{text}"
    );
    assert!(text.ends_with("[\"a\", \"1953-12\", 70]\n]}\n"), "{text}");
    example.check(&Model::Forecasting(model)).unwrap();
    assert_eq!(set.axis.text(forecasts.cutoff[11] + forecasts.step[11] as i64), "1955-12");
}

#[test]
fn an_example_is_the_window_of_one_series_and_says_what_the_series_does() {
    let rows = rows();
    let dataset = dataset(&rows, 150);
    let model = Model::Forecasting(fit(&*built(&dataset, 10), 1));
    let other = Model::Forecasting(fit(&*built(&self::dataset(&rows[..150], 140), 10), 1));
    let example = Example::new(&model, &dataset.train).unwrap();
    let Model::Forecasting(forecaster) = &model else { unreachable!() };
    let window = forecaster.spec.look_back() + forecaster.spec.season;
    assert_eq!(example.check(&model).unwrap(), window.min(150));
    assert!(example.check(&other).unwrap_err().message().contains("answers differ"));

    // What lies before the window changes nothing.
    let set = forecaster.series(&[&dataset.train]).unwrap();
    let whole = forecaster.forecast(&set, &[(0, 150)]).unwrap();
    let point: Vec<f64> = example.expected.data.iter().map(|row| row[0].unwrap()).collect();
    assert_eq!(point, whole.point);
}

#[test]
fn a_wide_example_has_the_series_that_the_project_names() {
    let sales = |factor: f64| {
        let value = |t: usize| factor * (10.0 + (t % 4) as f64 + (t * 7 % 5) as f64 / 10.0);
        let values = |from: usize, to: usize| Values::Numbers((from..to).map(value).collect());
        [values(0, 60), values(60, 66)]
    };
    let ([a, later_a], [b, later_b]) = (sales(1.0), sales(50.0));
    let wide = |from: usize, a, b| {
        let times = (from..from + if from == 0 { 60 } else { 6 }).map(|t| t as f64).collect();
        table(vec![column("t", Values::Numbers(times)), column("a", a), column("b", b)])
    };
    let dataset = Dataset {
        train: wide(0, a, b),
        valid: wide(60, later_a, later_b),
        test: Table::default(),
        stream: None,
        sources: vec![],
        notices: vec![],
    };
    for (named, columns) in [(vec![], r#"["t","a"]"#), (vec!["b", "a"], r#"["t","a","b"]"#)] {
        let settings = DataSettings {
            layout: crate::data::Layout::Wide,
            series: named.into_iter().map(str::to_owned).collect(),
            target: String::new(),
            horizon: Some(6),
            ..settings()
        };
        let learner = learner(&dataset, &settings, "linear").unwrap();
        let model = Model::Forecasting(fit(&*learner, 1));
        let example = Example::new(&model, &dataset.train).unwrap();
        let text = String::from_utf8(example.input.clone()).unwrap();
        assert!(text.starts_with(&format!("{{\"columns\": {columns}, \"data\": [")), "{text}");
        assert!(example.check(&model).unwrap() > 4);
    }
}

#[test]
fn every_closed_form_forecasts_from_the_past_alone_and_the_same_when_saved() {
    let rows = rows();
    let dataset = dataset(&rows, 150);
    let data = DataSettings { horizon: Some(10), ..settings() };
    for kind in CLOSED {
        let learner = learner(&dataset, &data, kind).unwrap();
        assert_eq!((learner.steps_per_epoch(), learner.most()), (Some(0), Some((1, 1))));
        let model = forecaster(learner.model().unwrap());
        let set = model.series(&[&long(&rows)]).unwrap();
        let forecasts = from_the_past_alone(&model, &set, kind);
        let all = forecasts.quantiles.iter().flatten().chain(&forecasts.point);
        assert!(all.into_iter().all(|value| value.is_finite() && *value >= 0.0), "{kind}");
        for pair in forecasts.quantiles.windows(2) {
            assert!(pair[0].iter().zip(&pair[1]).all(|(low, high)| low <= high), "{kind}");
        }
    }
}

/// Forecasts of a model, which are the same whatever came later, and when it is saved.
fn from_the_past_alone(model: &ForecastingModel, set: &SeriesSet, kind: &str) -> Forecasts {
    let origins = [(0, 120), (1, 150), (2, 151), (1, 42)];
    let forecasts = model.forecast(set, &origins).unwrap();
    let mut later = set.clone();
    for (series, origin) in &origins[..3] {
        let from = (origin - set.start[*series]) as usize;
        later.values[*series][from..].fill(-1e9);
    }
    assert_eq!(forecasts, model.forecast(&later, &origins).unwrap(), "{kind}");
    let spec = serde_json::from_str(&serde_json::to_string(&model.spec).unwrap()).unwrap();
    let again = ForecastingModel::new(spec, model.weights.clone(), &Device::Cpu).unwrap();
    assert_eq!(again.spec, model.spec, "{kind}");
    assert_eq!(again.forecast(set, &origins).unwrap(), forecasts, "{kind}");
    forecasts
}

#[test]
fn learned_forms_beat_the_naive_forecasts_and_a_blend_is_no_worse_than_its_parts() {
    let rows = rows();
    let known: Vec<_> =
        rows.iter().copied().filter(|row| row.1 < 150 || row.0 == "young").collect();
    let dataset = dataset(&known, 140);
    let data = DataSettings { horizon: Some(10), ..settings() };
    let finished = finished(&dataset, &data, &CLOSED);
    let choice = finished.choice.unwrap();
    assert_eq!(choice.members.len(), CLOSED.len());
    let alone = |kind: &str| choice.members.iter().find(|own| own.kind == kind).unwrap().value;
    for kind in ["seasonal-regression", "ridge"] {
        assert!(alone(kind) < alone("seasonal-naive").min(alone("naive")), "{kind}");
    }
    // Few forecasts weigh members with care, so that the best alone may have been a little better.
    for member in &choice.members {
        assert!(choice.value <= 1.1 * member.value, "{} {member:?}", choice.value);
    }
    assert!(choice.lost_to().is_none());
    let total: f64 = choice.members.iter().map(|member| member.weight).sum();
    assert!((total - 1.0).abs() < 1e-9);
    assert!(finished.notices.iter().any(|notice| notice.contains("origins")));

    // What counts for nothing is not kept, and what is kept was fitted on validation too.
    let model = forecaster(finished.model);
    assert!(model.spec.members.iter().all(|member| member.weight > 0.0));
    let counted = choice.members.iter().filter(|member| member.weight > 0.0).count();
    assert_eq!(model.spec.members.len(), counted);
    let again = forecaster(self::finished(&dataset, &data, &CLOSED).model);
    let set = model.series(&[&dataset.train, &dataset.valid]).unwrap();
    let origins = [(0, 150), (1, 150)];
    assert_eq!(model.forecast(&set, &origins).unwrap(), again.forecast(&set, &origins).unwrap());
}

#[test]
fn a_series_that_training_did_not_have_takes_the_pooled_coefficients() {
    let rows = rows();
    let dataset = dataset(&rows, 150);
    let data = DataSettings { horizon: Some(10), ..settings() };
    let model =
        forecaster(learner(&dataset, &data, "seasonal-regression").unwrap().model().unwrap());
    let renamed: Vec<_> = rows.iter().map(|&(_, t, value)| ("other", t, value)).collect();
    let big = &renamed[..rows.iter().filter(|row| row.0 == "big").count()];
    let set = model.series(&[&long(big)]).unwrap();
    let said = model.forecast(&set, &[(0, 150)]).unwrap().point;
    for (step, said) in said.iter().enumerate() {
        let came = set.at(0, 150 + step as i64);
        assert!((said - came).abs() < 0.25 * came, "{said} for {came}");
    }
}

#[test]
fn shared_settings_that_cannot_be_are_told() {
    for (settings, message) in [
        ("loss = \"cubic\"", "model.loss is \"cubic\""),
        ("refit = 1", "model.refit is 1"),
        ("logs = \"yes\"", "model.logs is \"yes\""),
    ] {
        let table = toml::from_str(settings).unwrap();
        assert_eq!((OFFER.check)(&table).unwrap_err().message(), message);
    }
}

#[test]
fn squared_error_follows_the_mean_where_absolute_error_follows_the_median() {
    // One value in four is far above the others: the median is 10, the mean 20.
    let random = &mut stream(5, Purpose::Sample, 0);
    let mut value = || if rand::Rng::random::<f64>(random) < 0.25 { 50.0 } else { 10.0 };
    let rows: Vec<_> = (0..400).map(|t| ("a", t, value())).collect();
    let dataset = dataset(&rows, 360);
    let data = DataSettings { horizon: Some(4), season: Some(1), ..settings() };
    let trained = |loss: &str| {
        let shared = format!("loss = \"{loss}\"\nlogs = false");
        let learner = learner_of(&dataset, &data, "linear", &shared).unwrap();
        let units: Vec<usize> = (0..learner.units()).collect();
        let mut optimiser = AdamW::new(learner.parameters(), &Moments::default()).unwrap();
        for step in 0..300 {
            let random = &mut stream(1, Purpose::Dropout, step);
            let loss = learner.loss(&units, random).unwrap();
            let gradient = learner.parameters().gradient(&loss).unwrap();
            optimiser.step(learner.parameters(), &gradient, 1.0, 3e-2, 0.0).unwrap();
        }
        // The parameters as they are now, whether validation likes them or not.
        let tensor = &learner.snapshot().unwrap()["map.bias"];
        tensor.to_vec1::<f32>().unwrap()[..4].iter().sum::<f32>() / 4.0
    };
    // Windows are centred on their last value, which is 10 most of the time: the constant is what is
    // expected above it.
    let (absolute, squared) = (trained("absolute"), trained("squared"));
    assert!(squared > absolute + 0.05, "{absolute} {squared}");
}

#[test]
fn what_grows_with_its_level_is_forecast_on_logarithms_unless_told_otherwise() {
    let value = |t: i64| {
        let season = [1.0, 1.6, 0.6, 0.8][t as usize % 4];
        season * (t as f64 / 40.0).exp() * (1.0 + 0.02 * ((t * 7919) % 13 - 6) as f64 / 6.0)
    };
    let rows: Vec<_> = (0..120).map(|t| ("a", t, value(t))).collect();
    let dataset = dataset(&rows[..112], 104);
    let data = DataSettings { horizon: Some(8), season: Some(4), ..settings() };
    let error = |kind: &str, shared: &str| {
        let learner = learner_of(&dataset, &data, kind, shared).unwrap();
        let model = forecaster(learner.model().unwrap());
        let set = model.series(&[&long(&rows)]).unwrap();
        let forecasts = model.forecast(&set, &[(0, 112)]).unwrap();
        assert!(forecasts.quantiles[0].iter().all(|value| *value > 0.0));
        let steps = forecasts.point.iter().zip(112..);
        steps.map(|(said, t)| (said - value(t)).abs() / value(t)).sum::<f64>() / 8.0
    };
    for kind in ["ridge", "seasonal-regression"] {
        let (logs, plain) = (error(kind, ""), error(kind, "logs = false"));
        assert!(logs < 0.05 && logs < plain, "{kind}: {logs} {plain}");
    }
    // Values that have no logarithm are told where it is asked for.
    let below: Vec<_> = rows.iter().map(|&(name, t, value)| (name, t, value - 2.0)).collect();
    let below = self::dataset(&below, 104);
    let asked = learner_of(&below, &data, "ridge", "logs = true").map(drop).unwrap_err();
    assert!(asked.message().starts_with("model.logs is true, but the training data holds -"));
    assert!(learner_of(&below, &data, "ridge", "").is_ok());
}
