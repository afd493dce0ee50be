//! The forecasting model: members that each forecast every series, and their weighted mean.

pub(crate) mod effects;
pub(crate) mod ets;
pub(crate) mod lags;
pub(crate) mod logs;
pub(crate) mod member;
pub(crate) mod net;
pub(crate) mod readings;
pub(crate) mod nets;
pub(crate) mod theta;
pub(crate) mod trees;
pub(crate) mod window;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, SeriesSet, Table, TimeAxis};
use crate::error::{Error, Result};
use crate::model::Forecasts;
use crate::model::member::{contradiction, weights_of};

pub(crate) use effects::{EffectSpec, Effects};
pub(crate) use member::{Body, Levels, Member, MemberSpec, Term};
pub(crate) use net::{LEVELS, MEDIAN};
pub(crate) use nets::WindowNet;
pub(crate) use readings::Readings;
pub(crate) use window::{Scale, Window};

/// What `mlx/model.json` holds of a forecasting model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// How the training data was read, so that new files are read the same way.
    pub data: DataSettings,
    pub kinds: BTreeMap<String, ColumnKind>,
    pub axis: TimeAxis,
    pub horizon: usize,
    pub season: usize,
    /// How covariates are read.
    #[serde(default)]
    pub readings: Readings,
    /// What covariates add to every series, where a regression found that they do. Members forecast
    /// what is left without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectSpec>,
    /// In the order of training.
    pub members: Vec<MemberSpec>,
    /// How much wider than the members say each interval has to be to hold its share of what validation
    /// saw: one row for each pair of levels from the outermost in, one value a step.
    pub widening: Vec<Vec<f64>>,
    /// No forecast lies below: zero where no value of the training data does.
    pub lowest: Option<f64>,
}

impl Spec {
    /// How many steps before a forecast are read.
    pub(crate) fn look_back(&self) -> usize {
        // The size that an effect is measured in is that of the steps before.
        let sized = self.effects.as_ref().map_or(0, |_| member::band_reach(self.season));
        self.members_look_back() + sized
    }

    fn members_look_back(&self) -> usize {
        self.members.iter().map(|member| member.body.look_back(self.season)).max().unwrap_or(1)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ForecastingModel {
    pub spec: Spec,
    pub weights: BTreeMap<String, Tensor>,
    members: Vec<Member>,
    effects: Option<Effects>,
}

impl ForecastingModel {
    pub(crate) fn new(
        spec: Spec,
        weights: BTreeMap<String, Tensor>,
        _device: &Device,
    ) -> Result<Self> {
        let sound = spec.horizon > 0
            && spec.season > 0
            && !spec.members.is_empty()
            && spec.members.iter().all(|member| (0.0..=1.0).contains(&member.weight))
            && spec.members.iter().all(|member| match &member.body {
                // They read covariates, which a set of logarithms doesn't hold, as the model does.
                Body::Trees { reader, .. } => {
                    member.logs.is_none() && reader.readings == spec.readings
                }
                _ => true,
            })
            && spec.widening.len() == MEDIAN
            && spec.widening.iter().all(|row| row.len() == spec.horizon);
        if !sound {
            return Err(contradiction());
        }
        let effects = spec.effects.as_ref();
        let effects = effects.map(|own| Effects::new(own, &spec.readings, &weights)).transpose()?;
        let members = spec
            .members
            .iter()
            .map(|member| {
                let own = weights_of(&member.name, &weights);
                Member::new(member, &own, spec.horizon, spec.season)
            })
            .collect::<Result<_>>()?;
        Ok(Self { spec, weights, members, effects })
    }

    pub(crate) fn horizon(&self) -> usize {
        self.spec.horizon
    }

    pub(crate) fn season(&self) -> usize {
        self.spec.season
    }

    /// The series of tables that follow each other, on the model's own axis.
    pub(crate) fn series(&self, tables: &[&Table]) -> Result<SeriesSet> {
        SeriesSet::from_tables(tables, &self.spec.data, Some(&self.spec.axis))
    }

    /// What the forecasts from these `(series, time index of the first step)` need to know of their
    /// future is there.
    pub(crate) fn check_future(&self, set: &SeriesSet, origins: &[(usize, i64)]) -> Result<()> {
        let Spec { readings, data, horizon, .. } = &self.spec;
        readings::check_future(set, readings, data, origins, *horizon)
    }

    /// Forecasts of `(series, time index of the first step)`, from the values before that index and
    /// the covariates of the forecast's own steps; a covariate that is missing there is as if it were usual.
    pub(crate) fn forecast(&self, set: &SeriesSet, origins: &[(usize, i64)]) -> Result<Forecasts> {
        let mut forecasts = Forecasts {
            levels: LEVELS.to_vec(),
            quantiles: vec![Vec::new(); LEVELS.len()],
            ..Forecasts::default()
        };
        let origins = in_order(origins);
        let said: Vec<Option<Levels>> =
            origins.par_iter().map(|&(series, index)| self.levels(set, series, index)).collect();
        for (&(series, index), said) in origins.iter().zip(said) {
            let said = said.ok_or_else(|| unobserved(set, series, index))?;
            for (step, quantiles) in said.into_iter().enumerate() {
                push(&mut forecasts, series, index, step, quantiles[MEDIAN]);
                for (column, value) in forecasts.quantiles.iter_mut().zip(quantiles) {
                    column.push(value);
                }
            }
        }
        Ok(forecasts)
    }

    /// The naive and the seasonal naive forecast of the same origins.
    pub(crate) fn baselines(
        &self,
        set: &SeriesSet,
        origins: &[(usize, i64)],
    ) -> Result<Vec<(String, Forecasts)>> {
        let season = self.spec.season;
        let mut naive = Forecasts::default();
        let mut seasonal = Forecasts::default();
        for (series, index) in in_order(origins) {
            let last = window::filled(set, series, index, season, season)
                .ok_or_else(|| unobserved(set, series, index))?;
            for step in 0..self.spec.horizon {
                push(&mut naive, series, index, step, last[season - 1]);
                push(&mut seasonal, series, index, step, last[step % season]);
            }
        }
        Ok(vec![("naive".into(), naive), ("seasonal_naive".into(), seasonal)])
    }

    /// The values of all levels at each step, rising; none where the series has no value before `index`.
    pub(crate) fn levels(&self, set: &SeriesSet, series: usize, index: i64) -> Option<Levels> {
        let mut mean = vec![[0.0; LEVELS.len()]; self.spec.horizon];
        // What fills gaps in the first season of the look-back lies a season before it.
        let steps = self.spec.members_look_back() + self.spec.season;
        let plain = match &self.effects {
            Some(effects) => Some(effects.before(set, series, index, steps, self.reads_ahead())?),
            None => None,
        };
        let (own, place) = plain.as_ref().map_or((set, series), |plain| (plain, 0));
        for (spec, member) in self.spec.members.iter().zip(&self.members) {
            if spec.weight == 0.0 {
                continue;
            }
            for (sums, values) in mean.iter_mut().zip(member.levels(own, place, index)?) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += spec.weight * value;
                }
            }
        }
        if let Some(effects) = &self.effects {
            effects.put_in(set, series, index, &mut mean);
        }
        for (step, values) in mean.iter_mut().enumerate() {
            self.finish(step, values);
        }
        Some(mean)
    }

    /// How many steps of covariates members read from a forecast's first step on.
    fn reads_ahead(&self) -> Option<usize> {
        let reads = self.spec.members.iter().any(|member| member.body.reads_covariates());
        reads.then_some(self.spec.horizon)
    }

    /// Widened, held above the lowest value, in order.
    fn finish(&self, step: usize, values: &mut [f64; LEVELS.len()]) {
        let median = values[MEDIAN];
        for (level, value) in values.iter_mut().enumerate() {
            let pair = level.min(LEVELS.len() - 1 - level);
            let wider = self.spec.widening.get(pair).map_or(1.0, |row| row[step]);
            *value = median + wider * (*value - median);
            *value = self.spec.lowest.map_or(*value, |lowest| value.max(lowest));
        }
        values.sort_by(f64::total_cmp);
    }
}

/// By cutoff, then series, as [`Forecasts`] are.
fn in_order(origins: &[(usize, i64)]) -> Vec<(usize, i64)> {
    let mut origins = origins.to_vec();
    origins.sort_by_key(|(series, index)| (*index, *series));
    origins
}

fn push(forecasts: &mut Forecasts, series: usize, cutoff: i64, step: usize, point: f64) {
    forecasts.series.push(series);
    forecasts.cutoff.push(cutoff);
    forecasts.step.push(step);
    forecasts.point.push(point);
}

fn unobserved(set: &SeriesSet, series: usize, index: i64) -> Error {
    Error::user(format!("{} has no value before {}", set.name(series), set.axis.text(index)))
        .hint("a forecast needs at least one value of the series")
}
