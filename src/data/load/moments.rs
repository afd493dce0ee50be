//! The series and the time of each row, which forecasts are made by.

use std::collections::HashMap;

use crate::data::split;
use crate::data::table::MISSING_TIME;
use crate::data::{Column, DataSettings, Layout, Table, Values};
use crate::error::{Error, Result};

/// The series and the time of each row.
#[derive(Debug)]
pub(crate) struct Moments {
    /// The number of each row's series, from 0.
    pub series: Vec<u32>,
    /// What each series is called; one nameless series where no column tells them apart.
    pub keys: Vec<Vec<String>>,
    /// Integers or microseconds, both exact as floats for any date.
    pub times: Vec<f64>,
    time_column: String,
}

impl Moments {
    pub(crate) fn of(table: &Table, settings: &DataSettings) -> Result<Self> {
        let name = settings.time.as_deref().unwrap_or_default();
        let times = times(table, table.require(name)?)?;
        let mut series = vec![0; table.rows];
        let mut keys = vec![Vec::new()];
        if settings.layout == Layout::Long && !settings.series.is_empty() {
            let columns: Vec<&Column> =
                settings.series.iter().map(|name| table.require(name)).collect::<Result<_>>()?;
            let key = |row: usize| -> Vec<&str> {
                columns
                    .iter()
                    .map(|column| match &column.values {
                        Values::Texts(texts) => texts.get(row).unwrap_or_default(),
                        _ => "",
                    })
                    .collect()
            };
            series = split::number_off((0..table.rows).map(key));
            let count = series.iter().max().map_or(0, |&last| last as usize + 1);
            keys = vec![Vec::new(); count];
            for (row, &of) in series.iter().enumerate() {
                let known = &mut keys[of as usize];
                if known.is_empty() {
                    *known = key(row).into_iter().map(str::to_owned).collect();
                }
            }
        }
        Ok(Self { series, keys, times, time_column: name.to_owned() })
    }

    pub(crate) fn key(&self, row: usize) -> &[String] {
        &self.keys[self.series[row] as usize]
    }

    /// `series `H1` at 2020-01-01`.
    pub(crate) fn describe(&self, table: &Table, row: usize) -> String {
        let time = self.text(table, row);
        match self.key(row) {
            [] => format!("time {time}"),
            key => format!("series `{}` at {time}", key.join(", ")),
        }
    }

    pub(crate) fn text(&self, table: &Table, row: usize) -> String {
        match table.column(&self.time_column).map(|column| &column.values) {
            Some(Values::Times(times)) => table.origin.time_text(&self.time_column, times[row]),
            _ => self.times[row].to_string(),
        }
    }

    /// No series has two rows of one time.
    pub(crate) fn check_distinct(&self, table: &Table) -> Result<()> {
        let mut seen = HashMap::with_capacity(table.rows);
        for row in 0..table.rows {
            if let Some(first) = seen.insert((self.series[row], self.times[row].to_bits()), row) {
                return Err(Error::user(format!(
                    "{} repeats {}: both are {}",
                    table.describe_row(row),
                    table.describe_row(first),
                    self.describe(table, row)
                ))
                .hint("one row a series and time: sum them up, or name what tells them apart in `data.series`"));
            }
        }
        Ok(())
    }
}

/// A column as numbers that order its rows; a missing one is an error.
pub(super) fn times(table: &Table, column: &Column) -> Result<Vec<f64>> {
    let values: Vec<f64> = match &column.values {
        Values::Times(values) => values
            .iter()
            .map(|&time| if time == MISSING_TIME { f64::NAN } else { time as f64 })
            .collect(),
        Values::Numbers(values) => values.clone(),
        Values::Texts(_) => {
            return Err(Error::user(format!("`{}` holds texts, not times", column.name))
                .hint(format!("say what it is: `[columns] {} = \"timestamp\"`", column.name)));
        }
    };
    match values.iter().position(|time| time.is_nan()) {
        Some(row) => Err(Error::user(format!(
            "{} column `{}`: the time is missing",
            table.describe_row(row),
            column.name
        ))
        .hint("give the row a time, or leave it out")),
        None => Ok(values),
    }
}

/// Dense ranks: equal times are one number, later ones a higher.
pub(super) fn ranks(times: &[f64]) -> Vec<u32> {
    let mut distinct = times.to_vec();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    times.iter().map(|time| distinct.partition_point(|other| other < time) as u32).collect()
}
