//! The nets, each as small as it goes.

use candle_core::Device;

use super::{dataset, fit_at, forecaster, from_the_past_alone, learner_with, rows};
use crate::data::series::tests::{long, settings};
use crate::data::{DataSettings, Dataset};
use crate::engine::threads::with_threads;
use crate::model::ForecastingModel;
use crate::train::forecasting::OFFER;
use crate::train::learner::Learner;

/// Each with settings that are soon trained.
const NETS: [(&str, &str); 4] = [
    ("nlinear", "look_back = 10"),
    ("dlinear", "look_back = 10\nkernel = 5"),
    ("nhits", "look_back = 10\npools = [4, 1]\nratios = [4, 1]\nhidden = [24]"),
    (
        "patchtst",
        "look_back = 10\npatch = 4\nwidth = 8\nheads = 2\nlayers = 1\nhidden = 16\ndropout = 0.1",
    ),
];

fn built(dataset: &Dataset, kind: &str, own: &str, shared: &str) -> Box<dyn Learner> {
    let data = DataSettings { horizon: Some(10), ..settings() };
    learner_with(dataset, &data, kind, (own, shared)).unwrap()
}

#[test]
fn every_net_beats_the_naive_from_the_past_alone_and_says_the_same_when_saved() {
    let rows = rows();
    let known: Vec<_> =
        rows.iter().copied().filter(|row| row.1 < 150 || row.0 == "young").collect();
    let dataset = dataset(&known, 140);
    for (kind, own) in NETS {
        let learner = built(&dataset, kind, own, "");
        let model = fit_at(&*learner, 12, 1e-2);
        let set = model.series(&[&long(&rows)]).unwrap();
        let origins = [(0, 150), (1, 150)];
        let forecasts = model.forecast(&set, &origins).unwrap();
        let error = |point: &[f64]| -> f64 {
            let errors = point.iter().enumerate().map(|(row, said)| {
                let index = forecasts.cutoff[row] + forecasts.step[row] as i64;
                let actual = set.at(forecasts.series[row], index);
                (said - actual).abs() / actual
            });
            errors.sum()
        };
        for (name, baseline) in model.baselines(&set, &origins).unwrap() {
            let (ours, theirs) = (error(&forecasts.point), error(&baseline.point));
            assert!(ours < theirs, "{kind}: {ours}, {name}: {theirs}");
        }
        for pair in forecasts.quantiles.windows(2) {
            assert!(pair[0].iter().zip(&pair[1]).all(|(low, high)| low <= high), "{kind}");
        }
        let apart = forecasts.quantiles[8].iter().zip(&forecasts.quantiles[0]);
        assert!(apart.into_iter().all(|(high, low)| high > low), "{kind}: intervals have a width");
        from_the_past_alone(&model, &set, kind);
    }
}

#[test]
fn a_net_is_the_same_to_the_last_bit_on_any_number_of_threads() {
    let dataset = dataset(&rows(), 150);
    for (kind, own) in NETS {
        let bits = |threads| {
            with_threads(threads, || {
                let learner = built(&dataset, kind, own, "");
                let model = fit_at(&*learner, 1, 1e-2);
                let weights = model.weights.into_values();
                weights
                    .flat_map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap())
                    .map(f32::to_bits)
                    .collect::<Vec<u32>>()
            })
            .unwrap()
        };
        let one = bits(1);
        assert_eq!(bits(2), one, "{kind}");
        assert_eq!(bits(3), one, "{kind}");
    }
}

#[test]
fn squared_errors_teach_the_mean_and_absolute_ones_the_median() {
    // Three values in four are 10, the fourth is 30 or so: the median is 10, the mean 15.
    let random = &mut crate::sys::random::stream(5, crate::sys::random::Purpose::Sample, 0);
    let mut skewed = Vec::new();
    for t in 0..900 {
        let high = rand::Rng::random::<f64>(random) < 0.25;
        let noise = rand::Rng::random::<f64>(random);
        skewed.push(("a", t, if high { 30.0 } else { 10.0 } + noise));
    }
    let dataset = dataset(&skewed, 800);
    for (kind, own) in NETS.into_iter().chain([("linear", "look_back = 10")]) {
        let level = |loss: &str| {
            let learner = built(&dataset, kind, own, loss);
            let (units, defaults) = (learner.units(), learner.defaults());
            assert!(units > 400 && defaults.batch >= 16, "{kind}: {units} {defaults:?}");
            let model = fit_at(&*learner, 8, 5e-3);
            let set = model.series(&[&dataset.train]).unwrap();
            let origins: Vec<(usize, i64)> = (100..800).step_by(50).map(|at| (0, at)).collect();
            let point = model.forecast(&set, &origins).unwrap().point;
            point.iter().sum::<f64>() / point.len() as f64
        };
        let (absolute, squared) = (level(""), level("loss = \"squared\""));
        assert!(absolute < 13.0 && squared > 13.5, "{kind}: {absolute} and {squared}");
    }
}

#[test]
fn a_few_values_are_enough_for_the_default_settings() {
    let rows: Vec<_> = (0..4).map(|t| ("a", t, t as f64)).collect();
    let dataset = dataset(&rows, 3);
    for (kind, _) in NETS {
        let learner = built(&dataset, kind, "", "");
        let model = fit_at(&*learner, 1, 1e-3);
        let set = model.series(&[&long(&rows)]).unwrap();
        let point = model.forecast(&set, &[(0, 4)]).unwrap().point;
        assert!(point.iter().all(|value| value.is_finite()), "{kind}");
        assert!(learner.notices()[0].starts_with(&format!("{kind} looks back on ")));
    }
}

#[test]
fn settings_that_contradict_each_other_are_told() {
    for (kind, own, message) in [
        ("dlinear", "kernel = 4", "model.kernel is 4"),
        ("nhits", "pools = [2]", "model.pools names 1 blocks and model.ratios 3"),
        ("patchtst", "patch = 4\nstride = 5", "model.stride is 5, and a patch has 4 steps"),
        ("patchtst", "heads = 3", "model.width is 16 and model.heads is 3"),
        ("nlinear", "epochs = 0", "model.epochs is 0"),
        ("nlinear", "look_back = 0", "model.look_back is 0, which is no number of steps"),
    ] {
        let estimator = OFFER.estimator(kind).unwrap();
        let error = estimator.read("model", &toml::from_str(own).unwrap(), &OFFER).unwrap_err();
        assert_eq!(error.message(), message);
        assert!(error.hint_text().is_some(), "{message}");
    }
}

#[test]
fn a_package_whose_net_contradicts_itself_is_told() {
    let dataset = dataset(&rows(), 150);
    for (kind, own) in NETS {
        let learner = built(&dataset, kind, own, "");
        let model = forecaster(learner.model().unwrap());
        let text = serde_json::to_string(&model.spec).unwrap();
        let broken = match kind {
            "nlinear" => text.replace("\"look_back\":10", "\"look_back\":0"),
            "dlinear" => text.replace("\"kernel\":5", "\"kernel\":6"),
            "nhits" => text.replace("\"pools\":[4,1]", "\"pools\":[4]"),
            _ => text.replace("\"heads\":2", "\"heads\":0"),
        };
        assert_ne!(broken, text, "{kind}");
        let load = |text: &str| {
            let spec = serde_json::from_str(text).unwrap();
            ForecastingModel::new(spec, model.weights.clone(), &Device::Cpu)
        };
        let error = load(&broken).map(drop).unwrap_err();
        assert_eq!(error.message(), "the model's description contradicts itself", "{kind}");
        let wider = text.replace("\"horizon\":10", "\"horizon\":11");
        assert!(load(&wider).is_err(), "{kind}: weights of another shape");
    }
}
