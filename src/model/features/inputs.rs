//! A table's rows as a model reads them, before encoding: raw numbers and codes in contiguous buffers.

use std::ops::Range;

use super::level::MISSING_CODE;
use super::{CalendarPart, Features};
use crate::data::table::MISSING_TIME;
use crate::data::{Column, Table, Values};
use crate::error::{Error, Result, closest};

/// Beyond this a number is as large as can be: differences of two still fit.
const LARGEST: f64 = 1e30;

/// The numbers and codes of some rows, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub rows: usize,
    numbers: Vec<f32>,
    number_width: usize,
    codes: Vec<u32>,
    code_width: usize,
}

impl Inputs {
    /// These rows of a table; a column that the features need and the table has not is an error.
    pub(crate) fn read(features: &Features, table: &Table, rows: Range<usize>) -> Result<Self> {
        let number_width = features.numbers.len();
        let mut numbers = vec![f32::NAN; rows.len() * number_width];
        for (at, feature) in features.numbers.iter().enumerate() {
            let column = find(table, &feature.column)?;
            let values = raw_numbers(column, feature.part, rows.clone())
                .ok_or_else(|| misfit(table, column, "numbers"))?;
            for (row, value) in values.into_iter().enumerate() {
                numbers[row * number_width + at] = value;
            }
        }

        let code_width = features.levels.len();
        let mut codes = vec![MISSING_CODE; rows.len() * code_width];
        for (at, feature) in features.levels.iter().enumerate() {
            let column = find(table, &feature.column)?;
            let Values::Texts(texts) = &column.values else {
                return Err(misfit(table, column, "names"));
            };
            let translated = feature.encoder.translate(texts);
            for (row, &code) in texts.codes[rows.clone()].iter().enumerate() {
                // A missing cell's code is beyond every level.
                codes[row * code_width + at] =
                    translated.get(code as usize).copied().unwrap_or(MISSING_CODE);
            }
        }
        Ok(Self { rows: rows.len(), numbers, number_width, codes, code_width })
    }

    pub(crate) fn numbers(&self, row: usize) -> &[f32] {
        &self.numbers[row * self.number_width..(row + 1) * self.number_width]
    }

    /// How many numbers and how many codes a row has.
    pub(crate) fn widths(&self) -> (usize, usize) {
        (self.number_width, self.code_width)
    }

    /// The codes of all rows.
    pub(super) fn all_codes(&self) -> &[u32] {
        &self.codes
    }

    pub(crate) fn codes(&self, row: usize) -> &[u32] {
        &self.codes[row * self.code_width..(row + 1) * self.code_width]
    }
}

/// The raw values of a numeric column or of a part of a column of times, NaN where missing; `None`
/// where the column holds something else.
pub(super) fn raw_numbers(
    column: &Column,
    part: Option<CalendarPart>,
    rows: Range<usize>,
) -> Option<Vec<f32>> {
    match (&column.values, part) {
        (Values::Numbers(values), None) => Some(
            values[rows]
                .iter()
                .map(|value| {
                    // `clamp` keeps NaN.
                    value.clamp(-LARGEST, LARGEST) as f32
                })
                .collect(),
        ),
        (Values::Times(times), Some(part)) => Some(
            times[rows]
                .iter()
                .map(|&time| if time == MISSING_TIME { f32::NAN } else { part.of(time) as f32 })
                .collect(),
        ),
        _ => None,
    }
}

fn find<'a>(table: &'a Table, name: &str) -> Result<&'a Column> {
    table.column(name).ok_or_else(|| {
        let file = table.origin.file();
        let error =
            Error::user(format!("the model needs column `{name}`, and {file} has no such column"));
        match closest(name, table.columns.iter().map(|column| column.name.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`? rename it to `{name}`")),
            None => error.hint("score a file with the columns that the model was trained on"),
        }
    })
}

fn misfit(table: &Table, column: &Column, wanted: &str) -> Error {
    Error::user(format!(
        "column `{}` of {} does not hold {wanted}, as it did in training",
        column.name,
        table.origin.file()
    ))
}
