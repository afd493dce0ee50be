//! Fitted preprocessing: from the columns of a table to what a net reads.
//!
//! Fitted on training rows only and stored with the model; training and scoring run the same code.
//! Numbers, and the calendar parts of times, become dense values; names become codes.

mod calendar;
mod fit;
mod inputs;
mod level;
mod number;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) use calendar::CalendarPart;
pub(crate) use fit::NumberStyle;
pub(crate) use inputs::Inputs;
pub(crate) use level::{LevelEncoder, MISSING_CODE};
pub(crate) use number::NumberEncoder;

/// The fitted features of a model, in the order of the training file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Features {
    pub numbers: Vec<NumberFeature>,
    pub levels: Vec<LevelFeature>,
}

/// A number that is read from a column, or from a part of its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NumberFeature {
    pub column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<CalendarPart>,
    pub encoder: NumberEncoder,
}

/// A column of names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LevelFeature {
    pub column: String,
    pub encoder: LevelEncoder,
}

impl Features {
    /// How many dense values a row has.
    pub(crate) fn dense_width(&self) -> usize {
        self.numbers.iter().map(|number| number.encoder.width()).sum()
    }

    /// The dense values of these rows, row-major; on all cores.
    pub(crate) fn dense(&self, inputs: &Inputs, rows: &[usize]) -> Vec<f32> {
        /// Rows that one core takes at once.
        const ROWS: usize = 64;
        let widths: Vec<usize> = self.numbers.iter().map(|number| number.encoder.width()).collect();
        let width: usize = widths.iter().sum();
        if width == 0 {
            return vec![];
        }
        let mut dense = vec![0.0; rows.len() * width];
        dense.par_chunks_mut(ROWS * width).zip(rows.par_chunks(ROWS)).for_each(|(dense, rows)| {
            for (mut dense, &row) in dense.chunks_exact_mut(width).zip(rows) {
                let numbers = self.numbers.iter().zip(&widths).zip(inputs.numbers(row));
                for ((number, &width), &value) in numbers {
                    let (own, rest) = dense.split_at_mut(width);
                    number.encoder.encode(value, own);
                    dense = rest;
                }
            }
        });
        dense
    }
}
