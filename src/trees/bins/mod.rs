//! A feature's values as numbers of bins, one byte each, by which trees decide.
//!
//! Bin 0 holds what is missing; values begin at bin 1. Bins are fitted on training rows and are part of the model.

use crate::error::{Error, Result};

mod categories;
mod numbers;

/// The code of a missing category.
pub(crate) const MISSING: u32 = u32::MAX;

/// The bin of what is missing, and of categories that were not seen or too seldom.
pub(crate) const MISSING_BIN: u8 = 0;

/// One feature's values; the columns of a table are equally long.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    /// Missing is NaN.
    Numbers(&'a [f64]),
    /// Codes of categories; missing is [`MISSING`].
    Codes(&'a [u32]),
}

/// The bins of one feature.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bins {
    /// Between neighbouring bins the largest value of the lower one, ascending.
    Numbers(Vec<f64>),
    /// The codes that have a bin, ascending.
    Codes(Vec<u32>),
}

impl Column<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Codes(codes) => codes.len(),
        }
    }

    /// The same column, of the rows `from..to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        match self {
            Self::Numbers(values) => Column::Numbers(&values[from..to]),
            Self::Codes(codes) => Column::Codes(&codes[from..to]),
        }
    }
}

impl Bins {
    /// Bins for a column of training rows, of which `sample` are looked at (all if `None`).
    pub(crate) fn fit(
        column: Column<'_>,
        sample: Option<&[u32]>,
        most: usize,
        min_rows: usize,
    ) -> Self {
        fn pick<T: Copy>(values: &[T], sample: Option<&[u32]>) -> Vec<T> {
            match sample {
                Some(rows) => rows.iter().map(|&row| values[row as usize]).collect(),
                None => values.to_vec(),
            }
        }
        match column {
            Column::Numbers(values) => {
                Self::Numbers(numbers::edges(pick(values, sample), most, min_rows))
            }
            Column::Codes(codes) => {
                Self::Codes(categories::kept(pick(codes, sample), most, min_rows))
            }
        }
    }

    /// How many there are, the bin of the missing included; at most 256.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Numbers(edges) => edges.len() + 2,
            Self::Codes(codes) => codes.len() + 1,
        }
    }

    pub(crate) fn are_categories(&self) -> bool {
        matches!(self, Self::Codes(_))
    }

    /// Whether edges or codes ascend and no bin's number overflows a byte.
    pub(super) fn are_in_order(&self) -> bool {
        let ascend = match self {
            // Also alone, no edge is NaN.
            Self::Numbers(edges) => {
                edges.is_sorted_by(|a, b| a < b) && !edges.iter().any(|edge| edge.is_nan())
            }
            Self::Codes(codes) => codes.is_sorted_by(|a, b| a < b),
        };
        ascend && self.count() <= 256
    }

    /// Tell `put` the bin of every value, in the column's order.
    pub(crate) fn encode(&self, column: Column<'_>, mut put: impl FnMut(usize, u8)) -> Result<()> {
        match (self, column) {
            (Self::Numbers(edges), Column::Numbers(values)) => {
                for (row, &value) in values.iter().enumerate() {
                    put(row, numbers::bin(edges, value));
                }
            }
            (Self::Codes(kept), Column::Codes(codes)) => {
                for (row, &code) in codes.iter().enumerate() {
                    put(row, categories::bin(kept, code));
                }
            }
            (Self::Numbers(_), Column::Codes(_)) => {
                return Err(Error::user("a column that was numeric in training holds categories"));
            }
            (Self::Codes(_), Column::Numbers(_)) => {
                return Err(Error::user("a column of categories in training holds numbers"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_the_other_kind_is_refused() {
        let bins = Bins::fit(Column::Codes(&[1, 1, 1, 2, 2, 2]), None, 255, 3);
        assert_eq!(bins, Bins::Codes(vec![1, 2]));
        assert!(bins.encode(Column::Numbers(&[1.0]), |_, _| ()).is_err());
        let mut seen = Vec::new();
        bins.encode(Column::Codes(&[2, MISSING, 1]), |row, bin| seen.push((row, bin))).unwrap();
        assert_eq!(seen, [(0, 2), (1, 0), (2, 1)]);
    }
}
