//! Columns as a file holds them, before anybody decided what they are.

use std::fmt::Write as _;

/// The texts of one column in one allocation: a cell costs its bytes and one offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cells {
    bytes: String,
    ends: Vec<usize>,
}

impl Cells {
    pub(crate) fn push(&mut self, cell: &str) {
        self.bytes.push_str(cell);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn push_display(&mut self, cell: impl std::fmt::Display) {
        let _ = write!(self.bytes, "{cell}");
        self.ends.push(self.bytes.len());
    }

    /// Empty cells up to this many rows.
    pub(crate) fn pad(&mut self, rows: usize) {
        self.ends.resize(rows.max(self.ends.len()), self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }

    fn append(&mut self, other: &Self) {
        let offset = self.bytes.len();
        self.bytes.push_str(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| end + offset));
    }
}

/// A column's cells in the type that its file has for them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    Cells(Cells),
    /// Missing is NaN.
    Numbers(Vec<f64>),
    /// Microseconds since 1970; missing is [`super::table::MISSING_TIME`].
    Times {
        values: Vec<i64>,
        zoned: bool,
    },
}

impl Raw {
    /// The same cells as texts, for a column that files write differently.
    pub(crate) fn to_cells(&self) -> Cells {
        let mut cells = Cells::default();
        match self {
            Self::Cells(same) => return same.clone(),
            Self::Numbers(values) => {
                for value in values {
                    if value.is_nan() {
                        cells.push("");
                    } else {
                        cells.push_display(value);
                    }
                }
            }
            Self::Times { values, .. } => {
                for &value in values {
                    cells.push(&super::time::iso(value, 0));
                }
            }
        }
        cells
    }

    fn append(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Cells(cells), Self::Cells(more)) => cells.append(&more),
            (Self::Numbers(values), Self::Numbers(more)) => values.extend(more),
            (Self::Times { values, zoned }, Self::Times { values: more, zoned: also })
                if *zoned == also =>
            {
                values.extend(more);
            }
            (first, other) => {
                let mut cells = first.to_cells();
                cells.append(&other.to_cells());
                *first = Self::Cells(cells);
            }
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

    /// The rows of another file below these; answers the name of a column that one of them lacks.
    pub(crate) fn append(&mut self, mut other: Self) -> Result<(), Unlike> {
        for column in &mut self.columns {
            let Some(at) = other.columns.iter().position(|more| more.name == column.name) else {
                return Err(Unlike { column: column.name.clone(), in_later: false });
            };
            let more = other.columns.swap_remove(at);
            column.text &= more.text;
            column.raw.append(more.raw);
        }
        if let Some(extra) = other.columns.first() {
            return Err(Unlike { column: extra.name.clone(), in_later: true });
        }
        self.rows += other.rows;
        self.decimal = self.decimal.or(other.decimal);
        Ok(())
    }
}

/// A column that only one of two files has.
#[derive(Debug)]
pub(crate) struct Unlike {
    pub column: String,
    /// The later file has it and the earlier ones have not.
    pub in_later: bool,
}
