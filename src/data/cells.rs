//! Cells into values of a kind that is decided.

use std::collections::HashMap;

use super::raw::{Cells, Raw};
use super::table::{Dictionary, MISSING, MISSING_TIME, Values};
use super::time::{Clock, TimeFormat};

/// The texts that mean nothing was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing<'a> {
    also: &'a [String],
}

impl<'a> Missing<'a> {
    pub(crate) fn new(also: &'a [String]) -> Self {
        Self { also }
    }

    pub(crate) fn is(self, cell: &str) -> bool {
        const ALWAYS: &[&str] = &["NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>"];
        // Longer cells are none of them, and most cells are compared to nothing.
        cell.is_empty()
            || cell.len() <= 4 && ALWAYS.contains(&cell)
            || !self.also.is_empty() && self.also.iter().any(|text| text == cell)
    }
}

/// A finite number; `decimal` is its sign where that is a comma.
pub(crate) fn number(cell: &str, decimal: Option<char>) -> Option<f64> {
    let first = *cell.as_bytes().first()?;
    // Rust reads `inf` and `nan` as numbers; a table means something else by them.
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.' | b',')) {
        return None;
    }
    let value: f64 = if decimal == Some(',') {
        let (whole, part) = cell.split_once(',').unwrap_or((cell, ""));
        // Points group thousands where the comma is the decimal sign, and do nothing else.
        if whole.split('.').skip(1).any(|group| group.len() != 3) || part.contains('.') {
            return None;
        }
        format!("{}.{part}", whole.replace('.', "")).parse().ok()?
    } else {
        cell.parse().ok()?
    };
    value.is_finite().then_some(value)
}

/// A cell that is not what its column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BadCell {
    pub row: usize,
    pub cell: String,
}

pub(crate) fn numbers(
    raw: &Raw,
    missing: Missing<'_>,
    decimal: Option<char>,
) -> Result<Values, BadCell> {
    let values = match raw {
        Raw::Numbers(values) => {
            if let Some(row) = values.iter().position(|value| value.is_infinite()) {
                return Err(BadCell { row, cell: values[row].to_string() });
            }
            values.clone()
        }
        Raw::Cells(cells) => cells
            .iter()
            .enumerate()
            .map(|(row, cell)| match number(cell, decimal) {
                Some(value) => Ok(value),
                None if missing.is(cell) => Ok(f64::NAN),
                None => Err(BadCell { row, cell: cell.to_owned() }),
            })
            .collect::<Result<_, _>>()?,
        Raw::Times { .. } => {
            return numbers(&Raw::Cells(raw.to_cells()), missing, decimal);
        }
    };
    // Token such as -999 may stand for missing.
    Ok(Values::Numbers(without_tokens(values, missing)))
}

fn without_tokens(mut values: Vec<f64>, missing: Missing<'_>) -> Vec<f64> {
    let tokens: Vec<f64> = missing.also.iter().filter_map(|text| number(text, None)).collect();
    if !tokens.is_empty() {
        for value in &mut values {
            if tokens.contains(value) {
                *value = f64::NAN;
            }
        }
    }
    values
}

/// Times, and how they are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReadTimes {
    pub values: Vec<i64>,
    /// In chrono's notation; none where the file has times of its own.
    pub pattern: Option<String>,
    pub zoned: bool,
    /// Whether they have a time of day, for which a zone matters.
    pub of_day: bool,
}

pub(crate) fn times(raw: &Raw, missing: Missing<'_>, clock: Clock) -> Result<ReadTimes, BadCell> {
    const DAY: i64 = 86_400_000_000;
    let cells = match raw {
        Raw::Cells(cells) => cells,
        Raw::Numbers(_) => return times(&Raw::Cells(raw.to_cells()), missing, clock),
        Raw::Times { values, zoned } => {
            let of_day =
                values.iter().any(|&time| time != MISSING_TIME && time.rem_euclid(DAY) != 0);
            let values: Vec<i64> = if *zoned {
                values.clone()
            } else {
                values.iter().map(|&time| clock.to_utc(time)).collect()
            };
            return Ok(ReadTimes { values, pattern: None, zoned: *zoned, of_day });
        }
    };
    let mut latest: Option<TimeFormat> = None;
    let mut longest: Option<(TimeFormat, &str)> = None;
    let mut zoned = false;
    let mut values = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        if missing.is(cell) {
            values.push(MISSING_TIME);
            continue;
        }
        // One column mostly has one format, so the one that read the last cell is tried first.
        let found = latest
            .and_then(|format| Some((format, clock.read(cell, format)?)))
            .or_else(|| clock.recognise(cell, true));
        let Some((format, time)) = found else {
            return Err(BadCell { row, cell: cell.to_owned() });
        };
        values.push(time);
        latest = Some(format);
        zoned |= format.zoned;
        if longest.is_none_or(|(_, text)| text.len() < cell.len()) {
            longest = Some((format, cell));
        }
    }
    let pattern = longest.map(|(format, example)| clock.written(format, example));
    let of_day = pattern.as_ref().is_some_and(|pattern| pattern.contains("%H"));
    Ok(ReadTimes { values, pattern, zoned, of_day })
}

pub(crate) fn texts(raw: &Raw, missing: Missing<'_>) -> Values {
    let own;
    let cells: &Cells = match raw {
        Raw::Cells(cells) => cells,
        other => {
            own = other.to_cells();
            &own
        }
    };
    let mut levels: Vec<&str> = Vec::new();
    let mut places: HashMap<&str, u32> = HashMap::new();
    let codes = cells
        .iter()
        .map(|cell| {
            if missing.is(cell) {
                return MISSING;
            }
            *places.entry(cell).or_insert_with(|| {
                levels.push(cell);
                levels.len() as u32 - 1
            })
        })
        .collect();
    let levels = levels.into_iter().map(str::to_owned).collect();
    Values::Texts(Dictionary { codes, levels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_finite_and_know_the_decimal_comma() {
        for (cell, decimal, value) in [
            ("1.5", None, Some(1.5)),
            ("-3e2", None, Some(-300.0)),
            ("1,5", Some(','), Some(1.5)),
            ("1.234,5", Some(','), Some(1234.5)),
            ("1.5", Some(','), None),
            ("7", Some(','), Some(7.0)),
            ("1,5", None, None),
            ("inf", None, None),
            ("nan", None, None),
            ("1e999", None, None),
            ("12 px", None, None),
        ] {
            assert_eq!(number(cell, decimal), value, "{cell}");
        }
    }

    #[test]
    fn tokens_of_the_project_are_missing_in_every_kind() {
        let also = ["-999".to_owned(), "?".to_owned()];
        let missing = Missing::new(&also);
        let mut cells = Cells::default();
        for cell in ["1", "-999", "?", "NA", ""] {
            cells.push(cell);
        }
        let Ok(Values::Numbers(values)) = numbers(&Raw::Cells(cells.clone()), missing, None) else {
            panic!("numbers")
        };
        assert_eq!(values.iter().filter(|value| value.is_nan()).count(), 4);
        let Values::Texts(texts) = texts(&Raw::Cells(cells), missing) else { panic!("texts") };
        assert_eq!(texts.levels, ["1"]);
    }
}
