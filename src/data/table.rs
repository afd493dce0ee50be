//! Columns in memory: numbers, dictionary-encoded texts, and times, with their rows' origin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::texts::{Levels, Texts};
use super::{ColumnKind, time};
use crate::error::{Error, Result, closest};

/// The code of a missing text in a [`Dictionary`].
pub(crate) const MISSING: u32 = u32::MAX;

/// The value of a missing time in [`Values::Times`].
pub(crate) const MISSING_TIME: i64 = i64::MIN;

/// Texts as codes into their distinct levels, in order of first appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dictionary {
    /// One code a row; [`MISSING`] where the cell is empty.
    pub codes: Vec<u32>,
    pub levels: Levels,
}

impl Dictionary {
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        self.levels.get(self.codes[row] as usize)
    }
}

impl<S: AsRef<str>> FromIterator<Option<S>> for Dictionary {
    fn from_iter<I: IntoIterator<Item = Option<S>>>(cells: I) -> Self {
        let mut texts = Texts::default();
        for cell in cells {
            match cell {
                Some(cell) => texts.push(cell.as_ref()),
                None => texts.push_missing(),
            }
        }
        texts.finish()
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

    pub(crate) fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Numbers(values) => !values[row].is_finite(),
            Self::Texts(texts) => texts.get(row).is_none(),
            Self::Times(values) => values[row] == MISSING_TIME,
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
    /// forecasts are written the same way, on the clock of `data.timezone`.
    pub time_formats: BTreeMap<String, String>,
    /// What that clock is ahead of UTC, in seconds.
    pub offset_seconds: i32,
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

    pub(crate) fn kinds(&self) -> BTreeMap<String, ColumnKind> {
        self.columns.iter().map(|column| (column.name.clone(), column.kind)).collect()
    }

    /// A column that must be there; the error names the file and a name that is close.
    pub(crate) fn require(&self, name: &str) -> Result<&Column> {
        self.column(name).ok_or_else(|| {
            let names = self.columns.iter().map(|column| column.name.as_str());
            no_column(&self.origin.file(), name, names)
        })
    }

    /// The named rows, in the order given; a row may be named twice.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        self.pick(rows, |_| true)
    }

    /// The named rows of the columns to keep.
    pub(crate) fn pick(&self, rows: &[usize], keep: impl Fn(&Column) -> bool) -> Self {
        let columns = self
            .columns
            .iter()
            .filter(|column| keep(column))
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

    /// The rows of a table that was cut from the same one, below these.
    pub(crate) fn stack(&self, below: &Self) -> Result<Self> {
        let fits = self.origin.files == below.origin.files
            && self.columns.len() == below.columns.len()
            && self.columns.iter().zip(&below.columns).all(|(one, other)| one.name == other.name);
        let (true, Some(above), Some(under)) = (fits, &self.origin.picked, &below.origin.picked)
        else {
            return Err(Error::bug("tables are stacked that were not cut from one"));
        };
        let columns = self.columns.iter().zip(&below.columns);
        let columns = columns
            .map(|(one, other)| {
                let values = stack(&one.values, &other.values)?;
                Ok(Column { name: one.name.clone(), kind: one.kind, values })
            })
            .collect::<Result<_>>()?;
        let origin = Origin { picked: Some([&above[..], under].concat()), ..self.origin.clone() };
        Ok(Self { columns, rows: self.rows + below.rows, origin })
    }

    /// `train.csv row 10417`: the data rows of each file count from 1, the header left out.
    pub(crate) fn describe_row(&self, row: usize) -> String {
        self.origin.describe(row)
    }
}

/// `FILE has no column `NAME``, with the closest there is.
pub(super) fn no_column<'a>(
    file: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Error {
    const SHOWN: usize = 12;
    let error = Error::user(format!("{file} has no column `{name}`"));
    if let Some(near) = closest(name, names.clone()) {
        return error.hint(format!("did you mean `{near}`?"));
    }
    let mut list: Vec<&str> = names.take(SHOWN + 1).collect();
    if list.len() > SHOWN {
        list[SHOWN] = "…";
    }
    error.hint(format!("its columns are: {}", list.join(", ")))
}

impl Origin {
    /// A time of a column as the files write it.
    pub(crate) fn time_text(&self, column: &str, micros: i64) -> String {
        match self.time_formats.get(column) {
            Some(pattern) => time::write(micros, pattern, self.offset_seconds),
            None if micros == MISSING_TIME => String::new(),
            None => time::iso(micros, self.offset_seconds),
        }
    }

    /// The file, or the first of several.
    pub(crate) fn file(&self) -> String {
        self.files
            .first()
            .map_or_else(|| "the table".to_owned(), |(file, _)| file.display().to_string())
    }

    /// As [`Table::describe_row`].
    pub(crate) fn describe(&self, row: usize) -> String {
        let mut row = self.picked.as_ref().map_or(row, |picked| picked[row]);
        for (file, rows) in &self.files {
            if row < *rows {
                return format!("{} row {}", file.display(), row + 1);
            }
            row -= rows;
        }
        format!("row {}", row + 1)
    }
}

fn stack(above: &Values, below: &Values) -> Result<Values> {
    Ok(match (above, below) {
        (Values::Numbers(above), Values::Numbers(below)) => {
            Values::Numbers([&above[..], below].concat())
        }
        (Values::Times(above), Values::Times(below)) => Values::Times([&above[..], below].concat()),
        (Values::Texts(above), Values::Texts(below)) if above.levels == below.levels => {
            Values::Texts(Dictionary {
                codes: [&above.codes[..], &below.codes].concat(),
                levels: above.levels.clone(),
            })
        }
        _ => return Err(Error::bug("columns are stacked that were not cut from one")),
    })
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
