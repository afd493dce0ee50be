//! The forecasting learner: windows of many series, one linear net for all of them.
//!
//! While it is built, the look-back is chosen and the net set to a ridge solution in closed form;
//! the loop then trains the median for absolute error and the other levels for pinball loss.

mod calibrate;
mod choose;
mod ridge;
mod score;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::data::{DataSettings, Dataset, SeriesSet, season};
use crate::engine::loss::Pinball;
use crate::engine::{Activation, Batch, Linear, Mode, NetBuilder, Parameters, StepKey};
use crate::error::{Error, Result};
use crate::metrics;
use crate::model::forecasting::{LEVELS, MEDIAN, Spec, Window, net};
use crate::model::{ForecastingModel, Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::train::course::only;
use crate::train::estimator::{Candidate, Estimator, Offer};
use crate::train::learner::{Defaults, Learner, Validation};

use choose::Choice;
use score::Points;
use windows::{Judged, Origins, Shape};

/// Multiplications that an epoch may take: where there are more windows, each epoch draws from them.
const EPOCH_WORK: usize = 3_000_000_000;
/// Multiplications that a look at validation may take.
const VALID_WORK: usize = 300_000_000;

pub(super) const OFFER: Offer = Offer {
    estimators: &[ESTIMATOR],
    shared: &[],
    check: |_| Ok(()),
    auto: |_| vec![Candidate { kind: "linear", share: 1.0 }],
    folds: |_| 1,
    finish: only,
};

const ESTIMATOR: Estimator = Estimator {
    kind: "linear",
    about: "one linear map of the past, shared by all series",
    keys: &["look_back"],
    check: |model| look_back(model).map(drop),
    build: |request| {
        learner(request.dataset, request.data, request.model, request.seed, request.device)
    },
    descends: true,
    cpu_only: false,
};

/// A learner for the project's forecasting data; everything up to the first step happens here.
pub(crate) fn learner(
    dataset: &Dataset,
    settings: &DataSettings,
    model: &ModelSettings,
    _seed: u64,
    device: &Device,
) -> Result<Box<dyn Learner>> {
    let look_back = look_back(model)?;
    let horizon = match settings.horizon {
        Some(0) => Err("is 0: a forecast is at least one step ahead"),
        None => Err("is not set: how many steps ahead is the forecast?"),
        Some(horizon) => Ok(horizon),
    }
    .map_err(|why| {
        Error::user(format!("data.horizon {why}"))
            .hint("say it in mlx.toml, under [data], such as: horizon = 28")
    })?;
    if !settings.known_future.is_empty() {
        return Err(Error::user(format!(
            "data.known_future names {}, but the linear estimator uses the target's own past only",
            settings.known_future.join(", ")
        ))
        .hint("leave data.known_future out"));
    }

    let set = SeriesSet::from_tables(&[&dataset.train, &dataset.valid], settings, None)?;
    let train = SeriesSet::from_tables(&[&dataset.train], settings, Some(&set.axis))?;
    let ends: Vec<i64> = (0..train.len())
        .map(|series| train.start[series] + train.values[series].len() as i64)
        .collect();
    let season = season::season(&train, settings);

    let Choice { shape, map, notices } = choose::choose(&set, &ends, horizon, season, look_back)?;
    let origins = Origins::new(&set, &ends, &shape);
    if origins.len() == 0 {
        return Err(Error::user(format!(
            "no series has two values to learn from before the last {horizon} steps"
        ))
        .hint("give longer series, or a smaller data.horizon"));
    }
    let most = (VALID_WORK / (2 * shape.look_back * horizon)).max(64);
    let judged = windows::judged(&set, &ends, &shape, horizon, most);
    if judged.is_empty() {
        return Err(Error::user("validation has no value to compare a forecast with")
            .hint("the last steps of the training data are empty; see `mlx data check`"));
    }
    let valid = Valid::new(&set, judged, &shape);

    let not_negative = train.values.iter().flatten().all(|value| value.is_nan() || *value >= 0.0);
    let spec = Spec {
        kind: "linear".into(),
        data: settings.clone(),
        kinds: dataset.kinds(),
        axis: set.axis.clone(),
        horizon,
        season,
        look_back: shape.look_back,
        scale: shape.scale,
        widening: vec![vec![1.0; horizon]; MEDIAN],
        lowest: not_negative.then_some(0.0),
    };
    let parameters = start(&set, &ends, &shape, &map, device)?;
    let units =
        origins.len().min((EPOCH_WORK / (12 * shape.look_back * horizon)).clamp(512, 50_000));
    let learner = Forecaster {
        initial: parameters.snapshot()?,
        set,
        ends,
        shape,
        origins,
        units,
        valid,
        parameters,
        spec,
        notices,
    };
    Ok(Box::new(learner))
}

/// The look-back that `[model]` names.
fn look_back(model: &ModelSettings) -> Result<Option<usize>> {
    let Some(value) = model.settings.get("look_back") else { return Ok(None) };
    let steps = value.as_integer().and_then(|steps| usize::try_from(steps).ok());
    let steps = steps.filter(|steps| (1..=100_000).contains(steps)).ok_or_else(|| {
        Error::user(format!("model.look_back is {value}, which is no number of steps"))
            .hint("give a whole number from 1 on, such as a few seasons")
    })?;
    Ok(Some(steps))
}

/// The parameters of a net that answers as the chosen map does, its quantiles where the map's own
/// errors have theirs.
fn start(
    set: &SeriesSet,
    ends: &[i64],
    shape: &Shape,
    map: &[f64],
    device: &Device,
) -> Result<Parameters> {
    let Shape { look_back, horizon, .. } = *shape;
    let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    let (weight, bias) = map.split_at(look_back * horizon);
    let offsets = calibrate::offsets(set, ends, shape, map);
    let both = |location: Vec<f32>, spread: f32| {
        let zeros = std::iter::repeat_n(spread, location.len());
        location.iter().copied().chain(zeros).collect::<Vec<f32>>()
    };
    let mut builder = NetBuilder::new(2 * look_back, 0);
    let input = builder.dense();
    let maps = Linear {
        width: horizon,
        members: 2,
        shared_input: false,
        activation: Activation::None,
        dropout: 0.0,
    };
    let maps = builder.linear("map", input, maps);
    let output = builder.quantiles(net::OFFSETS, maps, LEVELS.len(), MEDIAN);
    // Nothing here stays as it is drawn: ridge says where every parameter starts.
    let parameters =
        Parameters::init(&builder.finish(output), device, &mut stream(0, Purpose::Init, 0))?;
    let tensor = |values: Vec<f32>, shape: &[usize]| -> Result<Tensor> {
        Ok(Tensor::from_vec(values, shape, device)?)
    };
    let bias = both(narrow(bias), net::UNIT_SPREAD as f32);
    parameters
        .restore(&BTreeMap::from([
            (net::MAP_WEIGHT.into(), tensor(both(narrow(weight), 0.0), &[2, look_back, horizon])?),
            (net::MAP_BIAS.into(), tensor(bias, &[2 * horizon])?),
            (net::OFFSETS.into(), tensor(narrow(&offsets), &[LEVELS.len() - 1, horizon])?),
        ]))
        .map(|()| parameters)
}

/// What validation looks at, its windows made once.
struct Valid {
    judged: Vec<Judged>,
    windows: Vec<Window>,
    /// What the seasonal naive forecast reaches there.
    reference: Points,
}

impl Valid {
    fn new(set: &SeriesSet, judged: Vec<Judged>, shape: &Shape) -> Self {
        let windows = judged
            .iter()
            .map(|judged| {
                shape
                    .window(set, judged.series, judged.origin)
                    .expect("what is judged has observations before it")
            })
            .collect();
        let reference = Points::of(&judged, |number| {
            let Judged { series, origin, .. } = judged[number];
            let filled = crate::model::forecasting::window::filled;
            let last = filled(set, series, origin, shape.season, shape.season)
                .expect("what is judged has observations before it");
            (0..shape.horizon).map(|step| last[step % shape.season]).collect()
        });
        Self { judged, windows, reference }
    }
}

struct Forecaster {
    set: SeriesSet,
    /// Where the training history of each series ends; targets lie before it.
    ends: Vec<i64>,
    shape: Shape,
    origins: Origins,
    units: usize,
    valid: Valid,
    parameters: Parameters,
    /// The net as ridge left it.
    initial: BTreeMap<String, Tensor>,
    spec: Spec,
    notices: Vec<String>,
}

impl Learner for Forecaster {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn units(&self) -> usize {
        self.units
    }

    fn table_rows(&self, _: &[usize]) -> Option<Vec<usize>> {
        None
    }

    fn valid_units(&self) -> usize {
        self.valid.judged.len()
    }

    fn defaults(&self) -> Defaults {
        Defaults {
            batch: (self.units / 40).clamp(16, 512),
            // The step of a forecast adds the steps of its inputs up.
            learning_rate: 2e-3 / (self.shape.look_back as f64).sqrt(),
            // Decay would pull towards the naive forecast, whose pull ridge has weighed already.
            weight_decay: 0.0,
        }
    }

    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
        let (batch, targets) = self.batch(units, random);
        let forecasts = self.parameters.forward(batch, Mode::Train(StepKey(0)))?;
        // The median's own loss is the absolute error; the others share as much among them.
        let others = 2.0 / (LEVELS.len() - 1) as f32;
        let weighed =
            |(at, &level): (usize, &f64)| (level as f32, if at == MEDIAN { 2.0 } else { others });
        let levels = LEVELS.iter().enumerate().map(weighed).collect();
        Pinball { targets, horizon: self.shape.horizon, levels }.of(&forecasts)
    }

    fn validate(&self) -> Result<Validation> {
        let model = ForecastingModel::new(
            self.spec.clone(),
            self.parameters.snapshot()?,
            self.parameters.device(),
        )?;
        self.validation(&model)
    }

    fn model(&self) -> Result<Model> {
        let trained = self.fitted(self.parameters.snapshot()?)?;
        let initial = self.fitted(self.initial.clone())?;
        let better = self.validation(&initial)?.monitor < self.validation(&trained)?.monitor;
        let mut model = if better { initial } else { trained };
        model.spec.widening = calibrate::widening(&model, &self.valid.judged, &self.valid.windows);
        Ok(Model::Forecasting(model))
    }

    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }
}

impl Forecaster {
    fn fitted(&self, weights: BTreeMap<String, Tensor>) -> Result<ForecastingModel> {
        ForecastingModel::new(self.spec.clone(), weights, self.parameters.device())
    }

    /// The windows' values beside their sizes, and their targets: NaN where there is nothing to learn.
    fn batch(&self, units: &[usize], random: &mut ChaCha8Rng) -> (Arc<Batch>, Vec<f32>) {
        let Shape { look_back, horizon, .. } = self.shape;
        let picked: Vec<usize> = units.iter().map(|&unit| self.pick(unit, random)).collect();
        let windows: Vec<(Vec<f32>, Vec<f32>)> = picked
            .par_iter()
            .map(|&number| {
                let (series, origin) = self.origins.get(number);
                let window = self
                    .shape
                    .window(&self.set, series, origin)
                    .expect("a training window has an observation before it");
                let inputs = window.inputs.iter().map(|input| *input as f32);
                let sizes = inputs.clone().map(f32::abs);
                let of = (series, origin);
                let targets =
                    choose::scaled_targets(&self.set, &self.ends, of, &self.shape, &window);
                let seen = |value: f64| if window.still { f32::NAN } else { value as f32 };
                (inputs.chain(sizes).collect(), targets.into_iter().map(seen).collect())
            })
            .collect();
        let mut dense = Vec::with_capacity(units.len() * 2 * look_back);
        let mut targets = Vec::with_capacity(units.len() * horizon);
        for (inputs, wanted) in windows {
            dense.extend(inputs);
            targets.extend(wanted);
        }
        (Arc::new(Batch { rows: units.len(), dense, codes: vec![] }), targets)
    }

    /// The window that a unit stands for: itself, or one drawn of its share where there are more.
    fn pick(&self, unit: usize, random: &mut ChaCha8Rng) -> usize {
        let total = self.origins.len();
        let first = unit * total / self.units;
        let after = (unit + 1) * total / self.units;
        if after - first > 1 { random.random_range(first..after) } else { first }
    }

    fn validation(&self, model: &ForecastingModel) -> Result<Validation> {
        let mut points = Vec::with_capacity(self.valid.judged.len());
        let mut actual = Vec::new();
        let mut columns = vec![Vec::new(); LEVELS.len()];
        for (window, judged) in self.valid.windows.iter().zip(&self.valid.judged) {
            let rows = model.of_window(window);
            for (row, value) in rows.iter().zip(&judged.actual) {
                if !value.is_nan() {
                    actual.push(*value);
                    columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
                }
            }
            points.push(rows.iter().map(|row| row[MEDIAN]).collect::<Vec<f64>>());
        }
        let errors = Points::of(&self.valid.judged, |number| std::mem::take(&mut points[number]));
        let mut metrics = vec![("mase".to_owned(), errors.mase), ("smape".into(), errors.smape)];
        if let Some(wql) = metrics::wql(&actual, &LEVELS, &columns) {
            metrics.push(("wql".into(), wql));
        }
        Ok(Validation { monitor: errors.relative_to(self.valid.reference), metrics })
    }
}

#[cfg(test)]
mod tests;
