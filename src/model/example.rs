//! The stored example: rows of the training data with what the model answered to them when it was packaged.
//!
//! Digests say that the bytes are the ones that were packaged. That this mlx, on this machine, still
//! makes of them what was made of them then is only seen by scoring.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::answers::last_origins;
use super::contents::{EXAMPLE, EXAMPLE_INPUT, Stored};
use super::features::Features;
use super::labels::rows_by_query;
use super::{ForecastingModel, Model};
use crate::data::{
    Column, ColumnKind, Covariate, Dictionary, Layout, ReadOptions, SeriesSet, Table, TimeAxis,
    Values, frame,
};
use crate::error::{Error, Result};

/// The share of the largest answer by which answers may differ. The same instruction set gives the
/// same bits; another adds up in another order, which moves the seventh digit of a float32.
const TOLERANCE: f64 = 1e-5;

/// A package that allows a larger share would let another model pass.
const MOST_TOLERANCE: f64 = 1e-3;

const FORMAT: u32 = 1;

/// The first rows of the training data, and how many there are at most with the first row of
/// each column that misses a value there.
const FIRST_ROWS: usize = 5;
const MOST_ROWS: usize = 8;

/// Rows are looked through for missing values up to here.
const SEARCHED_ROWS: usize = 100_000;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    /// `input_example.json`.
    pub input: Vec<u8>,
    pub expected: Expected,
}

/// `mlx/example.json`: the answers, row by row, with every digit that they have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expected {
    pub format: u32,
    /// How far an answer may be off.
    pub tolerance: f64,
    pub columns: Vec<String>,
    /// Null stands for what is no number.
    pub data: Vec<Vec<Option<f64>>>,
}

impl Example {
    /// A few rows of the table that the model was trained on, and its answers to them.
    pub(crate) fn new(model: &Model, train: &Table) -> Result<Self> {
        let input = frame::to_json(&sample(model, train)?).into_bytes();
        // Model and rows as they will be read: what is expected is then what will be seen.
        let model = Stored::of(model)?.model(&Device::Cpu)?;
        let table = read(&model, &input)?;
        let (columns, values) = answers(&model, &table)?.into_iter().unzip();
        let mut expected =
            Expected { format: FORMAT, tolerance: 0.0, columns, data: by_row(values) };
        let size = match model {
            Model::Forecasting(_) => expected.largest(),
            // Small as these may be, they come of sums of about one.
            Model::Classification(_) | Model::Ranking(_) => expected.largest().max(1.0),
        };
        expected.tolerance = TOLERANCE * size;
        Ok(Self { input, expected })
    }

    pub(super) fn from_parts(input: Vec<u8>, expected: &[u8]) -> Result<Self> {
        let expected: Expected = serde_json::from_slice(expected)
            .map_err(|error| Error::user(format!("{EXAMPLE}: {error}")))?;
        if expected.format > FORMAT {
            return Err(Error::user(format!(
                "{EXAMPLE} has format {}, and this mlx reads up to {FORMAT}",
                expected.format
            ))
            .hint("install a newer mlx"));
        }
        let most = MOST_TOLERANCE * expected.largest().max(1.0);
        if !(0.0..=most).contains(&expected.tolerance) {
            return Err(Error::user(format!(
                "{EXAMPLE} allows answers to differ by {}, and no more than {most} is sensible",
                expected.tolerance
            )));
        }
        Ok(Self { input, expected })
    }

    /// Score the example again; the number of its rows, where the model answers as it did.
    pub(crate) fn check(&self, model: &Model) -> Result<usize> {
        let table = read(model, &self.input)?;
        self.expected.check(&answers(model, &table)?)?;
        Ok(table.rows)
    }
}

impl Expected {
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        // On one line: indented, every number would have a line of its own.
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| Error::bug(format!("cannot write {EXAMPLE}: {error}")))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn largest(&self) -> f64 {
        self.data.iter().flatten().flatten().map(|value| value.abs()).fold(0.0, f64::max)
    }

    fn check(&self, answers: &[(String, Vec<f64>)]) -> Result<()> {
        let names: Vec<&str> = answers.iter().map(|(name, _)| name.as_str()).collect();
        if names != self.columns {
            return Err(changed(format!(
                "it answers {}, and answered {} when it was packaged",
                names.join(", "),
                self.columns.join(", ")
            )));
        }
        let rows = answers.first().map_or(0, |(_, values)| values.len());
        if rows == 0 || rows != self.data.len() || self.data.iter().any(|r| r.len() != names.len())
        {
            return Err(changed(format!(
                "it gives {rows} rows of answers, and gave {} when it was packaged",
                self.data.len()
            )));
        }
        let mut differing = 0;
        let mut worst = (0.0, String::new());
        for (row, then) in self.data.iter().enumerate() {
            for ((name, values), then) in answers.iter().zip(then) {
                let (now, was) = (values[row], then.unwrap_or(f64::NAN));
                let off = match (now.is_finite(), was.is_finite()) {
                    (true, true) => (now - was).abs(),
                    (false, false) => 0.0,
                    _ => f64::INFINITY,
                };
                if off <= self.tolerance {
                    continue;
                }
                differing += 1;
                if off > worst.0 {
                    worst = (off, format!("`{name}` of row {} is {now}, and was {was}", row + 1));
                }
            }
        }
        if differing == 0 {
            return Ok(());
        }
        let all = rows * names.len();
        Err(changed(format!("{differing} of {all} answers differ, most of all {}", worst.1)))
    }
}

fn changed(how: String) -> Error {
    Error::user(format!("the model doesn't answer its stored example as it did: {how}")).hint(
        "it is not the model that was trained, or this mlx scores it otherwise than the one that `mlx/lineage.json` names: don't use it",
    )
}

/// What the model says of the rows, in the columns of `mlx predict` whose numbers can be compared:
/// a class or a rank may turn on the last digit.
fn answers(model: &Model, table: &Table) -> Result<Vec<(String, Vec<f64>)>> {
    Ok(match model {
        Model::Classification(model) => {
            let answer = model.predict(table)?;
            let width = answer.classes.len();
            let column = |class| answer.values.iter().skip(class).step_by(width).copied().collect();
            let classes = answer.classes.iter().enumerate();
            classes.map(|(place, class)| (format!("prob_{class}"), column(place))).collect()
        }
        Model::Ranking(model) => vec![("score".into(), model.score(table)?)],
        Model::Forecasting(model) => {
            let set = model.series(&[table])?;
            let forecasts = model.forecast(&set, &last_origins(&set, &mut Vec::new()))?;
            let levels = forecasts.levels.iter().map(|level| format!("q{level}"));
            let quantiles = levels.zip(forecasts.quantiles);
            [("prediction".into(), forecasts.point)].into_iter().chain(quantiles).collect()
        }
    })
}

fn by_row(columns: Vec<Vec<f64>>) -> Vec<Vec<Option<f64>>> {
    let rows = columns.first().map_or(0, Vec::len);
    let finite = |value: f64| value.is_finite().then_some(value);
    (0..rows).map(|row| columns.iter().map(|column| finite(column[row])).collect()).collect()
}

fn read(model: &Model, input: &[u8]) -> Result<Table> {
    let (data, kinds) = model.read_as();
    frame::from_json(input, Path::new(EXAMPLE_INPUT), &ReadOptions::new(data, kinds))
}

/// What the example is made of: columns that the model reads, and no others.
fn sample(model: &Model, train: &Table) -> Result<Table> {
    match model {
        Model::Classification(model) => Ok(few_rows(train, &model.spec.features[0], None)),
        Model::Ranking(model) => {
            let (features, query) = (&model.spec.features[0], model.spec.data.query.as_deref());
            if !model.is_listwise() {
                return Ok(few_rows(train, features, query));
            }
            Ok(train.pick(&whole_query(&model.queries(train)?), |column| {
                is_read(column, features, query)
            }))
        }
        Model::Forecasting(model) => history(model, train),
    }
}

/// The first rows, and rows that miss values.
fn few_rows(train: &Table, features: &Features, query: Option<&str>) -> Table {
    let is_read = |column: &Column| is_read(column, features, query);
    let mut rows: BTreeSet<usize> = (0..train.rows.min(FIRST_ROWS)).collect();
    for column in train.columns.iter().filter(|column| is_read(column)) {
        if rows.len() == MOST_ROWS {
            break;
        }
        rows.extend((0..train.rows.min(SEARCHED_ROWS)).find(|row| column.values.is_missing(*row)));
    }
    let rows: Vec<usize> = rows.into_iter().collect();
    train.pick(&rows, is_read)
}

fn is_read(column: &Column, features: &Features, query: Option<&str>) -> bool {
    let mut numbers = features.numbers.iter().map(|feature| &feature.column);
    let mut levels = features.levels.iter().map(|feature| &feature.column);
    query == Some(column.name.as_str())
        || numbers.any(|name| *name == column.name)
        || levels.any(|name| *name == column.name)
}

/// The rows of the first query of several rows that is as short as an example should be, or of the shortest: what a
/// model says of a row that looks at all rows of its query depends on these.
fn whole_query(queries: &[u32]) -> Vec<usize> {
    let rows = rows_by_query(queries);
    let short = rows.iter().find(|rows| (2..=MOST_ROWS).contains(&rows.len()));
    short.or_else(|| rows.iter().min_by_key(|rows| rows.len())).cloned().unwrap_or_default()
}

/// The last window of one series: all that its forecast reads. Where that is also what is known of its
/// future, the window ends a horizon earlier, and the rows after it hold no target.
fn history(model: &ForecastingModel, train: &Table) -> Result<Table> {
    let set = model.series(&[train])?;
    // What lies before fills gaps in the first season of the window.
    let window = (model.spec.look_back() + model.spec.season) as i64;
    let ahead = if set.covariates.known.is_empty() { 0 } else { model.horizon() as i64 };
    let length = |series: &usize| (set.end(*series) - set.start[*series]).min(window + ahead);
    let longest = (0..set.len()).map(|series| length(&series)).max().unwrap_or(0);
    let series = (0..set.len())
        .find(|series| longest > 0 && length(series) == longest)
        .ok_or_else(|| Error::user("the training data holds no value to forecast from"))?;
    let end = set.end(series);
    let first = end - longest;
    let mut origin = (end - ahead).max(first + 1);
    // The last value before the origin is where the forecast is made from.
    while origin < end && set.at(series, origin - 1).is_nan() {
        origin += 1;
    }
    let seen = |series: usize, index: i64| {
        if index < origin { set.at(series, index) } else { f64::NAN }
    };
    let data = &model.spec.data;
    let time = data.time.as_deref().unwrap_or_default();
    Ok(match data.layout {
        Layout::Long => {
            let has_row =
                |index: &i64| !seen(series, *index).is_nan() || set.is_given(series, *index);
            let indices: Vec<i64> = (first..end).filter(has_row).collect();
            let mut columns: Vec<Column> = set
                .key_names
                .iter()
                .zip(&set.keys[series])
                .map(|(name, key)| names(name, vec![0; indices.len()], vec![key.clone()]))
                .collect();
            columns.push(times(&set, time, &indices));
            columns.extend(covariates(&set, series, &indices));
            columns.push(numbers(
                &data.target,
                indices.iter().map(|&index| seen(series, index)).collect(),
            ));
            Table { columns, rows: indices.len(), ..Table::default() }
        }
        Layout::Wide => {
            let indices: Vec<i64> = (first..end).collect();
            let mut columns = vec![times(&set, time, &indices)];
            columns.extend(covariates(&set, series, &indices));
            // Series that the project names have to be there; of unnamed ones any will do.
            let taken = (0..set.len()).filter(|&other| other == series || !data.series.is_empty());
            columns.extend(taken.map(|series| {
                let values = indices.iter().map(|&index| seen(series, index)).collect();
                numbers(&set.keys[series][0], values)
            }));
            Table { columns, rows: indices.len(), ..Table::default() }
        }
    })
}

/// What is known of a series beside its values.
fn covariates(set: &SeriesSet, series: usize, indices: &[i64]) -> Vec<Column> {
    let all = &set.covariates;
    let known = all.known.iter().enumerate().map(|(at, column)| {
        covariate(column, indices.iter().map(|&index| set.known_at(at, series, index)).collect())
    });
    let fixed = all.fixed.iter();
    let fixed = fixed.map(|column| covariate(column, vec![column.values[series]; indices.len()]));
    known.chain(fixed).collect()
}

fn covariate<T>(column: &Covariate<T>, values: Vec<f64>) -> Column {
    let texts = values.iter().map(|&value| column.level(value)).collect::<Dictionary>();
    match column.levels {
        None => numbers(&column.column, values),
        Some(_) => Column {
            name: column.column.clone(),
            kind: ColumnKind::Categorical,
            values: Values::Texts(texts),
        },
    }
}

fn times(set: &SeriesSet, name: &str, indices: &[i64]) -> Column {
    match set.axis {
        TimeAxis::Integer { .. } => {
            numbers(name, indices.iter().map(|&index| set.axis.time(index) as f64).collect())
        }
        TimeAxis::Calendar(_) => names(
            name,
            (0..indices.len() as u32).collect(),
            indices.iter().map(|&index| set.axis.text(index)).collect(),
        ),
    }
}

fn numbers(name: &str, values: Vec<f64>) -> Column {
    Column { name: name.to_owned(), kind: ColumnKind::Numeric, values: Values::Numbers(values) }
}

fn names(name: &str, codes: Vec<u32>, levels: Vec<String>) -> Column {
    let values = Values::Texts(Dictionary { codes, levels: levels.into() });
    Column { name: name.to_owned(), kind: ColumnKind::Categorical, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(data: Vec<Vec<Option<f64>>>) -> Expected {
        let columns = vec!["a".into(), "b".into()];
        Expected { format: FORMAT, tolerance: 1e-3, columns, data }
    }

    fn answers(a: &[f64], b: &[f64]) -> Vec<(String, Vec<f64>)> {
        vec![("a".into(), a.to_vec()), ("b".into(), b.to_vec())]
    }

    #[test]
    fn answers_may_differ_by_the_tolerance_and_no_more() {
        let then = expected(vec![vec![Some(0.25), Some(1e-9)], vec![Some(100.0), None]]);
        then.check(&answers(&[0.25, 100.0], &[1e-9, f64::NAN])).unwrap();
        then.check(&answers(&[0.2509, 99.9991], &[0.0, f64::INFINITY])).unwrap();
        let error = then.check(&answers(&[0.2511, 100.0], &[0.5, f64::NAN])).unwrap_err();
        assert_eq!(
            error.message(),
            "the model doesn't answer its stored example as it did: 2 of 4 answers differ, most of all `b` of row 1 is 0.5, and was 0.000000001"
        );
        for (a, b) in [(f64::NAN, f64::NAN), (100.0, 1.0)] {
            assert!(then.check(&answers(&[0.25, a], &[1e-9, b])).is_err(), "{a} {b}");
        }
    }

    #[test]
    fn other_columns_or_rows_are_no_answer() {
        let then = expected(vec![vec![Some(1.0), Some(2.0)]]);
        let other = vec![("a".to_owned(), vec![1.0]), ("c".to_owned(), vec![2.0])];
        for answers in [other, answers(&[1.0, 1.0], &[2.0, 2.0]), answers(&[], &[]), vec![]] {
            assert!(then.check(&answers).is_err(), "{answers:?}");
        }
        assert!(expected(vec![]).check(&answers(&[], &[])).is_err());
        assert!(expected(vec![vec![Some(1.0)]]).check(&answers(&[1.0], &[2.0])).is_err());
    }

    #[test]
    fn a_tolerance_that_lets_everything_pass_is_refused() {
        for tolerance in [-1.0, 0.1, f64::MAX] {
            let expected =
                Expected { tolerance, ..expected(vec![vec![Some(2.0)]]) }.to_json().unwrap();
            let error = Example::from_parts(vec![], &expected).unwrap_err();
            assert!(error.message().contains("allows answers to differ by"), "{error}");
        }
        let newer = Expected { format: 2, ..expected(vec![]) }.to_json().unwrap();
        assert!(Example::from_parts(vec![], &newer).unwrap_err().message().contains("format 2"));
    }
}
