//! `linear`: windows of many series, one linear map for all of them, trained from where ridge leaves it.
//!
//! While it is built, the look-back is chosen and the net set to a ridge solution in closed form;
//! the loop then trains the middle for absolute or squared error and the other levels for pinball loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::closed::{self, Fitted};
use super::prepared::Prepared;
use super::score::Loss;
use super::windows::{Origins, Shape, deviation};
use super::{calibrate, choose};
use crate::engine::loss::{MeanPinball, Pinball};
use crate::engine::{Activation, Batch, Linear, Mode, NetBuilder, Parameters, StepKey};
use crate::error::{Error, Result};
use crate::model::forecasting::{Body, LEVELS, MEDIAN, net};
use crate::model::{ForecastingModel, Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::{Defaults, Learner, Validation};

/// Multiplications that an epoch may take: where there are more windows, each epoch draws from them.
const EPOCH_WORK: usize = 3_000_000_000;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "linear",
    about: "one linear map of the past, shared by all series and trained for absolute error",
    keys: &["look_back"],
    check: |model| look_back(model).map(drop),
    build: learner,
    descends: true,
    cpu_only: false,
};

/// Everything up to the first step happens here.
fn learner(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let look_back = look_back(request.model)?;
    let kind = &request.model.kind;
    let plain = Prepared::new(request.dataset, request.data, kind, request.shared)?;
    let (prepared, plain) = match plain.on_logs() {
        Some(logs) => (logs, Some(plain)),
        None => (plain, None),
    };
    let choice = choose::choose(&prepared, &prepared.ends, look_back)?;
    let shape = choice.shape;
    let map = choose::map(&prepared, &prepared.ends, &shape, &choice.terms)?;
    let parameters = start(&prepared, &shape, &map, request.device)?;
    let origins = Origins::new(&prepared.set, &prepared.ends, &shape);
    let units =
        origins.len().min((EPOCH_WORK / (12 * shape.look_back * shape.horizon)).clamp(512, 50_000));
    let Prepared { set, ends, .. } = &prepared;
    let deviations =
        (0..set.len()).map(|series| deviation(set.before(series, ends[series]))).collect();
    Ok(Box::new(Forecaster {
        initial: parameters.snapshot()?,
        prepared,
        plain,
        deviations,
        shape,
        origins,
        units,
        parameters,
        notices: choice.notices,
    }))
}

/// The look-back that `[model]` names.
pub(super) fn look_back(model: &ModelSettings) -> Result<Option<usize>> {
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
fn start(prepared: &Prepared, shape: &Shape, map: &[f64], device: &Device) -> Result<Parameters> {
    let Shape { look_back, horizon, .. } = *shape;
    let offsets = calibrate::offsets(&prepared.set, &prepared.ends, shape, map);
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
    parameters.restore(&net_weights(shape, map, &offsets, device)?)?;
    Ok(parameters)
}

/// The weights of a net that answers as a map does.
pub(super) fn net_weights(
    shape: &Shape,
    map: &[f64],
    offsets: &[f64],
    device: &Device,
) -> Result<BTreeMap<String, Tensor>> {
    let Shape { look_back, horizon, .. } = *shape;
    let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    let (weight, bias) = map.split_at(look_back * horizon);
    let both = |location: Vec<f32>, spread: f32| {
        let zeros = std::iter::repeat_n(spread, location.len());
        location.iter().copied().chain(zeros).collect::<Vec<f32>>()
    };
    let tensor = |values: Vec<f32>, shape: &[usize]| -> Result<Tensor> {
        Ok(Tensor::from_vec(values, shape, device)?)
    };
    let bias = both(narrow(bias), net::UNIT_SPREAD as f32);
    Ok(BTreeMap::from([
        (net::MAP_WEIGHT.into(), tensor(both(narrow(weight), 0.0), &[2, look_back, horizon])?),
        (net::MAP_BIAS.into(), tensor(bias, &[2 * horizon])?),
        (net::OFFSETS.into(), tensor(narrow(offsets), &[LEVELS.len() - 1, horizon])?),
    ]))
}

struct Forecaster {
    /// What is learned from.
    prepared: Prepared,
    /// What is validated on, where that is learned from in logarithms.
    plain: Option<Prepared>,
    shape: Shape,
    origins: Origins,
    units: usize,
    parameters: Parameters,
    /// Of each series' training history; none where nothing moves.
    deviations: Vec<Option<f64>>,
    /// The net as ridge left it.
    initial: BTreeMap<String, Tensor>,
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
        self.plain().judged.len()
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
        let Learned { batch, targets, units } = self.batch(units, random);
        let forecasts = self.parameters.forward(batch, Mode::Train(StepKey(0)))?;
        // The median's own loss is the absolute error, of which pinball is half; the others share as
        // much among them.
        let squared = self.prepared.loss == Loss::Squared;
        let middle = if squared { 0.0 } else { 2.0 };
        let others = 2.0 / (LEVELS.len() - 1) as f32;
        let weighed = |(at, &level): (usize, &f64)| {
            (level as f32, if at == MEDIAN { middle } else { others })
        };
        let levels = LEVELS.iter().enumerate().map(weighed).collect();
        let pinball = Pinball { targets, horizon: self.shape.horizon, levels };
        if squared {
            return MeanPinball { pinball, mean: MEDIAN, units }.of(&forecasts);
        }
        pinball.of(&forecasts)
    }

    fn validate(&self) -> Result<Validation> {
        Ok(self.plain().validation(&self.fitted(self.parameters.snapshot()?)?))
    }

    fn model(&self) -> Result<Model> {
        let trained = self.fitted(self.parameters.snapshot()?)?;
        let initial = self.fitted(self.initial.clone())?;
        let of = |model: &ForecastingModel| self.plain().validation(model).monitor;
        let better = of(&initial) < of(&trained);
        Ok(Model::Forecasting(if better { initial } else { trained }))
    }

    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }
}

/// What a step learns from.
struct Learned {
    /// The windows' values beside their sizes.
    batch: Arc<Batch>,
    /// NaN where there is nothing to learn.
    targets: Vec<f32>,
    /// A window's own scale in standard deviations of its series: what squared errors count in.
    units: Vec<f32>,
}

impl Forecaster {
    fn fitted(&self, weights: BTreeMap<String, Tensor>) -> Result<ForecastingModel> {
        let Shape { look_back, scale, .. } = self.shape;
        let body = Body::Linear { look_back, scale, terms: vec![] };
        closed::alone(self.plain(), Fitted { body, logs: self.prepared.logs, weights })
    }

    fn plain(&self) -> &Prepared {
        self.plain.as_ref().unwrap_or(&self.prepared)
    }

    fn batch(&self, units: &[usize], random: &mut ChaCha8Rng) -> Learned {
        let Shape { look_back, horizon, .. } = self.shape;
        let Prepared { set, ends, .. } = &self.prepared;
        let picked: Vec<usize> = units.iter().map(|&unit| self.pick(unit, random)).collect();
        let windows: Vec<(Vec<f32>, Vec<f32>, f32)> = picked
            .par_iter()
            .map(|&number| {
                let (series, origin) = self.origins.get(number);
                let window = self
                    .shape
                    .window(&self.prepared.set, series, origin)
                    .expect("a training window has an observation before it");
                let inputs = window.inputs.iter().map(|input| *input as f32);
                let sizes = inputs.clone().map(f32::abs);
                let of = (series, origin);
                let targets = choose::scaled_targets(set, ends, of, &self.shape, &window);
                let seen = |value: f64| if window.still { f32::NAN } else { value as f32 };
                let unit =
                    self.deviations[series].map_or(0.0, |deviation| window.scale / deviation);
                let targets = targets.into_iter().map(seen).collect();
                (inputs.chain(sizes).collect(), targets, unit as f32)
            })
            .collect();
        let mut dense = Vec::with_capacity(picked.len() * 2 * look_back);
        let mut targets = Vec::with_capacity(picked.len() * horizon);
        let mut units = Vec::with_capacity(picked.len());
        for (inputs, wanted, unit) in windows {
            dense.extend(inputs);
            targets.extend(wanted);
            units.push(unit);
        }
        Learned {
            batch: Arc::new(Batch { rows: picked.len(), dense, ..Batch::default() }),
            targets,
            units,
        }
    }

    /// The window that a unit stands for: itself, or one drawn of its share where there are more.
    fn pick(&self, unit: usize, random: &mut ChaCha8Rng) -> usize {
        let total = self.origins.len();
        let first = unit * total / self.units;
        let after = (unit + 1) * total / self.units;
        if after - first > 1 { random.random_range(first..after) } else { first }
    }
}
