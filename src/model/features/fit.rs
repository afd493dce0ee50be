//! Features from training rows.

use super::inputs::raw_numbers;
use super::{CalendarPart, Features, LevelEncoder, LevelFeature, NumberEncoder, NumberFeature};
use crate::data::{ColumnKind, Table, Values};
use crate::error::{Error, Result};

/// How many dense values the numbers of a row may become together, before bins get fewer.
const DENSE_BUDGET: usize = 2048;
/// Knots of a quantile-to-normal map.
const KNOTS: usize = 256;

/// Which encoding numbers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberStyle {
    /// Piecewise-linear with at most this many bins.
    Piecewise {
        bins: usize,
    },
    Normal,
}

impl Features {
    /// From the training rows alone. `names` are the columns to learn from.
    pub(crate) fn fit(table: &Table, names: &[String], style: NumberStyle) -> Result<Self> {
        let columns: Vec<_> =
            table.columns.iter().filter(|column| names.contains(&column.name)).collect();
        let numeric = columns
            .iter()
            .map(|column| match column.values {
                Values::Numbers(_) => 1,
                Values::Times(_) => CalendarPart::ALL.len(),
                Values::Texts(_) => 0,
            })
            .sum::<usize>();
        let encoder = |values: &[f32]| match style {
            NumberStyle::Piecewise { bins } => {
                NumberEncoder::piecewise(values, bins.min((DENSE_BUDGET / numeric.max(1)).max(4)))
            }
            NumberStyle::Normal => NumberEncoder::normal(values, KNOTS),
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
                let values = raw_numbers(column, part, 0..table.rows)
                    .expect("the parts were chosen by the column's values");
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
