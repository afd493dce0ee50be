//! What to say of a loss or a gradient that is no finite number: where, over which rows, and the likeliest cause.

use std::fmt::Write as _;

use super::learner::Learner;
use crate::data::{ColumnKind, Table, Values};
use crate::engine::Precision;
use crate::error::{Error, Result};

/// Rows that are named one by one.
const NAMED: usize = 5;

/// This many times the estimator's own learning rate is more than any data asks for.
const HIGH_RATE: f64 = 30.0;

/// A value this many times its column's spread away from its middle stands out.
const FAR: f64 = 1e4;

/// Weights of a net that learns stay far below.
const LARGE_WEIGHT: f32 = 1e4;

/// Which number was not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Broken {
    Loss(f64),
    /// The length of the gradient.
    Gradient(f64),
    /// What decides which epoch is best.
    Validation(f64),
}

/// Where it broke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub broken: Broken,
    /// Counted from 1.
    pub epoch: usize,
    pub step: usize,
    /// The batch.
    pub units: &'a [usize],
    /// The peak learning rate of the run.
    pub rate: f64,
    pub precision: Precision,
}

/// The error that ends the run. `table` holds the training rows, where they are at hand.
pub(super) fn error(place: &Place<'_>, learner: &dyn Learner, table: Option<&Table>) -> Error {
    let Place { broken, epoch, step, units, .. } = *place;
    let mut said = match broken {
        Broken::Loss(value) => format!("the loss is {value} at step {step} of epoch {epoch}"),
        Broken::Gradient(length) => {
            format!("the gradient's length is {length} at step {step} of epoch {epoch}")
        }
        Broken::Validation(value) => format!("validation came to {value} after epoch {epoch}"),
    };
    let rows = learner.table_rows(units);
    if !matches!(broken, Broken::Validation(_)) {
        let _ = write!(said, ", over {}", over(rows.as_deref(), units, table));
    }
    let cause = match cause(place, learner, rows.as_deref(), table) {
        Ok(cause) => cause,
        // A cause that can't be looked for is no reason to hide what happened.
        Err(_) => Cause::Unknown,
    };
    let key = "train.learning_rate";
    let lower = |rate: f64| format!("lower the learning rate: `--set {key}={rate}`");
    let (why, hint) = match cause {
        Cause::Rate { own } => {
            let times = place.rate / own;
            (
                format!(
                    "most likely the cause: the learning rate {} is {times:.0} times the estimator's own",
                    place.rate
                ),
                lower(own),
            )
        }
        Cause::Weights { largest } => (
            format!(
                "most likely the cause: the learning rate {} is too high: a weight is {} by now",
                place.rate,
                short(f64::from(largest))
            ),
            lower(place.rate / 10.0),
        ),
        Cause::Value(found) => {
            let Outlier { column, value, row, low, high } = found;
            (
                format!(
                    "most likely the cause: `{column}` is {} in {row}, where half of its values lie between {} and {}",
                    short(value),
                    short(low),
                    short(high)
                ),
                format!(
                    "mend the value, or leave the column out: `--set columns.{column}=ignore`; `mlx data check` finds more"
                ),
            )
        }
        Cause::Range => (
            "no value of these rows stands out: most likely a sum is above 65504, the most that float16 holds"
                .to_owned(),
            "train in a type that holds as much as float32: `--set train.precision=bfloat16`".to_owned(),
        ),
        Cause::Unknown if learner.steps_per_epoch().is_some() => (
            "no value of these rows stands out".to_owned(),
            "look at the data: `mlx data check`".to_owned(),
        ),
        Cause::Unknown => (
            "no value of these rows stands out: most likely its steps are too long".to_owned(),
            lower(place.rate / 10.0),
        ),
    };
    Error::user(format!("training has diverged: {said}; {why}")).hint(hint)
}

#[derive(Debug, PartialEq)]
enum Cause {
    Rate {
        own: f64,
    },
    Weights {
        largest: f32,
    },
    Value(Outlier),
    /// What float16 can hold.
    Range,
    Unknown,
}

/// A value far from all others of its column.
#[derive(Debug, PartialEq)]
struct Outlier {
    column: String,
    value: f64,
    /// As files count it.
    row: String,
    /// The quartiles of the column.
    low: f64,
    high: f64,
}

fn cause(
    place: &Place<'_>,
    learner: &dyn Learner,
    rows: Option<&[usize]>,
    table: Option<&Table>,
) -> Result<Cause> {
    let own = learner.defaults().learning_rate;
    if place.rate > own * HIGH_RATE {
        return Ok(Cause::Rate { own });
    }
    // A validation that broke says nothing of one batch's rows.
    let rows = rows.filter(|_| !matches!(place.broken, Broken::Validation(_)));
    if let Some(found) = table.and_then(|table| outlier(table, rows)) {
        return Ok(Cause::Value(found));
    }
    if place.precision == Precision::Float16 {
        return Ok(Cause::Range);
    }
    let weights = learner.parameters().flat().as_tensor().to_vec1::<f32>()?;
    // NaN is larger than any number here: it is no weight at all.
    let sizes = weights.iter().map(|weight| weight.abs());
    let largest = sizes.max_by(f32::total_cmp).unwrap_or(0.0);
    Ok(if largest < LARGE_WEIGHT { Cause::Unknown } else { Cause::Weights { largest } })
}

/// `64 rows: train.csv rows 3, 17, 24, 40, 41 and 59 more`.
fn over(rows: Option<&[usize]>, units: &[usize], table: Option<&Table>) -> String {
    let (Some(rows), Some(table)) = (rows, table) else {
        let (what, numbers) = match rows {
            Some(rows) => ("row", rows),
            None => ("window", units),
        };
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let plural = if numbers.len() == 1 { "" } else { "s" };
        return format!("{} training {what}{plural}: {}", numbers.len(), listed(&numbers));
    };
    if rows.len() == table.rows {
        return format!("all {} rows", table.rows);
    }
    let mut named: Vec<String> = Vec::new();
    let mut file = String::new();
    for &row in rows {
        let described = table.describe_row(row);
        let (of, number) = described.rsplit_once(' ').unwrap_or(("row", &described));
        // The file is named where it begins, and not with every row.
        named.push(if *of == file { number.to_owned() } else { format!("{of}s {number}") });
        of.clone_into(&mut file);
    }
    format!("{} rows: {}", rows.len(), listed(&named))
}

/// A number with the digits that tell.
fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.4e}").parse().unwrap_or(value);
    let plain = rounded == 0.0 || (1e-4..1e7).contains(&rounded.abs());
    if plain { rounded.to_string() } else { format!("{rounded:e}") }
}

fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The value of these rows, or of all, that is furthest out in terms of its own column's spread.
fn outlier(table: &Table, rows: Option<&[usize]>) -> Option<Outlier> {
    let mut furthest: Option<(f64, Outlier)> = None;
    for column in table.columns.iter().filter(|column| column.kind == ColumnKind::Numeric) {
        let Values::Numbers(values) = &column.values else { continue };
        let mut known: Vec<f64> =
            values.iter().copied().filter(|value| value.is_finite()).collect();
        if known.is_empty() {
            continue;
        }
        known.sort_by(f64::total_cmp);
        let at = |share: usize| known[(known.len() - 1) * share / 4];
        let (low, middle, high) = (at(1), at(2), at(3));
        // A column that is nearly constant has no spread; then its size is the measure.
        let spread = (high - low).max(middle.abs() * 1e-3).max(f64::MIN_POSITIVE);
        let all: Vec<usize>;
        let rows = match rows {
            Some(rows) => rows,
            None => {
                all = (0..table.rows).collect();
                &all
            }
        };
        for &row in rows {
            let Some(&value) = values.get(row).filter(|value| value.is_finite()) else { continue };
            let far = (value - middle).abs() / spread;
            // Of a column of zeros every other value is endlessly far, and most are harmless.
            let stands_out = far > FAR && value.abs() > FAR;
            if stands_out && furthest.as_ref().is_none_or(|(most, _)| far > *most) {
                let (column, row) = (column.name.clone(), table.describe_row(row));
                furthest = Some((far, Outlier { column, value, row, low, high }));
            }
        }
    }
    furthest.map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Column;

    fn table(values: Vec<f64>) -> Table {
        let rows = values.len();
        let numbers = |name: &str, values| Column {
            name: name.into(),
            kind: ColumnKind::Numeric,
            values: Values::Numbers(values),
        };
        let flat = vec![7.0; rows];
        let columns = vec![numbers("flat", flat), numbers("income", values)];
        let mut table = Table { columns, rows, ..Table::default() };
        // The first of two files, read to its end, and some of the second.
        table.origin.files = vec![("a.csv".into(), 6), ("b.csv".into(), 1000)];
        table
    }

    #[test]
    fn the_value_furthest_out_is_named_by_file_and_row() {
        let mut values: Vec<f64> = (0..100).map(f64::from).collect();
        values[40] = -3e12;
        values[41] = 1e9;
        values[42] = f64::NAN;
        let table = table(values);
        let found = outlier(&table, None).expect("one");
        assert_eq!((found.column.as_str(), found.value), ("income", -3e12));
        assert_eq!(found.row, "b.csv row 35");
        assert!(found.low < found.high && found.high < 100.0, "{found:?}");
        assert_eq!(outlier(&table, Some(&[1, 41, 42])).expect("one").value, 1e9);
        assert_eq!(outlier(&table, Some(&[1, 2, 42])), None, "of these rows none stands out");
    }

    #[test]
    fn rows_are_listed_by_file() {
        let table = table(vec![0.0; 20]);
        let rows = [2, 5, 6, 9, 10, 12, 19];
        assert_eq!(
            over(Some(&rows), &rows, Some(&table)),
            "7 rows: a.csv rows 3, 6, b.csv rows 1, 4, 5 and 2 more"
        );
        assert_eq!(over(Some(&rows[..2]), &rows, None), "2 training rows: 2, 5");
        assert_eq!(over(None, &rows[..1], Some(&table)), "1 training window: 2");
        let all: Vec<usize> = (0..20).collect();
        assert_eq!(over(Some(&all), &[], Some(&table)), "all 20 rows");
    }
}
