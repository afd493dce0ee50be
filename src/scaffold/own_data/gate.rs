//! The gate that a new project begins with: its first model has to be better than guessing.

use std::collections::BTreeMap;

use super::{levels, numbers};
use crate::data::{Column, Table, Values};
use crate::error::{Error, Result};
use crate::scaffold::GateContext;

/// Better than guessing: ranked better than by chance, or right more often than always
/// answering the largest class.
pub(super) fn class_gate(target: &Column, rows: usize) -> Result<GateContext> {
    let classes = levels(target);
    let labelled: usize = classes.values().sum();
    match classes.len() {
        0 => return Err(Error::user(format!("the column `{}` is empty", target.name))),
        1 => {
            let only = classes.keys().next().map_or("", String::as_str);
            return Err(Error::user(format!(
                "every row of `{}` says `{only}`: there is nothing to tell apart",
                target.name
            )));
        }
        2 => {
            return Ok(GateContext {
                metric: "auc",
                bound: "min",
                floor: 0.5,
                why: "what guessing reaches; raise it to what you need".into(),
            });
        }
        many if many > 200 && many * 10 > rows => {
            return Err(Error::user(format!(
                "`{}` has {many} different values in {rows} rows: that is no class",
                target.name
            ))
            .hint("classification predicts one of a few classes; to forecast a number over time give `--time` and `--horizon`"));
        }
        _ => {}
    }
    let largest = classes.values().max().copied().unwrap_or(0);
    Ok(GateContext {
        metric: "accuracy",
        bound: "min",
        floor: (largest as f64 / labelled as f64 * 1000.0).floor() / 1000.0,
        why: "what always answering the largest class reaches; raise it to what you need".into(),
    })
}

/// Closer than each series' own median: a forecast that has learned anything is.
pub(super) fn forecast_gate(series: &[Vec<f64>]) -> Result<GateContext> {
    let (mut error, mut count) = (0.0, 0_usize);
    for values in series {
        let mut sorted: Vec<_> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(median) = sorted.get(sorted.len() / 2) else { continue };
        error += sorted.iter().map(|value| (value - median).abs()).sum::<f64>();
        count += sorted.len();
    }
    if count == 0 {
        return Err(Error::user("there is no number to forecast in the data"));
    }
    Ok(GateContext {
        metric: "mae",
        bound: "max",
        floor: round_up(error / count as f64),
        why: "what always answering a series' median reaches; lower it to what you need".into(),
    })
}

/// Three digits that matter, never below the value.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return value;
    }
    let unit = 10_f64.powf(value.log10().floor() - 2.0);
    let rounded = (value / unit).ceil() * unit;
    // What the multiplication left in the last bits: 0.30000000000000004.
    format!("{rounded:.12}").parse().unwrap_or(rounded)
}

pub(super) fn wide_series(table: &Table, time: &str, left_out: &[String]) -> Vec<Vec<f64>> {
    table
        .columns
        .iter()
        .filter(|column| column.name != time && !left_out.contains(&column.name))
        .filter_map(|column| numbers(column).ok().map(<[f64]>::to_vec))
        .collect()
}

pub(super) fn long_series(table: &Table, values: &[f64], keys: &[String]) -> Vec<Vec<f64>> {
    let keys: Vec<_> = keys.iter().filter_map(|key| table.column(key)).collect();
    let mut series = BTreeMap::<Vec<u64>, Vec<f64>>::new();
    for (row, value) in values.iter().enumerate() {
        let key = keys
            .iter()
            .map(|column| match &column.values {
                Values::Texts(texts) => u64::from(texts.codes[row]),
                Values::Numbers(values) => values[row].to_bits(),
                Values::Times(values) => values[row] as u64,
            })
            .collect();
        series.entry(key).or_default().push(*value);
    }
    series.into_values().collect()
}

/// What a shuffled order reaches on average.
pub(super) fn ranking_gate(query: &Column, relevance: &Column) -> Result<GateContext> {
    const TOP: usize = 5;
    let relevance = numbers(relevance)?;
    let mut queries = BTreeMap::<String, Vec<f64>>::new();
    for (row, grade) in relevance.iter().enumerate() {
        let key = match &query.values {
            Values::Texts(texts) => texts.get(row).unwrap_or_default().to_owned(),
            Values::Numbers(values) => values[row].to_string(),
            Values::Times(values) => values[row].to_string(),
        };
        if !grade.is_nan() {
            queries.entry(key).or_default().push(grade.exp2() - 1.0);
        }
    }
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let (mut sum, mut count) = (0.0, 0);
    for gains in queries.values_mut() {
        gains.sort_by(|a, b| b.total_cmp(a));
        let top = gains.len().min(TOP);
        let best: f64 = (0..top).map(|rank| gains[rank] * discount(rank)).sum();
        if best > 0.0 {
            let mean = gains.iter().sum::<f64>() / gains.len() as f64;
            sum += mean * (0..top).map(discount).sum::<f64>() / best;
            count += 1;
        }
    }
    if count == 0 {
        return Err(Error::user("no query has a relevant row, so there is no order to learn"));
    }
    Ok(GateContext {
        metric: "ndcg@5",
        bound: "min",
        floor: (sum / f64::from(count) * 1000.0).floor() / 1000.0,
        why: "what a shuffled order reaches; raise it to what you need".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numeric, texts};
    use super::*;

    #[test]
    fn gates_ask_for_more_than_guessing() {
        let classes = texts("y", &["a", "a", "b", "c"]);
        assert_eq!(class_gate(&classes, 4).unwrap().floor, 0.5);
        assert!(class_gate(&texts("y", &["a", "a"]), 2).is_err());
        assert_eq!(forecast_gate(&[vec![1.0, 2.0, 6.0], vec![f64::NAN]]).unwrap().floor, 1.67);

        // One relevant row of two: first half of the time.
        let query = texts("q", &["1", "1"]);
        let floor = ranking_gate(&query, &numeric("grade", &[0.0, 1.0])).unwrap().floor;
        let expected = f64::midpoint(1.0, 1.0 / 3_f64.log2());
        assert!((floor - expected).abs() < 1e-3, "{floor}");
    }
}
