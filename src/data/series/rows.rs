//! Rows of long and wide tables on their way to a time axis: whose they are, and when.

use std::collections::HashMap;

use super::covariates::gather;
use super::{SeriesSet, TimeAxis, name};
use crate::data::table::{Dictionary, MISSING, MISSING_TIME};
use crate::data::{ColumnKind, DataSettings, Layout, Table, Values};
use crate::error::{Error, Result, closest};

/// What predictions call the column that names a series of a wide table.
const WIDE_KEY: &str = "unique_id";

/// Steps that gaps may add to what was observed before the step is taken to be wrong.
const GAP_STEPS: usize = 50_000_000;

/// A row of one of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub table: usize,
    pub row: usize,
}

/// One observation and where it was read.
#[derive(Clone, Copy, Debug)]
struct Cell {
    time: i64,
    value: f64,
    of: Row,
}

/// What was read so far, before the axis is known.
#[derive(Debug, Default)]
pub(super) struct Cells {
    key_names: Vec<String>,
    keys: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, usize>,
    cells: Vec<Vec<Cell>>,
    /// Whether times are integers; none before the first table.
    integers: Option<bool>,
}

impl Cells {
    pub(super) fn add(
        &mut self,
        table: &Table,
        position: usize,
        settings: &DataSettings,
    ) -> Result<()> {
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
            self.cells[series].push(Cell {
                time: times[row],
                value,
                of: Row { table: position, row },
            });
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
                && !settings.known_future.contains(&column.name)
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
                of: Row { table: position, row },
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

    pub(super) fn sort(&mut self) {
        for cells in &mut self.cells {
            cells.sort_by_key(|cell| cell.time);
        }
    }

    pub(super) fn axis(&self, tables: &[&Table], settings: &DataSettings) -> Result<TimeAxis> {
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
    pub(super) fn fill(
        self,
        tables: &[&Table],
        settings: &DataSettings,
        axis: TimeAxis,
    ) -> Result<SeriesSet> {
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
        let mut rows = Vec::with_capacity(self.cells.len());
        for (key, cells) in self.keys.iter().zip(&self.cells) {
            let index = |cell: &Cell| {
                axis.index(cell.time)
                    .ok_or_else(|| off_grid(tables[cell.of.table], cell, key, &axis))
            };
            let (Some(first), Some(last)) = (cells.first(), cells.last()) else {
                start.push(0);
                values.push(Vec::new());
                rows.push(Vec::new());
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
            let mut own = Vec::with_capacity(cells.len());
            let mut before: Option<&Cell> = None;
            for cell in cells {
                let offset = (index(cell)? - first) as usize;
                if let Some(before) = before.filter(|before| before.time == cell.time) {
                    return Err(duplicate(tables, before, cell, key, &axis));
                }
                buffer[offset] = if cell.value.is_finite() { cell.value } else { f64::NAN };
                own.push((cell.of, offset));
                before = Some(cell);
            }
            start.push(first);
            values.push(buffer);
            rows.push(own);
        }
        let lengths: Vec<usize> = values.iter().map(Vec::len).collect();
        let covariates = gather(tables, settings, &self.keys, &lengths, &rows)?;
        let Self { key_names, keys, .. } = self;
        Ok(SeriesSet { axis, key_names, keys, start, values, covariates })
    }
}

fn off_grid(table: &Table, cell: &Cell, key: &[String], axis: &TimeAxis) -> Error {
    Error::user(format!(
        "{}: {} has the time {}, which is not a step of {} from its other times",
        table.describe_row(cell.of.row),
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
        tables[cell.of.table].describe_row(cell.of.row),
        name(key),
        axis.text_of(cell.time),
        tables[before.of.table].describe_row(before.of.row)
    ))
    .hint("a series has one row a time; if other columns tell these rows apart, name them in data.series")
}

pub(super) fn absent(table: &Table, name: &str) -> Error {
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
