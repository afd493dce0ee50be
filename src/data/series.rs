//! Series on a regular time axis, from long or wide tables.

use serde::{Deserialize, Serialize};

use super::{DataSettings, Table};
use crate::error::{Error, Result};

pub(crate) use super::axis::TimeAxis;

/// Many series on one time axis; a gap is NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeriesSet {
    pub axis: TimeAxis,
    /// The columns that name a series, as predictions write them.
    pub key_names: Vec<String>,
    /// Each series' values of those columns.
    pub keys: Vec<Vec<String>>,
    /// The time index of each series' first value.
    pub start: Vec<i64>,
    /// The values of each series, one a step.
    pub values: Vec<Vec<f64>>,
}

impl SeriesSet {
    /// The series of tables that follow each other, such as a history and what came after it.
    ///
    /// Without an axis it is inferred from the times and `data.frequency`.
    pub(crate) fn from_tables(
        _tables: &[&Table],
        _settings: &DataSettings,
        _axis: Option<&TimeAxis>,
    ) -> Result<Self> {
        Err(Error::bug("series are not read yet"))
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The time index after the last observed value; the start where nothing was observed.
    pub(crate) fn end(&self, series: usize) -> i64 {
        let values = &self.values[series];
        let observed = values.iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1);
        self.start[series] + observed as i64
    }

    /// The value at a time index; NaN where nothing was observed.
    pub(crate) fn at(&self, series: usize, index: i64) -> f64 {
        usize::try_from(index - self.start[series])
            .ok()
            .and_then(|offset| self.values[series].get(offset).copied())
            .unwrap_or(f64::NAN)
    }
}
