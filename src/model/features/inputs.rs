//! A table's rows as a model reads them, before encoding: raw numbers and codes in contiguous buffers.

use std::ops::Range;

use super::level::MISSING_CODE;
use super::{CalendarPart, Features, LevelFeature, NumberFeature};
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

/// The columns of a table that features read, found once.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    numbers: Vec<(&'a Column, Option<CalendarPart>)>,
    /// The codes of each column of names, and what the features call each of them.
    codes: Vec<(&'a [u32], Vec<u32>)>,
}

impl<'a> Reader<'a> {
    /// A column that the features need and the table has not is an error.
    pub(crate) fn new(features: &Features, table: &'a Table) -> Result<Self> {
        let number = |feature: &NumberFeature| {
            let column = find(table, &feature.column)?;
            raw_numbers(column, feature.part, 0..0)
                .map(|_| (column, feature.part))
                .ok_or_else(|| misfit(table, column, "numbers"))
        };
        let code = |feature: &LevelFeature| {
            let column = find(table, &feature.column)?;
            let Values::Texts(texts) = &column.values else {
                return Err(misfit(table, column, "names"));
            };
            Ok((texts.codes.as_slice(), feature.encoder.translate(texts)))
        };
        Ok(Self {
            numbers: features.numbers.iter().map(number).collect::<Result<_>>()?,
            codes: features.levels.iter().map(code).collect::<Result<_>>()?,
        })
    }

    pub(crate) fn read(&self, rows: Range<usize>) -> Inputs {
        let (number_width, code_width) = (self.numbers.len(), self.codes.len());
        let mut numbers = vec![f32::NAN; rows.len() * number_width];
        for (at, (column, part)) in self.numbers.iter().enumerate() {
            let values = raw_numbers(column, *part, rows.clone())
                .expect("the reader was made for columns that hold numbers");
            for (row, value) in values.enumerate() {
                numbers[row * number_width + at] = value;
            }
        }
        let mut codes = vec![MISSING_CODE; rows.len() * code_width];
        for (at, (column, translated)) in self.codes.iter().enumerate() {
            for (row, &code) in column[rows.clone()].iter().enumerate() {
                // A missing cell's code is beyond every level.
                codes[row * code_width + at] =
                    translated.get(code as usize).copied().unwrap_or(MISSING_CODE);
            }
        }
        Inputs { rows: rows.len(), numbers, number_width, codes, code_width }
    }
}

impl Inputs {
    /// These rows of a table; a column that the features need and the table has not is an error.
    pub(crate) fn read(features: &Features, table: &Table, rows: Range<usize>) -> Result<Self> {
        Ok(Reader::new(features, table)?.read(rows))
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
) -> Option<impl Iterator<Item = f32>> {
    let (numbers, times, part) = match (&column.values, part) {
        (Values::Numbers(values), None) => (&values[rows], &[][..], CalendarPart::Days),
        (Values::Times(times), Some(part)) => (&[][..], &times[rows], part),
        _ => return None,
    };
    // `clamp` keeps NaN. One of the two is empty.
    let numbers = numbers.iter().map(|value| value.clamp(-LARGEST, LARGEST) as f32);
    let times = times
        .iter()
        .map(move |&time| if time == MISSING_TIME { f32::NAN } else { part.of(time) as f32 });
    Some(numbers.chain(times))
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
