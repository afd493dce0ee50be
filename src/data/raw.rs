//! Columns as a file holds them, before anybody decided what they are.

use rayon::prelude::*;

use super::ColumnKind;
use super::cells::{BadCell, ReadTimes};
use super::table::{Dictionary, MISSING_TIME};
use super::texts::Texts;

/// A column's cells in the type that its file has for them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    /// As they are written, but for the spaces around them; the empty cell is missing.
    Texts(Dictionary),
    /// Missing is NaN.
    Numbers(Vec<f64>),
    /// Microseconds since 1970; missing is [`super::table::MISSING_TIME`].
    Times { values: Vec<i64>, zoned: bool },
    /// Written as texts, which were let go as soon as they were understood.
    Parsed(Parsed),
}

/// What the cells of a column say, where all say a thing of one kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parsed {
    Numbers(Vec<f64>),
    Times(ReadTimes),
    /// A column that has to be of this kind, and the first cell that is not.
    Bad(ColumnKind, BadCell),
    /// They say things of several kinds after all: the texts have to be read again.
    Mixed,
}

impl Raw {
    /// The same cells as texts, for a column that files write differently.
    pub(crate) fn to_texts(&self) -> Dictionary {
        let mut texts = Texts::default();
        match self {
            Self::Texts(same) => return same.clone(),
            Self::Numbers(values) | Self::Parsed(Parsed::Numbers(values)) => {
                for &value in values {
                    if value.is_nan() {
                        texts.push_missing();
                    } else {
                        texts.push_display(value);
                    }
                }
            }
            Self::Times { values, .. } | Self::Parsed(Parsed::Times(ReadTimes { values, .. })) => {
                for &value in values {
                    if value == MISSING_TIME {
                        texts.push_missing();
                    } else {
                        texts.push(&super::time::iso(value, 0));
                    }
                }
            }
            Self::Parsed(Parsed::Bad(..) | Parsed::Mixed) => {}
        }
        texts.finish()
    }

    fn take(&self, rows: &[usize]) -> Self {
        let pick = |values: &[i64]| rows.iter().map(|&row| values[row]).collect();
        match self {
            // A few rows of a block must not keep all its texts in memory.
            Self::Texts(texts) => Self::Texts(rows.iter().map(|&row| texts.get(row)).collect()),
            Self::Numbers(values) => Self::Numbers(rows.iter().map(|&row| values[row]).collect()),
            Self::Times { values, zoned } => Self::Times { values: pick(values), zoned: *zoned },
            Self::Parsed(Parsed::Numbers(values)) => {
                Self::Parsed(Parsed::Numbers(rows.iter().map(|&row| values[row]).collect()))
            }
            Self::Parsed(Parsed::Times(times)) => Self::Parsed(Parsed::Times(times.take(rows))),
            Self::Parsed(other) => Self::Parsed(other.clone()),
        }
    }

    /// The rows of later parts below these, each with how many rows are above it.
    fn stack(mut self, below: Vec<(usize, Self)>) -> Self {
        if below.is_empty() {
            return self;
        }
        let is_text = |raw: &Self| matches!(raw, Self::Texts(_));
        if is_text(&self) && below.iter().all(|(_, raw)| is_text(raw)) {
            let mut texts = Texts::default();
            for raw in std::iter::once(&self).chain(below.iter().map(|(_, raw)| raw)) {
                if let Self::Texts(more) = raw {
                    texts.append_dictionary(more);
                }
            }
            return Self::Texts(texts.finish());
        }
        for (rows, raw) in below {
            self.append(raw, rows);
        }
        self
    }

    /// The rows of a later part below the `rows` of these.
    fn append(&mut self, other: Self, rows: usize) {
        *self = match (std::mem::replace(self, Self::Parsed(Parsed::Mixed)), other) {
            (Self::Numbers(mut values), Self::Numbers(more)) => {
                values.extend(more);
                Self::Numbers(values)
            }
            (Self::Times { mut values, zoned }, Self::Times { values: more, zoned: also })
                if zoned == also =>
            {
                values.extend(more);
                Self::Times { values, zoned }
            }
            (Self::Parsed(parsed), Self::Parsed(more)) => Self::Parsed(parsed.and(more, rows)),
            // What of a cell was let go can't be put beside what was kept.
            (bad @ Self::Parsed(Parsed::Bad(..)), _) => bad,
            (Self::Parsed(_), _) | (_, Self::Parsed(_)) => Self::Parsed(Parsed::Mixed),
            (first, other) => {
                let mut texts = Texts::default();
                texts.append_dictionary(&first.to_texts());
                texts.append_dictionary(&other.to_texts());
                Self::Texts(texts.finish())
            }
        }
    }
}

impl Parsed {
    fn and(self, more: Self, rows: usize) -> Self {
        match (self, more) {
            (bad @ Self::Bad(..), _) => bad,
            (_, Self::Bad(kind, bad)) => Self::Bad(kind, BadCell { row: bad.row + rows, ..bad }),
            (Self::Numbers(mut values), Self::Numbers(more)) => {
                values.extend(more);
                Self::Numbers(values)
            }
            (Self::Times(mut times), Self::Times(more)) => {
                times.append(&more);
                Self::Times(times)
            }
            _ => Self::Mixed,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawColumn {
    pub name: String,
    pub raw: Raw,
    /// The file itself says that these are texts, so digits in them are no numbers.
    pub text: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RawTable {
    pub columns: Vec<RawColumn>,
    pub rows: usize,
    /// The decimal sign that the cells use.
    pub decimal: Option<char>,
}

impl RawTable {
    pub(crate) fn column(&self, name: &str) -> Option<&RawColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// These rows alone.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        let column = |column: &RawColumn| RawColumn {
            name: column.name.clone(),
            raw: column.raw.take(rows),
            text: column.text,
        };
        let columns = self.columns.iter().map(column).collect();
        Self { columns, rows: rows.len(), decimal: self.decimal }
    }

    /// The columns whose texts have to be read again.
    pub(crate) fn mixed(&self) -> Vec<String> {
        let mixed = self.columns.iter().filter(|column| column.raw == Raw::Parsed(Parsed::Mixed));
        mixed.map(|column| column.name.clone()).collect()
    }

    /// The columns of another reading of the same rows in place of those of their names.
    pub(crate) fn replace(&mut self, columns: Vec<RawColumn>) {
        for again in columns {
            if let Some(column) = self.columns.iter_mut().find(|column| column.name == again.name) {
                *column = again;
            }
        }
    }

    /// The rows of all of these, in order; they have the same columns, each in an order of its own.
    pub(crate) fn stack(parts: Vec<Self>) -> Result<Self, Unlike> {
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Ok(Self::default()) };
        let Self { columns, mut rows, mut decimal } = first;
        let mut columns: Vec<(RawColumn, Vec<(usize, Raw)>)> =
            columns.into_iter().map(|column| (column, Vec::new())).collect();
        for (at, mut part) in parts.enumerate() {
            let unlike = |column: &str, in_later| {
                Err(Unlike { part: at + 1, column: column.to_owned(), in_later })
            };
            for (column, below) in &mut columns {
                let Some(at) = part.columns.iter().position(|more| more.name == column.name) else {
                    return unlike(&column.name, false);
                };
                let more = part.columns.swap_remove(at);
                column.text &= more.text;
                below.push((rows, more.raw));
            }
            if let Some(extra) = part.columns.first() {
                return unlike(&extra.name, true);
            }
            rows += part.rows;
            decimal = decimal.or(part.decimal);
        }
        let columns = columns
            .into_par_iter()
            .map(|(column, below)| RawColumn { raw: column.raw.stack(below), ..column })
            .collect();
        Ok(Self { columns, rows, decimal })
    }
}

/// A column that only one of two parts has.
#[derive(Debug)]
pub(crate) struct Unlike {
    /// The later of the two; the other is the first of all.
    pub part: usize,
    pub column: String,
    /// The later part has it and the first has not.
    pub in_later: bool,
}
