//! Series on a regular time axis, from long or wide tables.
//!
//! A long table has one row a series and time, a wide one a row a time and one column a series. Once
//! read they are alike: one buffer of values a series, with NaN where nothing was observed.

mod covariates;
mod rows;

use super::{DataSettings, Table};
use crate::error::Result;

pub(crate) use super::axis::TimeAxis;
pub(crate) use covariates::{Covariate, Covariates};

/// Many series on one time axis; a gap is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesSet {
    pub axis: TimeAxis,
    /// The columns that name a series, as predictions write them.
    pub key_names: Vec<String>,
    /// Each series' values of those columns, in order of first appearance.
    pub keys: Vec<Vec<String>>,
    /// The time index of each series' first value.
    pub start: Vec<i64>,
    /// The values of each series, one a step.
    pub values: Vec<Vec<f64>>,
    /// What is known beside the values, on the same steps. Rows without a value say more of these.
    pub covariates: Covariates,
}

impl SeriesSet {
    /// The series of tables that follow each other, such as a history and what came after it.
    ///
    /// Without an axis it is inferred from the times and `data.frequency`. A table after the first
    /// may lack the target: its rows then name times and add no values.
    pub(crate) fn from_tables(
        tables: &[&Table],
        settings: &DataSettings,
        axis: Option<&TimeAxis>,
    ) -> Result<Self> {
        let mut cells = rows::Cells::default();
        for (position, table) in tables.iter().enumerate() {
            cells.add(table, position, settings)?;
        }
        cells.sort();
        let axis = match axis {
            Some(axis) => axis.clone(),
            None => cells.axis(tables, settings)?,
        };
        cells.fill(tables, settings, axis)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// `series `H1``, `series `north/coffee``; a file that is one series has no name.
    pub(crate) fn name(&self, series: usize) -> String {
        name(&self.keys[series])
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

    /// The values before a time index, oldest first.
    pub(crate) fn before(&self, series: usize, index: i64) -> &[f64] {
        let values = &self.values[series];
        let count = usize::try_from(index - self.start[series]).unwrap_or(0).min(values.len());
        &values[..count]
    }
}

fn name(key: &[String]) -> String {
    if key.is_empty() { "the series".into() } else { format!("series `{}`", key.join("/")) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{Column, ColumnKind, Layout, Values};
    use super::*;

    pub(crate) fn column(name: &str, values: Values) -> Column {
        let kind = match values {
            Values::Numbers(_) => ColumnKind::Numeric,
            Values::Texts(_) => ColumnKind::Categorical,
            Values::Times(_) => ColumnKind::Timestamp,
        };
        Column { name: name.into(), kind, values }
    }

    pub(crate) fn dictionary(values: &[&str]) -> Values {
        Values::Texts(values.iter().copied().map(Some).collect())
    }

    pub(crate) fn table(columns: Vec<Column>) -> Table {
        let rows = columns.first().map_or(0, |column| column.values.len());
        Table { columns, rows, ..Table::default() }
    }

    pub(crate) fn long(rows: &[(&str, i64, f64)]) -> Table {
        table(vec![
            column("id", dictionary(&rows.iter().map(|row| row.0).collect::<Vec<_>>())),
            column("t", Values::Numbers(rows.iter().map(|row| row.1 as f64).collect())),
            column("y", Values::Numbers(rows.iter().map(|row| row.2).collect())),
        ])
    }

    pub(crate) fn settings() -> DataSettings {
        DataSettings {
            time: Some("t".into()),
            series: vec!["id".into()],
            target: "y".into(),
            horizon: Some(2),
            ..DataSettings::default()
        }
    }

    fn read(tables: &[&Table], settings: &DataSettings) -> Result<SeriesSet> {
        SeriesSet::from_tables(tables, settings, None)
    }

    #[test]
    fn rows_in_any_order_with_gaps_and_different_starts_become_series() {
        let rows = [("b", 7, 1.0), ("a", 3, 4.0), ("a", 1, 2.0), ("b", 8, 5.0), ("a", 4, 6.0)];
        let set = read(&[&long(&rows)], &settings()).unwrap();
        assert_eq!(set.keys, [["b"], ["a"]]);
        assert_eq!(set.start, [7, 1]);
        assert_eq!(set.values[0], [1.0, 5.0]);
        assert_eq!(set.values[1][0], 2.0);
        assert!(set.values[1][1].is_nan());
        assert_eq!(set.values[1][2..], [4.0, 6.0]);
        assert_eq!((set.end(0), set.end(1)), (9, 5));
        assert!(set.at(1, 0).is_nan() && set.at(1, 99).is_nan());
        assert_eq!(set.before(1, 2), [2.0]);
        assert!(set.before(1, -5).is_empty());
    }

    #[test]
    fn a_second_table_goes_on_with_the_first_and_may_lack_the_target() {
        let history = long(&[("a", 1, 1.0), ("a", 2, 2.0)]);
        let test = long(&[("a", 3, 3.0)]);
        let set = read(&[&history, &test], &settings()).unwrap();
        assert_eq!(set.values[0], [1.0, 2.0, 3.0]);

        let mut future = test.clone();
        future.columns.pop();
        let set = read(&[&history, &future], &settings()).unwrap();
        assert_eq!(set.end(0), 3);
        let error = read(&[&future], &settings()).unwrap_err();
        assert_eq!(error.message(), "the table has no column `y`");
    }

    #[test]
    fn a_time_twice_names_series_time_and_both_rows() {
        let table = long(&[("a", 1, 1.0), ("b", 1, 1.0), ("a", 1, 2.0)]);
        let error = read(&[&table], &settings()).unwrap_err();
        assert_eq!(error.message(), "row 3: series `a` has the time 1 twice, first in row 1");
    }

    #[test]
    fn a_time_off_the_grid_names_its_row() {
        let table = long(&[("a", 1, 1.0), ("a", 3, 1.0), ("a", 4, 2.0)]);
        let settings = DataSettings { frequency: Some("2".into()), ..settings() };
        let error = read(&[&table], &settings).unwrap_err();
        assert!(error.message().starts_with("row 3: series `a` has the time 4, which is not"));
    }

    #[test]
    fn wide_and_long_are_the_same_series() {
        let wide = table(vec![
            column("t", Values::Numbers(vec![1.0, 2.0, 3.0])),
            column("a", Values::Numbers(vec![1.0, f64::NAN, 3.0])),
            column("b", Values::Numbers(vec![4.0, 5.0, 6.0])),
        ]);
        let long =
            long(&[("a", 1, 1.0), ("a", 3, 3.0), ("b", 1, 4.0), ("b", 2, 5.0), ("b", 3, 6.0)]);
        let wide_settings = DataSettings { layout: Layout::Wide, series: vec![], ..settings() };
        let wide = read(&[&wide], &wide_settings).unwrap();
        let long = read(&[&long], &settings()).unwrap();
        assert_eq!(wide.key_names, ["unique_id"]);
        assert_eq!((&wide.keys, &wide.start), (&long.keys, &long.start));
        assert_eq!(format!("{:?}", wide.values), format!("{:?}", long.values));
    }

    #[test]
    fn an_empty_time_or_key_names_its_row() {
        let mut table = long(&[("a", 1, 1.0), ("a", 2, 1.0)]);
        table.columns[1].values = Values::Numbers(vec![1.0, f64::NAN]);
        let error = read(&[&table], &settings()).unwrap_err();
        assert_eq!(error.message(), "row 2: the time column `t` is empty");
        table.columns[1].values = Values::Numbers(vec![1.0, 1.5]);
        let error = read(&[&table], &settings()).unwrap_err();
        assert!(error.message().contains("1.5, which is not a whole number"));
    }
}
