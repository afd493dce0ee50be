//! What learns from windows in steps: which windows a batch holds, what their errors cost, and how
//! validation is forecast. [`linear`](super::linear) and the nets are instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::choose;
use super::closed::{self, Fitted};
use super::prepared::Prepared;
use super::score::Loss;
use super::windows::{Origins, Shape, deviation};
use crate::engine::loss::Pinball;
use crate::engine::{Batch, Mode, Parameters, StepKey};
use crate::error::Result;
use crate::model::forecasting::{Body, LEVELS, MEDIAN, Scale, Window, WindowNet};
use crate::model::{ForecastingModel, Model};
use crate::train::learner::{Defaults, Learner, Validation};
use crate::train::schedule::Schedule;

/// Fewer windows than these are no epoch, and more take too long to hear from validation.
const LEAST_UNITS: usize = 512;
const MOST_UNITS: usize = 50_000;

/// A net over windows before its first step.
pub(super) struct Start {
    /// The estimator.
    pub kind: String,
    /// What is learned from.
    pub prepared: Arc<Prepared>,
    /// What is validated on, where that is learned from in logarithms.
    pub plain: Option<Arc<Prepared>>,
    pub shape: Shape,
    /// What the trained model's member is.
    pub body: Body,
    /// The net that is trained, which says what is read of a window.
    pub net: WindowNet,
    pub parameters: Parameters,
    /// In what scale errors are as they count, where that isn't the windows' own.
    pub counts_in: Scale,
    pub notices: Vec<String>,
}

/// How it learns where the project doesn't say.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// How many windows an epoch has: at most what these multiplications allow, each window taking so many.
    pub epoch_work: usize,
    pub window_work: usize,
    pub schedule: Schedule,
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// The most windows of a batch; few windows make small ones.
    pub batch: usize,
}

pub(super) struct Descent {
    start: Start,
    schedule: Schedule,
    defaults: Defaults,
    origins: Origins,
    units: usize,
    /// What each series' errors are divided by, where that is what counts.
    deviations: Option<Vec<f64>>,
    /// Weights that validation may prefer to the trained ones.
    fallback: Option<BTreeMap<String, Tensor>>,
}

impl Descent {
    pub(super) fn new(start: Start, pace: Pace) -> Self {
        let Prepared { set, ends, loss, .. } = &*start.prepared;
        let origins = Origins::new(set, ends, &start.shape);
        let affordable = pace.epoch_work / pace.window_work.max(1);
        let units = origins.len().min(affordable.clamp(LEAST_UNITS, MOST_UNITS));
        let deviations = (*loss == Loss::Squared).then(|| {
            // Where nothing moves there is nothing to count.
            let of = |series| deviation(set.before(series, ends[series])).unwrap_or(f64::INFINITY);
            (0..set.len()).map(of).collect()
        });
        let defaults = Defaults {
            batch: (units / 40).clamp(16, pace.batch),
            learning_rate: pace.learning_rate,
            weight_decay: pace.weight_decay,
        };
        let schedule = pace.schedule;
        Self { start, schedule, defaults, origins, units, deviations, fallback: None }
    }

    /// With the weights as they are to come back to, if training leaves validation worse.
    pub(super) fn or_as_it_was(self) -> Result<Self> {
        Ok(Self { fallback: Some(self.start.parameters.snapshot()?), ..self })
    }

    fn fitted(&self, weights: BTreeMap<String, Tensor>) -> Result<ForecastingModel> {
        let Start { kind, prepared, body, .. } = &self.start;
        let fitted = Fitted { body: body.clone(), logs: prepared.logs, weights };
        closed::alone(self.plain(), kind, fitted)
    }

    fn plain(&self) -> &Prepared {
        self.start.plain.as_ref().unwrap_or(&self.start.prepared)
    }

    fn batch(&self, units: &[usize], random: &mut ChaCha8Rng) -> Windows {
        let Start { prepared, shape, net, .. } = &self.start;
        let Prepared { set, ends, .. } = &**prepared;
        let picked: Vec<usize> = units.iter().map(|&unit| self.pick(unit, random)).collect();
        let windows: Vec<Windows> = picked
            .par_iter()
            .map(|&number| {
                let of = self.origins.get(number);
                let window = shape
                    .window(set, of.0, of.1)
                    .expect("a training window has an observation before it");
                let mut one = Windows::default();
                net.read(&window, &mut one.dense);
                let targets = choose::scaled_targets(set, ends, of, shape, &window);
                // There is nothing to learn where nothing moves.
                let seen = |value: f64| if window.still { f32::NAN } else { value as f32 };
                one.targets.extend(targets.map(seen));
                one.units.extend(self.unit(of.0, &window));
                one
            })
            .collect();
        let mut all = Windows::default();
        for mut one in windows {
            all.dense.append(&mut one.dense);
            all.targets.append(&mut one.targets);
            all.units.append(&mut one.units);
        }
        all
    }

    /// What the errors of a window count in; none where that is its own scale.
    fn unit(&self, series: usize, window: &Window) -> Option<f32> {
        let Start { shape, counts_in, .. } = &self.start;
        let size = match &self.deviations {
            Some(deviations) => deviations[series],
            None if *counts_in == shape.scale => return None,
            None => window.in_scale(*counts_in, shape.season),
        };
        // What is still counts nothing whatever its unit.
        Some(if window.still { 0.0 } else { (window.scale / size) as f32 })
    }

    /// The window that a unit stands for: itself, or one drawn of its share where there are more.
    fn pick(&self, unit: usize, random: &mut ChaCha8Rng) -> usize {
        let total = self.origins.len();
        let first = unit * total / self.units;
        let after = (unit + 1) * total / self.units;
        if after - first > 1 { random.random_range(first..after) } else { first }
    }
}

/// What a net reads of some windows, and what came after them.
#[derive(Default)]
struct Windows {
    dense: Vec<f32>,
    /// NaN where there is nothing to learn.
    targets: Vec<f32>,
    units: Vec<f32>,
}

impl Learner for Descent {
    fn parameters(&self) -> &Parameters {
        &self.start.parameters
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
        self.defaults
    }

    fn schedule(&self) -> Schedule {
        self.schedule
    }

    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
        let rows = units.len();
        let Windows { dense, targets, units } = self.batch(units, random);
        let batch = Arc::new(Batch { rows, dense, ..Batch::default() });
        let mode = Mode::Train(StepKey(random.next_u64()));
        let forecasts = self.parameters().forward(batch, mode)?;
        // The median's own loss is the absolute error; the others share as much among them.
        let others = 2.0 / (LEVELS.len() - 1) as f32;
        let weighed =
            |(at, &level): (usize, &f64)| (level as f32, if at == MEDIAN { 2.0 } else { others });
        let levels = LEVELS.iter().enumerate().map(weighed).collect();
        let horizon = self.start.shape.horizon;
        let squared = self.deviations.is_some().then_some(MEDIAN);
        Pinball { targets, horizon, levels, units, squared }.of(&forecasts)
    }

    fn validate(&self) -> Result<Validation> {
        Ok(self.plain().validation(&self.fitted(self.snapshot()?)?))
    }

    fn model(&self) -> Result<Model> {
        let trained = self.fitted(self.snapshot()?)?;
        let Some(fallback) = &self.fallback else { return Ok(Model::Forecasting(trained)) };
        let before = self.fitted(fallback.clone())?;
        let of = |model: &ForecastingModel| self.plain().validation(model).monitor;
        let better = of(&before) < of(&trained);
        Ok(Model::Forecasting(if better { before } else { trained }))
    }

    fn notices(&self) -> Vec<String> {
        self.start.notices.clone()
    }
}
