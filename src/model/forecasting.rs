//! The forecasting model: a window of each series, centred and scaled, through one shared linear net.

pub(crate) mod net;
pub(crate) mod window;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, SeriesSet, Table, TimeAxis};
use crate::error::{Error, Result};
use crate::model::Forecasts;

pub(crate) use net::{LEVELS, MEDIAN, Net};
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
    pub look_back: usize,
    pub scale: Scale,
    /// How much wider than the net says each interval has to be to hold its share of what validation
    /// saw: one row for each pair of levels from the outermost in, one value a step.
    pub widening: Vec<Vec<f64>>,
    /// No forecast lies below: zero where no value of the training data does.
    pub lowest: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct ForecastingModel {
    pub spec: Spec,
    pub weights: BTreeMap<String, Tensor>,
    net: Net,
}

impl ForecastingModel {
    pub(crate) fn new(
        spec: Spec,
        weights: BTreeMap<String, Tensor>,
        _device: &Device,
    ) -> Result<Self> {
        let sound = spec.look_back > 0
            && spec.horizon > 0
            && spec.season > 0
            && spec.widening.len() == MEDIAN
            && spec.widening.iter().all(|row| row.len() == spec.horizon);
        if !sound {
            return Err(Error::user("the model's description contradicts itself")
                .hint("its mlx/model.json was changed or cut short: `mlx models verify`"));
        }
        let net = Net::new(&weights, spec.look_back, spec.horizon)?;
        Ok(Self { spec, weights, net })
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

    /// Forecasts of `(series, time index of the first step)`, from the values before that index only.
    pub(crate) fn forecast(&self, set: &SeriesSet, origins: &[(usize, i64)]) -> Result<Forecasts> {
        let mut forecasts = Forecasts {
            levels: LEVELS.to_vec(),
            quantiles: vec![Vec::new(); LEVELS.len()],
            ..Forecasts::default()
        };
        for (series, index) in in_order(origins) {
            let window = self.window(set, series, index)?;
            for (step, quantiles) in self.of_window(&window).into_iter().enumerate() {
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

    fn window(&self, set: &SeriesSet, series: usize, index: i64) -> Result<Window> {
        let Spec { look_back, season, scale, .. } = self.spec;
        Window::new(set, series, index, look_back, season, scale)
            .ok_or_else(|| unobserved(set, series, index))
    }

    /// The values of all levels at each step, rising.
    pub(crate) fn of_window(&self, window: &Window) -> Vec<[f64; LEVELS.len()]> {
        let answer = self.net.answer(&window.inputs);
        (0..self.spec.horizon).map(|step| self.quantiles(window, &answer, step)).collect()
    }

    /// The values of all levels at a step, rising.
    fn quantiles(&self, window: &Window, answer: &net::Answer, step: usize) -> [f64; LEVELS.len()] {
        let mut values = std::array::from_fn(|level| {
            let pair = level.min(LEVELS.len() - 1 - level);
            let wider = self.spec.widening.get(pair).map_or(1.0, |row| row[step]);
            let offset = self.net.offset(level, step) * wider;
            let value = answer.location[step] + answer.spread[step] * offset;
            let value = window.centre + window.scale * value;
            self.spec.lowest.map_or(value, |lowest| value.max(lowest))
        });
        values.sort_by(f64::total_cmp);
        values
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
