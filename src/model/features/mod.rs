//! Fitted preprocessing: from the columns of a table to what a net reads.
//!
//! Fitted on training rows only and stored with the model; training and scoring run the same code.
//! Numbers, and the calendar parts of times, become dense values; names become codes.

mod calendar;
mod encoded;
mod fit;
mod inputs;
mod level;
mod number;
mod target;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::Batch;

pub(crate) use calendar::CalendarPart;
pub(crate) use encoded::EncodedRows;
pub(crate) use fit::{Classes, NumberStyle};
pub(crate) use inputs::{Inputs, Reader};
pub(crate) use level::{LevelEncoder, MISSING_CODE, UNSEEN_CODE};
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

    /// How many bins each number has, where each is read as a position among bins.
    pub(crate) fn bins(&self) -> Option<Vec<usize>> {
        self.numbers.iter().map(|number| number.encoder.bins()).collect()
    }

    /// All rows as a net reads them; on all cores.
    pub(crate) fn encode(&self, inputs: &Inputs) -> EncodedRows {
        /// Rows that one core takes at once.
        const ROWS: usize = 256;
        let widths: Vec<usize> = self.numbers.iter().map(|number| number.encoder.width()).collect();
        let width: usize = widths.iter().sum();
        let mut dense = vec![0.0; inputs.rows * width];
        if width > 0 {
            let encode = |(at, dense): (usize, &mut [f32])| {
                for (row, mut dense) in dense.chunks_exact_mut(width).enumerate() {
                    let values = inputs.numbers(at * ROWS + row);
                    for ((number, &width), &value) in self.numbers.iter().zip(&widths).zip(values) {
                        let (own, rest) = dense.split_at_mut(width);
                        number.encoder.encode(value, own);
                        dense = rest;
                    }
                }
            };
            // To wake other threads takes longer than a few rows do.
            if inputs.rows <= ROWS {
                encode((0, &mut dense));
            } else {
                dense.par_chunks_mut(ROWS * width).enumerate().for_each(encode);
            }
        }
        let rows =
            Batch { rows: inputs.rows, dense, codes: inputs.all_codes().to_vec(), ends: vec![] };
        EncodedRows::new(rows, width, self.levels.len())
    }
}
