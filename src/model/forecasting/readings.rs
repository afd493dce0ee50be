//! How covariates are read: names as codes, missing values as such. Fitted on training rows, as the
//! columns of other tasks are.

use serde::{Deserialize, Serialize};

use crate::data::{Covariate, DataSettings, Layout, SeriesSet};
use crate::error::{Error, Result};
use crate::model::features::{LevelEncoder, MISSING_CODE, UNSEEN_CODE};

/// The covariates of a model, in the order in which the project names them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Readings {
    pub known: Vec<Reading>,
    #[serde(rename = "static")]
    pub fixed: Vec<Reading>,
}

/// A column of covariates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub column: String,
    /// Of a column of names; numbers are read as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<LevelEncoder>,
    /// Whether training saw rows in which it is empty: only then does an empty cell mean something.
    pub may_miss: bool,
}

impl Readings {
    /// From the series of the training rows.
    pub(crate) fn fit(set: &SeriesSet) -> Self {
        let covariates = &set.covariates;
        let known = covariates.known.iter().map(|column| {
            let values = column.values.iter().zip(&covariates.given);
            let given = values.flat_map(|(values, given)| {
                values.iter().zip(given).filter(|(_, given)| **given).map(|(value, _)| *value)
            });
            Reading::fit(column, given)
        });
        let fixed = covariates.fixed.iter();
        let fixed = fixed.map(|column| Reading::fit(column, column.values.iter().copied()));
        Self { known: known.collect(), fixed: fixed.collect() }
    }
}

impl Reading {
    fn fit<T>(column: &Covariate<T>, values: impl Iterator<Item = f64> + Clone) -> Self {
        let names = column.levels.as_ref().map(|_| {
            let texts = values.clone().map(|value| column.level(value)).collect();
            LevelEncoder::fit(
                &texts,
                is_boolean(column.levels.as_ref().map(|levels| levels.as_slice())),
            )
        });
        let may_miss = values.clone().any(f64::is_nan);
        Self { column: column.column.clone(), names, may_miss }
    }

    /// A value as trees and regressions read it: a number as it is, NaN where it is missing, a name's code.
    pub(crate) fn read<T>(&self, column: &Covariate<T>, value: f64) -> f64 {
        match &self.names {
            None => value,
            Some(names) => f64::from(match column.level(value) {
                None => MISSING_CODE,
                Some(level) => names.code(level).unwrap_or(UNSEEN_CODE),
            }),
        }
    }
}

/// `True` and `true` are one name.
fn is_boolean(levels: Option<&[String]>) -> bool {
    let words = ["true", "false", "yes", "no", "y", "n", "t", "f", "on", "off"];
    levels.is_some_and(|levels| {
        levels.iter().all(|level| words.iter().any(|word| word.eq_ignore_ascii_case(level)))
    })
}

/// What each forecast needs to know of its future is there: a value of every column of known future
/// for each of `horizon` steps from each `(series, origin)`.
pub(crate) fn check_future(
    set: &SeriesSet,
    readings: &Readings,
    data: &DataSettings,
    origins: &[(usize, i64)],
    horizon: usize,
) -> Result<()> {
    for &(series, origin) in origins {
        for index in origin..origin + horizon as i64 {
            for (at, reading) in readings.known.iter().enumerate() {
                let given = set.is_given(series, index);
                if given && (reading.may_miss || !set.known_at(at, series, index).is_nan()) {
                    continue;
                }
                let column = &reading.column;
                let time = set.axis.text(index);
                let why = if given { "is empty" } else { "is in no row" };
                return Err(Error::user(format!(
                    "{}: `{column}` {why} at {time}, which lies in the forecast of {horizon} steps from {}",
                    set.name(series),
                    set.axis.text(origin)
                ))
                .hint(match data.layout {
                    Layout::Long => format!(
                        "give the rows of the steps to forecast too, with what data.known_future names and an empty `{}`",
                        data.target
                    ),
                    Layout::Wide => "give the rows of the steps to forecast too, with what data.known_future names and the series empty".into(),
                }));
            }
        }
    }
    Ok(())
}
