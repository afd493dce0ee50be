//! What covariates add to a series, as a linear regression says: it is taken out before the members
//! forecast, and what the covariates of the forecast's own steps add is put back in.
//!
//! Source: regression with forecaster errors, after Hyndman and Athanasopoulos, Forecasting: Principles and
//! Practice, 3rd edition, 2021, chapter 10, with any forecaster in the place of ARIMA.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::member::{band_reach, read};
use super::readings::Readings;
use crate::data::{Covariate, Covariates, SeriesSet};
use crate::error::Result;
use crate::model::member::contradiction;

/// `[series + 1, terms]`: each series' own coefficients, those of all others last.
pub(crate) const EFFECTS: &str = "effects/coefficients";

/// A product of which less than this is left says nothing of what it would have been without the effect.
const NOTHING_LEFT: f64 = 0.05;
/// The largest effect on a logarithm: beyond what any training row can have shown.
const MOST: f64 = 5.0;

/// What `mlx/model.json` holds of the effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EffectSpec {
    pub form: Form,
    pub terms: Vec<EffectTerm>,
    /// The series that have coefficients of their own.
    pub series: Vec<Vec<String>>,
    pub season: usize,
    /// Whether training saw values of zero: what leaves next to nothing then leaves nothing.
    #[serde(default)]
    pub has_zeros: bool,
}

/// How an effect acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// It is added, in units of the series' size just before.
    Sum,
    /// It is a factor, the exponential of the terms' sum.
    Product,
}

/// One input of the regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub(crate) enum EffectTerm {
    /// How far a number lies above the knot, in units of its spread; without a knot from its mean, above
    /// or below. Zero where it is missing.
    Number {
        column: usize,
        /// Its logarithm is taken first.
        log: bool,
        centre: f64,
        scale: f64,
        is_hinge: bool,
        /// The range it is held within, wider than training's.
        range: [f64; 2],
    },
    /// Whether a number is missing.
    Missing { column: usize },
    /// Whether a name has this code.
    Name { column: usize, code: u32 },
}

impl EffectTerm {
    pub(crate) fn column(&self) -> usize {
        match self {
            Self::Number { column, .. } | Self::Missing { column } | Self::Name { column, .. } => {
                *column
            }
        }
    }

    /// The term of a value as [`super::readings::Reading::read`] gives it.
    fn of(&self, value: f64) -> f64 {
        match self {
            Self::Number { log, centre, scale, is_hinge, range, .. } => {
                let value = if *log { value.max(f64::MIN_POSITIVE).ln() } else { value };
                if value.is_nan() {
                    return 0.0;
                }
                let above = (value.clamp(range[0], range[1]) - centre) / scale;
                if *is_hinge { above.max(0.0) } else { above }
            }
            Self::Missing { .. } => f64::from(u8::from(value.is_nan())),
            Self::Name { code, .. } => f64::from(u8::from(value == f64::from(*code))),
        }
    }
}

/// All terms at a time index, into a row of them. A step that no row gives is as if all were zero.
pub(crate) fn write_terms(
    terms: &[EffectTerm],
    readings: &Readings,
    set: &SeriesSet,
    series: usize,
    index: i64,
    row: &mut [f64],
) {
    if !set.is_given(series, index) {
        row.fill(0.0);
        return;
    }
    let mut last = (usize::MAX, 0.0);
    for (term, into) in terms.iter().zip(row) {
        let column = term.column();
        if last.0 != column {
            let value = set.known_at(column, series, index);
            last = (column, readings.known[column].read(&set.covariates.known[column], value));
        }
        *into = term.of(last.1);
    }
}

/// Effects that are ready to be taken out and put in.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    spec: EffectSpec,
    readings: Readings,
    rows: BTreeMap<Vec<String>, usize>,
    coefficients: Vec<f64>,
}

impl Effects {
    /// The effects of these weights, all those of the model.
    pub(crate) fn new(
        spec: &EffectSpec,
        readings: &Readings,
        weights: &BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        let is_known = |term: &EffectTerm| term.column() < readings.known.len();
        if spec.season == 0 || !spec.terms.iter().all(is_known) {
            return Err(contradiction());
        }
        let coefficients = read(weights, EFFECTS, &[spec.series.len() + 1, spec.terms.len()])?;
        let rows = spec.series.iter().cloned().zip(0..).collect();
        Ok(Self { spec: spec.clone(), readings: readings.clone(), rows, coefficients })
    }

    /// The regression's sum at a time index.
    fn sum(&self, set: &SeriesSet, series: usize, index: i64, row: &mut [f64]) -> f64 {
        let count = self.spec.terms.len();
        let own = self.rows.get(&set.keys[series]).copied().unwrap_or(self.spec.series.len());
        write_terms(&self.spec.terms, &self.readings, set, series, index, row);
        let own = &self.coefficients[own * count..][..count];
        let sum: f64 = row.iter().zip(own).map(|(term, weight)| term * weight).sum();
        sum.clamp(-MOST, MOST)
    }

    /// A series from one time index to another without what the covariates add.
    fn without(&self, set: &SeriesSet, series: usize, from: i64, to: i64) -> Vec<f64> {
        let mut row = vec![0.0; self.spec.terms.len()];
        let sizes = match self.spec.form {
            Form::Sum => sizes(set, series, from, to, self.spec.season),
            Form::Product => Vec::new(),
        };
        let raw = (from..to).map(|index| set.at(series, index));
        let values: Vec<f64> = raw
            .clone()
            .zip(from..)
            .map(|(value, index)| {
                if value.is_nan() {
                    return value;
                }
                let sum = self.sum(set, series, index, &mut row);
                match self.spec.form {
                    Form::Sum => value - sizes[(index - from) as usize] * sum,
                    Form::Product if sum < NOTHING_LEFT.ln() => f64::NAN,
                    Form::Product => value * (-sum).exp(),
                }
            })
            .collect();
        // Of a series all of which is under such an effect, what there is has to do.
        if values.iter().all(|value| value.is_nan()) { raw.collect() } else { values }
    }

    /// All series without what the covariates add.
    pub(crate) fn taken_out(&self, set: &SeriesSet) -> SeriesSet {
        use rayon::prelude::*;
        let values = (0..set.len())
            .into_par_iter()
            .map(|series| {
                let from = set.start[series];
                self.without(set, series, from, from + set.values[series].len() as i64)
            })
            .collect();
        SeriesSet { values, ..set.clone() }
    }

    /// One series alone, without what the covariates add: so many steps up to its last value before
    /// `index`, and where covariates are read the covariates of as many steps as these and of so many from
    /// `index` on; none where the series has no value before it.
    pub(crate) fn before(
        &self,
        set: &SeriesSet,
        series: usize,
        index: i64,
        steps: usize,
        ahead: Option<usize>,
    ) -> Option<SeriesSet> {
        let last = set.before(series, index).iter().rposition(|value| !value.is_nan())?;
        let end = set.start[series] + last as i64 + 1;
        let from = set.start[series].max(end - steps as i64);
        let covariates = match ahead {
            Some(ahead) => covariates(set, series, from, index + ahead as i64),
            None => Covariates::default(),
        };
        Some(SeriesSet {
            axis: set.axis.clone(),
            key_names: Vec::new(),
            keys: vec![set.keys[series].clone()],
            start: vec![from],
            values: vec![self.without(set, series, from, end)],
            covariates,
        })
    }

    /// Puts in what the covariates of the steps from `index` on add.
    pub(crate) fn put_in<const N: usize>(
        &self,
        set: &SeriesSet,
        series: usize,
        index: i64,
        steps: &mut [[f64; N]],
    ) {
        let mut row = vec![0.0; self.spec.terms.len()];
        let size = match self.spec.form {
            Form::Sum => sizes(set, series, index, index + 1, self.spec.season)[0],
            Form::Product => 0.0,
        };
        for (values, index) in steps.iter_mut().zip(index..) {
            let sum = self.sum(set, series, index, &mut row);
            for value in values {
                *value = match self.spec.form {
                    Form::Sum => *value + size * sum,
                    Form::Product if self.spec.has_zeros && sum < NOTHING_LEFT.ln() => 0.0,
                    Form::Product => *value * sum.exp(),
                };
            }
        }
    }
}

/// The size of a series just before each step: how far from zero its values are in the mean of the last
/// seasons. Where these hold none it is the last value's, before the first one that one's own.
pub(crate) fn sizes(set: &SeriesSet, series: usize, from: i64, to: i64, season: usize) -> Vec<f64> {
    let reach = band_reach(season) as i64;
    let at = |index: i64| Some(set.at(series, index).abs()).filter(|size| !size.is_nan());
    let (mut sum, mut count) = (0.0, 0_usize);
    let mut sizes = Vec::with_capacity((to - from).max(0) as usize);
    for index in from..to {
        // Added up anew now and then, so that what is taken off again leaves no residue.
        if sizes.len() % 256 == 0 {
            sum = (index - reach..index).filter_map(at).sum();
            count = (index - reach..index).filter_map(at).count();
        }
        sizes.push(if count > 0 {
            (sum / count as f64).max(0.0)
        } else {
            let last = set.before(series, index).iter().rfind(|value| !value.is_nan());
            last.map(|last| last.abs()).or_else(|| at(index)).unwrap_or(0.0)
        });
        if let Some(own) = at(index) {
            sum += own;
            count += 1;
        }
        if let Some(gone) = at(index - reach) {
            sum -= gone;
            count -= 1;
        }
    }
    sizes
}

/// What is known of one series from one time index to another, as that of a set of its own.
fn covariates(set: &SeriesSet, series: usize, from: i64, to: i64) -> Covariates {
    let known = set.covariates.known.iter().enumerate().map(|(at, column)| Covariate {
        column: column.column.clone(),
        levels: column.levels.clone(),
        values: vec![(from..to).map(|index| set.known_at(at, series, index)).collect()],
    });
    let fixed = set.covariates.fixed.iter().map(|column| Covariate {
        column: column.column.clone(),
        levels: column.levels.clone(),
        values: vec![column.values[series]],
    });
    Covariates {
        known: known.collect(),
        fixed: fixed.collect(),
        given: vec![(from..to).map(|index| set.is_given(series, index)).collect()],
    }
}
