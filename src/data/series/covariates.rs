//! What is known of series beside their values: columns whose future is known, step by step, and
//! columns that stay the same within a series.

use std::collections::HashMap;
use std::sync::Arc;

use super::rows::{Row, absent};
use super::{SeriesSet, name};
use crate::data::table::MISSING;
use crate::data::{Column, DataSettings, Layout, Table, Values};
use crate::error::{Error, Result};

/// The covariates of a set of series; as many columns as the settings name, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Covariates {
    /// `data.known_future`: a value for each step of each series, as long as its target's.
    pub known: Vec<Covariate<Vec<f64>>>,
    /// `data.static`: a value for each series.
    pub fixed: Vec<Covariate<f64>>,
    /// Which steps of each series have a row, where columns of known future are named: there an
    /// empty cell is a missing value, elsewhere nothing was said.
    pub given: Vec<Vec<bool>>,
}

/// A column: numbers, or places among the levels of a column of names; NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Covariate<T> {
    pub column: String,
    /// Of a column of names.
    pub levels: Option<Arc<Vec<String>>>,
    /// By series.
    pub values: Vec<T>,
}

impl<T> Covariate<T> {
    /// The name that a value stands for; none for a number and for a missing value.
    pub(crate) fn level(&self, value: f64) -> Option<&str> {
        let levels = self.levels.as_ref().filter(|_| !value.is_nan())?;
        levels.get(value as usize).map(String::as_str)
    }
}

impl SeriesSet {
    /// The value of a column of known future at a time index; NaN where there is none.
    pub(crate) fn known_at(&self, column: usize, series: usize, index: i64) -> f64 {
        let offset = usize::try_from(index - self.start[series]).ok();
        let values = &self.covariates.known[column].values[series];
        offset.and_then(|offset| values.get(offset).copied()).unwrap_or(f64::NAN)
    }

    /// Whether a row says what is known at a time index.
    pub(crate) fn is_given(&self, series: usize, index: i64) -> bool {
        let offset = usize::try_from(index - self.start[series]).ok();
        let given = self.covariates.given.get(series);
        offset.zip(given).and_then(|(offset, given)| given.get(offset).copied()).unwrap_or(false)
    }
}

/// The covariates of series whose first time indices and lengths are known, and which rows they
/// were made of: `(row, its place among the series' steps)`.
pub(super) fn gather(
    tables: &[&Table],
    settings: &DataSettings,
    keys: &[Vec<String>],
    lengths: &[usize],
    rows: &[Vec<(Row, usize)>],
) -> Result<Covariates> {
    let mut covariates = Covariates::default();
    for column in &settings.known_future {
        let (levels, cells) = read(tables, column, "data.known_future")?;
        let values = lengths.iter().zip(rows).map(|(&length, rows)| {
            let mut values = vec![f64::NAN; length];
            for (row, place) in rows {
                values[*place] = cells[row.table][row.row];
            }
            values
        });
        let values = values.collect();
        covariates.known.push(Covariate { column: column.clone(), levels, values });
    }
    if !covariates.known.is_empty() {
        let given = lengths.iter().zip(rows).map(|(&length, rows)| {
            let mut given = vec![false; length];
            for (_, place) in rows {
                given[*place] = true;
            }
            given
        });
        covariates.given = given.collect();
    }
    for column in &settings.static_columns {
        if settings.layout == Layout::Wide {
            return Err(Error::user(format!(
                "data.static names `{column}`, but in the wide layout a series is a column and has none of its own"
            ))
            .hint("leave data.static out, or give one row a series and time: data.layout = \"long\""));
        }
        let (levels, cells) = read(tables, column, "data.static")?;
        let values = keys.iter().zip(rows).map(|(key, rows)| {
            let mut found: Option<(Row, f64)> = None;
            for &(row, _) in rows {
                let value = cells[row.table][row.row];
                match found {
                    _ if value.is_nan() => {}
                    None => found = Some((row, value)),
                    Some((first, before)) if before != value => {
                        let shown = |value: f64| match &levels {
                            Some(levels) => levels[value as usize].clone(),
                            None => value.to_string(),
                        };
                        return Err(Error::user(format!(
                            "{}: the static column `{column}` of {} is `{}`, and was `{}` in {}",
                            tables[row.table].describe_row(row.row),
                            name(key),
                            shown(value),
                            shown(before),
                            tables[first.table].describe_row(first.row)
                        ))
                        .hint("what data.static names stays the same within a series; a column that changes, and whose future is known, is for data.known_future"));
                    }
                    Some(_) => {}
                }
            }
            Ok(found.map_or(f64::NAN, |(_, value)| value))
        });
        let values = values.collect::<Result<_>>()?;
        covariates.fixed.push(Covariate { column: column.clone(), levels, values });
    }
    Ok(covariates)
}

/// Levels and cells of a column, the cells by table.
type Cells = (Option<Arc<Vec<String>>>, Vec<Vec<f64>>);

/// The levels of a column, where it is one of names, and its cells by table: numbers, or places
/// among the levels.
fn read(tables: &[&Table], name: &str, setting: &str) -> Result<Cells> {
    let mut levels: Vec<String> = Vec::new();
    let mut places = HashMap::new();
    let mut names = None;
    let mut all = Vec::with_capacity(tables.len());
    for table in tables {
        let Column { values, .. } = table.column(name).ok_or_else(|| absent(table, name))?;
        let (is_names, cells) = match values {
            Values::Numbers(values) => {
                let finite = |value: &f64| if value.is_finite() { *value } else { f64::NAN };
                (false, values.iter().map(finite).collect())
            }
            Values::Texts(texts) => {
                let own: Vec<f64> = texts
                    .levels
                    .iter()
                    .map(|level| {
                        let place = *places.entry(level.to_owned()).or_insert_with(|| {
                            levels.push(level.to_owned());
                            levels.len() - 1
                        });
                        place as f64
                    })
                    .collect();
                let place = |code: &u32| {
                    if *code == MISSING { f64::NAN } else { own[*code as usize] }
                };
                (true, texts.codes.iter().map(place).collect())
            }
            Values::Times(_) => {
                return Err(Error::user(format!("{setting} names `{name}`, which holds times"))
                    .hint("covariates are numbers, names or booleans; what the calendar says of a step is read from data.time"));
            }
        };
        if names.is_some_and(|before| before != is_names) && table.rows > 0 {
            return Err(Error::user(format!(
                "{setting} names `{name}`, which holds numbers in one file and names in another"
            )));
        }
        if table.rows > 0 || names.is_none() {
            names = Some(is_names);
        }
        all.push(cells);
    }
    let levels = names.unwrap_or(false).then(|| Arc::new(levels));
    Ok((levels, all))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{column, dictionary, long, settings, table};
    use super::*;

    const GAP: f64 = f64::NAN;

    /// A series, a time, a target, a promotion, a region and a size.
    type Day<'a> = (&'a str, i64, f64, &'a str, &'a str, f64);

    fn shops(rows: &[Day<'_>]) -> Table {
        let base: Vec<(&str, i64, f64)> = rows.iter().map(|row| (row.0, row.1, row.2)).collect();
        let mut table = long(&base);
        let names = |names: Vec<&str>| {
            Values::Texts(
                names.into_iter().map(|name| Some(name).filter(|n| !n.is_empty())).collect(),
            )
        };
        let promo = rows.iter().map(|row| row.3).collect();
        let region = rows.iter().map(|row| row.4).collect();
        let size = rows.iter().map(|row| row.5).collect();
        table.columns.push(column("promo", names(promo)));
        table.columns.push(column("region", names(region)));
        table.columns.push(column("size", Values::Numbers(size)));
        table
    }

    fn with_covariates() -> DataSettings {
        DataSettings {
            known_future: vec!["promo".into()],
            static_columns: vec!["region".into(), "size".into()],
            ..settings()
        }
    }

    fn read(tables: &[&Table], settings: &DataSettings) -> Result<SeriesSet> {
        SeriesSet::from_tables(tables, settings, None)
    }

    #[test]
    fn covariates_lie_on_the_steps_of_their_series_and_go_beyond_its_values() {
        let history = shops(&[
            ("a", 1, 1.0, "no", "north", 10.0),
            ("b", 2, 5.0, "yes", "", GAP),
            ("a", 4, 2.0, "", "", 10.0),
        ]);
        let future =
            shops(&[("a", 5, GAP, "no", "north", 10.0), ("b", 3, GAP, "no", "south", 7.0)]);
        let set = read(&[&history, &future], &with_covariates()).unwrap();
        assert_eq!((set.end(0), set.values[0].len()), (5, 5));
        let promo = &set.covariates.known[0];
        let level = |series, index| promo.level(set.known_at(0, series, index));
        assert_eq!(level(0, 1), Some("no"));
        assert_eq!(level(1, 2), Some("yes"));
        assert_eq!(level(0, 5), Some("no"));
        // The empty cell of a row, a step without a row, and what lies outside.
        for (index, given) in [(4, true), (2, false), (0, false), (99, false)] {
            assert_eq!((level(0, index), set.is_given(0, index)), (None, given), "{index}");
        }
        let [region, size] = &set.covariates.fixed[..] else { panic!("two columns") };
        let named = |series: usize| region.level(region.values[series]);
        assert_eq!((named(0), named(1)), (Some("north"), Some("south")));
        assert_eq!(size.values, [10.0, 7.0]);
    }

    #[test]
    fn a_static_column_that_changes_names_both_rows() {
        let table = shops(&[
            ("a", 1, 1.0, "no", "north", 10.0),
            ("b", 1, 1.0, "no", "south", 10.0),
            ("a", 2, 1.0, "no", "south", 10.0),
        ]);
        let error = read(&[&table], &with_covariates()).unwrap_err();
        assert_eq!(
            error.message(),
            "row 3: the static column `region` of series `a` is `south`, and was `north` in row 1"
        );
    }

    #[test]
    fn a_column_that_is_not_there_or_holds_times_is_told() {
        let table = shops(&[("a", 1, 1.0, "no", "north", 10.0)]);
        let of = |name: &str| DataSettings { known_future: vec![name.into()], ..settings() };
        let error = read(&[&table], &of("prom")).unwrap_err();
        assert_eq!(error.message(), "the table has no column `prom`");
        assert_eq!(error.hint_text(), Some("did you mean `promo`?"));
        let mut table = table;
        table.columns.push(column("when", Values::Times(vec![0])));
        let error = read(&[&table], &of("when")).unwrap_err();
        assert_eq!(error.message(), "data.known_future names `when`, which holds times");
    }

    #[test]
    fn of_a_wide_table_the_known_future_is_that_of_every_series() {
        let wide = table(vec![
            column("t", Values::Numbers(vec![1.0, 2.0, 3.0])),
            column("a", Values::Numbers(vec![1.0, GAP, GAP])),
            column("b", Values::Numbers(vec![4.0, 5.0, GAP])),
            column("heat", Values::Numbers(vec![7.0, 8.0, 9.0])),
            column("day", dictionary(&["x", "y", "x"])),
        ]);
        let settings = DataSettings {
            layout: Layout::Wide,
            series: vec![],
            known_future: vec!["heat".into(), "day".into()],
            ..settings()
        };
        let set = read(&[&wide], &settings).unwrap();
        assert_eq!(set.keys, [["a"], ["b"]]);
        assert_eq!((set.end(0), set.end(1)), (2, 3));
        for series in 0..2 {
            assert_eq!(set.known_at(0, series, 3), 9.0);
            assert_eq!(set.covariates.known[1].level(set.known_at(1, series, 2)), Some("y"));
        }
        let settings = DataSettings { static_columns: vec!["day".into()], ..settings };
        let error = read(&[&wide], &settings).unwrap_err();
        assert!(error.message().starts_with("data.static names `day`, but in the wide"), "{error}");
    }
}
