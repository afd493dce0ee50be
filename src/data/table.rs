//! Columns in memory: numbers, dictionary-encoded texts, and times, with their rows' origin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::ColumnKind;

/// The code of a missing text in a [`Dictionary`].
pub(crate) const MISSING: u32 = u32::MAX;

/// The value of a missing time in [`Values::Times`].
pub(crate) const MISSING_TIME: i64 = i64::MIN;

/// Texts as codes into their distinct levels, in order of first appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dictionary {
    /// One code a row; [`MISSING`] where the cell is empty.
    pub codes: Vec<u32>,
    pub levels: Vec<String>,
}

impl Dictionary {
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        self.levels.get(self.codes[row] as usize).map(String::as_str)
    }
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    /// Missing is NaN.
    Numbers(Vec<f64>),
    /// Categorical, boolean, text and id columns, as they were written in the file.
    Texts(Dictionary),
    /// Microseconds since 1970-01-01T00:00:00Z; missing is [`MISSING_TIME`].
    Times(Vec<i64>),
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.codes.len(),
            Self::Times(values) => values.len(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub values: Values,
}

/// Where the rows of a table came from, so that an error can name file and row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    /// Each file with the number of rows it gave, in order.
    pub files: Vec<(PathBuf, usize)>,
    /// Set where rows were picked from a larger table: the row each came from.
    pub picked: Option<Vec<usize>>,
    /// How the files write the times of a timestamp column, in chrono's notation, such as `%Y-%m`:
    /// forecasts are written the same way.
    pub time_formats: BTreeMap<String, String>,
}

/// Equally long columns with distinct names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub columns: Vec<Column>,
    pub rows: usize,
    pub origin: Origin,
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The named rows, in the order given; a row may be named twice.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        let columns = self
            .columns
            .iter()
            .map(|column| Column {
                name: column.name.clone(),
                kind: column.kind,
                values: take(&column.values, rows),
            })
            .collect();
        let picked = match &self.origin.picked {
            Some(picked) => rows.iter().map(|&row| picked[row]).collect(),
            None => rows.to_vec(),
        };
        let origin = Origin { picked: Some(picked), ..self.origin.clone() };
        Self { columns, rows: rows.len(), origin }
    }

    /// `train.csv row 10417`: the data rows of each file count from 1, the header left out.
    pub(crate) fn describe_row(&self, row: usize) -> String {
        let mut row = self.origin.picked.as_ref().map_or(row, |picked| picked[row]);
        for (file, rows) in &self.origin.files {
            if row < *rows {
                return format!("{} row {}", file.display(), row + 1);
            }
            row -= rows;
        }
        format!("row {}", row + 1)
    }
}

fn take(values: &Values, rows: &[usize]) -> Values {
    match values {
        Values::Numbers(values) => Values::Numbers(rows.iter().map(|&row| values[row]).collect()),
        Values::Times(values) => Values::Times(rows.iter().map(|&row| values[row]).collect()),
        Values::Texts(texts) => Values::Texts(Dictionary {
            codes: rows.iter().map(|&row| texts.codes[row]).collect(),
            levels: texts.levels.clone(),
        }),
    }
}
