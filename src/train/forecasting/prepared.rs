//! What every forecaster begins with: the series, where their training history ends, and what their
//! forecasts of validation are held against.

use rayon::prelude::*;
use toml::{Table, Value};

use super::effects;
use super::growth;
use super::score::{Loss, Points};
use super::windows::{Judged, Origins, Shape, judged, stride};
use crate::data::{DataSettings, Dataset, SeriesSet, season};
use crate::error::{Error, Result};
use crate::metrics;
use crate::model::ForecastingModel;
use crate::model::forecasting::effects::Form;
use crate::model::forecasting::{
    Effects, LEVELS, Levels, MEDIAN, Readings, Scale, Spec, logs, window,
};
use crate::train::learner::Validation;

/// Forecasts of validation that are looked at, times the steps of each.
const VALID_STEPS: usize = 1_000_000;

/// The settings under `[model]` that all forecasters share.
pub(super) const LOSS: &str = "loss";
pub(super) const REFIT: &str = "refit";
pub(super) const LOGS: &str = "logs";

pub(super) struct Prepared {
    /// What forecasters learn from: the series without what covariates add to them.
    pub set: SeriesSet,
    /// The series as they were observed, which models forecast and are judged by.
    pub observed: SeriesSet,
    /// What was found of the covariates; none where there are none, or nothing was to be found.
    pub effects: Option<effects::Fitted>,
    /// Where the training history of each series ends; targets lie before it.
    pub ends: Vec<i64>,
    pub horizon: usize,
    pub season: usize,
    /// Steps of a season of seasons, where the data shows one.
    pub long: Option<usize>,
    pub loss: Loss,
    /// The least value, where values are logarithms.
    pub logs: Option<f64>,
    /// The least value, where shared maps are to be fitted on logarithms.
    wanted: Option<f64>,
    pub judged: Vec<Judged>,
    /// What the seasonal naive forecast reaches on them.
    pub reference: Points,
    /// The effects, ready to be put in.
    ready: Option<Effects>,
    /// The description of a model, without its kind and its members.
    pub spec: Spec,
}

impl Prepared {
    pub(super) fn new(dataset: &Dataset, data: &DataSettings, shared: &Table) -> Result<Self> {
        let horizon = match data.horizon {
            Some(0) => Err("is 0: a forecast is at least one step ahead"),
            None => Err("is not set: how many steps ahead is the forecast?"),
            Some(horizon) => Ok(horizon),
        }
        .map_err(|why| {
            Error::user(format!("data.horizon {why}"))
                .hint("say it in mlx.toml, under [data], such as: horizon = 28")
        })?;
        let observed = SeriesSet::from_tables(&[&dataset.train, &dataset.valid], data, None)?;
        let train = SeriesSet::from_tables(&[&dataset.train], data, Some(&observed.axis))?;
        // Series come in the order in which they appear: those that begin in validation are last.
        let ends: Vec<i64> = (0..observed.len())
            .map(|series| match train.values.get(series) {
                Some(values) => train.start[series] + values.len() as i64,
                None => observed.start[series],
            })
            .collect();
        let season = season::season(&train, data);
        let long = season::long_season(&train, season);
        let loss = loss(shared)?;
        let readings = Readings::fit(&train);
        let lag = long.filter(|long| is_long_enough(&train, *long)).unwrap_or(season);
        let effects = effects::fit(&observed, &ends, &readings, lag, season)?;
        let ready = match &effects {
            Some(found) => Some(Effects::new(&found.spec, &readings, &found.weights)?),
            None => None,
        };
        let set = match &ready {
            Some(effects) => effects.taken_out(&observed),
            None => observed.clone(),
        };
        let shape = Shape { look_back: season, horizon, season, scale: Scale::Change };
        if Origins::new(&set, &ends, &shape).len() == 0 {
            return Err(Error::user(format!(
                "no series has two values to learn from before the last {horizon} steps"
            ))
            .hint("give longer series, or a smaller data.horizon"));
        }
        let stride = stride(&set, &ends, horizon);
        let mut judged = judged(&observed, &ends, &shape, stride, (VALID_STEPS / horizon).max(64));
        // Where covariates explain all that was observed before, nothing is left to forecast from.
        judged.retain(|own| set.before(own.series, own.origin).iter().any(|seen| !seen.is_nan()));
        if judged.is_empty() {
            return Err(Error::user("validation has no value to compare a forecast with")
                .hint("the last steps of the training data are empty; see `mlx data check`"));
        }
        let not_negative =
            train.values.iter().flatten().all(|value| value.is_nan() || *value >= 0.0);
        let spec = Spec {
            kind: String::new(),
            data: data.clone(),
            kinds: dataset.kinds(),
            axis: observed.axis.clone(),
            horizon,
            season,
            readings,
            effects: effects.as_ref().map(|found| found.spec.clone()),
            members: vec![],
            widening: vec![vec![1.0; horizon]; MEDIAN],
            lowest: not_negative.then_some(0.0),
        };
        let reference = seasonal_naive(&observed, &judged, season, horizon);
        let wanted = match on_logs(shared)? {
            Some(false) => None,
            None => growth::lowest(&set, &ends, season),
            Some(true) => Some(least(&train)?),
        };
        Ok(Self {
            set,
            observed,
            effects,
            ends,
            horizon,
            season,
            long,
            loss,
            logs: None,
            wanted,
            judged,
            reference,
            ready,
            spec,
        })
    }

    /// The same with logarithms for values, where shared maps are to be fitted on these.
    pub(super) fn on_logs(&self) -> Option<Self> {
        let lowest = self.wanted?;
        let set = logs::logged(&self.set, lowest);
        let shape = self.shape(self.season, Scale::Change);
        let stride = stride(&set, &self.ends, self.horizon);
        let most = (VALID_STEPS / self.horizon).max(64);
        let judged = judged(&set, &self.ends, &shape, stride, most);
        let reference = seasonal_naive(&set, &judged, self.season, self.horizon);
        Some(Self {
            observed: set.clone(),
            set,
            effects: None,
            ends: self.ends.clone(),
            loss: if self.loss == Loss::Squared { Loss::Squared } else { Loss::Logs },
            logs: Some(lowest),
            ready: None,
            wanted: None,
            judged,
            reference,
            spec: Spec { effects: None, ..self.spec.clone() },
            ..*self
        })
    }

    /// How many windows there are to learn from.
    pub(super) fn windows(&self, look_back: usize) -> usize {
        Origins::new(&self.set, &self.ends, &self.shape(look_back, Scale::Change)).len()
    }

    pub(super) fn shape(&self, look_back: usize, scale: Scale) -> Shape {
        Shape { look_back, horizon: self.horizon, season: self.season, scale }
    }

    /// What a model says of validation.
    pub(super) fn answers(&self, model: &ForecastingModel, judged: &[Judged]) -> Vec<Levels> {
        judged
            .par_iter()
            .map(|judged| {
                model
                    .levels(&self.observed, judged.series, judged.origin)
                    .expect("what is judged has observations before it")
            })
            .collect()
    }

    /// Puts what covariates add into what members say of a judged forecast.
    pub(super) fn put_in(&self, judged: &Judged, said: &mut Levels) {
        if let Some(effects) = &self.ready {
            effects.put_in(&self.observed, judged.series, judged.origin, said);
        }
    }

    /// What the user should know of the covariates.
    pub(super) fn of_covariates(&self) -> Option<String> {
        let known = &self.spec.readings.known;
        if known.is_empty() {
            return None;
        }
        let list = |names: &[String]| names.join(", ");
        let Some(found) = &self.effects else {
            let all: Vec<String> = known.iter().map(|reading| reading.column.clone()).collect();
            return Some(format!("nothing that {} adds could be told from noise", list(&all)));
        };
        let how = match found.spec.form {
            Form::Sum => "adds to",
            Form::Product => "multiplies",
        };
        let own = if found.spec.series.is_empty() { "" } else { ", each series by its own" };
        let left_out = match &found.left_out[..] {
            [] => String::new(),
            names => format!("; {} made no difference beyond noise", list(names)),
        };
        Some(format!(
            "what is known of the future {how} the forecast{own}: {}{left_out}",
            list(&found.used)
        ))
    }

    pub(super) fn validation(&self, model: &ForecastingModel) -> Validation {
        measure(&self.judged, &self.answers(model, &self.judged), self.reference, self.loss)
    }
}

/// Whether half of the series hold three of these seasons.
fn is_long_enough(set: &SeriesSet, season: usize) -> bool {
    let long = set.values.iter().filter(|values| values.len() >= 3 * season).count();
    2 * long > set.len()
}

/// How good these answers are. The monitor is the error as a share of the reference's.
pub(super) fn measure(
    judged: &[Judged],
    answers: &[Levels],
    reference: Points,
    loss: Loss,
) -> Validation {
    let mut actual = Vec::new();
    let mut columns = vec![Vec::new(); LEVELS.len()];
    for (judged, rows) in judged.iter().zip(answers) {
        for (row, value) in rows.iter().zip(&judged.actual) {
            if !value.is_nan() {
                actual.push(*value);
                columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
            }
        }
    }
    let errors =
        Points::of(judged, |number| answers[number].iter().map(|row| row[MEDIAN]).collect());
    let mut metrics = vec![("mase".to_owned(), errors.mase), ("smape".into(), errors.smape)];
    if loss == Loss::Squared {
        metrics.insert(0, ("mse_scaled".into(), errors.squared));
    }
    if let Some(wql) = metrics::wql(&actual, &LEVELS, &columns) {
        metrics.push(("wql".into(), wql));
    }
    Validation { monitor: errors.relative_to(reference, loss), metrics }
}

/// What the seasonal naive forecast reaches.
pub(super) fn seasonal_naive(
    set: &SeriesSet,
    judged: &[Judged],
    season: usize,
    horizon: usize,
) -> Points {
    Points::of(judged, |number| {
        let Judged { series, origin, .. } = judged[number];
        let last = window::filled(set, series, origin, season, season)
            .expect("what is judged has observations before it");
        (0..horizon).map(|step| last[step % season]).collect()
    })
}

/// Which error is made small.
pub(super) fn loss(shared: &Table) -> Result<Loss> {
    match shared.get(LOSS) {
        None => Ok(Loss::Absolute),
        Some(Value::String(name)) if name == "absolute" => Ok(Loss::Absolute),
        Some(Value::String(name)) if name == "squared" => Ok(Loss::Squared),
        Some(other) => Err(Error::user(format!("model.{LOSS} is {other}"))
            .hint("it is \"absolute\", for MASE and sMAPE, or \"squared\", for MSE")),
    }
}

/// Whether shared maps are fitted on logarithms, where that is said.
pub(super) fn on_logs(shared: &Table) -> Result<Option<bool>> {
    match shared.get(LOGS) {
        None => Ok(None),
        Some(Value::Boolean(logs)) => Ok(Some(*logs)),
        Some(other) => Err(Error::user(format!("model.{LOGS} is {other}"))
            .hint("it is true or false; left out, the data decides")),
    }
}

/// The least value, which has to be above zero.
fn least(set: &SeriesSet) -> Result<f64> {
    let values = set.values.iter().flatten().copied().filter(|value| !value.is_nan());
    let least = values.fold(f64::INFINITY, f64::min);
    if least > 0.0 {
        return Ok(least);
    }
    Err(Error::user(format!("model.{LOGS} is true, but the training data holds {least}"))
        .hint("only values above zero have logarithms; leave it out"))
}

/// Whether what is fitted in closed form is fitted once more, with what was validated on.
pub(super) fn refit(shared: &Table) -> Result<bool> {
    match shared.get(REFIT) {
        None => Ok(true),
        Some(Value::Boolean(refit)) => Ok(*refit),
        Some(other) => {
            Err(Error::user(format!("model.{REFIT} is {other}")).hint("it is true or false"))
        }
    }
}
