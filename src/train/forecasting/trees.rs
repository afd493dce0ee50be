//! `trees`: boosted trees for all series together, whose rows are the steps of forecasts.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;
use rayon::prelude::*;

use super::closed::{self, Fitted};
use super::prepared::{Prepared, measure};
use super::score::Loss;
use super::windows::{Origins, Shape, targets};
use crate::error::{Error, Result};
use crate::model::boosted::{self, Columns};
use crate::model::forecasting::trees::{Base, StepReader, Steps};
use crate::model::forecasting::{Body, LEVELS, Levels, Scale};
use crate::model::{Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::train::boosting::{Boosted, TreesLearner, check_device};
use crate::train::deadline::Deadline;
use crate::train::estimator::{Estimator, Request};
use crate::train::learner::{Learner, Validation};
use crate::trees::{Booster, Objective, Quantile, Settings, Squared};

/// Steps of forecasts that trees learn from, at most.
const MOST_ROWS: usize = 120_000;
/// Defaults where they are not LightGBM's: rows of one forecast resemble each other, so a leaf needs more of
/// them, and a rate lower than its own costs little where rounds are stopped by validation.
const RATE: f64 = 0.05;
const ROWS_PER_LEAF: i64 = 100;

pub(super) const ESTIMATOR: Estimator = Estimator {
    kind: "trees",
    about: "boosted trees over lags, the calendar and covariates, shared by all series",
    keys: boosted::KEYS,
    check: |model| settings(model).map(drop),
    build,
    descends: false,
    cpu_only: true,
    takes_steps: true,
};

fn settings(model: &ModelSettings) -> Result<Settings> {
    let mut model = model.clone();
    let own = &mut model.settings;
    own.entry("learning_rate").or_insert(RATE.into());
    own.entry("min_rows_per_leaf").or_insert(ROWS_PER_LEAF.into());
    boosted::settings(&model)
}

fn build(request: &Request<'_>) -> Result<Box<dyn Learner>> {
    check_device(request.device)?;
    let settings = settings(request.model)?;
    let Request { dataset, data, shared, .. } = *request;
    let prepared = request.common.forecasting.prepared(dataset, data, shared)?;
    let readings = prepared.spec.readings.clone();
    let reader = StepReader { season: prepared.season, readings };
    let (train, wanted) = rows(&prepared, &prepared.ends, &reader)?;
    let (mut valid, mut bases) = (Steps::default(), Vec::new());
    for judged in &prepared.judged {
        let of = (judged.series, judged.origin);
        let base = reader.push(&prepared.set, of, prepared.horizon, &mut valid);
        bases.push(base.expect("what is judged has observations before it"));
    }
    let seed = request.seed;
    let forecasts = Forecasts { prepared, reader, settings: settings.clone(), seed, wanted, bases };
    let valid = valid.into_columns();
    Ok(Box::new(TreesLearner::new(forecasts, settings, train, valid, seed, request.device)?))
}

/// Steps before the ends, and what came of each beside its base.
fn rows(prepared: &Prepared, ends: &[i64], reader: &StepReader) -> Result<(Columns, Vec<f64>)> {
    let Prepared { set, horizon, season, .. } = prepared;
    let shape = Shape {
        look_back: reader.reach(),
        horizon: *horizon,
        season: *season,
        scale: Scale::Change,
    };
    let origins = Origins::new(set, ends, &shape).spread((MOST_ROWS / horizon).max(1));
    let parts: Vec<(Steps, Vec<f64>)> = origins
        .par_chunks(64)
        .map(|origins| {
            let (mut steps, mut wanted, mut kept) = (Steps::default(), Vec::new(), Vec::new());
            for &(series, origin) in origins {
                let of = (series, origin);
                let Some(base) = reader.push(set, of, *horizon, &mut steps) else { continue };
                let came = targets(set, series, origin, ends[series], *horizon);
                for (value, base_value) in came.zip(&base.values) {
                    let target = (value - base_value) / base.unit;
                    // Beyond this nothing moved before: there is no unit to learn in.
                    let learns = target.abs() < 1e6;
                    kept.push(learns);
                    if learns {
                        wanted.push(target);
                    }
                }
            }
            steps.keep(&kept);
            (steps, wanted)
        })
        .collect();
    let (mut steps, mut wanted) = (Steps::default(), Vec::new());
    for (part, more) in parts {
        steps.append(part);
        wanted.extend(more);
    }
    if wanted.is_empty() {
        return Err(Error::user("no step before the end of training can be learned from")
            .hint("every series stands still, or is shorter than two steps"));
    }
    Ok((steps.into_columns(), wanted))
}

struct Forecasts {
    prepared: Arc<Prepared>,
    reader: StepReader,
    settings: Settings,
    seed: u64,
    /// What training steps should answer.
    wanted: Vec<f64>,
    /// Of the judged forecasts.
    bases: Vec<Base>,
}

fn objective(loss: Loss, wanted: Vec<f64>) -> Result<Box<dyn Objective>> {
    Ok(match loss {
        Loss::Absolute | Loss::Logs => Box::new(Quantile::new(wanted, 0.5)?),
        Loss::Squared => Box::new(Squared::new(wanted)?),
    })
}

impl Boosted for Forecasts {
    fn objective(&self) -> Result<Box<dyn Objective>> {
        objective(self.prepared.loss, self.wanted.clone())
    }

    fn valid_objective(&self) -> Result<Box<dyn Objective>> {
        // Only how many they are counts: validation is measured as that of all forecasters.
        objective(self.prepared.loss, vec![0.0; self.bases.len() * self.prepared.horizon])
    }

    fn units(&self) -> [usize; 2] {
        [self.wanted.len(), self.bases.len()]
    }

    fn validation(&self, answers: Vec<f64>) -> Validation {
        let prepared = &self.prepared;
        let said: Vec<Levels> = self
            .bases
            .iter()
            .zip(&prepared.judged)
            .zip(answers.chunks_exact(prepared.horizon))
            .map(|((base, judged), answers)| {
                let said = base.values.iter().zip(answers);
                let mut said: Levels =
                    said.map(|(value, more)| [value + base.unit * more; LEVELS.len()]).collect();
                prepared.put_in(judged, &mut said);
                said
            })
            .collect();
        let mut validation = measure(&prepared.judged, &said, prepared.reference, prepared.loss);
        // A point has no quantiles yet.
        validation.metrics.retain(|(name, _)| name != "wql");
        validation
    }

    fn model(&self, weights: BTreeMap<String, Tensor>) -> Result<Model> {
        let rounds = boosted::from_weights(&weights)?.rounds();
        let fitted = banded(
            &self.prepared,
            &self.prepared.ends,
            Grown {
                reader: self.reader.clone(),
                settings: self.settings.clone(),
                seed: self.seed,
                rounds,
            },
            weights,
            &Deadline::open(),
        )?;
        Ok(Model::Forecasting(closed::alone(&self.prepared, ESTIMATOR.kind, fitted)?))
    }
}

/// How trees were grown, so that they can be grown again.
#[derive(Clone, Debug)]
pub(super) struct Grown {
    pub reader: StepReader,
    pub settings: Settings,
    pub seed: u64,
    pub rounds: usize,
}

fn banded(
    prepared: &Prepared,
    ends: &[i64],
    grown: Grown,
    weights: BTreeMap<String, Tensor>,
    deadline: &Deadline,
) -> Result<Fitted> {
    let Grown { reader, settings, seed, rounds } = grown;
    let body = Body::Trees { reader, settings, seed, rounds };
    closed::banded(prepared, ends, body, weights, deadline)
}

/// As many rounds on what lies before other ends.
pub(super) fn fit(
    prepared: &Prepared,
    ends: &[i64],
    grown: Grown,
    deadline: &Deadline,
) -> Result<Fitted> {
    let (columns, wanted) = rows(prepared, ends, &grown.reader)?;
    let random = &mut stream(grown.seed, Purpose::Init, 0);
    let objective = objective(prepared.loss, wanted)?;
    let settings = grown.settings.clone();
    let mut booster = Booster::new(settings, &columns.as_columns(), objective, random)?;
    for round in 0..grown.rounds {
        deadline.look()?;
        booster.step(&mut stream(grown.seed, Purpose::Shuffle, round as u64));
    }
    let weights = boosted::to_weights(booster.model())?;
    banded(prepared, ends, grown, weights, deadline)
}
