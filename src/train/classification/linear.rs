//! `linear`: logistic regression over piecewise-linearly encoded numbers and one column a name.
//!
//! A step is a fit to the end for one penalty of the squared weights, each a third of the one before and searched
//! from where the last fit ended (a regularisation path, as in Friedman, Hastie & Tibshirani 2010); validation
//! chooses among them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::{PartSpec, Prepared, validation};
use crate::engine::{NetBuilder, Parameters};
use crate::error::{Error, Result};
use crate::model::features::{Inputs, NumberStyle};
use crate::model::linear::{Columns, Linear, WEIGHT};
use crate::model::logistic::Logistic;
use crate::model::member::Body;
use crate::model::{Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::{Defaults, Learner, Validation};
use crate::train::logistic::{Problem, Sparse};

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "linear",
    about: "logistic regression over encoded numbers and names",
    keys: &["bins", "penalty"],
    check: |model| LinearSettings::read(model).map(drop),
    build,
    descends: false,
    cpu_only: true,
    takes_steps: true,
};

/// The strongest penalty of a path, and by how much the next is weaker.
const STRONGEST: f64 = 100.0;
const WEAKER: f64 = 1.0 / 3.0;
/// How many penalties a path has at most, and how many in a row may fail to do better.
const PENALTIES: usize = 10;
const PATIENCE: usize = 2;
/// A fit along the path ends when no gradient, a row, is over this.
const TOLERANCE: f64 = 1e-5;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LinearSettings {
    /// The most bins of a number.
    bins: usize,
    /// Half of it, times the squared weights, is added to the summed loss. Absent: chosen on validation.
    penalty: Option<f64>,
}

impl Default for LinearSettings {
    fn default() -> Self {
        Self { bins: 8, penalty: None }
    }
}

impl LinearSettings {
    fn read(model: &ModelSettings) -> Result<Self> {
        let wrong = |key: &str, value: String, wanted: &str| {
            Error::user(format!("`model.{key}` is {value}")).hint(format!("it is {wanted}"))
        };
        let mut read = Self::default();
        if let Some(value) = model.settings.get("bins") {
            let bins = value.as_integer().and_then(|bins| usize::try_from(bins).ok());
            read.bins = bins
                .filter(|bins| (2..=512).contains(bins))
                .ok_or_else(|| wrong("bins", value.to_string(), "a whole number, 2 to 512"))?;
        }
        if let Some(value) = model.settings.get("penalty") {
            let penalty = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
            let fine = penalty.filter(|penalty| *penalty > 0.0 && penalty.is_finite());
            let wanted = "more than 0, such as 1.0; leave it out to have validation choose";
            read.penalty = Some(fine.ok_or_else(|| wrong("penalty", value.to_string(), wanted))?);
        }
        Ok(read)
    }
}

struct LinearLearner {
    spec: PartSpec,
    settings: LinearSettings,
    columns: Columns,
    train: Sparse,
    labels: Vec<usize>,
    row_weights: Option<Vec<f64>>,
    valid: Inputs,
    valid_labels: Vec<usize>,
    state: Mutex<State>,
    /// It has none of a net's.
    parameters: Parameters,
}

/// Where on its path the regression is.
#[derive(Clone, Debug)]
struct State {
    fits: usize,
    /// `[width, outputs]`.
    weights: Vec<f64>,
}

/// Where a snapshot has the number of fits.
const FITS: &str = "fits";

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    let settings = LinearSettings::read(request.model)?;
    let Prepared { spec, train, labels, valid, valid_labels } =
        Prepared::new(request, NumberStyle::Bins(settings.bins))?;
    let spec = spec.with(Body::Linear);
    let columns = Columns::of(spec.features())?;
    let mut sparse = Sparse::with_room(train.rows, columns.filled());
    columns.rows(spec.features(), &train, |row| sparse.push(row));
    let weights = vec![0.0; columns.width() * Logistic::outputs(spec.classes())];
    let net = NetBuilder::new(0, 0).finish_without_output();
    let random = &mut stream(request.seed, Purpose::Init, 0);
    Ok(Box::new(LinearLearner {
        row_weights: spec.row_weights(&labels),
        spec,
        settings,
        columns,
        train: sparse,
        labels,
        valid,
        valid_labels,
        state: Mutex::new(State { fits: 0, weights }),
        parameters: Parameters::init(&net, &Device::Cpu, random)?,
    }))
}

impl LinearLearner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outputs(&self) -> usize {
        Logistic::outputs(self.spec.classes())
    }

    fn tensor(&self, weights: Vec<f64>) -> Result<Tensor> {
        Ok(Tensor::from_vec(weights, (self.columns.width(), self.outputs()), &Device::Cpu)?)
    }
}

impl Learner for LinearLearner {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn units(&self) -> usize {
        self.labels.len()
    }

    fn rows_of(&self, _: &[usize]) -> usize {
        self.labels.len()
    }

    fn valid_units(&self) -> usize {
        self.valid_labels.len()
    }

    fn defaults(&self) -> Defaults {
        Defaults { batch: self.labels.len(), learning_rate: 1.0, weight_decay: 0.0 }
    }

    fn steps_per_epoch(&self) -> Option<usize> {
        Some(1)
    }

    fn most(&self) -> Option<(usize, usize)> {
        let penalties = if self.settings.penalty.is_some() { 1 } else { PENALTIES };
        Some((penalties, PATIENCE))
    }

    fn step(
        &self,
        _: &[usize],
        _: &mut ChaCha8Rng,
        _: &mut dyn FnMut(&Tensor) -> Result<f64>,
    ) -> Result<f64> {
        let mut state = self.state();
        let path = STRONGEST * WEAKER.powi(state.fits as i32);
        let penalty = self.settings.penalty.unwrap_or(path);
        let problem = Problem {
            rows: &self.train,
            labels: &self.labels,
            weights: self.row_weights.as_deref(),
            smoothing: self.spec.told().smoothing,
            outputs: self.outputs(),
        };
        let start = std::mem::take(&mut state.weights);
        state.weights = problem.solve(start, penalty, TOLERANCE, |_| Ok(true))?;
        state.fits += 1;
        Ok(problem.mean_loss(&state.weights))
    }

    fn loss(&self, _: &[usize], _: &mut ChaCha8Rng) -> Result<Tensor> {
        Err(Error::bug("a regression is fitted to its end, not step by step"))
    }

    fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        let State { fits, weights } = self.state().clone();
        Ok(BTreeMap::from([
            (WEIGHT.to_owned(), self.tensor(weights)?),
            (FITS.to_owned(), Tensor::new(fits as u32, &Device::Cpu)?),
        ]))
    }

    fn restore(&self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let (Some(weights), Some(fits)) = (state.get(WEIGHT), state.get(FITS)) else {
            return Err(Error::user("the checkpoint is not that of a linear model"));
        };
        if weights.dims() != [self.columns.width(), self.outputs()] {
            return Err(Error::user("the checkpoint is that of a linear model of other data"));
        }
        let weights = weights.flatten_all()?.to_vec1::<f64>()?;
        *self.state() = State { fits: fits.to_scalar::<u32>()? as usize, weights };
        Ok(())
    }

    fn validate(&self) -> Result<Validation> {
        let weights = self.state().weights.clone();
        let linear = Linear::new(self.columns.clone(), weights, self.spec.classes());
        let answer = linear.probabilities(self.spec.features(), &self.valid);
        Ok(validation(&self.spec, &self.valid_labels, &answer))
    }

    fn model(&self) -> Result<Model> {
        let weights = self.state().weights.iter().map(|weight| *weight as f32).collect();
        let shape = (self.columns.width(), self.outputs());
        let tensor = Tensor::from_vec::<_, f32>(weights, shape, &Device::Cpu)?;
        self.spec.model(BTreeMap::from([(WEIGHT.to_owned(), tensor)]), &Device::Cpu)
    }
}
