//! Boosted trees that forecast: what they read of a step, and their answer.
//!
//! A step is read as distances from a base, the usual value of its phase at the level of now, in units of how
//! much the series changes from season to season: trees of one series speak of all. Beside them stand the
//! calendar at the step, what is known of it and what is known of the series.

use serde::{Deserialize, Serialize};

use super::lags::History;
use super::readings::{Reading, Readings};
use super::window::filled;
use crate::data::SeriesSet;
use crate::model::boosted::Columns;
use crate::model::features::MISSING_CODE;

/// Seasons that a usual value is the mean of.
const CYCLES: usize = 4;
/// Features that are read off the past, the step's number among them.
const PAST: usize = 10;

/// Where steps are read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepReader {
    /// Steps of a season; 1 is none.
    pub season: usize,
    pub readings: Readings,
}

/// Steps of forecasts as trees read them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    /// A feature after the other.
    numbers: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
}

/// A forecast's base at each step, and the unit of what trees add to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Base {
    pub values: Vec<f64>,
    pub unit: f64,
}

impl StepReader {
    /// How many steps before a forecast are read.
    pub(crate) fn reach(&self) -> usize {
        if self.season == 1 { 2 * CYCLES } else { (CYCLES + 1) * self.season }
    }

    /// Adds the steps of the forecast that starts at `index`; none where the series has no value before.
    pub(crate) fn push(
        &self,
        set: &SeriesSet,
        (series, index): (usize, i64),
        horizon: usize,
        into: &mut Steps,
    ) -> Option<Base> {
        let Self { season, readings } = self;
        let season = *season;
        let reach = self.reach();
        let values = filled(set, series, index, reach, season)?;
        let level = values.iter().map(|value| value.abs()).sum::<f64>() / reach as f64;
        let lag = season.min(reach - 1);
        let changes =
            values[lag..].iter().zip(&values).map(|(later, earlier)| (later - earlier).abs());
        let change = changes.sum::<f64>() / (reach - lag) as f64;
        // Nothing moves: what trees add stays invisible.
        let unit = if change > 1e-9 * level { change } else { (1e-9 * level).max(1e-12) };
        let history = History::new(values);
        let x = history.values();
        // Of a series without a season, a few steps stand for one.
        let round = if season == 1 { CYCLES } else { season };
        let now = history.mean(reach, round);
        let usual = history.mean(reach, round * if season == 1 { 2 } else { CYCLES });
        let before = history.mean(reach - round, round);
        let bases = (0..horizon).map(|step| {
            if season == 1 {
                return x[reach - 1];
            }
            let phase = reach + step - season * (1 + step / season);
            let mean =
                (0..CYCLES).map(|cycle| x[phase - cycle * season]).sum::<f64>() / CYCLES as f64;
            mean + now - usual
        });
        let base = Base { values: bases.collect(), unit };
        if into.numbers.is_empty() {
            let of = |columns: &[Reading], are_names: bool| {
                columns.iter().filter(|column| column.names.is_some() == are_names).count()
            };
            let calendar = set.axis.calendar(index).len();
            let numbers =
                PAST + calendar + 2 * of(&readings.known, false) + of(&readings.fixed, false);
            into.numbers = vec![Vec::new(); numbers];
            into.codes = vec![Vec::new(); of(&readings.known, true) + of(&readings.fixed, true)];
        }
        let lately = lately(set, readings, series, index, round * CYCLES);
        let mut row = Vec::with_capacity(into.numbers.len());
        let mut codes = Vec::with_capacity(into.codes.len());
        for (step, &own) in base.values.iter().enumerate() {
            row.clear();
            codes.clear();
            let far = |value: f64| (value - own) / unit;
            let phase = reach + step - season * (1 + step / season);
            row.extend([
                step as f64,
                far(x[phase.min(reach - 1)]),
                far(x[phase.min(reach - 1).saturating_sub(season)]),
                far(x[reach - 1]),
                far(x[reach - 2]),
                far(now),
                far(usual),
                (now - before) / unit,
                unit / level.max(1e-300),
                (x[reach - 1] - x[reach - 1 - season.min(reach - 1)]) / unit,
            ]);
            let at = index + step as i64;
            row.extend(set.axis.calendar(at));
            for (column, reading) in readings.known.iter().enumerate() {
                let source = &set.covariates.known[column];
                let given = set.is_given(series, at);
                let value = if given { set.known_at(column, series, at) } else { f64::NAN };
                let value = reading.read(source, value);
                if reading.names.is_some() {
                    codes.push(value as u32);
                } else {
                    row.extend([value, value - lately[column]]);
                }
            }
            for (reading, source) in readings.fixed.iter().zip(&set.covariates.fixed) {
                let value = reading.read(source, source.values[series]);
                if reading.names.is_some() { codes.push(value as u32) } else { row.push(value) }
            }
            into.numbers.iter_mut().zip(&row).for_each(|(column, value)| column.push(*value));
            into.codes.iter_mut().zip(&codes).for_each(|(column, code)| column.push(*code));
        }
        Some(base)
    }
}

impl Steps {
    pub(crate) fn append(&mut self, mut other: Self) {
        if self.numbers.is_empty() {
            *self = other;
            return;
        }
        self.numbers.iter_mut().zip(&mut other.numbers).for_each(|(own, other)| own.append(other));
        self.codes.iter_mut().zip(&mut other.codes).for_each(|(own, other)| own.append(other));
    }

    /// These rows alone.
    pub(crate) fn keep(&mut self, kept: &[bool]) {
        fn retain<T>(values: &mut Vec<T>, kept: &[bool]) {
            let mut kept = kept.iter();
            values.retain(|_| kept.next().copied().unwrap_or(false));
        }
        self.numbers.iter_mut().for_each(|column| retain(column, kept));
        self.codes.iter_mut().for_each(|column| retain(column, kept));
    }

    pub(crate) fn into_columns(self) -> Columns {
        let missing = |code: u32| if code == MISSING_CODE { crate::trees::MISSING } else { code };
        let codes = self.codes.into_iter().map(|codes| codes.into_iter().map(missing).collect());
        Columns::from_parts(self.numbers, codes.collect())
    }
}

/// The mean of each column of known numbers over the last steps; NaN where there is none.
fn lately(
    set: &SeriesSet,
    readings: &Readings,
    series: usize,
    index: i64,
    steps: usize,
) -> Vec<f64> {
    let mean = |column: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for at in index - steps as i64..index {
            let value = set.known_at(column, series, at);
            if !value.is_nan() {
                sum += value;
                count += 1.0;
            }
        }
        sum / count
    };
    let columns = readings.known.iter().enumerate();
    columns.map(|(at, own)| if own.names.is_some() { f64::NAN } else { mean(at) }).collect()
}
