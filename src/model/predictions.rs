//! What a model answers, one type a task.

/// Class probabilities of a table's rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probabilities {
    /// The classes as the training data writes them, in the model's order.
    pub classes: Vec<String>,
    /// Row-major `[rows, classes]`; each row sums to one.
    pub values: Vec<f64>,
}

impl Probabilities {
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        let width = self.classes.len();
        &self.values[row * width..(row + 1) * width]
    }

    /// The most probable class of a row; of equals the first.
    pub(crate) fn top(&self, row: usize) -> usize {
        let row = self.row(row);
        row.iter().enumerate().fold(0, |best, (class, p)| if *p > row[best] { class } else { best })
    }
}

/// Forecasts of several series from several cutoffs, in columns of equal length.
///
/// Ordered by cutoff, then series, then step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Forecasts {
    /// The series of each forecast, as an index into the set it was made from.
    pub series: Vec<usize>,
    /// The time index (see `data::series`) of the first forecast step.
    pub cutoff: Vec<i64>,
    /// From 0: the forecast time index is `cutoff + step`.
    pub step: Vec<usize>,
    /// The point forecast, in the unit of the target.
    pub point: Vec<f64>,
    /// The quantile levels, rising, in (0, 1); empty where the model gives none.
    pub levels: Vec<f64>,
    /// One column a level, not crossing.
    pub quantiles: Vec<Vec<f64>>,
}
