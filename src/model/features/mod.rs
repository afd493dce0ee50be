//! Fitted preprocessing: from the columns of a table to what a net reads.
//!
//! Fitted on training rows only and stored with the model; training and scoring run the same code.
//! Numbers, and the calendar parts of times, become dense values; names become codes.

mod calendar;
mod fit;
mod inputs;
mod level;
mod number;

use serde::{Deserialize, Serialize};

pub(crate) use calendar::CalendarPart;
pub(crate) use fit::NumberStyle;
pub(crate) use inputs::Inputs;
pub(crate) use level::LevelEncoder;
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

    /// The dense values of these rows, row-major.
    pub(crate) fn dense(&self, inputs: &Inputs, rows: impl Iterator<Item = usize>) -> Vec<f32> {
        let mut dense = Vec::with_capacity(rows.size_hint().0 * self.dense_width());
        for row in rows {
            for (number, &value) in self.numbers.iter().zip(inputs.numbers(row)) {
                number.encoder.encode(value, &mut dense);
            }
        }
        dense
    }
}
