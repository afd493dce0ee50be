//! `linear`: windows of many series, one linear map for all of them, trained from where ridge leaves it.
//!
//! While it is built, the look-back is chosen and the net set to a ridge solution in closed form;
//! the loop then trains the median for the error that is to be small and the other levels for pinball loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::descent::{Descent, Pace, Start};
use super::prepared::Prepared;
use super::windows::Shape;
use super::{calibrate, choose};
use crate::engine::Parameters;
use crate::error::{Error, Result};
use crate::model::ModelSettings;
use crate::model::forecasting::{Body, LEVELS, WindowNet, net};
use crate::sys::random::{Purpose, stream};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::Learner;
use crate::train::schedule::Schedule;

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
    takes_steps: true,
};

/// Everything up to the first step happens here.
fn learner(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let look_back = look_back(request.model)?;
    let Request { dataset, data, shared, deadline, .. } = *request;
    let plain = request.common.forecasting.prepared(dataset, data, shared)?;
    let (prepared, plain) = match plain.on_logs() {
        Some(logs) => (Arc::new(logs), Some(plain)),
        None => (plain, None),
    };
    let choice = choose::choose(&prepared, &prepared.ends, look_back, deadline)?;
    let shape = choice.shape;
    let map = choose::map(&prepared, &prepared.ends, &shape, &choice.terms, deadline)?;
    let parameters = start(&prepared, &shape, &map, request.device)?;
    let Shape { look_back, scale, horizon, .. } = shape;
    let body = Body::Linear { look_back, scale, terms: vec![] };
    let start = Start {
        kind: request.model.kind.clone(),
        prepared,
        plain,
        shape,
        body,
        net: WindowNet::NLinear,
        parameters,
        counts_in: scale,
        notices: choice.notices,
    };
    let pace = Pace {
        epoch_work: EPOCH_WORK,
        window_work: 12 * look_back * horizon,
        schedule: Schedule::Plateau,
        // The step of a forecast adds the steps of its inputs up.
        learning_rate: 2e-3 / (look_back as f64).sqrt(),
        // Decay would pull towards the naive forecast, whose pull ridge has weighed already.
        weight_decay: 0.0,
        batch: 512,
    };
    Ok(Box::new(Descent::new(start, pace).or_as_it_was()?))
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
    // Nothing here stays as it is drawn: ridge says where every parameter starts.
    let net = WindowNet::NLinear.net(look_back, horizon, 0.0);
    let parameters = Parameters::init(&net, device, &mut stream(0, Purpose::Init, 0))?;
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
