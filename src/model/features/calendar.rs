//! Times as numbers: how late, and where in the year, the week and the day.

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, Timelike};
use serde::{Deserialize, Serialize};

/// A number that is read from a time. Cycles are points on a circle, so that December is beside January.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CalendarPart {
    /// Days since 1970.
    Days,
    YearSine,
    YearCosine,
    WeekSine,
    WeekCosine,
    DaySine,
    DayCosine,
}

impl CalendarPart {
    pub(crate) const ALL: [Self; 7] = [
        Self::Days,
        Self::YearSine,
        Self::YearCosine,
        Self::WeekSine,
        Self::WeekCosine,
        Self::DaySine,
        Self::DayCosine,
    ];

    /// The part of a time in microseconds since 1970; NaN where the calendar does not reach.
    pub(crate) fn of(self, micros: i64) -> f64 {
        let Some(time) = DateTime::from_timestamp_micros(micros) else { return f64::NAN };
        let day = f64::from(time.num_seconds_from_midnight()) / 86_400.0;
        let week = (f64::from(time.weekday().num_days_from_monday()) + day) / 7.0;
        let year = f64::from(time.ordinal0()) / 366.0;
        match self {
            Self::Days => micros as f64 / 86_400e6,
            Self::YearSine => (TAU * year).sin(),
            Self::YearCosine => (TAU * year).cos(),
            Self::WeekSine => (TAU * week).sin(),
            Self::WeekCosine => (TAU * week).cos(),
            Self::DaySine => (TAU * day).sin(),
            Self::DayCosine => (TAU * day).cos(),
        }
    }
}
