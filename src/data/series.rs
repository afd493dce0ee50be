//! Series on a regular time axis, from long or wide tables.
//!
//! A long table has one row a series and time, a wide one a row a time and one column a series. Once
//! read they are alike: one buffer of values a series, with NaN where nothing was observed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::table::{Dictionary, MISSING, MISSING_TIME};
use super::{ColumnKind, DataSettings, Layout, Table, Values};
use crate::error::{Error, Result, closest};

pub(crate) use super::axis::TimeAxis;

/// What predictions call the column that names a series of a wide table.
const WIDE_KEY: &str = "unique_id";

/// Steps that gaps may add to what was observed before the step is taken to be wrong.
const GAP_STEPS: usize = 50_000_000;

/// Many series on one time axis; a gap is NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        let mut cells = Cells::default();
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

/// One observation and where it was read.
#[derive(Clone, Copy, Debug)]
struct Cell {
    time: i64,
    value: f64,
    table: usize,
    row: usize,
}

/// What was read so far, before the axis is known.
#[derive(Debug, Default)]
struct Cells {
    key_names: Vec<String>,
    keys: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, usize>,
    cells: Vec<Vec<Cell>>,
    /// Whether times are integers; none before the first table.
    integers: Option<bool>,
}

impl Cells {
    fn add(&mut self, table: &Table, position: usize, settings: &DataSettings) -> Result<()> {
        let times = self.times(table, settings)?;
        match settings.layout {
            Layout::Long => self.add_long(table, position, settings, &times),
            Layout::Wide => self.add_wide(table, position, settings, &times),
        }
    }

    fn add_long(
        &mut self,
        table: &Table,
        position: usize,
        settings: &DataSettings,
        times: &[i64],
    ) -> Result<()> {
        self.key_names.clone_from(&settings.series);
        let targets = match table.column(&settings.target).map(|column| &column.values) {
            Some(Values::Numbers(values)) => Some(values),
            Some(_) => {
                return Err(Error::user(format!("the target `{}` is not numeric", settings.target))
                    .hint(format!("a forecast is of numbers: set [columns] `{}` = \"numeric\" to see which cells are not", settings.target)));
            }
            None if position == 0 => return Err(absent(table, &settings.target)),
            None => None,
        };
        let keys = settings
            .series
            .iter()
            .map(|name| {
                let column = table.column(name).ok_or_else(|| absent(table, name))?;
                Ok((name.as_str(), texts(&column.values)))
            })
            .collect::<Result<Vec<_>>>()?;

        // Most rows repeat a series that was met: its number is found by codes, not by texts.
        let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut codes = vec![0; keys.len()];
        for row in 0..table.rows {
            for (code, (name, texts)) in codes.iter_mut().zip(&keys) {
                *code = texts.codes[row];
                if *code == MISSING {
                    return Err(Error::user(format!(
                        "{}: the series column `{name}` is empty",
                        table.describe_row(row)
                    )));
                }
            }
            let series = if let Some(series) = known.get(&codes) {
                *series
            } else {
                let key = keys
                    .iter()
                    .map(|(_, texts)| texts.get(row).unwrap_or_default().to_owned())
                    .collect();
                let series = self.number(key);
                known.insert(codes.clone(), series);
                series
            };
            let value = targets.map_or(f64::NAN, |values| values[row]);
            self.cells[series].push(Cell { time: times[row], value, table: position, row });
        }
        Ok(())
    }

    fn add_wide(
        &mut self,
        table: &Table,
        position: usize,
        settings: &DataSettings,
        times: &[i64],
    ) -> Result<()> {
        self.key_names = vec![WIDE_KEY.into()];
        let time = settings.time.as_deref().unwrap_or_default();
        let listed = |name: &String| settings.series.is_empty() || settings.series.contains(name);
        for column in &table.columns {
            let taken = column.name != time
                && !settings.id.contains(&column.name)
                && !matches!(column.kind, ColumnKind::Id | ColumnKind::Ignore)
                && listed(&column.name);
            let Values::Numbers(values) = &column.values else { continue };
            if !taken {
                continue;
            }
            let series = self.number(vec![column.name.clone()]);
            self.cells[series].extend((0..table.rows).map(|row| Cell {
                time: times[row],
                value: values[row],
                table: position,
                row,
            }));
        }
        if position > 0 {
            return Ok(());
        }
        if let Some(name) =
            settings.series.iter().find(|name| !self.numbers.contains_key(&vec![(*name).clone()]))
        {
            return Err(match table.column(name) {
                None => absent(table, name),
                Some(_) => Error::user(format!("the series column `{name}` is not numeric")),
            });
        }
        if self.keys.is_empty() {
            return Err(Error::user("the table has no numeric column beside the time")
                .hint("in the wide layout each series is a column; for one row a series and time set data.layout = \"long\""));
        }
        Ok(())
    }

    /// The number of the series with this key, a new one where it has none.
    fn number(&mut self, key: Vec<String>) -> usize {
        if let Some(series) = self.numbers.get(&key) {
            return *series;
        }
        self.keys.push(key.clone());
        self.cells.push(Vec::new());
        self.numbers.insert(key, self.cells.len() - 1);
        self.cells.len() - 1
    }

    /// The time of each row, an integer or microseconds.
    fn times(&mut self, table: &Table, settings: &DataSettings) -> Result<Vec<i64>> {
        let name = settings.time.as_deref().ok_or_else(|| {
            Error::user("data.time is not set: forecasting needs the column of times")
                .hint("add to mlx.toml, under [data]: time = \"COLUMN\"")
        })?;
        let column = table.column(name).ok_or_else(|| absent(table, name))?;
        let empty = |row| {
            Error::user(format!("{}: the time column `{name}` is empty", table.describe_row(row)))
        };
        let (integers, times) = match &column.values {
            Values::Times(times) => {
                if let Some(row) = times.iter().position(|time| *time == MISSING_TIME) {
                    return Err(empty(row));
                }
                (false, times.clone())
            }
            Values::Numbers(values) => {
                let whole = |(row, value): (usize, &f64)| {
                    if value.is_nan() {
                        Err(empty(row))
                    } else if value.fract() != 0.0 || value.abs() > 9e15 {
                        Err(Error::user(format!(
                            "{}: the time column `{name}` has {value}, which is not a whole number",
                            table.describe_row(row)
                        )))
                    } else {
                        Ok(*value as i64)
                    }
                };
                (true, values.iter().enumerate().map(whole).collect::<Result<_>>()?)
            }
            Values::Texts(texts) => {
                let shown = texts.levels.get(0).unwrap_or_default();
                return Err(Error::user(format!(
                    "the time column `{name}` holds neither times nor whole numbers, such as `{shown}`"
                ))
                .hint(format!("set [columns] `{name}` = \"timestamp\" to see which cells are not times")));
            }
        };
        if self.integers.is_some_and(|before| before != integers) {
            return Err(Error::user(format!(
                "the time column `{name}` holds times in one file and whole numbers in another"
            )));
        }
        self.integers = Some(integers);
        Ok(times)
    }

    fn sort(&mut self) {
        for cells in &mut self.cells {
            cells.sort_by_key(|cell| cell.time);
        }
    }

    fn axis(&self, tables: &[&Table], settings: &DataSettings) -> Result<TimeAxis> {
        let times: Vec<Vec<i64>> =
            self.cells.iter().map(|cells| cells.iter().map(|cell| cell.time).collect()).collect();
        let frequency = settings.frequency.as_deref();
        if self.integers == Some(true) {
            return TimeAxis::of_integers(&times, frequency);
        }
        let name = settings.time.as_deref().unwrap_or_default();
        let format = tables.iter().find_map(|table| table.origin.time_formats.get(name));
        let offset = settings.timezone.as_deref().map_or(0, offset_seconds);
        TimeAxis::of_times(&times, frequency, format.map(String::as_str), offset)
    }

    /// Puts what was read on the axis.
    fn fill(self, tables: &[&Table], settings: &DataSettings, axis: TimeAxis) -> Result<SeriesSet> {
        if self.integers == Some(matches!(axis, TimeAxis::Calendar(_))) {
            return Err(Error::user(format!(
                "the time column `{}` holds {}, but the model was trained on {}",
                settings.time.as_deref().unwrap_or_default(),
                if self.integers == Some(true) { "whole numbers" } else { "times" },
                if self.integers == Some(true) { "times" } else { "whole numbers" },
            )));
        }
        let observed: usize = self.cells.iter().map(Vec::len).sum();
        let mut steps = 0;
        let mut start = Vec::with_capacity(self.cells.len());
        let mut values = Vec::with_capacity(self.cells.len());
        for (key, cells) in self.keys.iter().zip(&self.cells) {
            let index = |cell: &Cell| {
                axis.index(cell.time).ok_or_else(|| off_grid(tables[cell.table], cell, key, &axis))
            };
            let (Some(first), Some(last)) = (cells.first(), cells.last()) else {
                start.push(0);
                values.push(Vec::new());
                continue;
            };
            let first = index(first)?;
            let length = usize::try_from(index(last)? - first).unwrap_or(usize::MAX);
            steps += length.saturating_add(1);
            if steps > observed.saturating_mul(1000).max(observed + GAP_STEPS) {
                return Err(Error::user(format!(
                    "{} spans {length} steps of {} with {} rows",
                    name(key),
                    axis.describe(),
                    cells.len()
                ))
                .hint("say the step between times in data.frequency, such as `D` or `MS`"));
            }
            let mut buffer = vec![f64::NAN; length + 1];
            let mut before: Option<&Cell> = None;
            for cell in cells {
                let offset = (index(cell)? - first) as usize;
                if let Some(before) = before.filter(|before| before.time == cell.time) {
                    return Err(duplicate(tables, before, cell, key, &axis));
                }
                buffer[offset] = if cell.value.is_finite() { cell.value } else { f64::NAN };
                before = Some(cell);
            }
            start.push(first);
            values.push(buffer);
        }
        Ok(SeriesSet { axis, key_names: self.key_names, keys: self.keys, start, values })
    }
}

fn off_grid(table: &Table, cell: &Cell, key: &[String], axis: &TimeAxis) -> Error {
    Error::user(format!(
        "{}: {} has the time {}, which is not a step of {} from its other times",
        table.describe_row(cell.row),
        name(key),
        axis.text_of(cell.time),
        axis.describe()
    ))
    .hint("say the step between times in data.frequency, such as `15min`, `h` or `D`")
}

fn duplicate(
    tables: &[&Table],
    before: &Cell,
    cell: &Cell,
    key: &[String],
    axis: &TimeAxis,
) -> Error {
    Error::user(format!(
        "{}: {} has the time {} twice, first in {}",
        tables[cell.table].describe_row(cell.row),
        name(key),
        axis.text_of(cell.time),
        tables[before.table].describe_row(before.row)
    ))
    .hint("a series has one row a time; if other columns tell these rows apart, name them in data.series")
}

fn absent(table: &Table, name: &str) -> Error {
    let error = Error::user(match table.origin.files.first() {
        Some((file, _)) => format!("{} has no column `{name}`", file.display()),
        None => format!("the table has no column `{name}`"),
    });
    let names = table.columns.iter().map(|column| column.name.as_str());
    match closest(name, names.clone()) {
        Some(close) => error.hint(format!("did you mean `{close}`?")),
        None => error.hint(format!("its columns are {}", names.collect::<Vec<_>>().join(", "))),
    }
}

/// The texts of a key column; numbers as they print, should a caller have read them as such.
fn texts(values: &Values) -> Dictionary {
    match values {
        Values::Texts(texts) => texts.clone(),
        Values::Numbers(values) => {
            values.iter().map(|value| (!value.is_nan()).then(|| value.to_string())).collect()
        }
        Values::Times(times) => {
            times.iter().map(|time| (*time != MISSING_TIME).then(|| time.to_string())).collect()
        }
    }
}

/// `+02:00` in seconds; zero for what is not an offset, which the reader has refused already.
fn offset_seconds(text: &str) -> i32 {
    text.parse::<chrono::FixedOffset>().map_or(0, |offset| offset.local_minus_utc())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::Column;
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
