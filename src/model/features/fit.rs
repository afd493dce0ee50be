//! Features from training rows.

use super::inputs::raw_numbers;
use super::{CalendarPart, Features, LevelEncoder, LevelFeature, NumberEncoder, NumberFeature};
use crate::data::{ColumnKind, Table, Values};
use crate::error::{Error, Result};

/// Knots of a quantile-to-normal map.
const KNOTS: usize = 256;

/// Which encoding numbers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberStyle {
    /// Positions among at most this many bins, half of whose edges are quantiles of the rows and
    /// half of the distinct values.
    Bins(usize),
    /// Positions among at most this many bins, whose edges tell the classes apart best.
    TargetBins(usize),
    /// Quantiles of the normal distribution.
    Normal,
    /// Scaled by median and quartiles, and smoothly clipped.
    Robust,
}

/// The class of each training row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Classes<'a> {
    pub labels: &'a [usize],
    pub count: usize,
}

impl Features {
    /// From the training rows alone. `names` are the columns to learn from; bins that tell classes apart
    /// without any are an error.
    pub(crate) fn fit(
        table: &Table,
        names: &[String],
        style: NumberStyle,
        classes: Option<Classes<'_>>,
    ) -> Result<Self> {
        let columns = table.columns.iter().filter(|column| names.contains(&column.name));
        if matches!(style, NumberStyle::TargetBins(_)) && classes.is_none() {
            return Err(Error::user("there are no classes for `model.numbers = \"target\"`")
                .hint("the task has grades: take `piecewise` or `quantile`"));
        }
        let encoder = |values: &[f32]| match (style, classes) {
            (NumberStyle::Bins(bins), _) | (NumberStyle::TargetBins(bins), None) => {
                NumberEncoder::quantile_bins(values, bins)
            }
            (NumberStyle::TargetBins(bins), Some(classes)) => {
                NumberEncoder::target_bins(values, classes, bins)
            }
            (NumberStyle::Normal, _) => NumberEncoder::normal(values, KNOTS),
            (NumberStyle::Robust, _) => NumberEncoder::robust(values),
        };

        let mut features = Self { numbers: vec![], levels: vec![] };
        for column in columns {
            let parts = match &column.values {
                Values::Numbers(_) => vec![None],
                Values::Times(_) => CalendarPart::ALL.into_iter().map(Some).collect(),
                Values::Texts(texts) => {
                    features.levels.push(LevelFeature {
                        column: column.name.clone(),
                        encoder: LevelEncoder::fit(texts, column.kind == ColumnKind::Boolean),
                    });
                    continue;
                }
            };
            for part in parts {
                let values: Vec<f32> = raw_numbers(column, part, 0..table.rows)
                    .expect("the parts were chosen by the column's values")
                    .collect();
                let feature =
                    NumberFeature { column: column.name.clone(), part, encoder: encoder(&values) };
                features.numbers.push(feature);
            }
        }
        if features.numbers.is_empty() && features.levels.is_empty() {
            return Err(Error::user("the training data has no column to learn from")
                .hint("columns of text and ids are left out: say under [columns] what they are"));
        }
        Ok(features)
    }
}
